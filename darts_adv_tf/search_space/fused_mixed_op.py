"""Eq. 6 for the published operations and all edges that leave a source at once: `MixedOp`, faster.

Legend: N batch, H, W, C channels, E edges that leave the source.
"""

import keras
import tensorflow as tf

from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.operations import check_channels, halve, output_size
from darts_adv_tf.tf_graph.conv_and_pool import (
    EdgeAxis,
    average_pool,
    depthwise,
    dilated_depthwise,
    every_second_pixel,
    max_pool,
    side_by_side,
    size_of,
    spread,
)
from darts_adv_tf.tf_graph.custom_gradients import split
from darts_adv_tf.tf_graph.initializers import ConvolutionUniform
from darts_adv_tf.tf_graph.normalization import NormalizationMode, center_for, normalize
from darts_adv_tf.tf_graph.normalized_product import normalized_product
from darts_adv_tf.tf_graph.ordered_sum import ordered_sum
from darts_adv_tf.tf_graph.rematerialization import rematerialized

NUM_DEPTHWISE = 3
"""Of each size: first and second of the separable convolution, and the dilated one."""
NUM_POINTWISE = 6
"""The first of both separable convolutions, those of the dilated ones, and the second ones."""


@rematerialized
def mixed_operations(
    x: tf.Tensor,
    op_weights: tf.Tensor,
    kernels: tf.Tensor,
    *,
    stride: int,
    normalization: NormalizationMode,
) -> tf.Tensor:
    """Eq. 6 for all edges that leave a source; `FusedMixedOp` says what of what size.

    The indices 1 to 3 of `op_weights` are the operations without weights: max pool, average pool
    and, with stride 1, the skip connection.
    """
    channels, num_edges = size_of(x)[-1], size_of(op_weights)[0]
    depthwise_3x3, depthwise_5x5, *pointwise = split(
        kernels, _kernel_rows(channels, stride), axis=0
    )
    by_operation = tf.transpose(op_weights)  # `none` adds nothing but to the softmax
    weights = spread(tf.reshape(by_operation, [len(PUBLISHED_OPERATIONS), -1, 1, 1]), channels)
    _, skip, separable, dilated = split(weights, [3, 1, 2, 2], axis=0)
    rectified = tf.nn.relu(x)

    pools = tf.concat([max_pool(x, stride), average_pool(x, stride)], axis=-1)
    pools = normalize(pools, normalization, channels)
    if stride == 1:
        pools_and_skip = tf.concat([pools, x], axis=-1)
        mixtures = [_mixed(pools_and_skip, by_operation[1:4], channels)]
    else:
        pixels = every_second_pixel(rectified)
        skip = tf.reshape(skip, [-1])
        reduced = halve(pixels, pointwise[1], skip, channels, normalization)
        mixtures = [_mixed(pools, by_operation[1:3], channels), reduced]

    # Of the separable convolutions the first half, and the dilated ones whole.
    separable_3x3, followed_3x3, dilated_3x3 = _depthwise_kernels(depthwise_3x3, 3)
    separable_5x5, followed_5x5, dilated_5x5 = _depthwise_kernels(depthwise_5x5, 5)
    wide = side_by_side(rectified, num_edges)
    images = [depthwise(wide, separable_3x3, stride), depthwise(wide, separable_5x5, stride)]
    if stride == 1:
        images += dilated_depthwise(wide, (dilated_3x3, dilated_5x5))
    else:
        # See `dilated_depthwise`; here every second pixel is taken before there are copies of it.
        narrow = side_by_side(pixels[0], num_edges)
        images += [depthwise(narrow, dilated_3x3), depthwise(narrow, dilated_5x5)]
    images = tf.stack(images)
    _, *sizes, _ = size_of(images)
    image_size = sizes[1] * sizes[2]
    edges = EdgeAxis(sizes, num_edges, channels)
    products = tf.reshape(pointwise[0], [NUM_POINTWISE, num_edges, channels, channels])
    products, followed_products = split(products, [4, 2], axis=0)
    images = edges.apart(center_for(normalization, images))
    weights = tf.concat([tf.ones_like(separable), dilated], axis=0)
    y = normalized_product(images, products, weights, normalization, image_size)
    followed, of_dilated = split(y, [2, 2], axis=0)

    # Of the separable convolutions the second half.
    images = tf.unstack(edges.together(tf.nn.relu(followed)))
    images = tf.stack([depthwise(images[0], followed_3x3), depthwise(images[1], followed_5x5)])
    images = edges.apart(center_for(normalization, images))
    of_separable = normalized_product(
        images, followed_products, separable, normalization, image_size
    )
    total = ordered_sum(split(of_separable + of_dilated, [1, 1], axis=0))
    mixtures.append(tf.squeeze(edges.together(total), axis=0))
    return ordered_sum(mixtures)


def _kernel_rows(channels, stride):
    rows = [NUM_DEPTHWISE * 9, NUM_DEPTHWISE * 25, NUM_POINTWISE * channels]
    return rows if stride == 1 else [*rows, channels]


def _depthwise_kernels(rows, size):
    return tf.unstack(tf.reshape(rows, [NUM_DEPTHWISE, size, size, -1, 1]))


def _mixed(images, op_weights, channels):
    """Weighted sums of O images that stand side by side, one for each edge.

    As one 1x1 convolution, whose kernel is the Kronecker product of the weights (O, E) with the
    identity of the channels: (N, H, W, O C) -> (N, H, W, E C).
    """
    num_kinds, num_edges = size_of(op_weights)
    kernel = op_weights[:, None, :, None] * tf.eye(channels, dtype=op_weights.dtype)[:, None, :]
    kernel = tf.reshape(kernel, [1, 1, num_kinds * channels, num_edges * channels])
    return tf.nn.conv2d(images, kernel, 1, "VALID")


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class FusedMixedOp(keras.layers.Layer):
    """`MixedOp` of the published operations in their order: the same numbers, several times faster.

    Pooling and the normalization behind it hold no weights and are computed once a source. What
    holds weights is computed side by side in the channels: a depthwise convolution E times as wide,
    a 1x1 convolution whose kernel is block-diagonal, and normalization, which works per channel and
    does not see its neighbours. 1x1 convolution, normalization and weight are one product.

    The layer learns no scale and no offset: op_weights carry the scale. All its weights stand in
    one variable, `kernels`, below each other: a call of a function costs a node of the graph an
    argument, and so does the optimizer. Its rows are
    (3, 3, 3, E C) depthwise kernels: separable, second of the separable, dilated;
    (3, 5, 5, E C) the same;
    (6, E, C, C) 1x1 kernels: first of separable 3x3 and 5x5, dilated 3x3 and 5x5, second of
    separable 3x3 and 5x5;
    and with stride 2 (C, E C), the factorized reductions (see `halve`).

    Args:
        channels: C.
        num_edges: E.
        stride: 1, or 2 on edges from the input nodes of a reduction cell.
        normalization: Which statistics normalization uses; see `normalize`.

    Shapes:
        x (N, H, W, C), op_weights (E, O) -> (N, H', W', E * C), edge-major, with
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
        check_channels(input_shape, self.channels)
        rows = _kernel_rows(self.channels, self.stride)
        fan_ins = (9, 25, self.channels, self.channels)
        self.kernels = self.add_weight(
            shape=(sum(rows), self.num_edges * self.channels),
            initializer=ConvolutionUniform(tuple(zip(rows, fan_ins, strict=False))),
            name="kernels",
        )

    def call(self, x, op_weights):
        y = mixed_operations(
            x,
            op_weights,
            self.kernels,
            stride=self.stride,
            normalization=self.normalization,
            inlined=self.normalization == "sync_batch",
        )
        y.set_shape([*output_size(x, self.stride), self.num_edges * self.channels])
        return y

    def get_config(self):
        return super().get_config() | {
            "channels": self.channels,
            "num_edges": self.num_edges,
            "stride": self.stride,
            "normalization": self.normalization,
        }
