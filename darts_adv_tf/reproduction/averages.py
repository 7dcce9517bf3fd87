"""The metrics of each arm, averaged over its runs, and those of the trivial baselines."""

import dataclasses
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

from darts_adv_tf.reproduction.arms import in_order
from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.reproduction.statistics import Interval, mean_interval

UPPER_BOUNDS = {
    "mean_iou": 1.0,
    "mean_iou_organs": 1.0,
    "mean_hd95_organs": float("inf"),
    "mean_assd_organs": float("inf"),
}
"""The largest value of each metric of metrics.json that a report shows; the smallest is 0.

IoU is a fraction, distances are in pixels of the training resolution.
"""

METRICS = tuple(UPPER_BOUNDS)
PHASES = ("search", "retrain")

MEAN_MASK = "mean_shape"
"""The mean-mask baseline predicts the mean training mask whatever the image; in an arm's place."""

Key = TypeVar("Key", bound=Hashable)
Summary = TypeVar("Summary", "ArmSummary", "BaselineSummary")


@dataclasses.dataclass(frozen=True)
class ArmSummary:
    """The runs of an arm.

    Attributes:
        backbone: The runs' segmenter.
        arm: Its name.
        metrics: Mean over runs, by name of `METRICS`; without those that no run has. As in the
            paper, the mean is over all runs against random discriminators; runs of one seed share
            the split and the initial weights, so the interval of such an arm is too narrow for
            what another seed would bring.
        seconds: Time of the epochs of `search` and of `retrain`, over the runs; 0 where an arm has
            no such phase.
        num_runs, num_seeds: How many there are.
    """

    backbone: str
    arm: str
    metrics: Mapping[str, Interval]
    seconds: Mapping[str, Interval]
    num_runs: int
    num_seeds: int


@dataclasses.dataclass(frozen=True)
class BaselineSummary:
    """A trivial baseline, which never looks at the image, on the test cases of the same seeds.

    Attributes:
        backbone: The segmenter of the runs that it is compared with.
        name: `mean_shape` or `all_background`.
        metrics: As `ArmSummary.metrics`, over the seeds.
        num_seeds: How many there are.
    """

    backbone: str
    name: str
    metrics: Mapping[str, Interval]
    num_seeds: int


def summarize_arms(results: Sequence[RunResult]) -> list[ArmSummary]:
    """Summarizes each backbone's arms, in the order of tables."""
    summaries = []
    for backbone, of_backbone in grouped(results, lambda run: run.backbone).items():
        arms = grouped(of_backbone, lambda run: run.arm)
        for arm in in_order(arms):
            runs = arms[arm]
            seconds = {
                phase: mean_interval([run.seconds[phase] for run in runs], least=0)
                for phase in PHASES
            }
            num_seeds = len({run.seed for run in runs})
            metrics = _intervals([run.metrics for run in runs])
            summaries.append(ArmSummary(backbone, arm, metrics, seconds, len(runs), num_seeds))
    return summaries


def summarize_baselines(results: Sequence[RunResult]) -> list[BaselineSummary]:
    """Summarizes the trivial baselines, which all runs of a backbone and seed measured alike."""
    summaries = []
    for backbone, of_backbone in grouped(results, lambda run: run.backbone).items():
        by_seed = grouped(of_backbone, lambda run: run.seed).values()
        seeds = [of_seed[0].metrics["baselines"] for of_seed in by_seed]
        for name in dict.fromkeys(name for baselines in seeds for name in baselines):
            rows = [baselines[name] for baselines in seeds if name in baselines]
            summaries.append(BaselineSummary(backbone, name, _intervals(rows), len(rows)))
    return summaries


def best(summaries: Sequence[Summary]) -> Summary | None:
    """Returns the one with the highest mean IoU; None if none was measured."""
    measured = [each for each in summaries if "mean_iou" in each.metrics]
    return max(measured, key=lambda each: each.metrics["mean_iou"].mean, default=None)


def grouped(
    results: Sequence[RunResult], key: Callable[[RunResult], Key]
) -> dict[Key, list[RunResult]]:
    """Returns the runs by what they have in common, both in the order of `results`."""
    groups: dict[Key, list[RunResult]] = {}
    for run in results:
        groups.setdefault(key(run), []).append(run)
    return groups


def _intervals(rows: Sequence[Mapping[str, Any]]) -> dict[str, Interval]:
    values = {name: [row[name] for row in rows if row.get(name) is not None] for name in METRICS}
    return {
        name: mean_interval(known, least=0, most=UPPER_BOUNDS[name])
        for name, known in values.items()
        if known
    }
