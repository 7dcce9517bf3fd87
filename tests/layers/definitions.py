"""Normalization and its product as they are defined, for TensorFlow to differentiate by itself.

Legend: N batch, H, W, G groups of channels that do not see each other, D channels in and O out
of each group.
"""

import tensorflow as tf


def plain_normalize(x, mode, num_channels):
    """`normalize` without `sync_batch`: (N, H, W, G * O) -> the same."""
    batch, height, width, wide = x.shape
    if mode == "group":
        size = 4 if num_channels % 4 == 0 else num_channels
        grouped = tf.reshape(x, [batch, height, width, wide // size, size])
        axes = [1, 2, 4]
    else:
        grouped, axes = x, [0, 1, 2]
    mean = tf.reduce_mean(grouped, axes, keepdims=True)
    variance = tf.reduce_mean(tf.square(grouped - mean), axes, keepdims=True)
    return tf.reshape((grouped - mean) / tf.sqrt(variance + 1e-5), x.shape)


def block_diagonal(kernels):
    """(G, D, O) -> (G * D, G * O), zero outside the blocks."""
    groups = kernels.shape[0]
    blocks = [
        [kernels[row] if row == column else tf.zeros_like(kernels[0]) for column in range(groups)]
        for row in range(groups)
    ]
    return tf.concat([tf.concat(row, axis=1) for row in blocks], axis=0)


def plain_normalized_product(x, kernels, weights, mode, num_channels=None):
    """`normalized_product`: (N, H, W, G * D), (G, D, O), (G * O,) -> (N, H, W, G * O)."""
    y = x @ block_diagonal(kernels)
    return plain_normalize(y, mode, num_channels or kernels.shape[-1]) * weights
