"""1x1 convolutions and their normalization as one product, with hand-written derivatives.

Normalization by the statistics of a batch commutes with a product over channels. With A the
centered pixels (n, D), K a kernel (D, O), w a weight for each result, and

    M = A^T A / n,   v = colsum(K * M K),   s = (v + eps)^(-1/2),   y = A (K s w),

y is w times the normalized A K. The product itself is never formed: of the passes over its pixels
that normalization takes, none remains but the centering of its input.

Legend: N images of H x W pixels, G groups of channels that do not see each other, D channels in
and O out of each group.
"""

import tensorflow as tf

from darts_adv_tf.distribution import mean_over_replicas
from darts_adv_tf.layers.normalization import EPSILON, NormalizationMode, check_mode, normalize
from darts_adv_tf.layers.primitives import size_of
from darts_adv_tf.layers.recording import constant


class Blocks:
    """Between G matrices and the one that has them along its diagonal and zeros elsewhere.

    Args:
        num_groups: G.
        dtype: Of the matrices.
    """

    def __init__(self, num_groups: int | tf.Tensor, dtype: str):
        self.num_groups = num_groups
        self.is_single = isinstance(num_groups, int) and num_groups == 1
        if not self.is_single:
            same_group = tf.eye(num_groups, dtype=dtype)
            self.same_group = tf.reshape(same_group, [num_groups, 1, num_groups, 1])

    def dense(self, blocks: tf.Tensor, rows, columns) -> tf.Tensor:
        """(G, rows, columns) -> (G * rows, G * columns)."""
        groups = self.num_groups
        if not self.is_single:
            blocks = tf.reshape(blocks, [groups, rows, 1, columns]) * self.same_group
        return tf.reshape(blocks, [groups * rows, groups * columns])

    def diagonal(self, matrix: tf.Tensor, rows, columns) -> tf.Tensor:
        """(G * rows, G * columns) -> (G, rows, columns), which leaves out what is elsewhere."""
        groups = self.num_groups
        if self.is_single:
            return tf.reshape(matrix, [1, rows, columns])
        matrix = tf.reshape(matrix, [groups, rows, groups, columns])
        return tf.reduce_sum(matrix * self.same_group, constant((2,), "int32"))


def normalized_product(
    x: tf.Tensor,
    kernels: tf.Tensor,
    weights: tf.Tensor,
    mode: NormalizationMode,
    blocks: Blocks | None = None,
    num_channels: int | tf.Tensor | None = None,
) -> tf.Tensor:
    """A 1x1 convolution of each group of channels, normalized and weighted.

    Args:
        x: (N, H, W, G * D).
        kernels: (G, D, O).
        weights: (G * O,).
        mode: See `normalize`.
        blocks: Of G groups, where that is not 1; calls can share it.
        num_channels: See `normalize`; O unless given.

    Returns:
        weights * normalize(x @ kernels), (N, H, W, G * O).

    Raises:
        ValueError: If there is no such mode.
    """
    check_mode(mode)
    blocks = blocks or Blocks(1, x.dtype.name)
    if mode != "group":
        return _batch_normalized_product(x, kernels, weights, blocks, mode == "sync_batch")
    *images, width = size_of(x)
    _, channels, results = size_of(kernels)
    y = tf.reshape(x, [-1, width]) @ blocks.dense(kernels, channels, results)
    y = tf.reshape(y, [*images, blocks.num_groups * results])
    return normalize(y, mode, results if num_channels is None else num_channels) * weights


def _batch_normalized_product(x, kernels, weights, blocks, synchronized):
    """With statistics of each channel over all pixels of a batch, on this replica or on all."""
    *images, width = size_of(x)
    groups = blocks.num_groups
    _, channels, results = size_of(kernels)
    dtype = x.dtype.name
    pixels = tf.reduce_prod(tf.stack(images))
    share = constant(1.0, dtype) / tf.cast(pixels, dtype)
    doubled_share = constant(2.0, dtype) * share
    rows = constant((-2,), "int32")

    def number(value):
        return constant(value, dtype)

    def mean(tensor):
        return mean_over_replicas(tensor, synchronized)

    def flat(tensor, width):
        return tf.reshape(tensor, [pixels, width])

    def center(tensor):
        return tensor - mean(tf.reduce_mean(tensor, rows, keepdims=True))

    def column_dot(a, b):
        return tf.reduce_sum(a * b, rows, keepdims=True)

    def moment(a, b):
        """The diagonal blocks of a^T b / n."""
        return mean(blocks.diagonal(tf.matmul(a, b, transpose_a=True), channels, channels) * share)

    def transposed(blocks):
        return tf.linalg.matrix_transpose(blocks)

    def forward(x, kernels, weights):
        """A, M, M K, s and the matrix of K s w, in the words of the module's docstring."""
        a = center(flat(x, width))
        m = moment(a, a)
        mk = m @ kernels
        s = tf.math.rsqrt(column_dot(kernels, mk) + number(EPSILON))
        return a, m, mk, s, blocks.dense(kernels * (s * weights), channels, results)

    @tf.custom_gradient
    def product(x, kernels, weights):
        a, *_, scaled = forward(x, kernels, weights)
        y = tf.reshape(a @ scaled, [*images, groups * results])
        return y, lambda g: gradient(g, x, kernels, weights)

    @tf.custom_gradient
    def gradient(g, x, kernels, weights):
        """What a cotangent g of y gives those of x, kernels and weights."""
        a, m, mk, s, scaled = forward(x, kernels, weights)
        g = flat(g, groups * results)
        h = blocks.diagonal(tf.matmul(a, g, transpose_a=True), channels, results)
        by_factor = column_dot(kernels, h)  # of s w
        cube = number(-0.5) * s * s * s
        by_v = cube * weights * by_factor
        by_m = mean(tf.matmul(kernels * by_v, kernels, transpose_b=True))
        spread_by_m = blocks.dense(by_m * doubled_share, channels, channels)
        by_a = tf.matmul(g, scaled, transpose_b=True) + a @ spread_by_m
        by_kernels = h * (s * weights) + number(2.0) * mk * by_v

        def backward(u_x, u_kernels, u_weights):
            # The scalar differentiated here is
            #   <ug, K s w> + <au, K by_v K^T> + <u_kernels, h s w + 2 M K by_v>
            #   + <u_weights, s colsum(K * h)>,  by_v = -1/2 s^3 w colsum(K * h),
            # with the two products over pixels ug = u^T g and au = 2 a^T u / n.
            u = center(flat(u_x, width))
            au = number(2.0) * moment(a, u)
            ug = blocks.diagonal(tf.matmul(u, g, transpose_a=True), channels, results)
            of_factor = column_dot(kernels, ug) + column_dot(u_kernels, h)
            of_by_v = column_dot(kernels, au @ kernels) + number(2.0) * column_dot(u_kernels, mk)
            of_by_factor = cube * weights * of_by_v + u_weights * s
            of_s = weights * of_factor + u_weights * by_factor
            of_s += number(-1.5) * s * s * weights * by_factor * of_by_v
            of_v = cube * of_s
            of_weights = s * of_factor + cube * by_factor * of_by_v
            of_mk = number(2.0) * u_kernels * by_v
            of_kernels = tf.add_n(
                [
                    ug * (s * weights),
                    (au + transposed(au)) @ (kernels * by_v),
                    h * of_by_factor,
                    number(2.0) * mk * of_v,
                    m @ of_mk,
                ]
            )
            of_m = tf.matmul(of_mk + kernels * of_v, kernels, transpose_b=True)
            of_m = blocks.dense(mean((of_m + transposed(of_m)) * share), channels, channels)
            of_h = blocks.dense(
                u_kernels * (s * weights) + kernels * of_by_factor, channels, results
            )
            of_g = u @ scaled + a @ of_h
            of_a = tf.add_n([u @ spread_by_m, a @ of_m, tf.matmul(g, of_h, transpose_b=True)])
            return (
                tf.reshape(of_g, [*images, groups * results]),
                tf.reshape(center(of_a), [*images, width]),
                of_kernels,
                of_weights,
            )

        return (tf.reshape(center(by_a), [*images, width]), by_kernels, by_factor * s), backward

    y = product(x, kernels, tf.reshape(weights, [groups, 1, results]))
    y.set_shape([*x.shape[:-1], None])
    return y
