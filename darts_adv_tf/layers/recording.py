"""Few nodes in a graph: constants that are shared, and derivatives without nodes of their own."""

from collections.abc import Callable, Sequence
from functools import cache

import tensorflow as tf
from tensorflow.python.eager import record

Tensors = Sequence[tf.Tensor]


@cache
def constant(value: int | float | tuple[int, ...], dtype: str) -> tf.Tensor:
    """A constant that all nodes of a graph share, where a literal would be a node at each use."""
    with tf.init_scope():
        return tf.constant(value, dtype)


def recorded(
    function: Callable[..., Tensors], inputs: Tensors, backward: Callable[..., Sequence]
) -> Tensors:
    """Calls a function, of which tapes learn `backward` and nothing else.

    What `tf.custom_gradient` does, by the call that it makes for it in turn (not of TensorFlow's
    public interface). In a graph it surrounds every call by nodes of its own, some sixteen for a
    mixed operation: 7,000 of a search step's 18,600 were those.

    Args:
        function: Of the inputs, to a list of tensors.
        inputs: Tensors.
        backward: Of the gradients of the results, to one gradient an input, or None.
    """
    with record.stop_recording():
        results = function(*inputs)
    record.record_operation("recorded", results, list(inputs), backward)
    return results


def split(x: tf.Tensor, sizes: Sequence[int | tf.Tensor], axis: int) -> list[tf.Tensor]:
    """The parts of a tensor along an axis.

    The gradient of TensorFlow's own split, differentiated once more, looks at the gradients of
    the parts to learn how long they are, and has them computed for no more than that.
    """

    def parts(x):
        if all(isinstance(size, int) and size == sizes[0] for size in sizes):
            return tf.split(x, len(sizes), axis=constant(axis, "int32"))
        return tf.split(x, tf.stack(sizes), axis=constant(axis, "int32"), num=len(sizes))

    return recorded(parts, [x], lambda *gradients: [_join(gradients, sizes, axis)])


def join(parts: Tensors, axis: int) -> tf.Tensor:
    """The way back: a concatenation, whose gradient is `split`."""
    return _join(parts, [part.shape[axis] for part in parts], axis)


def _join(parts, sizes, axis):
    (x,) = recorded(
        lambda *parts: [tf.concat(parts, constant(axis, "int32"))],
        parts,
        lambda gradient: split(gradient, sizes, axis),
    )
    return x
