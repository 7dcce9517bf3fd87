"""Normalization and its product as they are defined, for TensorFlow to differentiate by itself.

Legend: N batch, H, W, C channels, n pixels of all images, D channels in and O out.
"""

import tensorflow as tf


def plain_normalize(x, mode, num_channels):
    """`normalize` on one replica: (..., N, H, W, C) -> the same."""
    if mode == "group":
        size = 4 if num_channels % 4 == 0 else num_channels
        *images, channels = x.shape
        grouped, axes = tf.reshape(x, [*images, channels // size, size]), [-4, -3, -1]
    else:
        grouped, axes = x, [-4, -3, -2]
    mean = tf.reduce_mean(grouped, axes, keepdims=True)
    variance = tf.reduce_mean(tf.square(grouped - mean), axes, keepdims=True)
    return tf.reshape((grouped - mean) / tf.sqrt(variance + 1e-5), x.shape)


def plain_normalized_product(x, kernels, weights, mode, image_size=None, num_channels=None):
    """`normalized_product`: (..., n, D), (..., D, O), (..., 1, O) -> (..., n, O)."""
    y = x @ kernels
    *leading, rows, results = y.shape
    images = tf.reshape(y, [*leading, -1, image_size or rows, 1, results])
    normalized = plain_normalize(images, mode, num_channels or results)
    return tf.reshape(normalized, y.shape) * weights
