"""Few nodes in a graph: constants that are shared, and derivatives without nodes of their own."""

from collections.abc import Callable, Sequence
from functools import cache

import tensorflow as tf

from darts_adv_tf.tf_graph.private_interfaces import TAPE_RECORDS

Tensors = Sequence[tf.Tensor]
Backward = Callable[..., Sequence]


@cache
def constant(value: int | float | tuple[int, ...], dtype: str) -> tf.Tensor:
    """A constant that all nodes of a graph share, where a literal would be a node at each use."""
    with tf.init_scope():
        return tf.constant(value, dtype)


def recorded(function: Callable[..., tuple[Tensors, Backward]], inputs: Tensors) -> Tensors:
    """Calls a function that brings its own gradient, the only one that tapes will learn of.

    What `tf.custom_gradient` does, by the call that it makes for it in turn, which is private. In
    a graph the public one surrounds every call by nodes of its own, some sixteen for a mixed
    operation: 7,000 of a search step's 18,600 were those. It stands in where the private one is
    missing.

    Args:
        function: Of the inputs, to a list of tensors and to a function of the gradients of these,
            to one gradient an input, or None. What the latter uses of the former's intermediate
            results is a constant to tapes; to be differentiated by them, it is itself recorded.
        inputs: Tensors.
    """
    record = TAPE_RECORDS.load()
    if record is None:
        return tf.custom_gradient(function)(*inputs)
    with record.stop_recording():
        results, backward = function(*inputs)
    record.record_operation("recorded", results, list(inputs), backward)
    return results


def split(x: tf.Tensor, sizes: Sequence[int | tf.Tensor], axis: int) -> Tensors:
    """The parts of a tensor along an axis.

    The gradient of TensorFlow's own split, differentiated once more, looks at the gradients of
    the parts to learn how long they are, and has them computed for no more than that.
    """

    def parts(x):
        if all(isinstance(size, int) and size == sizes[0] for size in sizes):
            parts = tf.split(x, len(sizes), axis=constant(axis, "int32"))
        else:
            # A number: by a tensor as axis the last one is inferred to be split.
            parts = tf.split(x, tf.stack(sizes), axis=axis, num=len(sizes))
        return parts, lambda *gradients: [_join(gradients, sizes, axis)]

    return recorded(parts, [x])


def join(parts: Tensors, axis: int) -> tf.Tensor:
    """The way back: a concatenation, whose gradient is `split`."""
    return _join(parts, [part.shape[axis] for part in parts], axis)


def _join(parts, sizes, axis):
    def whole(*parts):
        x = tf.concat(parts, constant(axis, "int32"))
        return [x], lambda gradient: split(gradient, sizes, axis)

    (x,) = recorded(whole, parts)
    return x
