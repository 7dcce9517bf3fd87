"""Sums whose order does not depend on the moment.

`tf.add_n` adds into the buffer of whichever of its inputs nothing else needs any more, and begins
with that one. Which it is depends, for three inputs and more, on how far other operations have
come: the last bits of a sum change from run to run, the more the busier the machine is, also with
`enable_op_determinism` (TensorFlow 2.21, CPU; `tests/layers/test_ordered_sum.py` shows it). Of two
inputs the order is of no account.
"""

from collections.abc import Sequence

import tensorflow as tf
from tensorflow.python import pywrap_tfe
from tensorflow.python.eager import backprop


def ordered_sum(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """The sum of tensors of one shape, from the first to the last."""
    total, *others = tensors
    for other in others:
        total = tf.add_n([total, other])
    return total


def order_sums() -> None:
    """From now on tapes add up in order the gradients of what is used in several places.

    And TensorFlow no longer makes one sum of several, as its graph optimizer does. For the whole
    process; of the tapes not by TensorFlow's public interface, which has no such means.
    """
    ordered = backprop._default_vspace._replace(aggregate_fn=_aggregate)
    pywrap_tfe.TFE_Py_RegisterVSpace(ordered)
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


def _aggregate(gradients):
    if all(isinstance(gradient, tf.Tensor) for gradient in gradients):
        return ordered_sum(gradients)
    return backprop._aggregate_grads(gradients)  # Of an embedding they are sparse.
