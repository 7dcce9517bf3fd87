"""Leaks between training and test: the same patient, or the same image, on both sides.

Shapes: N cases, H and W pixels, C channels.
"""

import hashlib
from collections import defaultdict

import numpy as np

from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.split import Split


def find_leaks(dataset: Dataset, split: Split | None) -> list[DataIssue]:
    """Reports equal images, and patients with cases both in training and in test.

    Equal images are a fatal issue if one is a training case and the other a test case, and a
    warning otherwise. Images without contrast are all equal, but not copies of each other.

    Args:
        dataset: The cases.
        split: The split of the cases; None if unknown.
    """
    sides = side_by_case(dataset, split)
    issues = []
    by_content, by_patient = defaultdict(list), defaultdict(list)
    for index, image in enumerate(dataset.images):
        if image.min() < image.max():
            by_content[digest(image)].append(index)
        by_patient[dataset.patients[index]].append(index)
    for first, *others in by_content.values():
        for index in others:
            name = dataset.cases[first]
            across = cross_split(sides[first], sides[index])
            issues.append(
                DataIssue(
                    dataset.cases[index],
                    "duplicate",
                    f"the same image as {name}{name_sides(sides[first], sides[index])}",
                    is_fatal=across,
                    other=name,
                    crosses_split=across,
                )
            )
    for patient, group in by_patient.items():
        trained = [dataset.cases[index] for index in group if sides[index] == "train"]
        tested = [dataset.cases[index] for index in group if sides[index] == "test"]
        if trained:
            issues += [
                DataIssue(
                    case,
                    "patient",
                    f"patient {patient} is trained on too, in {trained[0]}",
                    is_fatal=True,
                    other=trained[0],
                    crosses_split=True,
                )
                for case in tested
            ]
    return issues


def side_by_case(dataset: Dataset, split: Split | None) -> list[str | None]:
    """Returns `train`, `test` or None for each case; `val` counts as `train`."""
    parts = {} if split is None else split.part_of()
    sides = {None: None, "train": "train", "val": "train", "test": "test"}
    return [sides[parts.get(index)] for index in range(len(dataset.cases))]


def cross_split(one: str | None, other: str | None) -> bool:
    """Whether two sides are known and differ."""
    return one != other and None not in (one, other)


def name_sides(one: str | None, other: str | None) -> str:
    """Returns ` (train and test)` for cases on different sides, otherwise an empty string."""
    return f" ({one} and {other})" if cross_split(one, other) else ""


def digest(image: np.ndarray) -> bytes:
    """SHA-256 of the pixels: equal for equal images only."""
    return hashlib.sha256(np.ascontiguousarray(image).data).digest()
