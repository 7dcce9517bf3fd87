"""A graph whose nodes do not carry the Python stack that made them."""

import contextlib
import sys
import traceback
from typing import Any

from darts_adv_tf.tf_graph.private_interfaces import STACK_TRACES


def without_stack_traces() -> contextlib.AbstractContextManager:
    """A context in which nodes are traced without the stack that TensorFlow keeps for each.

    Some forty frames a node, which its runtime copies as text: 159 MB in a search step.
    They would show in the message of an error inside a step, which names the node all the same.
    TensorFlow's own means to leave files out of stacks is private; without it a warning says so,
    and the stacks stay.

    As every context of TensorFlow's it holds for one thread, and for one use.
    """
    tf_stack = STACK_TRACES.load()
    if tf_stack is None:
        return contextlib.nullcontext()
    modules = list(sys.modules.values())
    # What runs by `python -c`, in a notebook or in a process of a test runner is no module's file.
    callers = (frame.f_code.co_filename for frame, _ in traceback.walk_stack(None))
    files = frozenset(
        filter(None, (*(getattr(module, "__file__", None) for module in modules), *callers))
    )

    stack_trace_filter: Any = tf_stack.StackTraceFilter

    class AllFiles(stack_trace_filter):
        def get_filtered_filenames(self) -> frozenset[str]:
            return files

    return AllFiles()
