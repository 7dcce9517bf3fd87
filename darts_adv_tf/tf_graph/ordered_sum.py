"""Sums whose order does not depend on the moment.

`tf.add_n` adds into the buffer of whichever of its inputs nothing else needs any more, and begins
with that one. Which it is depends, for three inputs and more, on how far other operations have
come: the last bits of a sum change from run to run, the more the busier the machine is, also with
`enable_op_determinism` (TensorFlow 2.21, CPU; `tests/tf_graph/test_ordered_sum.py` shows it). Of
two inputs the order is of no account.
"""

from collections.abc import Sequence

import tensorflow as tf

from darts_adv_tf.tf_graph.private_interfaces import GRADIENT_SUMS, VECTOR_SPACES


def ordered_sum(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """The sum of tensors of one shape, from the first to the last."""
    total, *others = tensors
    for other in others:
        total = tf.add_n([total, other])
    return total


def order_sums() -> None:
    """From now on tapes add up in order the gradients of what is used in several places.

    And TensorFlow no longer makes one sum of several, as its graph optimizer does. For the whole
    process. The tapes' part is private; without it a warning says so, and they add up as they
    please.
    """
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    backprop, runtime = GRADIENT_SUMS.load(), VECTOR_SPACES.load()
    if backprop is None or runtime is None:
        return

    def aggregate(gradients):
        if all(isinstance(gradient, tf.Tensor) for gradient in gradients):
            return ordered_sum(gradients)
        return backprop._aggregate_grads(gradients)  # Of an embedding they are sparse.

    runtime.TFE_Py_RegisterVSpace(backprop._default_vspace._replace(aggregate_fn=aggregate))
