"""The mean of a figure over runs, epoch by epoch, and how far the runs lie apart."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.reproduction.statistics import mean_interval

FEWEST_FOR_INTERVAL = 3


class Band(NamedTuple):
    """A figure over epochs; all arrays are (epochs,).

    Attributes:
        epochs: Their numbers, those in which any run was measured.
        num_runs: How many runs were.
        mean: Of those.
        low, high: 95 % Student t interval of the mean from 3 runs on; of 2 runs the lower and the
            higher; of 1 its value.
    """

    epochs: np.ndarray
    num_runs: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray


def band(runs: Sequence[RunResult], phase: str, figure: str) -> Band | None:
    """A figure's band over some runs.

    Args:
        runs: Of one backbone and arm.
        phase: `search` or `retrain`.
        figure: A column of `search_epochs` or `retrain_epochs`.

    Returns:
        None where no run has measured it.
    """
    by_epoch: dict[int, list[float]] = {}
    for run in runs:
        columns = run.search_epochs if phase == "search" else run.retrain_epochs
        if figure not in columns:
            continue
        for epoch, value in zip(columns["epoch"], columns[figure], strict=True):
            if not np.isnan(value):
                by_epoch.setdefault(int(epoch), []).append(float(value))
    if not by_epoch:
        return None
    rows = [(epoch, len(by_epoch[epoch]), *_spread(by_epoch[epoch])) for epoch in sorted(by_epoch)]
    return Band(*(np.array(column) for column in zip(*rows, strict=True)))


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    if len(values) < FEWEST_FOR_INTERVAL:
        return float(np.mean(values)), min(values), max(values)
    interval = mean_interval(values)
    return interval.mean, interval.low, interval.high
