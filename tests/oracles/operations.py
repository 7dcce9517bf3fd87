"""The candidate operations in plain NumPy, float64, as DARTS (Liu et al., ICLR 2019) has them.

Legend: N batch, H, W, C channels, K kernel size, s stride.

Every operation maps (N, H, W, C) to (N, ceil(H / s), ceil(W / s), C) and is called as
`OPERATIONS[primitive](x, stride, weights, normalize)`. `weights` is a dict of arrays:

- `depthwise`: one (K, K, C) kernel a convolution;
- `pointwise`: one (C, C') kernel a convolution;
- `affine`: one (scale, offset) a normalization, each (C,); absent where none is learned.
"""

from collections.abc import Callable, Iterator

import numpy as np

Normalize = Callable[[np.ndarray], np.ndarray]


def windows(
    x: np.ndarray, size: int, stride: int = 1, dilation: int = 1, outside: float = 0.0
) -> Iterator[tuple[int, int, np.ndarray]]:
    """Yields, for every offset (i, j) in the kernel, what each output pixel sees there.

    The kernel is centred on the pixels 0, s, 2 s, ... of the image: symmetric padding.
    """
    num_images, height, width, channels = x.shape
    for i in range(size):
        for j in range(size):
            seen = np.full(
                (num_images, -(-height // stride), -(-width // stride), channels), outside
            )
            for row in range(seen.shape[1]):
                for column in range(seen.shape[2]):
                    y = stride * row + dilation * (i - size // 2)
                    z = stride * column + dilation * (j - size // 2)
                    if 0 <= y < height and 0 <= z < width:
                        seen[:, row, column] = x[:, y, z]
            yield i, j, seen


def convolution(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """(N, H, W, C) by (K, K, C, C'), stride 1."""
    return sum(seen @ kernel[i, j] for i, j, seen in windows(x, kernel.shape[0]))


def depthwise_convolution(
    x: np.ndarray, kernel: np.ndarray, stride: int = 1, dilation: int = 1
) -> np.ndarray:
    """(N, H, W, C) by (K, K, C)."""
    return sum(seen * kernel[i, j] for i, j, seen in windows(x, kernel.shape[0], stride, dilation))


def batch_normalization(x: np.ndarray) -> np.ndarray:
    """Every channel to mean 0 and variance 1, eps 1e-5."""
    y = np.empty_like(x)
    for channel in range(x.shape[-1]):
        y[..., channel] = standardize(x[..., channel])
    return y


def group_normalization(x: np.ndarray) -> np.ndarray:
    """Every four neighbouring channels of every image; all of them if C is no multiple of four."""
    size = 4 if x.shape[-1] % 4 == 0 else x.shape[-1]
    y = np.empty_like(x)
    for image in range(len(x)):
        for start in range(0, x.shape[-1], size):
            y[image, ..., start : start + size] = standardize(x[image, ..., start : start + size])
    return y


def standardize(values: np.ndarray) -> np.ndarray:
    variance = np.mean((values - np.mean(values)) ** 2)
    return (values - np.mean(values)) / np.sqrt(variance + 1e-5)


def none(x, stride, weights=None, normalize=None):
    del weights, normalize
    _, _, seen = next(windows(x, 1, stride))
    return np.zeros_like(seen)


def max_pool(x, stride, weights=None, normalize=None):
    y = np.max([seen for *_, seen in windows(x, 3, stride, outside=-np.inf)], axis=0)
    return y if normalize is None else _normalized(y, weights or {}, normalize)


def average_pool(x, stride, weights=None, normalize=None):
    total = sum(seen for *_, seen in windows(x, 3, stride))
    pixels_inside = sum(seen for *_, seen in windows(np.ones_like(x), 3, stride))
    y = total / pixels_inside
    return y if normalize is None else _normalized(y, weights or {}, normalize)


def skip(x, stride, weights, normalize):
    return x if stride == 1 else factorized_reduce(x, weights, normalize)


def factorized_reduce(x, weights, normalize):
    """The pixels (0, 0), (0, 2), ... by one kernel, the pixels (1, 1), (1, 3), ... by another."""
    rectified = np.maximum(x, 0)
    _, height, width, _ = x.shape
    shifted = np.zeros_like(x)
    shifted[:, : height - 1, : width - 1] = rectified[:, 1:, 1:]
    even, odd = weights["pointwise"]
    y = np.concatenate([rectified[:, ::2, ::2] @ even, shifted[:, ::2, ::2] @ odd], axis=-1)
    return _normalized(y, weights, normalize)


def relu_convolution(x, weights, normalize):
    return _normalized(np.maximum(x, 0) @ weights["pointwise"][0], weights, normalize)


def separable_convolution(x, stride, weights, normalize):
    for i, s in ((0, stride), (1, 1)):
        x = depthwise_convolution(np.maximum(x, 0), weights["depthwise"][i], s)
        x = _normalized(x @ weights["pointwise"][i], weights, normalize, i)
    return x


def dilated_convolution(x, stride, weights, normalize):
    y = depthwise_convolution(np.maximum(x, 0), weights["depthwise"][0], stride, dilation=2)
    return _normalized(y @ weights["pointwise"][0], weights, normalize)


def _normalized(x, weights, normalize: Normalize, index: int = 0):
    y = normalize(x)
    if "affine" in weights:
        scale, offset = weights["affine"][index]
        y = y * scale + offset
    return y


OPERATIONS = {
    "none": none,
    "max_pool_3x3": max_pool,
    "avg_pool_3x3": average_pool,
    "skip_connect": skip,
    "sep_conv_3x3": separable_convolution,
    "sep_conv_5x5": separable_convolution,
    "dil_conv_3x3": dilated_convolution,
    "dil_conv_5x5": dilated_convolution,
}
"""By primitive, in the order of op_weights' columns."""
