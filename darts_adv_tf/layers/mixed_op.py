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
from darts_adv_tf.layers.operations import pointwise
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
        pools: (1, 1, 2 C, E C), a 1x1 kernel that mixes max pool and average pool: the Kronecker
            product of their weights with the identity of the channels.
        skip: (E C,), the weight of the skip connection.
        dilated_3x3, dilated_5x5: (E C,), the weights of the dilated convolutions.
        separable: (2, 1, 1, 1, E C), the weights of the separable 3x3 and 5x5 convolution.
    """

    pools: tf.Tensor
    skip: tf.Tensor
    dilated_3x3: tf.Tensor
    dilated_5x5: tf.Tensor
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
    by_operation = tf.transpose(op_weights)  # `none` adds nothing but to the softmax
    pools = tf.reshape(by_operation[1:3], [2, 1, num_edges, 1])
    identity = _identity(channels, by_operation.dtype.name)
    kernel = tf.reshape(pools * identity, [1, 1, 2 * channels, num_edges * channels])
    wide = tf.repeat(by_operation[3:], channels, axis=1)
    skip, _, _, dilated_3x3, dilated_5x5 = tf.unstack(wide)
    separable = tf.reshape(wide[1:3], [2, 1, 1, 1, -1])
    parts = (kernel, skip, dilated_3x3, dilated_5x5, separable)
    by_source = zip(*(tf.split(part, widths, axis=-1) for part in parts), strict=True)
    return [MixingWeights(*parts) for parts in by_source]


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

    For E = 1 this is Eq. 6 word for word; for more edges the same numbers, faster. Pooling and the
    normalization behind it hold no weights and are computed once a source. What holds weights is
    computed side by side in the channels: a depthwise convolution E times as wide, a 1x1
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
        # One row for each of dilated 3x3, dilated 5x5, and the first steps of separable 3x3, 5x5.
        self.pointwise_first = self.add_weight(
            shape=(4, edges, channels, channels),
            initializer=convolution_uniform(fan_in=channels),
            name="pointwise_first",
        )
        # The second steps of separable 3x3, 5x5.
        self.pointwise_second = self.add_weight(
            shape=(2, edges, channels, channels),
            initializer=convolution_uniform(fan_in=channels),
            name="pointwise_second",
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
        wide = self._side_by_side(x)
        rectified = tf.nn.relu(wide)
        skip = wide if self.stride == 1 else self._factorized_reduce(tf.nn.relu(x), num_passes)
        return tf.add_n(
            [
                self._mixed_pools(x, mixing_weights, num_passes),
                skip * mixing_weights.skip,
                *self._weighted_convolutions(rectified, mixing_weights, num_passes),
            ]
        )

    def _side_by_side(self, x):
        """E copies of the image in the channels: stacked, whose gradient is the cheapest."""
        if self.num_edges == 1:
            return x
        copies = tf.stack([x] * self.num_edges, axis=-2)
        return tf.reshape(copies, [*x.shape[:-1], self.num_edges * self.channels])

    def _mixed_pools(self, x, mixing_weights, num_passes):
        """Both poolings and their normalization once a source, mixed for all its edges."""
        pools = tf.stack([max_pool(x, self.stride), average_pool(x, self.stride)], axis=-2)
        shape = [*pools.shape[:-2], 2 * self.channels]
        pools = normalize(pools, self.normalization, num_passes, self.channels, shape)
        return tf.nn.conv2d(pools, mixing_weights.pools, 1, "VALID")

    def _factorized_reduce(self, rectified, num_passes):
        """The skip connection of stride 2 of each edge."""
        halves = []
        kernels = (self.reduce_even, self.reduce_odd)
        for pixels, kernel in zip(every_second_pixel(rectified), kernels, strict=True):
            half = pointwise(pixels, kernel)
            halves.append(tf.reshape(half, [*half.shape[:-1], self.num_edges, -1]))
        y = tf.concat(halves, axis=-1)
        shape = [*y.shape[:-2], self.num_edges * self.channels]
        return normalize(y, self.normalization, num_passes, self.channels, shape)

    def _weighted_convolutions(self, rectified, mixing_weights, num_passes):
        """The four convolutions of each edge, weighted.

        The dilated ones and the first step of the separable ones read the same image, so they
        share the product with their 1x1 kernels and the normalization.
        """
        first_3x3, second_3x3, dilated_3x3 = tf.unstack(tf.convert_to_tensor(self.depthwise_3x3))
        first_5x5, second_5x5, dilated_5x5 = tf.unstack(tf.convert_to_tensor(self.depthwise_5x5))
        y = [
            *dilated_depthwise(rectified, (dilated_3x3, dilated_5x5), self.stride),
            depthwise(rectified, first_3x3, self.stride),
            depthwise(rectified, first_5x5, self.stride),
        ]
        y = self._multiply_and_normalize(y, self.pointwise_first, num_passes)
        dilated_3x3, dilated_5x5, *separable = tf.unstack(y)
        y = [
            depthwise(tf.nn.relu(step), kernel)
            for step, kernel in zip(separable, (second_3x3, second_5x5), strict=True)
        ]
        separable = self._multiply_and_normalize(y, self.pointwise_second, num_passes)
        return [
            dilated_3x3 * mixing_weights.dilated_3x3,
            dilated_5x5 * mixing_weights.dilated_5x5,
            *tf.unstack(separable * mixing_weights.separable),
        ]

    def _multiply_and_normalize(self, images, kernels, num_passes):
        """A 1x1 convolution for each image, whose kernel (E C, E C) is block-diagonal: no edge
        reads another edge's channels."""
        width = self.num_edges * self.channels
        shape = [len(images), *images[0].shape]
        kernels = tf.convert_to_tensor(kernels)
        if self.num_edges > 1:
            kernels = tf.reshape(kernels, [*kernels.shape[:3], 1, kernels.shape[3]])
            kernels *= _edge_identity(self.num_edges, kernels.dtype.name)
        kernels = tf.reshape(kernels, [len(images), width, width])
        y = tf.reshape(tf.stack(images), [len(images), -1, width]) @ kernels
        return normalize(y, self.normalization, num_passes, self.channels, shape)

    def get_config(self):
        return super().get_config() | {
            "channels": self.channels,
            "num_edges": self.num_edges,
            "stride": self.stride,
            "normalization": self.normalization,
        }
