import numpy as np
import pytest
from matplotlib.colors import to_rgb

from darts_adv_tf.plots.overlays import WRONG_COLOUR, class_colours, draw_overlays


def scene(num_cases=1, size=(32, 32), num_classes=4):
    """Grey images with a square of each organ along the diagonal."""
    labels = np.zeros((num_cases, *size), np.uint8)
    step = min(size) // (num_classes - 1)
    for index in range(1, num_classes):
        place = slice((index - 1) * step + 1, index * step - 1)
        labels[:, place, place] = index
    images = np.full((num_cases, *size, 1), 0.3, np.float32)
    names = ["background", *(f"organ_{index}" for index in range(1, num_classes))]
    return images, labels, names


def rows_showing(picture, colour):
    """Whether pixels of about that colour occur, over left, middle and right third."""
    near = np.abs(picture.astype(float) - np.array(to_rgb(colour)) * 255).max(axis=-1) < 12
    # The lowest inch holds the legend, which always shows all colours.
    return [bool(third.any()) for third in np.array_split(near[:-110], 3, axis=1)]


def test_contours_stand_over_truth_and_prediction_but_not_over_the_image():
    images, labels, names = scene()

    picture = draw_overlays(images, labels, labels, ["a case"], names)

    assert picture.dtype == np.uint8
    for colour in class_colours(4):
        assert rows_showing(picture, colour) == [False, True, True]


def test_truth_and_prediction_are_not_exchanged():
    images, labels, names = scene()
    first, second, third = class_colours(4)

    picture = draw_overlays(images, labels, np.where(labels == 2, 0, labels), ["a"], names)

    assert rows_showing(picture, second) == [False, True, False]
    assert rows_showing(picture, first) == rows_showing(picture, third) == [False, True, True]


def test_wrong_pixels_alone_are_shaded():
    images, labels, names = scene()
    black = np.zeros_like(images)
    shade = 0.6 * np.array(to_rgb(WRONG_COLOUR))

    right = draw_overlays(black, labels, labels, ["a"], names)
    wrong = draw_overlays(black, labels, np.zeros_like(labels), ["a"], names)

    assert rows_showing(right, shade) == [False, False, False]
    assert rows_showing(wrong, shade) == [False, False, True]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("num_classes", [2, 3, 4, 8, 12])
def test_any_number_of_classes_has_colours_of_its_own(num_classes):
    images, labels, names = scene(size=(64, 48), num_classes=num_classes)

    draw_overlays(images, labels, labels, ["a"], names)

    assert len({to_rgb(colour) for colour in class_colours(num_classes)}) == num_classes - 1


@pytest.mark.filterwarnings("error")
def test_empty_and_filled_masks_are_drawn():
    images, labels, names = scene(num_cases=2)
    predictions = np.zeros_like(labels)
    predictions[1] = 1

    picture = draw_overlays(images, labels, predictions, ["empty", "full"], names)

    # The contour of a mask that fills the image runs along the image's border.
    assert rows_showing(picture, class_colours(4)[0])[2]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("num_classes", [2, 12])
@pytest.mark.parametrize("num_channels", [1, 2, 3, 5])
def test_any_number_of_channels_is_drawn(num_channels, num_classes):
    images, labels, names = scene(size=(64, 48), num_classes=num_classes)
    images = np.random.default_rng(0).random((*labels.shape, num_channels), np.float32)

    picture = draw_overlays(images, labels, labels, ["a"], names)

    # The first panel, without contours and its rim.
    hues = np.ptp(picture[100:200, 50:250].astype(int), axis=-1)
    assert (hues.max() > 50) == (num_channels == 3)


def test_three_channels_are_red_green_and_blue():
    images, labels, names = scene()
    labels[:] = 0
    images = np.zeros((*labels.shape, 3), np.float32)
    thirds = np.array_split(np.arange(32), 3)
    for channel, rows in enumerate(thirds):
        images[:, rows, :, channel] = 0.02

    picture = draw_overlays(images, labels, labels, ["a"], names)

    panel = picture[:-110, : picture.shape[1] // 3].astype(int)
    for channel in range(3):
        others = np.delete(panel, channel, axis=-1).max(axis=-1)
        # A dark exposure is brightened, and each channel shown in its colour.
        assert np.count_nonzero(panel[..., channel] - others > 150) > 0.1 * panel[..., 0].size


@pytest.mark.parametrize("num_channels", [1, 3])
def test_a_pale_exposure_is_stretched(num_channels):
    _, labels, names = scene()
    labels[:] = 0
    images = np.full((*labels.shape, num_channels), 0.9, np.float32)
    images[:, :, 16:] = 0.91

    picture = draw_overlays(images, labels, labels, ["a"], names)

    panel = picture[100:200, 20 : picture.shape[1] // 3 - 20]
    assert panel.min() == 0
    # Darker than the contours, which are to stand out.
    assert 180 < panel.max() < 220


def test_oblong_images_are_drawn():
    images, labels, names = scene(num_cases=2, size=(16, 48))

    tall = draw_overlays(images, labels, labels, ["a", "b"], names)
    single = draw_overlays(images[:1], labels[:1], labels[:1], ["a"], names)

    assert tall.shape[0] > single.shape[0]
    assert tall.shape[1] == single.shape[1]
