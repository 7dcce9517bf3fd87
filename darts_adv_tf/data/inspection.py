"""Reads a whole collection as training would, and collects its issues.

An issue never stops the reading: cases that cannot be used become issues like all others.

Shapes: S the side of a training image.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable

import numpy as np

from darts_adv_tf.data.absent_classes import find_absent_classes
from darts_adv_tf.data.collection import Case, Collection
from darts_adv_tf.data.data_issue import DataIssue, worst_first
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.leaks import find_leaks
from darts_adv_tf.data.loading import (
    Progress,
    Reading,
    assemble,
    interpretations,
    match_channels,
    read_cases,
    with_intensity_bounds,
)
from darts_adv_tf.data.near_duplicates import find_near_duplicates
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.split import PARTS, Split
from darts_adv_tf.system.errors import DataError, UserError

SplitOf = Callable[[Dataset], Split]


@dataclasses.dataclass(frozen=True)
class Range:
    """The smallest and the largest of several numbers."""

    lowest: float
    highest: float


@dataclasses.dataclass(frozen=True, eq=False)
class Inspection:
    """A data set after all of it has been read.

    Attributes:
        collection: The cases.
        issues: All issues, the worst first.
        readings: The readings by case name.
        class_shares: Fraction of the pixels of each class at the training resolution, by name;
            empty if no case can be used.
        stored: Ranges of `height`, `width` and `channels` of the stored images, and of
            `intensity_maximum` if the files bound it; empty if no image can be read.
        parts: Number of train, val and test cases; empty if they cannot be split.
    """

    collection: Collection
    issues: tuple[DataIssue, ...]
    readings: dict[str, Reading]
    class_shares: dict[str, float]
    stored: dict[str, Range]
    parts: dict[str, int]

    @property
    def num_usable(self) -> int:
        """Number of cases that could be read and prepared."""
        return sum(reading.image is not None for reading in self.readings.values())

    @property
    def fatal_issues(self) -> tuple[DataIssue, ...]:
        """The issues because of which training must not start."""
        return tuple(issue for issue in self.issues if issue.is_fatal)

    @property
    def suspected_leaks(self) -> tuple[DataIssue, ...]:
        """Issues that are not fatal, but may make the test metrics too good."""
        return tuple(i for i in self.issues if i.crosses_split and not i.is_fatal)

    @property
    def absent_classes(self) -> tuple[DataIssue, ...]:
        """Issues of classes that cannot be learned or measured."""
        return tuple(issue for issue in self.issues if issue.kind == "absent")

    def cases_by_kind(self) -> dict[tuple[str, bool], int]:
        """Number of cases with each (kind, is_fatal), the worst first."""
        distinct = dict.fromkeys((i.kind, i.is_fatal, i.case) for i in self.issues)
        return dict(Counter((kind, is_fatal) for kind, is_fatal, _ in distinct))

    def issues_by_case(self) -> dict[str, list[DataIssue]]:
        """Issues by case name, the worst case first; "" stands for the whole data set."""
        by_case: dict[str, list[DataIssue]] = {}
        for issue in self.issues:
            by_case.setdefault(issue.case, []).append(issue)
        return by_case


def inspect(
    collection: Collection,
    preparation: Preparation,
    split_of: SplitOf,
    progress: Progress | None = None,
) -> Inspection:
    """Reads and checks all cases, and how they would be split.

    Args:
        collection: The cases.
        preparation: How images are prepared; its `intensity_maximum` is found here.
        split_of: Splits the cases that can be used.
        progress: Called after each case.

    Raises:
        DataError: There is no case.
        ConfigurationError: The cases do not fit into memory, or their intensities have no bounds
            and the preparation needs them.
    """
    recorder = _Recorder()
    recorded = recorder.record(collection)
    try:
        preparation = with_intensity_bounds(recorded, preparation)
    except DataError:
        # If no case can be read, each of them says why.
        if not collection.cases:
            raise
    readings = match_channels(list(read_cases(recorded, preparation, progress)))
    issues = [*collection.issues]
    issues += [issue for reading in readings for issue in reading.issues]
    issues += interpretations(readings)
    shares, parts = {}, {}
    if any(reading.image is not None for reading in readings):
        dataset = assemble(collection, preparation, readings)
        shares = _class_shares(dataset)
        split, refusal = _split(dataset, split_of)
        if split is not None:
            parts = {part: len(getattr(split, part)) for part in PARTS}
        issues += refusal
        issues += find_absent_classes(dataset, split)
        issues += find_leaks(dataset, split)
        issues += find_near_duplicates(dataset, split)
    return Inspection(
        collection=collection,
        issues=worst_first(issues),
        readings={reading.case.name: reading for reading in readings},
        class_shares=shares,
        stored=recorder.ranges(),
        parts=parts,
    )


class _Recorder:
    """Records the shape of each image as it is read."""

    def __init__(self):
        self._forms: dict[str, dict[str, float]] = {}

    def record(self, collection: Collection) -> Collection:
        """Returns the same cases, recording each one that is read."""
        cases = tuple(
            dataclasses.replace(case, read=self._noting(case)) for case in collection.cases
        )
        return dataclasses.replace(collection, cases=cases)

    def ranges(self) -> dict[str, Range]:
        """The ranges of what was recorded."""
        noted: dict[str, list[float]] = {}
        for form in self._forms.values():
            for name, value in form.items():
                noted.setdefault(name, []).append(value)
        return {name: Range(min(values), max(values)) for name, values in noted.items()}

    def _noting(self, case: Case):
        def read():
            decoded, masks = case.read()
            height, width, channels = decoded.pixels.shape
            form = {"height": height, "width": width, "channels": channels}
            if decoded.intensity_maximum is not None:
                form["intensity_maximum"] = decoded.intensity_maximum
            self._forms[case.name] = form
            return decoded, masks

        return read


def _split(dataset: Dataset, split_of: SplitOf) -> tuple[Split | None, list[DataIssue]]:
    try:
        return split_of(dataset), []
    except UserError as error:
        message = " ".join(
            str(text)
            for text in (
                error.rule,
                error.received and f"Received: {error.received}.",
                error.remedy,
            )
            if text
        )
        return None, [DataIssue("", "split", message, is_fatal=True)]


def _class_shares(dataset: Dataset) -> dict[str, float]:
    counts = np.bincount(dataset.labels.ravel(), minlength=len(dataset.class_names))
    return dict(zip(dataset.class_names, (counts / counts.sum()).tolist(), strict=True))
