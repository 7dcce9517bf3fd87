"""The split of a data set's cases into training, validation and test cases."""

import csv
import dataclasses
import difflib
import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.table import read_table
from darts_adv_tf.system.errors import ConfigurationError, DataError
from darts_adv_tf.system.files import write_text
from darts_adv_tf.system.text_files import composed

CASES_FILE = "cases.csv"
CASES_HEADER = ("case", "split")
PARTS = ("train", "val", "test")
_PART_OF_WORD = {
    **{part: part for part in PARTS},
    "training": "train",
    "valid": "val",
    "validation": "val",
    "testing": "test",
}
"""The part that a word in the column split means, letter case aside."""


@dataclasses.dataclass(frozen=True)
class Split:
    """Indices of the cases of each part, ascending.

    The search updates weights on `train` and the architecture on `val`; retraining uses both
    (`train_and_val`). `test` selects nothing and trains nothing.
    """

    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]

    @property
    def train_and_val(self) -> tuple[int, ...]:
        """The training cases, both halves together, ascending."""
        return tuple(sorted(self.train + self.val))

    def part_of(self) -> dict[int, str]:
        """The part of each case, by its index, ascending."""
        parts = {index: part for part in PARTS for index in getattr(self, part)}
        return dict(sorted(parts.items()))


def split_at_random(patients: Sequence[str], train_cases: int, seed: int) -> Split:
    """Draws the training cases at random and halves them; all others are test cases.

    Cases of one patient stay together, also in the halves. A half that they do not fill exactly
    has fewer cases.

    Args:
        patients: Each case's patient.
        train_cases: Number of training cases; `train` gets the extra one of an odd number.
        seed: Seed of the draw. If each patient has one case, a larger `train_cases` keeps the
            training cases of a smaller one.

    Raises:
        ConfigurationError: If there are less than two training cases.
        DataError: If no test case would be left, or a half stays empty.
    """
    if train_cases < 2:
        raise ConfigurationError(
            "There must be at least two training cases: the search halves them into train and val.",
            received=f"train_cases={train_cases}",
            remedy="Raise --train_cases.",
        )
    num_cases = len(patients)
    if train_cases >= num_cases:
        raise DataError(
            "The training cases must leave at least one test case.",
            received=f"train_cases={train_cases} of {num_cases} cases",
            remedy=f"Add cases to the data set, or lower --train_cases below {num_cases}.",
        )
    groups = _shuffled_groups(patients, range(num_cases), seed)
    half = (train_cases + 1) // 2
    train, groups = _fill(groups, half)
    val, groups = _fill(groups, train_cases - half)
    test = [index for group in groups for index in group]
    return _checked(train, val, test, "Add patients, or change --train_cases.")


def split_into_folds(patients: Sequence[str], num_folds: int, fold: int, seed: int) -> Split:
    """Uses one of several equal folds as the test set, and halves the rest into train and val.

    Over all folds, each case is tested once. Cases of one patient stay together.

    Args:
        patients: Each case's patient.
        num_folds: Number of folds.
        fold: The fold that is the test set, from 0.
        seed: Seed of the folds, which are the same for all values of `fold`, and of the halves.

    Raises:
        DataError: If there are fewer patients than folds, or too few left to halve.
    """
    groups = _shuffled_groups(patients, range(len(patients)), seed)
    if len(groups) < num_folds:
        raise DataError(
            "Each fold must hold at least one patient.",
            received=f"--num_folds={num_folds}, {len(groups)} patients",
            remedy=f"Lower --num_folds to {len(groups)} or less.",
        )
    folds = _deal(groups, num_folds)
    test = set(folds[fold])
    return _halved(patients, [i for i in range(len(patients)) if i not in test], sorted(test), seed)


def split_by_source(patients: Sequence[str], folds: Sequence[str], fold: int, seed: int) -> Split:
    """Uses one fold of the data set's own split as the test set, and halves the rest.

    Args:
        patients: Each case's patient.
        folds: Each case's fold, by name.
        fold: Index of the test fold, in the order of their names.
        seed: Seed of the halves.

    Raises:
        ConfigurationError: If the source has no split of its own, or not that many folds.
    """
    names = sorted(set(folds))
    if not 0 <= fold < len(names):
        raise ConfigurationError(
            "--split=source must be used with a fold that the data set defines.",
            received=f"--fold={fold}; the data set's folds: {', '.join(names) or '(none)'}",
            remedy="Choose an existing --fold, or use --split=random or --split=folds.",
        )
    test = [index for index, name in enumerate(folds) if name == names[fold]]
    training = [index for index, name in enumerate(folds) if name != names[fold]]
    return _halved(patients, training, test, seed)


def write_cases_csv(path: str | Path, dataset: Dataset, split: Split) -> None:
    """Writes columns case and split (train, val or test), in the data set's order.

    Raises:
        StorageError: If the file cannot be written.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(CASES_HEADER)
    writer.writerows((dataset.cases[index], part) for index, part in split.part_of().items())
    write_text(path, table.getvalue())


def read_cases_csv(path: str | Path, dataset: Dataset) -> Split:
    """Reads what `write_cases_csv` wrote, for the same data set.

    Raises:
        DataError: If the file cannot be read, is malformed, or does not list each case of the
            data set once.
    """
    listed = ListedCases.read(path).of(dataset.cases)
    unlisted = [case for case in dataset.cases if case not in listed.parts]
    if unlisted:
        raise _refuse(
            path,
            f"{len(unlisted)} case(s) missing, the first is {unlisted[0]}",
            "Use the data set that the run was started with, or start a new work directory.",
        )
    return listed.split(dataset, seed=None)


@dataclasses.dataclass(frozen=True)
class ListedCases:
    """A table of cases: a user's own split (`--cases`), or that of a run.

    Its columns are case, split and optionally patient, which overrides the data set's patients.
    Cases that are not listed are left out.

    Attributes:
        path: Path of the table.
        parts: train, val or test, by case.
        patients: By case; empty without that column.
        lines: The line of each case in the file.
        liberties: What was read otherwise than it is written, for the user to check.
    """

    path: Path
    parts: dict[str, str]
    patients: dict[str, str]
    lines: dict[str, int]
    liberties: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: str | Path) -> "ListedCases":
        """Reads a table.

        Raises:
            DataError: If the file cannot be read or is malformed.
        """
        table = read_table(path, CASES_HEADER, ("patient",), partial(_refuse, path))
        parts, patients, lines = {}, {}, {}
        read_as: dict[str, None] = {}
        for line, row in table.rows:
            case, written = row["case"], row["split"]
            part = _PART_OF_WORD.get(written.strip().lower())
            if part is None or not case.strip():
                received = f"line {line}: {table.separator.join(row.values())[:200]}"
                remedy = "Name the case in the column case."
                if part is None:
                    remedy = "Write train, val or test in the column split."
                raise _refuse(path, received, remedy)
            if case in parts:
                raise _repeated(path, line, case)
            parts[case], lines[case] = part, line
            if part != written:
                read_as[f"{written!r} read as {part}"] = None
            if "patient" in row:
                patients[case] = row["patient"].strip()
        return cls(Path(path), parts, patients, lines, (*table.liberties, *read_as))

    def of(self, cases: Sequence[str]) -> "ListedCases":
        """The same table, with the cases named as the data set names them.

        Names may differ in spaces around them, and in how accented letters are encoded.

        Raises:
            DataError: A listed case is not in the data set, or is listed twice.
        """
        named = self._names_among(cases)
        seen = set()
        for listed, line in self.lines.items():
            if listed not in named:
                close = difflib.get_close_matches(listed, cases, n=1)
                raise _refuse(
                    self.path,
                    f"line {line}: case {listed}, which the data set does not hold",
                    f"Did you mean {close[0]}? Name the cases as the data set does."
                    if close
                    else "Use the data set that the list was made for, or remove the line.",
                )
            if named[listed] in seen:
                raise _repeated(self.path, line, listed)
            seen.add(named[listed])
        return dataclasses.replace(
            self,
            parts={named[listed]: part for listed, part in self.parts.items()},
            patients={named[listed]: patient for listed, patient in self.patients.items()},
            lines={named[listed]: line for listed, line in self.lines.items()},
        )

    def split(self, dataset: Dataset, seed: int | None) -> Split:
        """The listed split of a data set, all of whose cases are listed.

        Args:
            dataset: The listed cases.
            seed: Seed for halving the training cases by patient if no case is listed as val;
                None keeps them as listed.
        """
        listed_as = {case: listed for listed, case in self._names_among(dataset.cases).items()}
        places: dict[str, list[int]] = {part: [] for part in PARTS}
        for index, case in enumerate(dataset.cases):
            places[self.parts[listed_as[case]]].append(index)
        if seed is not None and not places["val"]:
            return _halved(dataset.patients, places["train"], places["test"], seed)
        return Split(**{part: tuple(indices) for part, indices in places.items()})

    def _names_among(self, cases: Sequence[str]) -> dict[str, str]:
        """The case that each listed name means, for those that mean one of these cases."""
        known = {composed(case.strip()): case for case in cases} | {case: case for case in cases}
        found = {
            listed: known.get(listed, known.get(composed(listed.strip()))) for listed in self.parts
        }
        return {listed: case for listed, case in found.items() if case is not None}


def _shuffled_groups(patients: Sequence[str], cases: Sequence[int], seed: int) -> list[list[int]]:
    """The cases by patient, the patients in an order drawn by the seed."""
    groups: dict[str, list[int]] = {}
    for case in cases:
        groups.setdefault(patients[case], []).append(case)
    in_order = list(groups.values())
    return [in_order[place] for place in np.random.default_rng(seed).permutation(len(in_order))]


def _fill(groups: list[list[int]], size: int) -> tuple[list[int], list[list[int]]]:
    """Takes groups in turn as long as they fit; returns their cases, and the other groups."""
    taken: list[int] = []
    left: list[list[int]] = []
    for group in groups:
        if len(taken) + len(group) <= size:
            taken += group
        else:
            left.append(group)
    return taken, left


def _deal(groups: list[list[int]], num_parts: int) -> list[list[int]]:
    """Gives each group to the part that has the fewest cases."""
    parts: list[list[int]] = [[] for _ in range(num_parts)]
    for group in groups:
        min(parts, key=len).extend(group)
    return parts


def _halved(
    patients: Sequence[str], training: Sequence[int], test: Sequence[int], seed: int
) -> Split:
    train, val = _deal(_shuffled_groups(patients, training, seed), 2)
    return _checked(train, val, test, "Add patients to the part, or split the cases otherwise.")


def _checked(train: Sequence[int], val: Sequence[int], test: Sequence[int], remedy: str) -> Split:
    for name, cases in (("train", train), ("val", val), ("test", test)):
        if not cases:
            raise DataError(
                "A split must have at least one train, one val and one test case.",
                received=f"no {name} case; cases of one patient stay together",
                remedy=remedy,
            )
    return Split(*(tuple(sorted(part)) for part in (train, val, test)))


def _repeated(path: str | Path, line: int, case: str) -> DataError:
    received = f"line {line}: case {case} for the second time"
    return _refuse(path, received, "Remove one of the two lines.")


def _refuse(path: str | Path, received: object, remedy: str) -> DataError:
    return DataError(
        "A list of cases must have the columns case,split[,patient] and name each case of the data "
        "set once, as train, val or test.",
        received=received,
        file=path,
        remedy=remedy,
    )
