"""Figures by epoch, as tables in the work directory: what the curves of a report are drawn from.

A resumed run makes some epochs again; each table has every epoch once, with what came of it last.
"""

import csv
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from darts_adv_tf.search_space.space import CELL_KINDS, SearchSpace
from darts_adv_tf.system.files import remove_leftovers, write_text
from darts_adv_tf.training.metric_names import IN_EPOCH_LOG

EPOCHS_FILES = {"search": "epochs_search.csv", "retrain": "epochs_retrain.csv"}
"""By phase: columns `epoch`, `seconds` (of its steps, the first of which builds the graph), and
metrics, means of a step's `IN_EPOCH_LOG` among them."""

ALPHA_FILE = "alpha.csv"
"""A row an epoch, kind of cell and edge: the weight (softmax) of each operation there."""


class History:
    """Writes the tables of one phase, an epoch at a time.

    Of an epoch that was begun by another process, before the run was resumed, the means and
    seconds are those of the steps since.

    Args:
        workdir: Of the run.
        phase: `search` or `retrain`.
    """

    def __init__(self, workdir: Path, phase: str):
        self._epochs = workdir / EPOCHS_FILES[phase]
        self._alpha = workdir / ALPHA_FILE
        for path in (self._epochs, self._alpha):
            remove_leftovers(path)
        self._figures: dict[str, list[float]] = {}
        self._seconds = 0.0

    def following(self, step: Callable[[int], Mapping[str, float]]):
        """The same step, whose figures and time are taken note of."""

        def followed(number: int) -> Mapping[str, float]:
            start = time.monotonic()
            figures = step(number)
            self._seconds += time.monotonic() - start
            # Others are left out of the training too, or end it.
            if all(map(math.isfinite, figures.values())):
                for name, value in figures.items():
                    if name.startswith(IN_EPOCH_LOG):
                        self._figures.setdefault(name, []).append(value)
            return figures

        return followed

    def end_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Adds the row of an epoch, numbered from 1, with further figures of its end.

        Raises:
            StorageError: The file cannot be written.
        """
        means = {name: float(np.mean(values)) for name, values in self._figures.items()}
        row = {"seconds": self._seconds} | means | dict(figures)
        _add(self._epochs, epoch, [{name: f"{value:.6g}" for name, value in row.items()}])
        self._figures, self._seconds = {}, 0.0

    def record_alpha(
        self, epoch: int, op_weights: Sequence[np.ndarray], space: SearchSpace
    ) -> None:
        """Adds an epoch's weights, of the normal and of the reduction cells.

        Args:
            epoch: Its number, from 1.
            op_weights: (number of edges, number of operations) of each kind of cell.
            space: What is searched.

        Raises:
            StorageError: The file cannot be written.
        """
        rows = [
            {"cell": kind, "source": source, "target": target}
            | {name: f"{value:.6g}" for name, value in zip(space.operations, row, strict=True)}
            for kind, weights in zip(CELL_KINDS, op_weights, strict=True)
            for (source, target), row in zip(space.edges, weights, strict=True)
        ]
        _add(self._alpha, epoch, rows)


def _add(path: Path, epoch: int, rows: Sequence[Mapping[str, object]]) -> None:
    before = []
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            before = [row for row in csv.DictReader(file) if int(row["epoch"]) < epoch]
    rows = [*before, *({"epoch": epoch} | dict(row) for row in rows)]
    # A figure that only some epochs have is empty in the others.
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = io.StringIO()
    writer = csv.DictWriter(table, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, table.getvalue())
