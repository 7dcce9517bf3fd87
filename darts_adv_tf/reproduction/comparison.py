"""Which arm is better, by how much, and what of the paper's claim held.

Two kinds of evidence. Over seeds: each run's pooled figure, one number a seed, on which the claims
are judged. Within a seed: paired differences over the test cases of two trained models.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from darts_adv_tf.reproduction.arms import ARMS
from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.reproduction.statistics import (
    Interval,
    PairedStatistics,
    holm,
    mean_interval,
    paired_statistics,
)

FIGURES = ("mean_iou", "mean_iou_organs", "mean_hd95_organs", "mean_assd_organs")
"""Of metrics.json, in a report: fractions in 0..1, and distances in training pixels."""

BLIND = "mean_shape"
"""The mean training mask, which never looks at the image, in the place of an arm."""

PAIRS = (
    *((arm, "none") for arm in ARMS if arm != "none"),
    ("nas", "resnet10"),
    ("nas", "random"),
    ("nas", "nas_first_order"),
    ("nas", "nas_finite_difference"),
    ("nas", "nas_segmentation"),
    ("resnet10", "random"),
    *((arm, BLIND) for arm in ARMS),
)
"""The arms that are compared, first minus second."""

MARGIN = 0.01
"""By how much of the IoU an arm may fall behind another that it matches."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two arms of one backbone and seed, over the test cases.

    Attributes:
        backbone, seed: What they share.
        first, second: Two of `ARMS`.
        statistics: Of the first's mean IoU of each case minus the second's.
        p_holm: The p-value, adjusted for all comparisons of the backbone.
    """

    backbone: str
    seed: int
    first: str
    second: str
    statistics: PairedStatistics
    p_holm: float


@dataclasses.dataclass(frozen=True)
class Claim:
    """That one arm is better than another.

    Attributes:
        text: A sentence.
        first, second: Two of `ARMS`.
        margin: The first may be worse by this much.
    """

    text: str
    first: str
    second: str
    margin: float = 0.0


CLAIMS = (
    Claim("Adversarial training against ResNet10 beats training alone.", "resnet10", "none"),
    Claim(
        "Adversarial training against the searched discriminator beats training alone.",
        "nas",
        "none",
    ),
    Claim("The searched discriminator matches or beats ResNet10.", "nas", "resnet10", MARGIN),
    Claim("The searched discriminator beats random ones.", "nas", "random"),
    Claim("ResNet10 beats random discriminators.", "resnet10", "random"),
)
"""What the paper says of its Tables 1 and 2."""

FURTHER_CLAIMS = (
    Claim("Adversarial training against ResNet18 beats training alone.", "resnet18", "none"),
    Claim("A search by the exact second order beats one by the first.", "nas", "nas_first_order"),
    Claim(
        "A search by the exact second order beats one by its finite difference.",
        "nas",
        "nas_finite_difference",
    ),
    Claim(
        "A search by Eq. 8 beats one by the segmentation loss of the validation half.",
        "nas",
        "nas_segmentation",
    ),
)
"""What else can be asked of the arms, where they ran."""

BLIND_CLAIM = "The segmenter beats a mask that is blind to the image."
"""Of each arm, by `judge_against_blind`."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the runs of a backbone say of a claim.

    Attributes:
        backbone: The runs' segmenter.
        claim: One of `CLAIMS` or `FURTHER_CLAIMS`, or `BLIND_CLAIM` of an arm.
        interval: The first's figure minus the second's, over the seeds that have both; several
            runs of an arm in a seed count as their mean.
        num_seeds: How many seeds have both.
        verdict: `held` where the interval lies wholly above -margin, `contradicted` where wholly
            below, `undecided` where neither or with less than two seeds, `not run` with none.
    """

    backbone: str
    claim: Claim
    interval: Interval
    num_seeds: int
    verdict: str


@dataclasses.dataclass(frozen=True)
class ArmSummary:
    """The runs of an arm.

    Attributes:
        backbone: The runs' segmenter.
        arm: One of `ARMS`.
        figures: By name of `FIGURES`, over the runs; without those that no run has. The paper, too,
            takes the mean over all runs against random discriminators. As runs of one seed share
            the split and the initial weights, the interval of such an arm is too narrow for what
            another seed would bring.
        seconds: How long the epochs of `search` and of `retrain` took, over the runs; 0 where an
            arm has no such phase.
        num_runs, num_seeds: How many there are.
    """

    backbone: str
    arm: str
    figures: Mapping[str, Interval]
    seconds: Mapping[str, Interval]
    num_runs: int
    num_seeds: int


@dataclasses.dataclass(frozen=True)
class BaselineSummary:
    """A predictor that never looks at the image, on the test cases of the same seeds.

    Attributes:
        backbone: The segmenter of the runs beside which it stands.
        name: `mean_shape` or `all_background`.
        figures: As `ArmSummary.figures`, over the seeds.
        num_seeds: How many there are.
    """

    backbone: str
    name: str
    figures: Mapping[str, Interval]
    num_seeds: int


def compare_cases(results: Sequence[RunResult]) -> list[Comparison]:
    """Compares the arms of `PAIRS` that ran, for each backbone and seed, case by case.

    Where an arm has several runs in a seed, a case's value is its mean over them.

    Args:
        results: Runs of the same data, see `same_data`.
    """
    comparisons = []
    for backbone, of_backbone in _grouped(results, "backbone").items():
        found = []
        for seed, of_seed in sorted(_grouped(of_backbone, "seed").items()):
            arms = _grouped(of_seed, "arm")
            names = sorted(of_seed[0].cases)
            means = {
                arm: np.mean([[run.cases[name] for name in names] for run in runs], axis=0)
                for arm, runs in arms.items()
            }
            for run in of_seed:
                if run.blind_cases:
                    means[BLIND] = np.array([run.blind_cases[name] for name in names])
            found += [
                (seed, first, second, paired_statistics(means[first] - means[second]))
                for first, second in PAIRS
                if first in means and second in means
            ]
        adjusted = holm([statistics.p_value for *_, statistics in found])
        comparisons += [
            Comparison(backbone, *each, float(p_holm))
            for each, p_holm in zip(found, adjusted, strict=True)
        ]
    return comparisons


def claims_about(results: Sequence[RunResult]) -> tuple[Claim, ...]:
    """The paper's claims, whatever ran, and the further ones both arms of which did."""
    arms = {run.arm for run in results}
    return (*CLAIMS, *(each for each in FURTHER_CLAIMS if {each.first, each.second} <= arms))


def judge(results: Sequence[RunResult], figure: str = "mean_iou") -> list[Verdict]:
    """Judges each of `claims_about` the results for each backbone.

    Args:
        results: The runs.
        figure: `mean_iou` or `mean_iou_organs`, pooled over the test cases.

    Raises:
        ValueError: Another figure, of which more need not be better.
    """
    allowed = ("mean_iou", "mean_iou_organs")
    if figure not in allowed:
        raise ValueError(f"figure is one of {', '.join(allowed)}. Received: figure={figure!r}")
    verdicts = []
    for backbone, of_backbone in _grouped(results, "backbone").items():
        for claim in claims_about(results):
            first, second = (
                _mean_by_seed([run for run in of_backbone if run.arm == arm], figure)
                for arm in (claim.first, claim.second)
            )
            seeds = sorted(first.keys() & second.keys())
            interval = mean_interval([first[seed] - second[seed] for seed in seeds])
            verdict = _verdict(interval, claim.margin)
            verdicts.append(Verdict(backbone, claim, interval, len(seeds), verdict))
    return verdicts


def judge_against_blind(results: Sequence[RunResult]) -> list[Verdict]:
    """Judges for each backbone and arm whether it beats the mean training mask, as `judge` does.

    It is not the paper's claim: an arm that does not has not shown that it looks at the image.
    """
    verdicts = []
    for backbone, of_backbone in _grouped(results, "backbone").items():
        blind = {
            run.seed: run.metrics["baselines"][BLIND]["mean_iou"]
            for run in of_backbone
            if BLIND in run.metrics["baselines"]
        }
        arms = _grouped(of_backbone, "arm")
        for arm in filter(arms.__contains__, ARMS):
            reached = _mean_by_seed(arms[arm], "mean_iou")
            seeds = sorted(reached.keys() & blind.keys())
            interval = mean_interval([reached[seed] - blind[seed] for seed in seeds])
            claim = Claim(BLIND_CLAIM, arm, BLIND)
            verdicts.append(Verdict(backbone, claim, interval, len(seeds), _verdict(interval, 0.0)))
    return verdicts


def summarize_arms(results: Sequence[RunResult]) -> list[ArmSummary]:
    """Summarizes each backbone's arms, in the order of `ARMS`."""
    summaries = []
    for backbone, of_backbone in _grouped(results, "backbone").items():
        arms = _grouped(of_backbone, "arm")
        for arm in filter(arms.__contains__, ARMS):
            runs = arms[arm]
            seconds = {
                phase: mean_interval([run.seconds[phase] for run in runs])
                for phase in ("search", "retrain")
            }
            summaries.append(
                ArmSummary(
                    backbone,
                    arm,
                    _intervals([run.metrics for run in runs]),
                    seconds,
                    len(runs),
                    len({run.seed for run in runs}),
                )
            )
    return summaries


def blind_baselines(results: Sequence[RunResult]) -> list[BaselineSummary]:
    """Summarizes the blind predictors, which all runs of a backbone and seed measured alike."""
    summaries = []
    for backbone, of_backbone in _grouped(results, "backbone").items():
        by_seed = _grouped(of_backbone, "seed").values()
        seeds = [of_seed[0].metrics["baselines"] for of_seed in by_seed]
        for name in dict.fromkeys(name for baselines in seeds for name in baselines):
            rows = [baselines[name] for baselines in seeds if name in baselines]
            summaries.append(BaselineSummary(backbone, name, _intervals(rows), len(rows)))
    return summaries


def _grouped(results: Sequence[RunResult], attribute: str) -> dict[object, list[RunResult]]:
    groups = {}
    for run in results:
        groups.setdefault(getattr(run, attribute), []).append(run)
    return groups


def _mean_by_seed(results: Sequence[RunResult], figure: str) -> dict[int, float]:
    measured = [run for run in results if run.metrics.get(figure) is not None]
    return {
        seed: float(np.mean([run.metrics[figure] for run in runs]))
        for seed, runs in _grouped(measured, "seed").items()
    }


def _verdict(interval: Interval, margin: float) -> str:
    if interval.count == 0:
        return "not run"
    # With one seed both ends are nan, and neither comparison is true.
    if interval.low > -margin:
        return "held"
    return "contradicted" if interval.high < -margin else "undecided"


def _intervals(rows: Sequence[Mapping[str, object]]) -> dict[str, Interval]:
    values = {name: [row[name] for row in rows if row.get(name) is not None] for name in FIGURES}
    return {name: mean_interval(known) for name, known in values.items() if known}
