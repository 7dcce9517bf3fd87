import dataclasses

import numpy as np
import pytest

from darts_adv_tf.data.chest import CLASS_NAMES
from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.preparation import Preparation

GOOD = {
    "cases": ("a", "b"),
    "images": np.zeros((2, 4, 4, 1), np.float32),
    "labels": np.full((2, 4, 4), 3, np.uint8),
}


def make(**changes):
    return Dataset(
        name="test", class_names=CLASS_NAMES, preparation=Preparation(4), **(GOOD | changes)
    )


def test_matching_parts_make_a_data_set():
    data = make()
    assert data.issues == ()
    assert data.patients == ("a", "b")
    assert np.isnan(data.pixel_sizes).all() and data.pixel_sizes.shape == (2, 2)


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"cases": ("a", "a")}, "distinct"),
        ({"cases": ("a",)}, "one image per case"),
        ({"images": np.zeros((2, 4, 4), np.float32)}, "images must be float32"),
        ({"images": np.zeros((2, 4, 4, 1))}, "images must be float32"),
        ({"labels": np.zeros((2, 4, 5), np.uint8)}, "labels must be uint8"),
        ({"labels": np.full((2, 4, 4), 4, np.uint8)}, "number of classes"),
        ({"patients": ("a",)}, "patients must have one entry per case"),
        ({"pixel_sizes": np.ones((3, 2))}, "pixel_sizes must have one entry per case"),
        ({"folds": ("fold1",)}, "folds must have one entry per case"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        make(**changes)


def test_the_fingerprint_is_that_of_the_contents():
    expected = make().fingerprint()
    assert len(expected) == 64
    # Wherever they lie in memory, and whatever had to be repaired to get there.
    images = np.zeros((4, 2, 4, 1), np.float32).swapaxes(0, 1)
    copies = {
        "images": images,
        "labels": GOOD["labels"].copy(),
        "issues": (DataIssue("a", "swapped", "mended"),),
    }
    assert not images.flags.c_contiguous
    assert make(**copies).fingerprint() == expected


def changed(array):
    array = array.copy()
    array.flat[-1] -= 1
    return array


@pytest.mark.parametrize(
    "changes",
    [
        {"cases": ("a", "c")},
        {"cases": ("b", "a")},
        {"images": changed(GOOD["images"])},
        {"labels": changed(GOOD["labels"])},
        {
            "images": GOOD["images"].reshape(2, 2, 8, 1),
            "labels": GOOD["labels"].reshape(2, 2, 8),
        },
    ],
    ids=lambda changes: " and ".join(changes),
)
def test_whatever_training_sees_changes_the_fingerprint(changes):
    assert make(**changes).fingerprint() != make().fingerprint()


def test_the_source_and_the_classes_are_in_the_fingerprint():
    data = make()
    for change in ({"name": "other"}, {"class_names": (*CLASS_NAMES[:3], "liver")}):
        assert dataclasses.replace(data, **change).fingerprint() != data.fingerprint()
