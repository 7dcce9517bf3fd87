"""The split of a data set's cases into training, validation and test cases."""

import csv
import dataclasses
import io
from pathlib import Path

import numpy as np

from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.errors import ConfigurationError, DataError
from darts_adv_tf.files import write_text

CASES_FILE = "cases.csv"
CASES_HEADER = ("case", "split")


@dataclasses.dataclass(frozen=True)
class Split:
    """Indices of the cases of each part, ascending.

    The search updates weights on `train` and the architecture on `val`; retraining uses both
    (`training`). `test` selects nothing and trains nothing.
    """

    train: tuple[int, ...]
    val: tuple[int, ...]
    test: tuple[int, ...]

    @property
    def training(self) -> tuple[int, ...]:
        """The training cases, both halves together, ascending."""
        return tuple(sorted(self.train + self.val))


def split_cases(num_cases: int, train_cases: int, seed: int) -> Split:
    """Draws the training cases, halves them, and leaves the rest for the test.

    Args:
        num_cases: Number of cases in the data set.
        train_cases: Number of training cases; `train` gets the extra one of an odd number.
        seed: Keys the draw; with the same seed a larger `train_cases` keeps all of a smaller one's
            cases among the training cases.

    Raises:
        ConfigurationError: If there are less than two training cases.
        DataError: If no test case would be left.
    """
    if train_cases < 2:
        raise ConfigurationError(
            "The search needs two training cases or more: it halves them into train and val.",
            received=f"train_cases={train_cases}",
            remedy="Raise --train_cases.",
        )
    if train_cases >= num_cases:
        raise DataError(
            "The training cases leave at least one case of the data set for the test.",
            received=f"train_cases={train_cases} of {num_cases} cases",
            remedy=f"Add cases to the data set, or set --train_cases below {num_cases}.",
        )
    order = np.random.default_rng(seed).permutation(num_cases)
    half = (train_cases + 1) // 2
    parts = np.split(order, (half, train_cases))
    return Split(*(tuple(sorted(part.tolist())) for part in parts))


def write_cases_csv(path: str | Path, dataset: Dataset, split: Split) -> None:
    """Writes columns case and split (train, val or test), in the data set's order.

    Raises:
        StorageError: If the file cannot be written.
    """
    parts = {index: part for part, indices in _parts(split).items() for index in indices}
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(CASES_HEADER)
    writer.writerows((dataset.cases[index], parts[index]) for index in sorted(parts))
    write_text(path, table.getvalue())


def read_cases_csv(path: str | Path, dataset: Dataset) -> Split:
    """Reads what `write_cases_csv` wrote, for the same data set.

    Raises:
        DataError: If the file cannot be read, breaks its form, or does not list each case of the
            data set once.
    """
    try:
        with open(path, newline="", encoding="utf-8") as file:
            header, *rows = list(csv.reader(file)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _refuse(path, getattr(error, "strerror", None) or error) from error
    if tuple(header) != CASES_HEADER:
        raise _refuse(path, f"columns {','.join(header)}")

    known = {case: index for index, case in enumerate(dataset.cases)}
    parts: dict[str, list[int]] = {part: [] for part in ("train", "val", "test")}
    seen = set()
    for line, row in enumerate(rows, start=2):
        case, part = row if len(row) == 2 else (None, None)
        if part not in parts:
            raise _refuse(path, f"line {line}: {','.join(row)}")
        if case not in known:
            raise _refuse(path, f"line {line}: case {case}, which the data set does not hold")
        if case in seen:
            raise _refuse(path, f"line {line}: case {case} for the second time")
        seen.add(case)
        parts[part].append(known[case])
    unlisted = [case for case in dataset.cases if case not in seen]
    if unlisted:
        raise _refuse(path, f"{len(unlisted)} case(s) missing, the first is {unlisted[0]}")
    return Split(**{part: tuple(sorted(indices)) for part, indices in parts.items()})


def _parts(split: Split) -> dict[str, tuple[int, ...]]:
    return {"train": split.train, "val": split.val, "test": split.test}


def _refuse(path: str | Path, received: object) -> DataError:
    return DataError(
        "A list of cases has the columns case,split and names each case of the data set once, "
        "as train, val or test.",
        received=received,
        file=path,
        remedy="Use the data set that the run was made with, or start a new work directory.",
    )
