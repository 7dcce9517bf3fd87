import numpy as np
import pytest

from darts_adv_tf.data.dataset import CLASS_NAMES, Dataset

GOOD = {
    "cases": ("a", "b"),
    "images": np.zeros((2, 4, 4, 1), np.float32),
    "labels": np.full((2, 4, 4), 3, np.uint8),
}


def make(**changes):
    return Dataset(
        name="test", class_names=CLASS_NAMES, intensity_maximum=255.0, **(GOOD | changes)
    )


def test_matching_parts_make_a_data_set():
    assert make().repairs == ()


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"cases": ("a", "a")}, "distinct"),
        ({"cases": ("a",)}, "one image a case"),
        ({"images": np.zeros((2, 4, 4), np.float32)}, "images is float32"),
        ({"images": np.zeros((2, 4, 4, 1))}, "images is float32"),
        ({"labels": np.zeros((2, 4, 5), np.uint8)}, "labels is uint8"),
        ({"labels": np.full((2, 4, 4), 4, np.uint8)}, "number of classes"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        make(**changes)
