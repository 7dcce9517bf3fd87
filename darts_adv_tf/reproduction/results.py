"""What the runs of a matrix left behind, as the report reads it.

The files are those of any run (README, What a run leaves); nothing here knows how they came to be.
"""

import csv
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from darts_adv_tf.config.config_file import FILE_NAME as CONFIG_FILE
from darts_adv_tf.search_space.genotype import GENOTYPE_FILE, Genotype, load_genotype
from darts_adv_tf.search_space.space import CELL_KINDS, SearchSpace
from darts_adv_tf.training.callbacks.epoch_log import ALPHA_FILE, EPOCHS_FILES

# Of per_case.csv: the mean IoU of the mean-mask baseline.
_MEAN_MASK_COLUMN = "mean_iou_of_mean_shape"
# Without which there is nothing to compare.
_METRICS = ("mean_iou", "mean_iou_organs", "baselines")


@dataclasses.dataclass(frozen=True)
class RunResult:
    """A finished run.

    Attributes:
        backbone: `unet`, `fcn32s`, or a module's function.
        arm: Its name, see `arm_named`.
        seed: Of the split, the initial weights and the batches, which the arms of a seed share.
        draw: The number of the random discriminator; None in other arms.
        workdir: Its folder.
        metrics: What metrics.json holds.
        cases: The mean IoU over the classes of each test case, by case, from per_case.csv.
        mean_mask_cases: The same of the mean-mask baseline; empty where an earlier version
            measured.
        split: Which part each case of the data set is in, `train`, `val` or `test`, by case.
        versions: Of this program and of what it ran on, by name.
        search_epochs, retrain_epochs: The columns of metrics by epoch, by name: `epoch`,
            `seconds`, `loss/...` and `accuracy/...` (means over the epoch's steps), and in
            retraining `test/mean_iou` and `test/mean_iou_organs`, where they were measured (nan in
            epochs where not). Empty where the run had no such phase.
        alpha: (epochs, kinds of cell, edges, operations), the weights of the operations (softmax)
            after each epoch of the search; None where nothing was searched.
        genotype: Of the discriminator; None where it has none.
    """

    backbone: str
    arm: str
    seed: int
    draw: int | None
    workdir: Path
    metrics: Mapping[str, Any]
    cases: Mapping[str, float]
    mean_mask_cases: Mapping[str, float]
    split: Mapping[str, str]
    versions: Mapping[str, str]
    search_epochs: Mapping[str, np.ndarray]
    retrain_epochs: Mapping[str, np.ndarray]
    alpha: np.ndarray | None
    genotype: Genotype | None

    @property
    def seconds(self) -> dict[str, float]:
        """How long the epochs of each phase took, `search` and `retrain`, together."""
        phases = {"search": self.search_epochs, "retrain": self.retrain_epochs}
        return {name: float(np.sum(each.get("seconds", 0.0))) for name, each in phases.items()}


def read_result(backbone: str, arm: str, seed: int, draw: int | None, workdir: Path) -> RunResult:
    """Reads a finished run's files.

    Raises:
        OSError, ValueError, KeyError: One is missing or broken; ConfigurationError, a ValueError,
            where it is the genotype.
    """
    path = workdir / GENOTYPE_FILE
    genotype = load_genotype(path) if path.exists() else None
    rows = _read_rows(workdir / "per_case.csv")
    return RunResult(
        backbone,
        arm,
        seed,
        draw,
        workdir,
        _read_metrics(workdir / "metrics.json"),
        _column_of_cases(rows, "mean_iou"),
        _column_of_cases(rows, _MEAN_MASK_COLUMN) if rows and _MEAN_MASK_COLUMN in rows[0] else {},
        {row["case"]: row["split"] for row in _read_rows(workdir / "cases.csv")},
        json.loads((workdir / CONFIG_FILE).read_text(encoding="utf-8"))["versions"],
        _read_columns(workdir / EPOCHS_FILES["search"]),
        _read_columns(workdir / EPOCHS_FILES["retrain"]),
        None if genotype is None else _read_alpha(workdir / ALPHA_FILE, genotype.space),
        genotype,
    )


def _read_metrics(path: Path) -> dict[str, Any]:
    metrics = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(metrics, dict):
        raise ValueError(f"{path.name} holds no metrics")
    missing = [name for name in _METRICS if name not in metrics]
    if missing:
        raise ValueError(f"{path.name} has no {', '.join(missing)}")
    return metrics


def _column_of_cases(rows: Sequence[Mapping[str, str]], column: str) -> dict[str, float]:
    return {row["case"]: float(row[column]) for row in rows}


def _read_columns(path: Path) -> dict[str, np.ndarray]:
    rows = _read_rows(path) if path.exists() else []
    names = rows[0] if rows else ()
    return {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}


def _read_alpha(path: Path, space: SearchSpace) -> np.ndarray | None:
    if not path.exists():
        return None
    columns = [[float(row[name]) for name in space.operations] for row in _read_rows(path)]
    return np.array(columns).reshape(-1, len(CELL_KINDS), *space.alpha_shape)


def _read_rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if any(None in row or None in row.values() for row in rows):
        raise ValueError(f"{path.name} has a row that is longer or shorter than its head")
    return rows
