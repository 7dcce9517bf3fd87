"""What may be said of a few runs and of paired cases: intervals, a test, an effect's size.

An interval over runs tells what another seed would bring; statistics over the test cases of one
seed tell what other cases would bring to the same two models, and nothing about other seeds.

Shapes: N values, differences or p-values.
"""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

CONFIDENCE = 0.95

_NUM_RESAMPLES = 9999
_SEED = 0
"""Of the resamples, so that a report written twice says the same."""


class Interval(NamedTuple):
    """A mean and where it may lie.

    Attributes:
        mean: nan where there is no value.
        low, high: nan where there are less than two values.
        count: How many values there are.
    """

    mean: float
    low: float
    high: float
    count: int


def mean_interval(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """Student's interval of a mean: mean ± t(N - 1) · standard deviation / √N.

    It takes the values for independent draws from a normal distribution, which a handful of runs
    can neither show nor refute.

    Args:
        values: (N,).
        confidence: In 0..1.

    Raises:
        ValueError: A value is infinite or nan.
    """
    values = _finite(values)
    count = len(values)
    if count < 2:
        mean = float(values[0]) if count else np.nan
        return Interval(mean, np.nan, np.nan, count)
    mean = float(np.mean(values))
    half = float(stats.t.ppf((1 + confidence) / 2, count - 1) * stats.sem(values))
    return Interval(mean, mean - half, mean + half, count)


class PairedStatistics(NamedTuple):
    """How one model's cases differ from another's.

    Attributes:
        count: Number of cases, N.
        mean: Of the differences, in their unit; nan where there is none.
        low, high: 95 % interval of that mean, by bootstrap; nan with less than two cases.
        p_value: Of Wilcoxon's signed-rank test, two-sided; 1 where every difference is 0, nan where
            there is none.
        effect_size: Matched-pairs rank-biserial correlation, -1 (all below 0) to 1 (all above);
            0 where every difference is 0, nan where there is none.
        wins, losses: How many differences are above and below 0.
    """

    count: int
    mean: float
    low: float
    high: float
    p_value: float
    effect_size: float
    wins: int
    losses: int


def paired_statistics(differences: np.ndarray) -> PairedStatistics:
    """Describes paired differences.

    The interval is bias-corrected and accelerated (BCa), and the plain percentiles where that is
    not defined, as for equal differences. Test and effect size leave out differences of 0, as
    Wilcoxon did; the effect size is (R₊ - R₋) / (R₊ + R₋), where R₊ sums up the ranks of the
    absolute differences above 0 and R₋ of those below. The p-value is exact for up to 50
    differences (with ties up to 13), and from the normal distribution for more.

    Args:
        differences: (N,), first minus second.

    Raises:
        ValueError: A difference is infinite or nan.

    Reference: Efron, "Better bootstrap confidence intervals", JASA 82, 1987; Kerby, "The simple
    difference formula", Comprehensive Psychology 3, 2014.
    """
    differences = _finite(differences)
    if not len(differences):
        return PairedStatistics(0, *[np.nan] * 5, 0, 0)
    # Left out here, not by scipy's zero_method, which gives up the exact test where there are any.
    signed = differences[differences != 0]
    effect_size, p_value = 0.0, 1.0
    if len(signed):
        ranks = stats.rankdata(np.abs(signed))
        effect_size = float(np.sum(ranks * np.sign(signed)) / np.sum(ranks))
        p_value = float(stats.wilcoxon(signed).pvalue)
    return PairedStatistics(
        len(differences),
        float(np.mean(differences)),
        *_bootstrap_interval(differences),
        p_value,
        effect_size,
        int(np.sum(differences > 0)),
        int(np.sum(differences < 0)),
    )


def holm(p_values: Sequence[float]) -> np.ndarray:
    """Adjusts the p-values of a family of tests, so that 0.05 bounds the chance of any false one.

    The smallest of N is multiplied by N, the next one by N - 1, and so on; none falls below a
    smaller one's, nor rises above 1.

    Args:
        p_values: (N,); nan stands for no test, and counts as none.

    Returns:
        (N,) float64 in the same order, nan where it was nan.

    Raises:
        ValueError: A p-value is outside 0..1.

    Reference: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian
    Journal of Statistics 6, 1979.
    """
    p_values = np.asarray(p_values, np.float64)
    if np.any((p_values < 0) | (p_values > 1)):
        raise ValueError(f"A p-value lies in 0..1. Received: p_values={p_values}")
    adjusted = np.full(p_values.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(p_values))
    order = tests[np.argsort(p_values[tests])]
    multiples = p_values[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(multiples), 1)
    return adjusted


def _bootstrap_interval(differences: np.ndarray) -> tuple[float, float]:
    if len(differences) < 2:
        return np.nan, np.nan
    for method in ("BCa", "percentile"):
        # BCa warns and answers nan where it is not defined, which the percentiles then mend.
        with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            interval = stats.bootstrap(
                (differences,),
                np.mean,
                n_resamples=_NUM_RESAMPLES,
                confidence_level=CONFIDENCE,
                method=method,
                rng=np.random.default_rng(_SEED),
            ).confidence_interval
        if np.all(np.isfinite(interval)):
            break
    return float(interval.low), float(interval.high)


def _finite(values: Sequence[float]) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if not np.all(np.isfinite(values)):
        raise ValueError(f"Statistics are of finite numbers. Received: {values}")
    return values
