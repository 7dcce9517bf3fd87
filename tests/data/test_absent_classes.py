"""Classes without a pixel, in four cases of 2x2 pixels."""

import numpy as np
import pytest

from darts_adv_tf.data.absent_classes import find_absent_classes
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.split import Split

SPLIT = Split(train=(0,), val=(1,), test=(2, 3))


def dataset(*classes_of_cases):
    """Four cases, each with one pixel of each of its classes."""
    labels = np.zeros((4, 2, 2), np.uint8)
    for label, classes in zip(labels, classes_of_cases, strict=True):
        label.flat[: len(classes)] = classes
    images = np.zeros((4, 2, 2, 1), np.float32)
    names = ("background", "liver", "spleen")
    return Dataset("test", names, ("a", "b", "c", "d"), images, labels, Preparation(2))


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (([1, 2], [], [1, 2], []), []),
        (([1], [2], [2], [1]), []),
        (([], [], [], []), [("no case has a pixel of liver, spleen at 2x2", True)]),
        (([1], [], [1], []), [("no case has a pixel of spleen at 2x2", False)]),
        (
            ([1], [1], [1, 2], []),
            [("no training case has a pixel of spleen, which cannot be learned", False)],
        ),
        (
            ([1, 2], [1], [], [2]),
            [("no test case has a pixel of liver, of which nothing can be measured", False)],
        ),
        (
            ([1, 2], [1], [], []),
            [("no test case has a pixel of liver, spleen, of which nothing can be measured", True)],
        ),
        (
            ([], [], [1], []),
            [
                ("no case has a pixel of spleen at 2x2", False),
                ("no training case has a pixel of liver, which cannot be learned", True),
            ],
        ),
    ],
)
def test_absent_classes_are_named_and_fatal_where_nothing_is_left(classes, expected):
    issues = find_absent_classes(dataset(*classes), SPLIT)
    assert [(issue.message, issue.is_fatal) for issue in issues] == expected
    assert {(issue.case, issue.kind) for issue in issues} <= {("", "absent")}


def test_without_a_split_only_the_whole_data_set_is_looked_at():
    assert find_absent_classes(dataset([1, 2], [], [], []), None) == []
    assert find_absent_classes(dataset([], [], [], []), None)[0].is_fatal
