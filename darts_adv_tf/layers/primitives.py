"""Convolutions and poolings with few graph nodes and right second derivatives.

Legend: N batch, H, W, C channels, K kernel size.

Every function pads symmetrically and explicitly: `padding="same"` with stride 2 pads one side
only on even sizes, which is another operation than the DARTS source's.
"""

from functools import cache

import numpy as np
import tensorflow as tf


def depthwise(x: tf.Tensor, kernel: tf.Tensor, stride: int = 1) -> tf.Tensor:
    """Depthwise convolution with K // 2 pixels of zero padding on every side.

    Args:
        x: (N, H, W, C).
        kernel: (K, K, C, 1), K odd.
        stride: 1 or 2.

    Returns:
        (N, ceil(H / stride), ceil(W / stride), C).
    """
    pad = kernel.shape[0] // 2
    padding = "SAME" if stride == 1 else [[0, 0], [pad, pad], [pad, pad], [0, 0]]
    return tf.nn.depthwise_conv2d(x, kernel, strides=[1, stride, stride, 1], padding=padding)


def dilated_depthwise(
    x: tf.Tensor, kernels: tuple[tf.Tensor, ...], stride: int = 1
) -> tuple[tf.Tensor, ...]:
    """Depthwise convolutions of dilation 2, padded by K - 1 pixels on every side.

    TensorFlow's own dilation returns wrong values together with a stride, and surrounds each
    convolution by nodes of its own. With stride 2, dilation 2 and the even padding K - 1, only
    every second pixel is ever read: taking those first leaves a plain convolution. With stride 1
    the four phases of the image go into the batch, once for all kernels.

    Args:
        x: (N, H, W, C).
        kernels: each (K, K, C, 1), K odd.
        stride: 1 or 2.

    Returns:
        One (N, ceil(H / stride), ceil(W / stride), C) a kernel.
    """
    if stride == 2:
        x = x[:, ::2, ::2]
        return tuple(depthwise(x, kernel) for kernel in kernels)
    _, height, width, _ = x.shape
    pad = max(kernel.shape[0] for kernel in kernels) - 1
    odd = (height % 2, width % 2)
    phases = tf.space_to_batch(x, [2, 2], [[pad, pad + odd[0]], [pad, pad + odd[1]]])
    outputs = []
    for kernel in kernels:
        y = tf.nn.depthwise_conv2d(phases, kernel, [1, 1, 1, 1], padding="VALID")
        crop = pad - (kernel.shape[0] - 1)
        crops = [[crop, crop + odd[0]], [crop, crop + odd[1]]]
        outputs.append(tf.batch_to_space(y, [2, 2], crops))
    return tuple(outputs)


def max_pool(x: tf.Tensor, stride: int = 1) -> tf.Tensor:
    """3x3 max pooling over the pixels inside the image.

    The padding comes first, as a step of its own: a 3x3 stride 1 pooling that pads by itself has
    a second derivative of zero inside `tf.function` at many sizes (TensorFlow 2.21, CPU).

    Args:
        x: (N, H, W, C).
        stride: 1 or 2.

    Returns:
        (N, ceil(H / stride), ceil(W / stride), C).
    """
    padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], constant_values=-3e38)
    return tf.nn.max_pool2d(padded, 3, stride, "VALID")


def average_pool(x: tf.Tensor, stride: int = 1) -> tf.Tensor:
    """3x3 average pooling; each average counts the pixels inside the image only.

    Args:
        x: (N, H, W, C).
        stride: 1 or 2.

    Returns:
        (N, ceil(H / stride), ceil(W / stride), C).
    """
    if stride == 1:
        return tf.nn.avg_pool2d(x, 3, 1, "SAME")
    padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]])
    pooled = tf.nn.avg_pool2d(padded, 3, stride, "VALID")
    return pooled * _padding_correction(x.shape[1], x.shape[2], stride, x.dtype.name)


@cache
def _padding_correction(height: int, width: int, stride: int, dtype: str) -> tf.Tensor:
    """(1, H', W', 1): nine over the number of pixels inside the image, at each output pixel."""

    def pixels_inside(size: int) -> np.ndarray:
        centers = np.arange(0, size, stride)
        return 3.0 - (centers == 0) - (centers == size - 1)

    inside = np.outer(pixels_inside(height), pixels_inside(width))
    with tf.init_scope():
        return tf.constant((9.0 / inside)[None, :, :, None], dtype)


def every_second_pixel(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The pixels (0, 0), (0, 2), ... and, shifted by one, (1, 1), (1, 3), ...; zero outside.

    Args:
        x: (N, H, W, C).

    Returns:
        Two tensors (N, ceil(H / 2), ceil(W / 2), C).
    """
    odd = (x.shape[1] % 2, x.shape[2] % 2)
    shifted = x[:, 1::2, 1::2]
    if any(odd):
        shifted = tf.pad(shifted, [[0, 0], [0, odd[0]], [0, odd[1]], [0, 0]])
    return x[:, ::2, ::2], shifted
