"""Whether the test cases are unseen: the same patient, or the same image, on both sides.

Shapes: N cases, H and W pixels, C channels.
"""

import hashlib
from collections import defaultdict

import numpy as np

from darts_adv_tf.data.data_issue import Finding
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.split import Split


def find_leaks(dataset: Dataset, split: Split | None) -> list[Finding]:
    """Finds equal images, and patients with cases both in training and in test.

    An image that occurs twice on one side is told, one on both sides spoils the measurement.
    Images without contrast are all alike, and no copies of each other.

    Args:
        dataset: The cases.
        split: Which of them train and test; None if that is unknown.
    """
    sides = side_by_case(dataset, split)
    findings = []
    by_content, by_patient = defaultdict(list), defaultdict(list)
    for index, image in enumerate(dataset.images):
        if image.min() < image.max():
            by_content[digest(image)].append(index)
        by_patient[dataset.patients[index]].append(index)
    for first, *others in by_content.values():
        for index in others:
            name = dataset.cases[first]
            across = name_sides(sides[first], sides[index])
            findings.append(
                Finding(
                    dataset.cases[index],
                    "duplicate",
                    f"the same image as {name}{across}",
                    spoils=bool(across),
                    other=name,
                )
            )
    for patient, group in by_patient.items():
        trained = [dataset.cases[index] for index in group if sides[index] == "train"]
        tested = [dataset.cases[index] for index in group if sides[index] == "test"]
        if trained:
            findings += [
                Finding(
                    case,
                    "patient",
                    f"patient {patient} is trained on too, in {trained[0]}",
                    spoils=True,
                    other=trained[0],
                )
                for case in tested
            ]
    return findings


def side_by_case(dataset: Dataset, split: Split | None) -> list[str | None]:
    """`train` or `test` of each case: both halves of the training cases are one side."""
    parts = {} if split is None else split.part_of()
    sides = {None: None, "train": "train", "val": "train", "test": "test"}
    return [sides[parts.get(index)] for index in range(len(dataset.cases))]


def name_sides(one: str | None, other: str | None) -> str:
    """` (train and test)` of two cases on different sides, else nothing."""
    return f" ({one} and {other})" if one != other and None not in (one, other) else ""


def digest(image: np.ndarray) -> bytes:
    """The same of equal images alone."""
    return hashlib.sha256(np.ascontiguousarray(image)).digest()
