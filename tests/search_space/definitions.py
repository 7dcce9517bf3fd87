"""What has derivatives of its own, as it is defined, for TensorFlow to differentiate by itself.

Legend: N batch, H, W, C channels, K kernel size, n pixels of all images, D channels in, O out.
"""

import tensorflow as tf


def plain_center(x, axes):
    """`center` on one replica."""
    return x - tf.reduce_mean(x, axes, keepdims=True)


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


def plain_depthwise(x, kernel, stride=1, dilation=1):
    """`depthwise` and `dilated_depthwise`: a sum of shifted images, one an entry of the kernel."""
    size, (height, width) = kernel.shape[0], x.shape[1:3]
    pad = dilation * (size // 2)
    padded = tf.pad(x, [[0, 0], [pad, pad], [pad, pad], [0, 0]])

    def shifted(row, column):
        row, column = dilation * row, dilation * column
        return padded[:, row : row + height : stride, column : column + width : stride]

    return tf.add_n([shifted(i, j) * kernel[i, j, :, 0] for i in range(size) for j in range(size)])
