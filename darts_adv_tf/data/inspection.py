"""Reads a whole collection as training would, and gathers what is wrong with it.

Nothing that is wrong ends the work: cases that cannot be used are findings among others.

Shapes: S the side of a training image.
"""

import dataclasses
from collections import Counter
from collections.abc import Callable

import numpy as np

from darts_adv_tf.data.collection import Case, Collection
from darts_adv_tf.data.data_issue import Finding, worst_first
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.leaks import find_leaks
from darts_adv_tf.data.loading import (
    Progress,
    Reading,
    assemble,
    bounded_by_first,
    read_cases,
    with_agreeing_channels,
)
from darts_adv_tf.data.near_duplicates import find_near_duplicates
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.split import PARTS, Split
from darts_adv_tf.system.errors import DataError, UserError

SplitOf = Callable[[Dataset], Split]


@dataclasses.dataclass(frozen=True)
class Range:
    """The smallest and the largest of some numbers."""

    lowest: float
    highest: float


@dataclasses.dataclass(frozen=True, eq=False)
class Inspection:
    """What is known about a data set once all of it has been read.

    Attributes:
        collection: The cases.
        findings: What was found, the worst first.
        readings: A case each, by name.
        class_shares: Of each class, the fraction of the pixels at the training resolution, by
            name; empty if no case can be used.
        stored: Of the images as they are stored, `height`, `width` and `channels`, and
            `intensity_maximum` where the files bound it, by name; empty if none can be read.
        parts: Number of train, val and test cases; empty if they cannot be split.
    """

    collection: Collection
    findings: tuple[Finding, ...]
    readings: dict[str, Reading]
    class_shares: dict[str, float]
    stored: dict[str, Range]
    parts: dict[str, int]

    @property
    def num_usable(self) -> int:
        """Cases that could be read and prepared."""
        return sum(reading.image is not None for reading in self.readings.values())

    @property
    def spoiling(self) -> tuple[Finding, ...]:
        """The findings because of which training must not begin."""
        return tuple(finding for finding in self.findings if finding.spoils)

    def cases_by_kind(self) -> dict[tuple[str, bool], int]:
        """The number of cases of each kind of finding that spoils, or does not; worst first."""
        told = dict.fromkeys((f.kind, f.spoils, f.case) for f in self.findings)
        return dict(Counter((kind, spoils) for kind, spoils, _ in told))

    def findings_by_case(self) -> dict[str, list[Finding]]:
        """The findings of each case that has one, the worst case first; under "" those of all."""
        by_case: dict[str, list[Finding]] = {}
        for finding in self.findings:
            by_case.setdefault(finding.case, []).append(finding)
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
        preparation = bounded_by_first(recorded, preparation)
    except DataError:
        # Where no case can be read, each of them says why.
        if not collection.cases:
            raise
    readings = with_agreeing_channels(list(read_cases(recorded, preparation, progress)))
    findings = [*collection.findings]
    findings += [finding for reading in readings for finding in reading.findings]
    shares, parts = {}, {}
    if any(reading.image is not None for reading in readings):
        dataset = assemble(collection, preparation, readings)
        shares = _class_shares(dataset)
        split, refusal = _split(dataset, split_of)
        if split is not None:
            parts = {part: len(getattr(split, part)) for part in PARTS}
        findings += refusal
        findings += find_leaks(dataset, split)
        findings += find_near_duplicates(dataset, split)
    return Inspection(
        collection=collection,
        findings=worst_first(findings),
        readings={reading.case.name: reading for reading in readings},
        class_shares=shares,
        stored=recorder.ranges(),
        parts=parts,
    )


class _Recorder:
    """Notes the form of each image while it is read for other ends."""

    def __init__(self):
        self._forms: dict[str, dict[str, float]] = {}

    def record(self, collection: Collection) -> Collection:
        """The same cases, of which those that are read are noted."""
        cases = tuple(
            dataclasses.replace(case, read=self._noting(case)) for case in collection.cases
        )
        return dataclasses.replace(collection, cases=cases)

    def ranges(self) -> dict[str, Range]:
        """From the smallest to the largest, by what was noted."""
        noted: dict[str, list[float]] = {}
        for form in self._forms.values():
            for name, value in form.items():
                noted.setdefault(name, []).append(value)
        return {name: Range(min(values), max(values)) for name, values in noted.items()}

    def _noting(self, case: Case):
        def read():
            picture, masks = case.read()
            height, width, channels = picture.pixels.shape
            form = {"height": height, "width": width, "channels": channels}
            if picture.intensity_maximum is not None:
                form["intensity_maximum"] = picture.intensity_maximum
            self._forms[case.name] = form
            return picture, masks

        return read


def _split(dataset: Dataset, split_of: SplitOf) -> tuple[Split | None, list[Finding]]:
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
        return None, [Finding("", "split", message, spoils=True)]


def _class_shares(dataset: Dataset) -> dict[str, float]:
    counts = np.bincount(dataset.labels.ravel(), minlength=len(dataset.class_names))
    return dict(zip(dataset.class_names, (counts / counts.sum()).tolist(), strict=True))
