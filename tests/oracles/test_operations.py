"""The oracle itself against numbers worked out by hand, since everything else leans on it."""

import numpy as np
import pytest

from tests.oracles.operations import (
    OPERATIONS,
    batch_normalization,
    convolution,
    depthwise_convolution,
    factorized_reduce,
    group_normalization,
)

# (1, 3, 4, 1)
IMAGE = np.array([[1.0, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]])[None, :, :, None]


def plain(x):
    return x


def test_max_pool_by_hand():
    assert OPERATIONS["max_pool_3x3"](IMAGE, 1)[0, :, :, 0].tolist() == [
        [6, 7, 8, 8],
        [10, 11, 12, 12],
        [10, 11, 12, 12],
    ]
    assert OPERATIONS["max_pool_3x3"](IMAGE, 2)[0, :, :, 0].tolist() == [[6, 8], [10, 12]]


def test_max_pool_pads_with_less_than_any_pixel():
    assert OPERATIONS["max_pool_3x3"](IMAGE - 20, 1)[0, 0, 0, 0] == -14


def test_average_pool_divides_by_the_pixels_inside():
    y = OPERATIONS["avg_pool_3x3"](IMAGE, 2)[0, :, :, 0]

    expected = [[(1 + 2 + 5 + 6) / 4, (2 + 3 + 4 + 6 + 7 + 8) / 6], [7.5, 9.0]]
    np.testing.assert_allclose(y, expected)


def test_depthwise_by_hand():
    kernel = np.arange(1.0, 10).reshape(3, 3, 1)

    y = depthwise_convolution(IMAGE, kernel, stride=2)[0, :, :, 0]

    # The first output sees pixels 1 2 / 5 6 under kernel entries 5 6 / 8 9.
    assert y[0, 0] == 1 * 5 + 2 * 6 + 5 * 8 + 6 * 9
    assert y[0, 1] == 2 * 4 + 3 * 5 + 4 * 6 + 6 * 7 + 7 * 8 + 8 * 9
    assert y[1, 0] == 5 * 2 + 6 * 3 + 9 * 5 + 10 * 6


def test_dilation_leaves_out_every_second_pixel():
    kernel = np.arange(1.0, 10).reshape(3, 3, 1)

    y = depthwise_convolution(IMAGE, kernel, dilation=2)[0, :, :, 0]

    assert y[0, 0] == 1 * 5 + 3 * 6 + 9 * 8 + 11 * 9
    assert y[1, 3] == 6 * 4 + 8 * 5


def test_convolution_mixes_channels():
    x = np.concatenate([IMAGE, 100 * IMAGE], axis=-1)
    kernel = np.zeros((3, 3, 2, 2))
    kernel[0, 1] = [[1, 2], [3, 4]]  # the pixel above

    y = convolution(x, kernel)[0]

    assert y[0].tolist() == [[0, 0]] * 4
    assert y[1, 2].tolist() == [3 + 3 * 300, 2 * 3 + 4 * 300]


def test_factorized_reduce_by_hand():
    weights = {"pointwise": [np.array([[1.0]]), np.array([[10.0]])]}

    y = factorized_reduce(IMAGE - 3, weights, plain)[0]

    assert y[:, :, 0].tolist() == [[0, 0], [6, 8]]
    assert y[:, :, 1].tolist() == [[30, 50], [0, 0]]


def test_separable_convolution_by_hand():
    middle = np.zeros((3, 3, 1))
    middle[1, 1] = 1
    weights = {"depthwise": [middle, 2 * middle], "pointwise": [np.array([[1.0]])] * 2}

    y = OPERATIONS["sep_conv_3x3"](IMAGE - 6, 2, weights, lambda x: x - 1)[0, :, :, 0]

    # ReLU, every second pixel, minus one, ReLU, twice, minus one.
    assert y.tolist() == [[-1, -1], [2 * (3 - 1) - 1, 2 * (5 - 1) - 1]]


def test_dilated_convolution_by_hand():
    corner = np.zeros((3, 3, 1))
    corner[2, 2] = 1
    weights = {"depthwise": [corner], "pointwise": [np.array([[2.0]])]}

    y = OPERATIONS["dil_conv_3x3"](IMAGE - 10, 1, weights, plain)[0, :, :, 0]

    assert y.tolist() == [[2 * 1, 2 * 2, 0, 0], [0] * 4, [0] * 4]


def test_none_and_skip():
    assert OPERATIONS["none"](IMAGE, 2).shape == (1, 2, 2, 1)
    assert not OPERATIONS["none"](IMAGE, 1).any()
    assert OPERATIONS["skip_connect"](IMAGE, 1, {}, plain) is IMAGE


def test_batch_normalization_keeps_channels_apart():
    x = np.array([[1.0, 10], [3, 50]]).reshape(2, 1, 1, 2)

    y = batch_normalization(x)[:, 0, 0]

    expected = [-1 / np.sqrt(1 + 1e-5), 1 / np.sqrt(1 + 1e-5)]
    np.testing.assert_allclose(y[:, 0], expected, rtol=1e-14)
    np.testing.assert_allclose(y[:, 1], np.array([-20, 20]) / np.sqrt(400 + 1e-5), rtol=1e-14)


@pytest.mark.parametrize(("channels", "group"), [(4, 4), (8, 4), (6, 6), (2, 2)])
def test_group_normalization_by_hand(channels, group):
    x = np.arange(channels, dtype=float).reshape(1, 1, 1, channels)

    y = group_normalization(x).ravel()

    first = np.arange(group)
    expected = (first - first.mean()) / np.sqrt(first.var() + 1e-5)
    np.testing.assert_allclose(y, np.tile(expected, channels // group), rtol=1e-12)
