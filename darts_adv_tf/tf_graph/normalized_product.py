"""Products over channels and their normalization in one, with hand-written derivatives.

Normalization by the statistics of a batch commutes with a product over channels. With A the
centered pixels (n, D), K a kernel (D, O), w a weight for each result, and

    M = A^T A / n,   v = colsum(K * M K),   s = (v + eps)^(-1/2),   y = A (K s w),

y is w times the normalized A K. The product itself is never formed: of the passes over its pixels
that normalization takes, none remains but the centering of its input, which is left to the caller:
it is fastest where channels lie next to each other.

Legend: n pixels of all images, D channels in and O out.
"""

import tensorflow as tf

from darts_adv_tf.tf_graph.conv_and_pool import size_of
from darts_adv_tf.tf_graph.custom_gradients import constant, recorded
from darts_adv_tf.tf_graph.normalization import (
    EPSILON,
    NormalizationMode,
    check_mode,
    standardize_groups,
)
from darts_adv_tf.tf_graph.ordered_sum import ordered_sum
from darts_adv_tf.tf_graph.replicas import mean_over_replicas


def normalized_product(
    x: tf.Tensor,
    kernels: tf.Tensor,
    weights: tf.Tensor,
    mode: NormalizationMode,
    image_size: int | tf.Tensor | None = None,
    num_channels: int | tf.Tensor | None = None,
) -> tf.Tensor:
    """A product of pixels with a kernel, normalized and weighted; or many, side by side.

    Args:
        x: (..., n, D), for statistics of the batch without its mean over the pixels (`center`).
        kernels: (..., D, O).
        weights: (..., 1, O).
        mode: See `normalize`.
        image_size: Pixels of one image, for the statistics of `group`.
        num_channels: See `normalize`; O unless given.

    Returns:
        weights * normalize(x @ kernels), (..., n, O).

    Raises:
        ValueError: If there is no such mode.
    """
    check_mode(mode)
    if mode != "group":
        return _batch_normalized_product(x, kernels, weights, mode == "sync_batch")
    results = size_of(kernels)[-1]
    num_channels = results if num_channels is None else num_channels
    return standardize_groups(x @ kernels, image_size, results, num_channels) * weights


def _batch_normalized_product(x, kernels, weights, synchronized):
    """With statistics of each channel over all pixels of a batch, on this replica or on all."""
    dtype = x.dtype.name
    share = constant(1.0, dtype) / tf.cast(size_of(x)[-2], dtype)
    rows = constant((-2,), "int32")

    def number(value):
        return constant(value, dtype)

    def mean(tensor):
        return mean_over_replicas(tensor, synchronized)

    def column_dot(a, b):
        return tf.reduce_sum(a * b, rows, keepdims=True)

    def moment(a, b):
        """a^T b / n."""
        return mean(tf.matmul(a, b, transpose_a=True) * share)

    def product(a, kernels, weights):
        m = moment(a, a)
        mk = m @ kernels
        s = tf.math.rsqrt(column_dot(kernels, mk) + number(EPSILON))
        sw = s * weights
        scaled = kernels * sw

        def gradient(g, a, kernels, weights):
            """What a cotangent g of y gives those of a, kernels and weights."""
            h = tf.matmul(a, g, transpose_a=True)
            grad_factor = column_dot(kernels, h)  # of s w
            cube = number(-0.5) * s * s * s
            grad_v = cube * weights * grad_factor
            spread_by_m = mean(tf.matmul(kernels * grad_v, kernels, transpose_b=True))
            spread_by_m *= number(2.0) * share
            grad_a = tf.matmul(g, scaled, transpose_b=True) + a @ spread_by_m
            grad_kernels = h * sw + number(2.0) * mk * grad_v

            def backward(u, u_kernels, u_weights):
                # The scalar differentiated here is
                #   <ug, K s w> + <au, K grad_v K^T> + <u_kernels, h s w + 2 M K grad_v>
                #   + <u_weights, s colsum(K * h)>,  grad_v = -1/2 s^3 w colsum(K * h),
                # with the two products over pixels ug = u^T g and au = 2 a^T u / n.
                au = number(2.0) * moment(a, u)
                ug = tf.matmul(u, g, transpose_a=True)
                of_factor = column_dot(kernels, ug) + column_dot(u_kernels, h)
                of_by_v = column_dot(kernels, au @ kernels)
                of_by_v += number(2.0) * column_dot(u_kernels, mk)
                of_by_factor = cube * weights * of_by_v + u_weights * s
                of_s = weights * of_factor + u_weights * grad_factor
                of_s += number(-1.5) * s * s * weights * grad_factor * of_by_v
                of_v = cube * of_s
                of_weights = s * of_factor + cube * grad_factor * of_by_v
                of_mk = number(2.0) * u_kernels * grad_v
                of_kernels = ordered_sum(
                    [
                        ug * sw,
                        (au + tf.linalg.matrix_transpose(au)) @ (kernels * grad_v),
                        h * of_by_factor,
                        number(2.0) * mk * of_v,
                        m @ of_mk,
                    ]
                )
                of_m = tf.matmul(of_mk + kernels * of_v, kernels, transpose_b=True)
                of_m = mean((of_m + tf.linalg.matrix_transpose(of_m)) * share)
                of_h = u_kernels * sw + kernels * of_by_factor
                of_g = u @ scaled + a @ of_h
                of_a = [u @ spread_by_m, a @ of_m, tf.matmul(g, of_h, transpose_b=True)]
                return of_g, ordered_sum(of_a), of_kernels, of_weights

            return [grad_a, grad_kernels, grad_factor * s], backward

        return [a @ scaled], lambda g: recorded(gradient, [g, a, kernels, weights])

    (y,) = recorded(product, [x, kernels, weights])
    return y
