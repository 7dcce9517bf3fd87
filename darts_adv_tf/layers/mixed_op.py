"""The continuous relaxation of the choice of an operation, for all edges that leave a source.

Legend: N batch of one pass, P passes stacked in the batch, H, W, C channels, E edges that leave
the source, O = 8 operations.
"""

from functools import cache
from typing import NamedTuple

import keras
import tensorflow as tf

from darts_adv_tf.layers.initializers import convolution_uniform
from darts_adv_tf.layers.normalization import NormalizationMode, normalize
from darts_adv_tf.layers.primitives import (
    average_pool,
    depthwise,
    dilated_depthwise,
    every_second_pixel,
    max_pool,
)


class MixingWeights(NamedTuple):
    """`op_weights` of E edges, spread over the channels as `MixedOp` multiplies by them.

    Attributes:
        weightless: (3 C, E C), a 1x1 kernel that mixes max pool, average pool and skip: the
            Kronecker product of their weights with the identity of the channels.
        skip: (E C,), the weight of the skip connection alone.
        dilated: (2, 1, 1, 1, E C), the weights of the dilated 3x3 and 5x5 convolution.
        separable: (2, 1, 1, 1, E C), the weights of the separable 3x3 and 5x5 convolution.
    """

    weightless: tf.Tensor
    skip: tf.Tensor
    dilated: tf.Tensor
    separable: tf.Tensor


def spread_op_weights(
    op_weights: tf.Tensor, channels: int, edge_counts: tuple[int, ...]
) -> list[MixingWeights]:
    """Spreads the weights of edges over channels, once for all cells of equal channels.

    Args:
        op_weights: (sum of edge_counts, O), the edges of one source after those of another.
        channels: C.
        edge_counts: E of each source.

    Returns:
        One `MixingWeights` a source.
    """
    num_edges = sum(edge_counts)
    widths = [edges * channels for edges in edge_counts]
    weights = tf.transpose(op_weights)[1:]  # `none` adds nothing but to the softmax
    pools_and_skip = tf.reshape(weights[:3], [3, 1, num_edges, 1])
    identity = _identity(channels, weights.dtype.name)
    kernel = tf.reshape(pools_and_skip * identity, [3 * channels, num_edges * channels])
    wide = tf.reshape(tf.repeat(weights[2:], channels, axis=1), [5, 1, 1, 1, -1])
    skip, separable, dilated = tf.split(wide, [1, 2, 2])
    return [
        MixingWeights(*parts)
        for parts in zip(
            tf.split(kernel, widths, axis=-1),
            tf.split(tf.reshape(skip, [-1]), widths, axis=-1),
            tf.split(dilated, widths, axis=-1),
            tf.split(separable, widths, axis=-1),
            strict=True,
        )
    ]


@cache
def _identity(channels: int, dtype: str) -> tf.Tensor:
    with tf.init_scope():
        return tf.eye(channels, dtype=dtype)[:, None]


@cache
def _edge_identity(num_edges: int, dtype: str) -> tf.Tensor:
    with tf.init_scope():
        return tf.eye(num_edges, dtype=dtype)[:, None, :, None]


class MixedOp(keras.layers.Layer):
    """Eq. 6 for the E edges that leave one source: sum over e of op_weights[e] * e(source).

    For E = 1 this is Eq. 6 word for word; for more edges the same numbers, faster. What holds no
    weights (ReLU, pooling and the normalization behind it) is computed once a source. What does
    is computed side by side in the channels: a depthwise convolution E times as wide, a 1x1
    convolution whose kernel is block-diagonal, and normalization, which works per channel and
    does not see its neighbours. Convolutions of the same step of all four kinds share their 1x1
    product and their normalization.

    The layer owns the weights of E x 4 convolutions, stacked by shape, and with stride 2 those of
    E factorized reductions. It learns no scale and no offset: op_weights carry the scale.

    Args:
        channels: C.
        num_edges: E.
        stride: 1, or 2 on edges from the input nodes of a reduction cell.
        normalization: Which statistics normalization uses; see `normalize`.

    Shapes:
        x (P * N, H, W, C), `MixingWeights` of E edges -> (P * N, H', W', E * C), edge-major, with
        H' = ceil(H / stride).

    Reference:
        Dong et al., MICCAI 2019, Eq. 6; Liu et al., DARTS, ICLR 2019.
    """

    def __init__(
        self,
        channels: int,
        num_edges: int = 1,
        stride: int = 1,
        normalization: NormalizationMode = "batch",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.num_edges = num_edges
        self.stride = stride
        self.normalization = normalization

    def build(self, input_shape):
        del input_shape
        edges, channels = self.num_edges, self.channels
        # One row for each of separable first, separable second, dilated.
        self.depthwise_3x3 = self.add_weight(
            shape=(3, 3, 3, edges * channels, 1),
            initializer=convolution_uniform(fan_in=9),
            name="depthwise_3x3",
        )
        self.depthwise_5x5 = self.add_weight(
            shape=(3, 5, 5, edges * channels, 1),
            initializer=convolution_uniform(fan_in=25),
            name="depthwise_5x5",
        )
        # One row for each of dilated 3x3, dilated 5x5, separable first 3x3, first 5x5,
        # second 3x3, second 5x5.
        self.pointwise = self.add_weight(
            shape=(6, edges, channels, channels),
            initializer=convolution_uniform(fan_in=channels),
            name="pointwise",
        )
        if self.stride == 2:
            half = channels // 2
            self.reduce_even = self.add_weight(
                shape=(channels, edges * half),
                initializer=convolution_uniform(fan_in=channels),
                name="reduce_even",
            )
            self.reduce_odd = self.add_weight(
                shape=(channels, edges * (channels - half)),
                initializer=convolution_uniform(fan_in=channels),
                name="reduce_odd",
            )

    def call(self, x, mixing_weights: MixingWeights, num_passes: int = 1):
        rectified = tf.nn.relu(x)
        terms = [
            self._weightless(x, mixing_weights, num_passes),
            *self._convolutions(rectified, mixing_weights, num_passes),
        ]
        if self.stride == 2:
            terms.append(self._reduced(rectified, mixing_weights, num_passes))
        return tf.add_n(terms)

    def _weightless(self, x, mixing_weights, num_passes):
        """Both poolings and, where it is the identity, the skip connection: one 1x1 product."""
        pools = [max_pool(x, self.stride), average_pool(x, self.stride)]
        y = self._normalize(tf.concat(pools, axis=-1), num_passes)
        kernel = mixing_weights.weightless
        if self.stride == 1:
            y = tf.concat([y, x], axis=-1)
        else:
            kernel = kernel[: 2 * self.channels]
        return tf.nn.conv2d(y, kernel[None, None], 1, "VALID")

    def _reduced(self, rectified, mixing_weights, num_passes):
        """The skip connection of stride 2: a factorized reduction an edge."""
        halves = []
        kernels = (self.reduce_even, self.reduce_odd)
        for pixels, kernel in zip(every_second_pixel(rectified), kernels, strict=True):
            kernel = tf.convert_to_tensor(kernel)
            half = tf.nn.conv2d(pixels, kernel[None, None], 1, "VALID")
            halves.append(tf.reshape(half, [*half.shape[:-1], self.num_edges, -1]))
        y = tf.concat(halves, axis=-1)
        y = tf.reshape(y, [*y.shape[:-2], self.num_edges * self.channels])
        return self._normalize(y, num_passes) * mixing_weights.skip

    def _convolutions(self, rectified, mixing_weights, num_passes):
        """Dilated and separable convolutions; returns one weighted sum for each of both kinds."""
        wide = tf.tile(rectified, [1, 1, 1, self.num_edges])
        first_3x3, second_3x3, dilated_3x3 = tf.unstack(tf.convert_to_tensor(self.depthwise_3x3))
        first_5x5, second_5x5, dilated_5x5 = tf.unstack(tf.convert_to_tensor(self.depthwise_5x5))
        kernels_first, kernels_second = tf.split(self._block_diagonal_pointwise(), [4, 2])

        y = [
            *dilated_depthwise(wide, (dilated_3x3, dilated_5x5), self.stride),
            depthwise(wide, first_3x3, self.stride),
            depthwise(wide, first_5x5, self.stride),
        ]
        y = self._normalize(_multiply(tf.stack(y), kernels_first), num_passes)
        dilated, separable = tf.split(y, 2)
        separable_3x3, separable_5x5 = tf.unstack(tf.nn.relu(separable))
        y = [depthwise(separable_3x3, second_3x3), depthwise(separable_5x5, second_5x5)]
        separable = self._normalize(_multiply(tf.stack(y), kernels_second), num_passes)
        return (
            tf.reduce_sum(dilated * mixing_weights.dilated, axis=0),
            tf.reduce_sum(separable * mixing_weights.separable, axis=0),
        )

    def _block_diagonal_pointwise(self) -> tf.Tensor:
        """(6, E C, E C): no edge reads another edge's channels."""
        kernels = tf.convert_to_tensor(self.pointwise)
        width = self.num_edges * self.channels
        if self.num_edges > 1:
            kernels = kernels[:, :, :, None] * _edge_identity(self.num_edges, kernels.dtype.name)
        return tf.reshape(kernels, [6, width, width])

    def _normalize(self, x, num_passes):
        return normalize(x, self.normalization, num_passes, self.channels)

    def get_config(self):
        return super().get_config() | {
            "channels": self.channels,
            "num_edges": self.num_edges,
            "stride": self.stride,
            "normalization": self.normalization,
        }


def _multiply(x: tf.Tensor, kernels: tf.Tensor) -> tf.Tensor:
    """1x1 convolutions of (A, N, H, W, C) by (A, C, C'), one for each entry of the first axis."""
    operations, *_, channels = x.shape
    y = tf.matmul(tf.reshape(x, [operations, -1, channels]), kernels)
    return tf.reshape(y, [*x.shape[:-1], kernels.shape[-1]])
