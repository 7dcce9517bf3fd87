"""A graph whose nodes do not carry the Python stack that made them."""

import sys

from tensorflow.python.util import tf_stack


class WithoutStackTraces(tf_stack.StackTraceFilter):
    """Within this context, nodes are traced without the stack that TensorFlow keeps for each.

    Some forty frames a node, which its runtime copies as text: 159 MB in a search step.
    They would show in the message of an error inside a step, which names the node all the same.
    (TensorFlow's own means to leave files out of stacks, not of its public interface.)

    As every context of TensorFlow's it holds for one thread, and for one use.
    """

    def __init__(self):
        super().__init__()
        modules = list(sys.modules.values())
        self._files = frozenset(filter(None, (getattr(m, "__file__", None) for m in modules)))

    def get_filtered_filenames(self):
        return self._files
