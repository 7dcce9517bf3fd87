import numpy as np
import pytest
from matplotlib.colors import to_rgb

from darts_adv_tf.plots.overlays import class_colours
from darts_adv_tf.plots.prediction_overlay import LONGEST_SIDE, draw_prediction

LEGEND = 45
"""Pixels at the lower end that hold the legend, or its rim."""


def names(num_classes):
    return ["background", *(f"organ_{index}" for index in range(1, num_classes))]


def places_of(picture, colour):
    """Rows and columns, from 0 to 1, of pixels of about that colour above the legend."""
    image = picture[:-LEGEND]
    near = np.abs(image.astype(float) - np.array(to_rgb(colour)) * 255).max(axis=-1) < 12
    return np.argwhere(near) / image.shape[:2]


@pytest.mark.parametrize("scale", [1, 40])
def test_each_organ_is_outlined_where_it_lies(scale):
    labels = np.zeros((40, 60), np.uint8)
    labels[4:12, 40:56] = 1
    labels[24:36, 4:16] = 2
    labels = labels.repeat(scale, axis=0).repeat(scale, axis=1)
    image = np.full((*labels.shape, 1), 90, np.uint8)

    picture = draw_prediction(image, labels, names(3))

    assert picture.dtype == np.uint8 and picture.shape[1] == LONGEST_SIDE
    first, second = (places_of(picture, colour) for colour in class_colours(3))
    for places, (top, bottom, left, right) in (
        (first, (4 / 40, 12 / 40, 40 / 60, 56 / 60)),
        (second, (24 / 40, 36 / 40, 4 / 60, 16 / 60)),
    ):
        # The outline is as wide as a few pixels.
        np.testing.assert_allclose(places.min(axis=0), (top, left), atol=0.02)
        np.testing.assert_allclose(places.max(axis=0), (bottom, right), atol=0.02)
        inside = (places > (top + 0.05, left + 0.05)) & (places < (bottom - 0.05, right - 0.05))
        assert not inside.all(axis=1).any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (3000, 1), (2, 1)])
def test_the_narrowest_picture_is_drawn_within_bounds(shape):
    for index in range(3):
        image = np.full((*shape, 1), 7, np.uint16)
        picture = draw_prediction(image, np.full(shape, index, np.uint8), names(3))
        assert max(picture.shape) < LONGEST_SIDE + 100
        assert len(places_of(picture, class_colours(3)[0])) > 0 or index != 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("num_channels", [1, 2, 3, 6])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_any_image_that_can_be_decoded_is_drawn(num_channels, dtype):
    labels = np.zeros((1000, 12), np.uint8)
    labels[:, 6:] = 1
    random = np.random.default_rng(0)
    for spread in (0, 200):
        image = (random.random((1000, 12, num_channels)) * spread).astype(dtype)
        for size in (1000, 10):
            picture = draw_prediction(image[:size], labels[:size], names(9))
            assert len(places_of(picture, class_colours(9)[0])) > 0
