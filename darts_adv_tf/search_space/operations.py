"""The candidate operations of an edge, one layer each, as DARTS (Liu et al., ICLR 2019) has them.

Legend: N batch, H, W, C channels.

These layers are the definition, and what a derived discriminator is made of. A search computes
the same operations for many edges at once: see `MixedOp`.
"""

from collections.abc import Sequence
from typing import Literal

import keras
import tensorflow as tf

from darts_adv_tf.tf_graph.conv_and_pool import (
    average_pool,
    depthwise,
    dilated_depthwise,
    every_second_pixel,
    max_pool,
    size_of,
)
from darts_adv_tf.tf_graph.initializers import convolution_uniform
from darts_adv_tf.tf_graph.normalization import Normalization, NormalizationMode, center_for
from darts_adv_tf.tf_graph.normalized_product import normalized_product
from darts_adv_tf.tf_graph.rematerialization import rematerialized


def normalized_convolution(x, kernel, scale, *, normalization, inlined=True):
    """1x1 convolution of (N, H, W, C') by (C', C), normalization, scale (C,) -> (N, H, W, C)."""
    del inlined  # it always is
    return _normalized_convolution(x, tf.convert_to_tensor(kernel), scale, normalization)


@rematerialized
def relu_convolution(x, kernels, scale, *, normalization):
    """ReLU before a normalized 1x1 convolution."""
    return _normalized_convolution(tf.nn.relu(x), kernels, scale, normalization)


@rematerialized
def factorized_reduce(x, kernels, scale, *, normalization):
    """See `FactorizedReduce`."""
    pixels = every_second_pixel(tf.nn.relu(x))
    return halve(pixels, kernels, scale, size_of(kernels)[-1], normalization)


def halve(
    pixels: tuple[tf.Tensor, tf.Tensor],
    kernel: tf.Tensor,
    weights: tf.Tensor,
    channels: int | tf.Tensor,
    normalization: NormalizationMode,
) -> tf.Tensor:
    """The factorized reductions of E edges side by side, behind their ReLU.

    Args:
        pixels: The even and the odd ones of what all of them read; see `every_second_pixel`.
        kernel: (C', E * C). Of each edge's columns the first half reads the even pixels, the rest
            the odd ones.
        weights: (E * C,).
        channels: C.
        normalization: See `normalize`.

    Returns:
        Of the height and width of `pixels`, (N, H, W, E * C), normalized and weighted.
    """
    reads_even = tf.range(size_of(kernel)[-1]) % channels < channels // 2
    share = tf.cast(reads_even, kernel.dtype)
    kernel = tf.concat([kernel * share, kernel * (1 - share)], axis=0)
    x = tf.concat(pixels, axis=-1)
    return _normalized_convolution(x, kernel, weights, normalization, channels)


def _normalized_convolution(x, kernel, weights, normalization, num_channels=None):
    batch, height, width, channels = size_of(x)
    results = size_of(kernel)[-1]
    x = center_for(normalization, x)
    y = normalized_product(
        tf.reshape(x, [-1, channels]),
        kernel,
        tf.reshape(weights, [1, -1]),
        normalization,
        height * width,
        num_channels,
    )
    return tf.reshape(y, [batch, height, width, results])


def output_size(x: tf.Tensor, stride: int) -> list[int | None]:
    """N, ceil(H / stride) and ceil(W / stride), where they are known."""
    batch, *sides, _ = x.shape
    return [batch, *(None if side is None else -(-side // stride) for side in sides)]


def check_channels(input_shape: Sequence[int | None], channels: int) -> None:
    """Raises ValueError unless an input has as many channels as the nodes of its cell."""
    if input_shape[-1] != channels:
        raise ValueError(
            "channels must equal the input's number of channels. "
            f"Received: channels={channels}, an input of shape {tuple(input_shape)}"
        )


def layer_name(operation: str) -> str:
    """The name of an operation as Keras and TensorFlow take it within a layer's name."""
    return operation.replace(":", "_").replace(".", "_")


class Operation(keras.layers.Layer):
    """An operation on an edge: (N, H, W, C) -> (N, ceil(H / s), ceil(W / s), C).

    Args:
        channels: C.
        stride: s, 1 or 2.
        normalization: Which statistics normalization uses; see `normalize`.
        affine: Whether normalization learns a scale and an offset.
    """

    def __init__(
        self,
        channels: int,
        stride: int = 1,
        normalization: NormalizationMode = "batch",
        affine: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.stride = stride
        self.normalization = normalization
        self.affine = affine

    def _make_pointwise(self, name: str) -> "NormalizedConvolution":
        return NormalizedConvolution(
            self.channels,
            normalization=self.normalization,
            affine=self.affine,
            name=name,
            dtype=self.dtype_policy,
        )

    def _add_depthwise(self, size: int, channels: int, name: str):
        """A depthwise kernel (size, size, channels, 1)."""
        return self.add_weight(
            shape=(size, size, channels, 1),
            initializer=convolution_uniform(fan_in=size * size),
            name=name,
        )

    def get_config(self):
        return super().get_config() | {
            "channels": self.channels,
            "stride": self.stride,
            "normalization": self.normalization,
            "affine": self.affine,
        }


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class Pool(Operation):
    """3x3 pooling, in a search with normalization behind it, in a derived network without.

    Args:
        kind: `max` or `average`.
        normalized: Whether normalization follows; unless given, where it is not affine, as in a
            search.

    Raises:
        ValueError: If there is no such kind.
    """

    def __init__(
        self,
        channels: int,
        stride: int = 1,
        kind: Literal["max", "average"] = "max",
        normalized: bool | None = None,
        **options,
    ):
        super().__init__(channels, stride, **options)
        if kind not in ("max", "average"):
            raise ValueError(f"Pooling must be 'max' or 'average'. Received: kind={kind!r}")
        self.kind = kind
        self.normalized = not self.affine if normalized is None else normalized
        self.normalize = None
        if self.normalized:
            self.normalize = Normalization(
                self.normalization, self.affine, name="normalization", dtype=self.dtype_policy
            )

    def build(self, input_shape):
        if self.normalize is not None:
            self.normalize.build(input_shape)

    def call(self, x):
        y = max_pool(x, self.stride) if self.kind == "max" else average_pool(x, self.stride)
        return y if self.normalize is None else self.normalize(y)

    def get_config(self):
        return super().get_config() | {"kind": self.kind, "normalized": self.normalized}


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class Identity(Operation):
    """The skip connection of stride 1: its input."""

    def build(self, input_shape):
        del input_shape

    def call(self, x):
        return x


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class NormalizedConvolution(Operation):
    """1x1 convolution and normalization. The input may have any number of channels."""

    function = staticmethod(normalized_convolution)

    def build(self, input_shape):
        in_channels, channels = input_shape[-1], self.channels
        self.kernel = self.add_weight(
            shape=(in_channels, channels),
            initializer=convolution_uniform(fan_in=in_channels),
            name="kernel",
        )
        self.scale = self.offset = None
        if self.affine:
            self.scale = self.add_weight(shape=(channels,), initializer="ones", name="scale")
            self.offset = self.add_weight(shape=(channels,), initializer="zeros", name="offset")

    def call(self, x):
        scale = tf.ones([self.channels], x.dtype) if self.scale is None else self.scale
        y = self.function(
            x,
            self.kernel,
            scale,
            normalization=self.normalization,
            inlined=self.normalization == "sync_batch",
        )
        y.set_shape([*output_size(x, self.stride), self.channels])
        return y if self.offset is None else y + self.offset


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class ReluConvolution(NormalizedConvolution):
    """ReLU, 1x1 convolution, normalization."""

    function = staticmethod(relu_convolution)


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class FactorizedReduce(NormalizedConvolution):
    """Halves the resolution without losing the odd pixels; also the skip connection of stride 2.

    ReLU, then one 1x1 convolution of stride 2 to half the channels (the first half of the
    kernel's columns), another, of the image shifted by (1, 1), to the other half, and
    normalization.
    """

    function = staticmethod(factorized_reduce)

    def __init__(self, channels: int, stride: int = 2, **kwargs):
        super().__init__(channels, stride, **kwargs)


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class SeparableConvolution(Operation):
    """Twice: ReLU, depthwise convolution (the first with the stride), 1x1, normalization.

    Args:
        size: The kernel's size, odd.
    """

    def __init__(self, channels: int, stride: int = 1, size: int = 3, **kwargs):
        super().__init__(channels, stride, **kwargs)
        self.size = size
        self.pointwise = [self._make_pointwise(f"pointwise_{i}") for i in "12"]

    def build(self, input_shape):
        del input_shape
        self.depthwise = [
            self._add_depthwise(self.size, self.channels, f"depthwise_{i}") for i in "12"
        ]
        for pointwise in self.pointwise:
            pointwise.build((None, None, None, self.channels))

    def call(self, x):
        for index, stride in enumerate((self.stride, 1)):
            x = depthwise(tf.nn.relu(x), tf.convert_to_tensor(self.depthwise[index]), stride)
            x = self.pointwise[index](x)
        return x

    def get_config(self):
        return super().get_config() | {"size": self.size}


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class DilatedConvolution(Operation):
    """ReLU, depthwise convolution of dilation 2, 1x1 convolution, normalization.

    Args:
        size: The kernel's size, odd.
    """

    def __init__(self, channels: int, stride: int = 1, size: int = 3, **kwargs):
        super().__init__(channels, stride, **kwargs)
        self.size = size
        self.pointwise = self._make_pointwise("pointwise")

    def build(self, input_shape):
        del input_shape
        self.depthwise = self._add_depthwise(self.size, self.channels, "depthwise")
        self.pointwise.build((None, None, None, self.channels))

    def call(self, x):
        kernel = tf.convert_to_tensor(self.depthwise)
        (y,) = dilated_depthwise(tf.nn.relu(x), (kernel,), self.stride)
        return self.pointwise(y)

    def get_config(self):
        return super().get_config() | {"size": self.size}


def skip_connection(channels: int, stride: int, **options) -> Operation:
    """Its input; with stride 2 the factorized reduction."""
    return (Identity if stride == 1 else FactorizedReduce)(channels, stride, **options)


def pointwise_convolution(channels: int, stride: int, **options) -> Operation:
    """ReLU, 1x1 convolution, normalization; with stride 2 the factorized reduction."""
    return (ReluConvolution if stride == 1 else FactorizedReduce)(channels, stride, **options)
