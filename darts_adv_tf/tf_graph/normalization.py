"""Normalization by statistics of the batch, with a gradient that can itself be differentiated.

Legend: N batch, H, W, C channels, E edges.
"""

from typing import Literal, get_args

import keras
import tensorflow as tf

from darts_adv_tf.tf_graph.conv_and_pool import size_of
from darts_adv_tf.tf_graph.custom_gradients import constant, recorded
from darts_adv_tf.tf_graph.ordered_sum import ordered_sum
from darts_adv_tf.tf_graph.replicas import mean_over_replicas

NormalizationMode = Literal["batch", "sync_batch", "group"]

EPSILON = 1e-5
GROUP_SIZE = 4


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
    axes = constant(axes, "int32")

    def mean(tensor: tf.Tensor) -> tf.Tensor:
        return mean_over_replicas(tf.reduce_mean(tensor, axes, keepdims=True), synchronized)

    @tf.custom_gradient
    def standardize(x):
        centered = x - mean(x)
        scale = tf.math.rsqrt(mean(tf.square(centered)) + constant(EPSILON, dtype))
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
                along_y = mean(u * g) - mean_u * mean_g - constant(3.0, dtype) * product
                terms = [centered_u * mean_gy, centered_g * mean_uy, y * along_y]
                return to_g, ordered_sum(terms) * -tf.square(scale)

            return scale * (centered_g - y * mean_gy), second_backward

        return y, lambda g: backward(g, x)

    return standardize(x)


def center(x: tf.Tensor, axes: tuple[int, ...], synchronized: bool = False) -> tf.Tensor:
    """x - mean over `axes`, on this replica or on all; a linear map that is its own gradient."""

    def centered(x):
        mean = tf.reduce_mean(x, constant(axes, "int32"), keepdims=True)
        x = x - mean_over_replicas(mean, synchronized)
        return [x], lambda gradient: [center(gradient, axes, synchronized)]

    return recorded(centered, [x])[0]


def center_for(mode: NormalizationMode, images: tf.Tensor) -> tf.Tensor:
    """What `normalized_product` needs: each channel of (..., N, H, W, C) centered, or as it is."""
    if mode == "group":
        return images
    return center(images, (-4, -3, -2), synchronized=mode == "sync_batch")


def normalize(x: tf.Tensor, mode: NormalizationMode, num_channels: int | tf.Tensor) -> tf.Tensor:
    """Standardizes each channel, or each group of channels, of every operation.

    Args:
        x: (N, H, W, E * C): results of operations on E edges that stand side by side.
        mode: `batch`: statistics of a channel over all images, on this replica; `sync_batch`:
            over all replicas; `group`: of four neighbouring channels of one operation (all, if
            they cannot be divided so) within one image, independent of the batch.
        num_channels: C of one operation, which groups do not cross.

    Returns:
        The shape of `x`.

    Raises:
        ValueError: If there is no such mode.
    """
    check_mode(mode)
    if mode != "group":
        return _standardize(x, (-4, -3, -2), synchronized=mode == "sync_batch")
    _, height, width, channels = size_of(x)
    return standardize_groups(x, height * width, channels, num_channels)


def standardize_groups(
    x: tf.Tensor,
    image_size: int | tf.Tensor,
    channels: int | tf.Tensor,
    num_channels: int | tf.Tensor,
) -> tf.Tensor:
    """The `group` normalization of `normalize`, of pixels of images that lie behind each other.

    Args:
        x: (..., channels), whose rows are the pixels of one image after another.
        image_size: Pixels of one image.
        channels: The size of the last axis.
        num_channels: C of one operation, which groups do not cross.

    Returns:
        The shape of `x`.
    """
    size = _group_size(num_channels)
    groups = tf.reshape(x, [-1, image_size, channels // size, size])
    y = tf.reshape(_standardize(groups, (-3, -1), synchronized=False), tf.shape(x))
    y.set_shape(x.shape)
    return y


def check_mode(mode: str) -> None:
    """Raises ValueError if there is no such normalization."""
    if mode not in get_args(NormalizationMode):
        raise ValueError(
            f"Normalization is one of {get_args(NormalizationMode)}. Received: mode={mode!r}"
        )


def _group_size(num_channels):
    if isinstance(num_channels, int):
        return GROUP_SIZE if num_channels % GROUP_SIZE == 0 else num_channels
    return tf.where(num_channels % GROUP_SIZE == 0, GROUP_SIZE, num_channels)


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class Normalization(keras.layers.Layer):
    """Normalization of one tensor of images, by default with a learned scale and offset.

    It keeps no moving statistics: the discriminator is never used outside training.

    Args:
        mode: See `normalize`.
        affine: Whether a scale and an offset are learned.

    Shapes:
        (N, H, W, C) -> the same.
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

    def call(self, x):
        y = normalize(x, self.mode, x.shape[-1])
        return y * self.scale + self.offset if self.affine else y

    def get_config(self):
        return super().get_config() | {"mode": self.mode, "affine": self.affine}
