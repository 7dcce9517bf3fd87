"""The mean of a metric over runs, epoch by epoch, and how far the runs are apart."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.reproduction.statistics import Interval, mean_interval
from darts_adv_tf.training import metric_names

FEWEST_FOR_INTERVAL = 3
FRACTIONS = {
    metric_names.TEST_MEAN_IOU,
    metric_names.TEST_MEAN_IOU_ORGANS,
    metric_names.REAL_ACCURACY,
    metric_names.FAKE_ACCURACY,
}
"""The metrics that are in 0..1."""


class Band(NamedTuple):
    """A metric over epochs; all arrays are (epochs,).

    Attributes:
        epochs: Their numbers, those in which any run was measured.
        num_runs: How many runs were.
        mean: Of those.
        low, high: 95 % Student t interval of the mean from 3 runs on; of 2 runs the lower and the
            higher, as of more runs one of which is at 0 or 1; of 1 its value.
    """

    epochs: np.ndarray
    num_runs: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def band(runs: Sequence[RunResult], phase: str, metric: str) -> Band | None:
    """Returns a metric's band over some runs; None where no run has measured it.

    Args:
        runs: Of one backbone and arm.
        phase: `search` or `retrain`.
        metric: A column of `search_epochs` or `retrain_epochs`.
    """
    by_epoch: dict[int, list[float]] = {}
    for run in runs:
        columns = run.search_epochs if phase == "search" else run.retrain_epochs
        if metric not in columns:
            continue
        for epoch, value in zip(columns["epoch"], columns[metric], strict=True):
            if not np.isnan(value):
                by_epoch.setdefault(int(epoch), []).append(float(value))
    if not by_epoch:
        return None
    rows = []
    for epoch, values in sorted(by_epoch.items()):
        interval = _spread(values, is_fraction=metric in FRACTIONS)
        rows.append((epoch, len(values), *interval[:3]))
    return Band(*(np.array(column) for column in zip(*rows, strict=True)))


def _spread(values: Sequence[float], is_fraction: bool) -> Interval:
    if len(values) >= FEWEST_FOR_INTERVAL:
        interval = mean_interval(values, least=0, most=1) if is_fraction else mean_interval(values)
        if not np.isnan(interval.low):
            return interval
    return Interval(float(np.mean(values)), min(values), max(values), len(values))
