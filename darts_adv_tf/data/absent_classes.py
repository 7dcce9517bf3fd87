"""Classes without a pixel: nothing could be learned or measured of them.

Shapes: N cases, K classes, of which class 0 is the background.
"""

import numpy as np

from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.split import Split


def find_absent_classes(dataset: Dataset, split: Split | None) -> list[DataIssue]:
    """Reports classes that no case has at the training resolution, or no case of one side.

    It is fatal if a side has no class at all: training would learn, or measure, nothing.

    Args:
        dataset: The cases.
        split: The split of the cases; None if unknown.
    """
    num_classes = len(dataset.class_names)
    # (N, K - 1)
    has_class = np.array(
        [np.bincount(labels.ravel(), minlength=num_classes)[1:] > 0 for labels in dataset.labels]
    )
    size = "{1}x{0}".format(*dataset.labels.shape[1:])
    absent = _issues(has_class, dataset, f"no case has a pixel of {{}} at {size}")
    if split is None or any(issue.is_fatal for issue in absent):
        return absent
    known = np.asarray(has_class.any(axis=0))
    for cases, message in (
        (split.train_and_val, "no training case has a pixel of {}, which cannot be learned"),
        (split.test, "no test case has a pixel of {}, of which nothing can be measured"),
    ):
        if len(cases):
            absent += _issues(has_class[list(cases)], dataset, message, known)
    return absent


def _issues(
    has_class: np.ndarray, dataset: Dataset, message: str, expected: np.ndarray | None = None
) -> list[DataIssue]:
    """One issue for all absent classes of some cases, among those that are expected there."""
    present = np.asarray(has_class.any(axis=0))
    missing = ~present if expected is None else ~present & expected
    names = [dataset.class_names[1 + index] for index in np.flatnonzero(missing)]
    if not names:
        return []
    return [DataIssue("", "absent", message.format(", ".join(names)), is_fatal=not present.any())]
