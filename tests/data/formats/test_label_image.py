"""What counts as a label and as a mask, worked out by hand."""

import numpy as np
import pytest

from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.formats.label_image import to_label_image, to_mask
from darts_adv_tf.system.errors import DataError

ROUNDED = ["labels that differ from whole numbers by a float's rounding: rounded"]


@pytest.mark.parametrize(
    ("values", "expected", "remarks"),
    [
        (np.array([[0, 1, 255]], np.int64), np.array([[0, 1, 255]], np.uint8), []),
        (np.array([[0, 256]], np.uint16), np.array([[0, 256]], np.uint16), []),
        (np.array([[0, 2.0]], np.float32), np.array([[0, 2]], np.uint8), []),
        (np.array([[-0.0, 0.9999, 2.001]]), np.array([[0, 1, 2]], np.uint8), ROUNDED),
        (np.array([[-1e-6, 65534.9995]]), np.array([[0, 65535]], np.uint16), ROUNDED),
        # A third of 3 * 0.1 and the like: what a slope leaves.
        (np.array([[10, 20]]) * (0.1 + 1e-17) - 1e-9, np.array([[1, 2]], np.uint8), ROUNDED),
    ],
)
def test_labels_are_whole_numbers_up_to_rounding(values, expected, remarks):
    told = []
    labels = to_label_image(values, "labels.nii", told.append)
    np.testing.assert_array_equal(labels, expected, strict=True)
    assert told == remarks


@pytest.mark.parametrize(
    ("value", "received"),
    [
        (1.002, "between whole ones"),
        (0.5, "between whole ones"),
        (np.nan, "no numbers"),
        (-np.inf, "no numbers"),
        (-1.0, "from -1 to 3"),
        (65536.0, "from 0 to 65536"),
    ],
)
def test_other_numbers_are_no_labels(value, received):
    with pytest.raises(DataError, match="label image") as caught:
        to_label_image(np.array([[0.0, 3.0, value]]), "labels.nii")
    assert received in caught.value.received


RED = [200, 0, 0]


@pytest.mark.parametrize(
    ("pixels", "maximum", "expected", "remarks"),
    [
        ([0, 255, 0], 255, [0, 1, 0], []),
        ([0, 1, 0], 255, [0, 1, 0], ["masks of 0 and 1: 1 is the class"]),
        ([0, 128, 0], 255, [0, 1, 0], ["masks of 0 and 128: 128 is the class"]),
        ([0, 3, 3], 65535, [0, 1, 1], ["masks of 0 and 3: 3 is the class"]),
        ([0, 0, 0], 255, [0, 0, 0], []),
        ([1, 1, 1], 255, [1, 1, 1], ["masks of 0 and 1: 1 is the class"]),
        ([255, 255, 255], 255, [1, 1, 1], []),
        # Grey everywhere: neither level says what it means, so half of white decides.
        ([127, 127, 127], 255, [0, 0, 0], []),
        ([0, 40, 127, 128, 255], 255, [0, 0, 0, 1, 1], []),
        ([0.0, 1.0, 0.0], None, [0, 1, 0], ["masks of 0 and 1: 1 is the class"]),
        (
            [[0, 0, 0], RED, RED],
            255,
            [0, 1, 1],
            ["masks of one colour on black: the colour is the class"],
        ),
    ],
)
def test_two_levels_are_a_mask_whatever_they_are(pixels, maximum, expected, remarks):
    values = np.array(pixels, np.float32 if maximum is None else np.uint16)
    told = []
    decoded = DecodedImage(values.reshape(1, len(pixels), -1), maximum)
    mask = to_mask(decoded, "mask.png", told.append)
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, [np.array(expected, bool)])
    assert told == remarks


@pytest.mark.parametrize(
    ("pixels", "maximum", "received"),
    [
        ([0, 1, 2], 255, "several values beside 0, from 1 to 2 of 255"),
        ([0, 60, 127], 255, "from 60 to 127 of 255"),
        ([0.0, 0.4, 1.0], None, "several values beside 0"),
        ([0.0, -1.0, 0.0], None, "several values beside 0, from -1 to -1"),
        ([[0, 0, 0], RED, [0, 200, 0]], 255, "colours, more than one"),
    ],
)
def test_what_does_not_say_where_the_inside_is_is_refused(pixels, maximum, received):
    values = np.array(pixels, np.float32 if maximum is None else np.uint8)
    with pytest.raises(DataError, match="A mask must be grey") as caught:
        to_mask(DecodedImage(values.reshape(1, len(pixels), -1), maximum), "mask.png")
    assert received in caught.value.received
