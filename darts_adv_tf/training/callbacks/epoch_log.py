"""Metrics by epoch, as tables in the work directory from which a report draws its curves.

A resumed run repeats some epochs; each table has every epoch once, as it was made last.
"""

import csv
import io
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from darts_adv_tf.search_space.space import CELL_KINDS, SearchSpace
from darts_adv_tf.system.files import remove_leftovers, write_text
from darts_adv_tf.training.callbacks import Callback, Report
from darts_adv_tf.training.metric_names import (
    IN_EPOCH_LOG,
    TEST_MEAN_IOU,
    TEST_MEAN_IOU_ORGANS,
)

EPOCHS_FILES = {"search": "epochs_search.csv", "retrain": "epochs_retrain.csv"}
"""By stage: columns `epoch`, `seconds` (of its steps, the first of which builds the graph), the
means of a step's `IN_EPOCH_LOG` metrics, and the test metrics of epochs that were tested."""

ALPHA_FILE = "alpha.csv"
"""One row per epoch, kind of cell and edge: the weight (softmax) of each operation there."""


class EpochLog(Callback):
    """Writes epochs_<stage>.csv, one row per epoch.

    If a run was resumed within an epoch, the means and seconds of that epoch are those of the
    steps since.

    Args:
        workdir: Folder of the run.
        stage: `search` or `retrain`.
    """

    def __init__(self, workdir: Path, stage: str):
        self._path = workdir / EPOCHS_FILES[stage]
        remove_leftovers(self._path)
        self._values: dict[str, list[float]] = {}
        self._seconds = 0.0

    def on_step(self, report: Report) -> None:
        """Takes a step into account; one that is not finite was left out of training too."""
        self._seconds += report.seconds
        if all(map(math.isfinite, report.metrics.values())):
            for name, value in report.metrics.items():
                if name.startswith(IN_EPOCH_LOG):
                    self._values.setdefault(name, []).append(value)

    def on_epoch(self, epoch: int, report: Report) -> None:
        """Adds the row of an epoch.

        Raises:
            StorageError: The file cannot be written.
        """
        row = {"seconds": self._seconds}
        row |= {name: float(np.mean(values)) for name, values in self._values.items()}
        for name in (TEST_MEAN_IOU, TEST_MEAN_IOU_ORGANS):
            if name in report.metrics:
                row[name] = report.metrics[name]
        _add_rows(self._path, epoch, [{name: _text(value) for name, value in row.items()}])
        self._values, self._seconds = {}, 0.0


class AlphaLog(Callback):
    """Writes alpha.csv.

    Args:
        workdir: Folder of the run.
        op_weights: Returns the weights, (number of edges, number of operations), of the normal
            and of the reduction cells.
        space: What is searched.
        cells: The kinds of cell that the discriminator has; others are left out.
    """

    def __init__(
        self,
        workdir: Path,
        op_weights: Callable[[], Sequence[np.ndarray]],
        space: SearchSpace,
        cells: Sequence[str] = CELL_KINDS,
    ):
        self._path = workdir / ALPHA_FILE
        self._op_weights = op_weights
        self._space = space
        self._cells = cells
        remove_leftovers(self._path)

    def on_epoch(self, epoch: int, report: Report) -> None:
        """Adds the rows of an epoch.

        Raises:
            StorageError: The file cannot be written.
        """
        rows = [
            {"cell": kind, "source": source, "target": target}
            | {name: _text(value) for name, value in zip(self._space.operations, row, strict=True)}
            for kind, weights in zip(CELL_KINDS, self._op_weights(), strict=True)
            if kind in self._cells
            for (source, target), row in zip(self._space.edges, weights, strict=True)
        ]
        _add_rows(self._path, epoch, rows)


def _text(value: float) -> str:
    return f"{value:.6g}"


def _add_rows(path: Path, epoch: int, new_rows: Sequence[Mapping[str, object]]) -> None:
    rows: list[Mapping[str, object]] = []
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            rows += [row for row in csv.DictReader(file) if int(row["epoch"]) < epoch]
    rows += [{"epoch": epoch} | dict(row) for row in new_rows]
    # A metric that only some epochs have is empty in the others.
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = io.StringIO()
    writer = csv.DictWriter(table, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, table.getvalue())
