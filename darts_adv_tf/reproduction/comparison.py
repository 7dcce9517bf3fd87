"""Compares the trained models of one seed case by case.

This says whether two models differ on cases like these, not whether another training would.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from darts_adv_tf.reproduction.arms import ARMS, in_order
from darts_adv_tf.reproduction.averages import MEAN_MASK, grouped
from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.reproduction.statistics import PairedStatistics, holm, paired_statistics

_PAIRS_OF_ARMS = (
    ("nas", "resnet10"),
    ("nas", "random"),
    ("nas", "nas_first_order"),
    ("nas", "nas_finite_difference"),
    ("nas", "nas_segmentation"),
    ("resnet10", "random"),
)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Two arms of one backbone and seed, over the test cases.

    Attributes:
        backbone, seed: What they share.
        first, second: Names of arms; the second may be the mean-mask baseline.
        statistics: Of the first's mean IoU of each case minus the second's.
        p_holm: The p-value, adjusted for all comparisons of the backbone.
    """

    backbone: str
    seed: int
    first: str
    second: str
    statistics: PairedStatistics
    p_holm: float


def pairs_among(arms: Iterable[str]) -> list[tuple[str, str]]:
    """Returns the pairs of arms that are compared, first minus second."""
    ordered = in_order(arms)
    users = [arm for arm in ordered if arm not in ARMS]
    pairs = [(arm, "none") for arm in ordered if arm != "none"]
    pairs += [*_PAIRS_OF_ARMS, *(("nas", arm) for arm in users)]
    pairs += [(arm, MEAN_MASK) for arm in ordered]
    known = {*ordered, MEAN_MASK}
    return [pair for pair in pairs if known.issuperset(pair)]


def compare_cases(results: Sequence[RunResult]) -> list[Comparison]:
    """Compares the arms of `pairs_among` those that ran, for each backbone and seed.

    Where an arm has several runs in a seed, a case's value is its mean over them.

    Args:
        results: Runs of the same data, see `same_data`.
    """
    comparisons = []
    for backbone, of_backbone in grouped(results, lambda run: run.backbone).items():
        found = []
        for seed, of_seed in sorted(grouped(of_backbone, lambda run: run.seed).items()):
            arms = grouped(of_seed, lambda run: run.arm)
            names = sorted(of_seed[0].cases)
            means: dict[str, np.ndarray] = {
                arm: np.mean([[run.cases[name] for name in names] for run in runs], axis=0)
                for arm, runs in arms.items()
            }
            for run in of_seed:
                if run.mean_mask_cases:
                    means[MEAN_MASK] = np.array([run.mean_mask_cases[name] for name in names])
            found += [
                (seed, first, second, paired_statistics(means[first] - means[second]))
                for first, second in pairs_among(arms)
                if second in means
            ]
        adjusted = holm([statistics.p_value for *_, statistics in found])
        comparisons += [
            Comparison(backbone, seed, first, second, statistics, float(p_holm))
            for (seed, first, second, statistics), p_holm in zip(found, adjusted, strict=True)
        ]
    return comparisons
