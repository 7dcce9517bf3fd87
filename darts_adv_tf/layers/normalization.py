"""Normalization by statistics of the batch, with a gradient that can itself be differentiated.

Legend: N batch of one pass, P passes stacked in the batch, H, W, C channels, E edges.
"""

from collections.abc import Sequence
from functools import cache
from typing import Literal, get_args

import keras
import tensorflow as tf

NormalizationMode = Literal["batch", "sync_batch", "group"]

EPSILON = 1e-5
GROUP_SIZE = 4


@cache
def _constant(value: int | float | tuple[int, ...], dtype: str) -> tf.Tensor:
    """A constant that all nodes of a graph share, where a literal would be a node at each use."""
    with tf.init_scope():
        return tf.constant(value, dtype)


def _standardize(x: tf.Tensor, axes: tuple[int, ...], synchronized: bool) -> tf.Tensor:
    """(x - mean) / sqrt(variance + eps) with hand-written first and second derivatives.

    Let <.> be the mean over `axes`, y the result and s = 1 / sqrt(variance + eps). The gradient
    is the self-adjoint map g -> s (g - <g> - y <g y>). Its own gradient, for a cotangent u, is
    the same map of u towards g, and towards x

        -s^2 [(u - <u>) <g y> + (g - <g>) <u y> + y (<u g> - <u> <g> - 3 <g y> <u y>)].

    Automatic differentiation arrives at the same numbers with several times the graph nodes. The
    third derivative is not defined.

    Args:
        x: Any shape.
        axes: The axes that share statistics.
        synchronized: Whether the replicas of a distribution strategy share them too.

    Returns:
        The shape of `x`.
    """
    dtype = x.dtype.name
    axes = _constant(axes, "int32")

    def mean(tensor: tf.Tensor) -> tf.Tensor:
        local = tf.reduce_mean(tensor, axes, keepdims=True)
        if not synchronized:
            return local
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.MEAN, local)

    @tf.custom_gradient
    def standardize(x):
        centered = x - mean(x)
        scale = tf.math.rsqrt(mean(tf.square(centered)) + _constant(EPSILON, dtype))
        y = centered * scale

        @tf.custom_gradient
        def backward(g, x):
            del x  # enters through y and scale; named so that its gradient has a place
            mean_g, mean_gy = mean(g), mean(g * y)
            centered_g = g - mean_g

            def second_backward(u):
                mean_u, mean_uy = mean(u), mean(u * y)
                centered_u = u - mean_u
                to_g = scale * (centered_u - y * mean_uy)
                product = mean_gy * mean_uy
                along_y = mean(u * g) - mean_u * mean_g - _constant(3.0, dtype) * product
                terms = [centered_u * mean_gy, centered_g * mean_uy, y * along_y]
                return to_g, tf.add_n(terms) * -tf.square(scale)

            return scale * (centered_g - y * mean_gy), second_backward

        return y, lambda g: backward(g, x)

    return standardize(x)


def normalize(
    x: tf.Tensor,
    mode: NormalizationMode,
    num_passes: int,
    num_channels: int,
    shape: Sequence[int] | None = None,
) -> tf.Tensor:
    """Standardizes each channel, or each group of channels, of every operation and pass.

    Args:
        x: (..., P * N, H, W, E * C): results of operations on E edges that stand side by side.
        mode: `batch`: statistics of a channel over the images of one pass, on this replica;
            `sync_batch`: over all replicas; `group`: of four neighbouring channels of one
            operation (all, if they cannot be divided so) within one image, independent of the
            batch.
        num_passes: P.
        num_channels: C of one operation, which groups do not cross.
        shape: The shape of `x`, where it comes with some of its axes merged.

    Returns:
        `shape`.

    Raises:
        ValueError: If there is no such mode, or the passes are not equally long.
    """
    shape = x.shape if shape is None else shape
    *operations, batch, height, width, channels = shape
    if mode not in get_args(NormalizationMode) or batch % num_passes:
        raise ValueError(
            f"Normalization is one of {get_args(NormalizationMode)}, over passes of equal length. "
            f"Received: mode={mode!r}, num_passes={num_passes} for a batch of {batch}"
        )
    if mode == "group":
        size = GROUP_SIZE if num_channels % GROUP_SIZE == 0 else num_channels
        grouped = [*operations, batch, height * width, channels // size, size]
        axes = (-3, -1)
    else:
        pixels = batch // num_passes * height * width
        grouped = [*operations, num_passes, pixels, channels]
        axes = (-2,)
    y = _standardize(tf.reshape(x, grouped), axes, synchronized=mode == "sync_batch")
    return tf.reshape(y, shape)


class Normalization(keras.layers.Layer):
    """Normalization of one tensor of images, by default with a learned scale and offset.

    It keeps no moving statistics: the discriminator is never used outside training.

    Args:
        mode: See `normalize`.
        affine: Whether a scale and an offset are learned.

    Shapes:
        (P * N, H, W, C) -> the same.
    """

    def __init__(self, mode: NormalizationMode = "batch", affine: bool = True, **kwargs):
        super().__init__(**kwargs)
        self.mode = mode
        self.affine = affine

    def build(self, input_shape):
        channels = (input_shape[-1],)
        self.scale = self.offset = None
        if self.affine:
            self.scale = self.add_weight(shape=channels, initializer="ones", name="scale")
            self.offset = self.add_weight(shape=channels, initializer="zeros", name="offset")

    def call(self, x, num_passes: int = 1):
        y = normalize(x, self.mode, num_passes, x.shape[-1])
        if self.affine:
            y = y * self.scale + self.offset
        return y

    def get_config(self):
        return super().get_config() | {"mode": self.mode, "affine": self.affine}
