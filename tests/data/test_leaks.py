"""Test cases that are not unseen."""

import numpy as np
import pytest

from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.leaks import find_leaks
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.split import Split

SPLIT = Split(train=(0, 1), val=(2,), test=(3, 4))


def make(copies=None, patients=()):
    """Five different images; those of `copies` (case: original) are equal to another."""
    images = np.random.default_rng(0).random((5, 4, 4, 1), np.float32)
    for case, original in (copies or {}).items():
        images[case] = images[original]
    return Dataset(
        name="test",
        class_names=("background", "lung"),
        cases=tuple("abcde"),
        images=images,
        labels=np.zeros((5, 4, 4), np.uint8),
        preparation=Preparation(4),
        patients=tuple(patients),
    )


def told(issues):
    return [(f.kind, f.case, f.other, f.is_fatal) for f in issues]


@pytest.mark.parametrize("split", [SPLIT, None])
def test_different_images_of_different_patients_have_no_leak(split):
    assert find_leaks(make(), split) == []


@pytest.mark.parametrize(
    ("copies", "expected"),
    [
        ({1: 0}, [("duplicate", "b", "a", False)]),
        # Both halves of the training cases are trained on in the end.
        ({2: 0}, [("duplicate", "c", "a", False)]),
        ({4: 3}, [("duplicate", "e", "d", False)]),
        ({4: 0}, [("duplicate", "e", "a", True)]),
        ({3: 2}, [("duplicate", "d", "c", True)]),
        ({1: 0, 3: 0}, [("duplicate", "b", "a", False), ("duplicate", "d", "a", True)]),
    ],
)
def test_a_copy_is_fatal_where_it_is_on_both_sides(copies, expected):
    issues = find_leaks(make(copies), SPLIT)
    assert told(issues) == expected
    for issue in issues:
        assert ("(train and test)" in issue.message) == issue.is_fatal == issue.crosses_split


def test_a_test_case_before_its_copy_in_training_is_found():
    split = Split(train=(3, 4), val=(2,), test=(0, 1))
    (issue,) = find_leaks(make({3: 0}), split)
    assert told([issue]) == [("duplicate", "d", "a", True)]
    assert "(test and train)" in issue.message


def test_copies_are_told_without_a_split_too():
    assert told(find_leaks(make({4: 0}), None)) == [("duplicate", "e", "a", False)]


def test_an_image_that_differs_in_its_last_bit_is_no_copy():
    dataset = make({4: 0})
    dataset.images[4, -1, -1] = np.nextafter(dataset.images[4, -1, -1], np.float32(2))
    assert find_leaks(dataset, SPLIT) == []


def test_images_without_contrast_are_no_copies_of_each_other():
    dataset = make()
    dataset.images[[0, 4]] = 0.5
    assert find_leaks(dataset, SPLIT) == []


def test_a_patient_on_both_sides_is_fatal_and_named():
    issues = find_leaks(make(patients="ppqqr"), SPLIT)
    assert told(issues) == [("patient", "d", "c", True)]
    assert "patient q is trained on too, in c" in issues[0].message


@pytest.mark.parametrize("patients", ["pppqq", "pqrst"])
def test_a_patient_on_one_side_is_no_leak(patients):
    assert find_leaks(make(patients=patients), SPLIT) == []
    assert find_leaks(make(patients="ppppp"), None) == []


def test_cases_outside_the_split_take_no_side():
    split = Split(train=(0,), val=(1,), test=(2,))
    issues = find_leaks(make({4: 0}, patients="pqrsp"), split)
    assert told(issues) == [("duplicate", "e", "a", False)]
