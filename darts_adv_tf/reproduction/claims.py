"""The paper's claims, and whether the runs confirm them.

A claim is judged over seeds: each run counts with its metric over all test pixels, one number per
seed.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from darts_adv_tf.reproduction.arms import ARMS, arm_named, in_order
from darts_adv_tf.reproduction.averages import (
    MEAN_MASK,
    best,
    grouped,
    summarize_arms,
    summarize_baselines,
)
from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.reproduction.statistics import Interval, mean_interval

MARGIN = 0.01
"""An arm that matches another may be worse by this much of the IoU."""

CLAIM_METRICS = ("mean_iou", "mean_iou_organs")
"""Claims are judged by the first, as the paper measures; the second leaves out the background."""


@dataclasses.dataclass(frozen=True)
class Claim:
    """That one arm is better than another.

    Attributes:
        text: A sentence.
        first, second: Names of arms.
        margin: The first may be worse by this much.
    """

    text: str
    first: str
    second: str
    margin: float = 0.0


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What the runs of a backbone say of a claim.

    Attributes:
        backbone: The runs' segmenter.
        claim: The claim.
        interval: The first's metric minus the second's, over the seeds that have both; several
            runs of an arm in a seed count as their mean.
        num_seeds: How many seeds have both.
        verdict: `held` where the interval is wholly above -margin, `contradicted` where wholly
            below, `undecided` where neither or with less than two seeds, `not run` with none, and
            `not judged` where no arm of the backbone beats the trivial baselines.
    """

    backbone: str
    claim: Claim
    interval: Interval
    num_seeds: int
    verdict: str


def _beats_none(arm: str, name: str) -> Claim:
    text = f"Adversarial training against {name} beats training without a discriminator."
    return Claim(text, arm, "none")


def _exact_beats(arm: str, name: str) -> Claim:
    return Claim(f"A search by the exact second order beats one by {name}.", "nas", arm)


CLAIMS = (
    _beats_none("resnet10", "ResNet10"),
    _beats_none("nas", "the searched discriminator"),
    Claim("The searched discriminator matches or beats ResNet10.", "nas", "resnet10", MARGIN),
    Claim("The searched discriminator beats random ones.", "nas", "random"),
    Claim("ResNet10 beats random discriminators.", "resnet10", "random"),
)
"""What the paper says of its Tables 1 and 2."""

FURTHER_CLAIMS = (
    _beats_none("resnet18", "ResNet18"),
    _exact_beats("nas_first_order", "the first"),
    _exact_beats("nas_finite_difference", "its finite difference"),
    Claim(
        "A search by Eq. 8 beats one by the segmentation loss of the validation half.",
        "nas",
        "nas_segmentation",
    ),
)
"""What else can be asked of the arms, where they ran."""

MEAN_MASK_CLAIM = "The segmenter beats the mean-mask baseline."
"""Of each arm, by `judge_against_mean_mask`."""


def claims_about(results: Sequence[RunResult]) -> tuple[Claim, ...]:
    """Returns the paper's claims, whatever ran, and the further ones both arms of which did.

    A user's discriminator is compared with none and with the searched one.
    """
    arms = in_order(run.arm for run in results)
    further = list(FURTHER_CLAIMS)
    for arm in arms:
        if arm not in ARMS:
            name = arm_named(arm).label
            matches = f"The searched discriminator matches or beats {name}."
            further += [_beats_none(arm, name), Claim(matches, "nas", arm, MARGIN)]
    return (*CLAIMS, *(each for each in further if {each.first, each.second}.issubset(arms)))


def judge(results: Sequence[RunResult], metric: str = "mean_iou") -> list[Verdict]:
    """Judges each of `claims_about` the results for each backbone.

    Args:
        results: The runs.
        metric: One of `CLAIM_METRICS`, over all test pixels.

    Raises:
        ValueError: Another metric, of which more need not be better.
    """
    if metric not in CLAIM_METRICS:
        raise ValueError(
            f"metric must be one of {', '.join(CLAIM_METRICS)}. Received: metric={metric!r}"
        )
    verdicts = []
    for backbone, of_backbone in grouped(results, lambda run: run.backbone).items():
        is_judged = beats_baselines(of_backbone)
        for claim in claims_about(results):
            first, second = (
                _mean_by_seed([run for run in of_backbone if run.arm == arm], metric)
                for arm in (claim.first, claim.second)
            )
            seeds = sorted(first.keys() & second.keys())
            found = _verdict(backbone, claim, [first[seed] - second[seed] for seed in seeds])
            if found.num_seeds and not is_judged:
                found = dataclasses.replace(found, verdict="not judged")
            verdicts.append(found)
    return verdicts


def beats_baselines(results: Sequence[RunResult]) -> bool:
    """Whether the mean IoU of an arm, over its runs, is above that of every trivial baseline.

    If not, the segmenters have not learned to look at the image, and which of them is the better
    says nothing about their discriminators. True where no baseline was measured.

    Args:
        results: Runs of one backbone.
    """
    arm, baseline = best(summarize_arms(results)), best(summarize_baselines(results))
    if arm is None or baseline is None:
        return True
    return arm.metrics["mean_iou"].mean > baseline.metrics["mean_iou"].mean


def judge_against_mean_mask(results: Sequence[RunResult]) -> list[Verdict]:
    """Judges for each backbone and arm whether it beats the mean-mask baseline, as `judge` does.

    It is not the paper's claim: an arm that does not has not shown that it looks at the image.
    """
    verdicts = []
    for backbone, of_backbone in grouped(results, lambda run: run.backbone).items():
        baseline = {
            run.seed: run.metrics["baselines"][MEAN_MASK]["mean_iou"]
            for run in of_backbone
            if MEAN_MASK in run.metrics["baselines"]
        }
        arms = grouped(of_backbone, lambda run: run.arm)
        for arm in in_order(arms):
            reached = _mean_by_seed(arms[arm], "mean_iou")
            seeds = sorted(reached.keys() & baseline.keys())
            claim = Claim(MEAN_MASK_CLAIM, arm, MEAN_MASK)
            differences = [reached[seed] - baseline[seed] for seed in seeds]
            verdicts.append(_verdict(backbone, claim, differences))
    return verdicts


def _mean_by_seed(results: Sequence[RunResult], metric: str) -> dict[int, float]:
    measured = [run for run in results if run.metrics.get(metric) is not None]
    return {
        seed: float(np.mean([run.metrics[metric] for run in runs]))
        for seed, runs in grouped(measured, lambda run: run.seed).items()
    }


def _verdict(backbone: str, claim: Claim, differences: Sequence[float]) -> Verdict:
    interval = mean_interval(differences, least=-1, most=1)
    # With one seed both ends are nan, and neither comparison is true.
    if not differences:
        verdict = "not run"
    elif interval.low > -claim.margin:
        verdict = "held"
    else:
        verdict = "contradicted" if interval.high < -claim.margin else "undecided"
    return Verdict(backbone, claim, interval, len(differences), verdict)
