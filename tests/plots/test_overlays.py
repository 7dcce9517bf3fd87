import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from darts_adv_tf.plots.overlays import (
    COLOURS,
    ERROR_COLOURS,
    ERROR_OPACITY,
    class_colours,
    draw_overlays,
)


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


def rows_showing(picture, colour, least=1):
    """Whether so many pixels of about that colour occur, over left, middle and right third."""
    near = np.abs(picture.astype(float) - np.array(to_rgb(colour)) * 255).max(axis=-1) < 12
    # The lowest inch holds the legend, which always shows all colours.
    thirds = np.array_split(near[:-140], 3, axis=1)
    return [bool(np.count_nonzero(third) >= least) for third in thirds]


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


@pytest.mark.parametrize("error", [None, *ERROR_COLOURS])
def test_only_wrong_pixels_are_shaded_each_kind_of_error_in_its_colour(error):
    images, labels, names = scene()
    truth, prediction = {
        None: (labels, labels),
        "missed": (labels, np.zeros_like(labels)),
        "invented": (np.zeros_like(labels), labels),
        "wrong class": (labels, np.where(labels == 1, 2, labels)),
    }[error]

    picture = draw_overlays(np.zeros_like(images), truth, prediction, ["a"], names)

    for kind, colour in ERROR_COLOURS.items():
        shade = ERROR_OPACITY * np.array(to_rgb(colour))
        # More than the rims of letters, which are grey too.
        assert rows_showing(picture, shade, 1000) == [False, False, kind == error], kind


# Linear RGB as seen without one kind of cones (Machado, Oliveira and Fernandes, 2009).
SEEN = {
    "trichromacy": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def distance(first, second, vision):
    """Of two colours as seen, in CIE L*a*b*, where 2.3 is just noticeable."""
    places = []
    for colour in (first, second):
        colour = np.array(colour)
        linear = np.where(colour <= 0.04045, colour / 12.92, ((colour + 0.055) / 1.055) ** 2.4)
        x, y, z = np.cbrt(
            [[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0177, 0.1095, 0.8728]]
            @ np.clip(SEEN[vision] @ linear, 0.01, 1)
        )
        places.append(np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)]))
    return np.linalg.norm(places[0] - places[1])


@pytest.mark.parametrize("vision", SEEN)
def test_kinds_of_errors_and_classes_can_be_told_apart_by_the_colour_blind(vision):
    shades = [np.array(to_rgb(colour)) for colour in ERROR_COLOURS.values()]
    for first, second in itertools.combinations(shades, 2):
        for grey in (0, 0.4, 0.8):
            over = [ERROR_OPACITY * each + (1 - ERROR_OPACITY) * grey for each in (first, second)]
            assert distance(*over, vision) > 30
    for first, second in itertools.combinations(COLOURS, 2):
        assert distance(to_rgb(first), to_rgb(second), vision) > 5
    # What the check is for: red beside green.
    assert distance(to_rgb("#B22222"), to_rgb("#6B6B00"), "deuteranopia") < 20


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
