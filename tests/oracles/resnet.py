"""ResNets with one output in plain NumPy, as He et al. (CVPR 2016) draw them in Fig. 5 and Table 1.

Legend: N batch, H, W, C channels, K kernel size, s stride.

Weights are dicts of arrays: of a convolution `kernel` (K, K, C, C'), `scale` and `offset` (C',).
"""

import numpy as np

from tests.oracles.operations import Normalize, max_pool, windows


def normalized_convolution(x, weights, stride: int, normalize: Normalize):
    """A convolution centred on the pixels 0, s, 2 s, ..., then its normalization."""
    kernel = weights["kernel"]
    y = sum(seen @ kernel[i, j] for i, j, seen in windows(x, kernel.shape[0], stride))
    return normalize(y) * weights["scale"] + weights["offset"]


def basic_block(x, weights, stride: int, normalize: Normalize):
    """Two 3x3 convolutions beside the shortcut.

    Args:
        weights: `convolutions`, a list, and `shortcut`, or None where it is the identity.
    """
    first, second = weights["convolutions"]
    y = np.maximum(normalized_convolution(x, first, stride, normalize), 0)
    y = normalized_convolution(y, second, 1, normalize)
    return _added(x, y, weights, stride, normalize)


def bottleneck_block(x, weights, stride: int, normalize: Normalize):
    """1x1, 3x3 and 1x1 beside the shortcut; the 3x3 takes the stride."""
    reduce, middle, expand = weights["convolutions"]
    y = np.maximum(normalized_convolution(x, reduce, 1, normalize), 0)
    y = np.maximum(normalized_convolution(y, middle, stride, normalize), 0)
    y = normalized_convolution(y, expand, 1, normalize)
    return _added(x, y, weights, stride, normalize)


def _added(x, y, weights, stride, normalize):
    shortcut = weights["shortcut"]
    if shortcut is not None:
        x = normalized_convolution(x, shortcut, stride, normalize)
    return np.maximum(x + y, 0)


def resnet(masks, stem, stages, kernel, bias, block, normalize: Normalize):
    """Logits (N,).

    Args:
        masks: (N, H, W, K).
        stem: Weights of the 7x7 convolution.
        stages: For each of the four stages the weights of its blocks.
        kernel, bias: Of the fully connected unit, (C, 1) and (1,).
        block: `basic_block` or `bottleneck_block`.
    """
    x = max_pool(np.maximum(normalized_convolution(masks, stem, 2, normalize), 0), 2)
    for stage, blocks in enumerate(stages):
        for index, weights in enumerate(blocks):
            x = block(x, weights, 2 if stage > 0 and index == 0 else 1, normalize)
    return x.mean(axis=(1, 2)) @ kernel[:, 0] + bias[0]
