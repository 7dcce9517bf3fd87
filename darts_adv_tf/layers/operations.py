"""The candidate operations of an edge, one layer each, as DARTS (Liu et al., ICLR 2019) has them.

Legend: N batch of one pass, P passes stacked in the batch, H, W, C channels.

These layers are the definition, and what a derived discriminator is made of. A search computes
the same operations for many edges at once: see `MixedOp`.
"""

import keras
import tensorflow as tf

from darts_adv_tf.layers.initializers import convolution_uniform
from darts_adv_tf.layers.normalization import Normalization, NormalizationMode
from darts_adv_tf.layers.primitives import (
    average_pool,
    depthwise,
    dilated_depthwise,
    every_second_pixel,
    max_pool,
)


class Operation(keras.layers.Layer):
    """An operation on an edge: (P * N, H, W, C) -> (P * N, ceil(H / s), ceil(W / s), C).

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

    def _make_normalization(self) -> Normalization:
        return Normalization(self.normalization, self.affine, dtype=self.dtype_policy)

    def _add_pointwise(self, in_channels: int, out_channels: int, name: str):
        """A 1x1 convolution's kernel (in_channels, out_channels)."""
        return self.add_weight(
            shape=(in_channels, out_channels),
            initializer=convolution_uniform(fan_in=in_channels),
            name=name,
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


class Pool(Operation):
    """3x3 pooling, in a search with normalization behind it, in a derived network without.

    Args:
        kind: `max` or `average`.
        normalized: Whether normalization follows.

    Raises:
        ValueError: If there is no such kind.
    """

    def __init__(self, channels: int, kind: str, stride: int = 1, normalized: bool = False, **kw):
        super().__init__(channels, stride, **kw)
        if kind not in ("max", "average"):
            raise ValueError(f"Pooling is 'max' or 'average'. Received: kind={kind!r}")
        self.kind = kind
        self.normalized = normalized
        self.normalize = self._make_normalization() if normalized else None

    def build(self, input_shape):
        if self.normalized:
            self.normalize.build(input_shape)

    def call(self, x, num_passes: int = 1):
        y = max_pool(x, self.stride) if self.kind == "max" else average_pool(x, self.stride)
        return self.normalize(y, num_passes=num_passes) if self.normalized else y

    def get_config(self):
        return super().get_config() | {"kind": self.kind, "normalized": self.normalized}


class Identity(Operation):
    """The skip connection of stride 1: its input."""

    def build(self, input_shape):
        del input_shape

    def call(self, x, num_passes: int = 1):
        del num_passes
        return x


class FactorizedReduce(Operation):
    """Halves the resolution without losing the odd pixels; also the skip connection of stride 2.

    ReLU, then one 1x1 convolution of stride 2 to half the channels, another, of the image shifted
    by (1, 1), to the other half, and normalization. The input may have any number of channels.
    """

    def __init__(self, channels: int, stride: int = 2, **kwargs):
        super().__init__(channels, stride, **kwargs)
        self.normalize = self._make_normalization()

    def build(self, input_shape):
        half = self.channels // 2
        self.even = self._add_pointwise(input_shape[-1], half, "even")
        self.odd = self._add_pointwise(input_shape[-1], self.channels - half, "odd")
        self.normalize.build((*input_shape[:-1], self.channels))

    def call(self, x, num_passes: int = 1):
        even, odd = every_second_pixel(tf.nn.relu(x))
        halves = [pointwise(even, self.even), pointwise(odd, self.odd)]
        return self.normalize(tf.concat(halves, axis=-1), num_passes=num_passes)


class ReluConvolution(Operation):
    """ReLU, 1x1 convolution, normalization: what brings a cell's input to its channels."""

    def __init__(self, channels: int, stride: int = 1, **kwargs):
        super().__init__(channels, stride, **kwargs)
        self.normalize = self._make_normalization()

    def build(self, input_shape):
        self.kernel = self._add_pointwise(input_shape[-1], self.channels, "kernel")
        self.normalize.build((*input_shape[:-1], self.channels))

    def call(self, x, num_passes: int = 1):
        return self.normalize(pointwise(tf.nn.relu(x), self.kernel), num_passes=num_passes)


class SeparableConvolution(Operation):
    """Twice: ReLU, depthwise convolution (the first with the stride), 1x1, normalization.

    Args:
        size: The kernel's size, 3 or 5.
    """

    def __init__(self, channels: int, size: int, stride: int = 1, **kwargs):
        super().__init__(channels, stride, **kwargs)
        self.size = size
        self.normalizations = [self._make_normalization() for _ in range(2)]

    def build(self, input_shape):
        del input_shape
        channels = self.channels
        self.depthwise = [self._add_depthwise(self.size, channels, f"depthwise_{i}") for i in "12"]
        self.pointwise = [self._add_pointwise(channels, channels, f"pointwise_{i}") for i in "12"]
        for normalization in self.normalizations:
            normalization.build((None, None, None, channels))

    def call(self, x, num_passes: int = 1):
        for index, stride in enumerate((self.stride, 1)):
            x = depthwise(tf.nn.relu(x), tf.convert_to_tensor(self.depthwise[index]), stride)
            x = pointwise(x, self.pointwise[index])
            x = self.normalizations[index](x, num_passes=num_passes)
        return x

    def get_config(self):
        return super().get_config() | {"size": self.size}


class DilatedConvolution(Operation):
    """ReLU, depthwise convolution of dilation 2, 1x1 convolution, normalization.

    Args:
        size: The kernel's size, 3 or 5.
    """

    def __init__(self, channels: int, size: int, stride: int = 1, **kwargs):
        super().__init__(channels, stride, **kwargs)
        self.size = size
        self.normalize = self._make_normalization()

    def build(self, input_shape):
        del input_shape
        self.depthwise = self._add_depthwise(self.size, self.channels, "depthwise")
        self.pointwise = self._add_pointwise(self.channels, self.channels, "pointwise")
        self.normalize.build((None, None, None, self.channels))

    def call(self, x, num_passes: int = 1):
        kernel = tf.convert_to_tensor(self.depthwise)
        (y,) = dilated_depthwise(tf.nn.relu(x), (kernel,), self.stride)
        return self.normalize(pointwise(y, self.pointwise), num_passes=num_passes)

    def get_config(self):
        return super().get_config() | {"size": self.size}


def pointwise(x: tf.Tensor, kernel: tf.Tensor | keras.Variable) -> tf.Tensor:
    """1x1 convolution of (N, H, W, C) by (C, C')."""
    kernel = tf.convert_to_tensor(kernel)
    return tf.nn.conv2d(x, tf.reshape(kernel, [1, 1, *kernel.shape]), 1, "VALID")


def make_operation(
    primitive: str, channels: int, stride: int, normalized_pools: bool = False, **kwargs
) -> Operation:
    """The layer of a primitive's name; `none` is not a layer, since no derived cell holds it.

    Args:
        primitive: One of `genotype.PRIMITIVES` but `none`.
        channels: C.
        stride: 1 or 2.
        normalized_pools: Whether normalization follows a pooling, as in a search.
        **kwargs: Passed to the layer.

    Raises:
        ValueError: If there is no such operation.
    """
    match primitive.split("_"):
        case ["max", "pool", "3x3"]:
            return Pool(channels, "max", stride, normalized_pools, **kwargs)
        case ["avg", "pool", "3x3"]:
            return Pool(channels, "average", stride, normalized_pools, **kwargs)
        case ["skip", "connect"]:
            return (Identity if stride == 1 else FactorizedReduce)(channels, stride, **kwargs)
        case ["sep", "conv", ("3x3" | "5x5") as size]:
            return SeparableConvolution(channels, int(size[0]), stride, **kwargs)
        case ["dil", "conv", ("3x3" | "5x5") as size]:
            return DilatedConvolution(channels, int(size[0]), stride, **kwargs)
    raise ValueError(
        "An operation is named as in `genotype.PRIMITIVES`, `none` left out. "
        f"Received: primitive={primitive!r}"
    )
