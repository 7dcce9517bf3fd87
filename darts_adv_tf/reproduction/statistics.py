"""Statistics of a few runs and of paired cases: intervals, a test, an effect size.

An interval over runs says what another seed would bring; statistics over the test cases of one
seed say what other cases would bring to the same two models, and nothing about other seeds.

Shapes: N values, differences or p-values.
"""

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.special import expit, logit

CONFIDENCE = 0.95

_NUM_RESAMPLES = 9999
_SEED = 0
"""Of the resamples, so that a report written twice says the same."""


class Interval(NamedTuple):
    """A mean and its interval.

    Attributes:
        mean: nan where there is no value.
        low, high: nan where there are less than two values, or the interval is undetermined.
        num_values: How many there are.
    """

    mean: float
    low: float
    high: float
    num_values: int


def mean_interval(
    values: Sequence[float],
    confidence: float = CONFIDENCE,
    *,
    least: float = -math.inf,
    most: float = math.inf,
) -> Interval:
    """Student's interval of a mean: mean ± t(N - 1) · standard deviation / √N.

    It takes the values for independent draws from a normal distribution, which a handful of runs
    can neither show nor refute. Bounded values are taken to a scale without bounds, where the
    interval is found, and back: to the logit between two bounds, which is Fisher's z between -1
    and 1, and to the logarithm above one bound. So an interval never holds what cannot be.

    Args:
        values: (N,).
        confidence: In 0..1.
        least, most: The bounds of what can be; `most` only beside `least`.

    Returns:
        The arithmetic mean, and the interval; both ends are the value where all are equal, and nan
        where another one is on a bound or beyond, which leaves the interval undetermined.

    Raises:
        ValueError: A value is infinite or nan.
    """
    known = _finite(values)
    num_values = len(known)
    mean = float(np.mean(known)) if num_values else np.nan
    if num_values < 2:
        return Interval(mean, np.nan, np.nan, num_values)
    if np.all(known == known[0]):
        return Interval(mean, mean, mean, num_values)
    if np.any((known <= least) | (known >= most)):
        return Interval(mean, np.nan, np.nan, num_values)
    free = _to_free_scale(known, least, most)
    half = stats.t.ppf((1 + confidence) / 2, num_values - 1) * stats.sem(free)
    centre = np.mean(free)
    low, high = _from_free_scale(np.array([centre - half, centre + half]), least, most)
    return Interval(mean, float(low), float(high), num_values)


def _to_free_scale(values: np.ndarray, least: float, most: float) -> np.ndarray:
    if math.isinf(least):
        return values
    return np.log(values - least) if math.isinf(most) else logit((values - least) / (most - least))


def _from_free_scale(values: np.ndarray, least: float, most: float) -> np.ndarray:
    if math.isinf(least):
        return values
    with np.errstate(over="ignore"):
        return least + (np.exp(values) if math.isinf(most) else (most - least) * expit(values))


class PairedStatistics(NamedTuple):
    """How one model's cases differ from another's.

    Attributes:
        num_cases: N.
        mean: Of the differences, in their unit; nan where there is none.
        low, high: 95 % interval of that mean, by bootstrap; nan with less than two cases.
        p_value: Of Wilcoxon's signed-rank test, two-sided; 1 where every difference is 0, nan where
            there is none.
        effect_size: Matched-pairs rank-biserial correlation, -1 (all below 0) to 1 (all above);
            0 where every difference is 0, nan where there is none.
        wins, losses: How many differences are above and below 0.
    """

    num_cases: int
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
        nan = np.nan
        return PairedStatistics(0, nan, nan, nan, nan, nan, 0, 0)
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
    found = np.asarray(p_values, np.float64)
    if np.any((found < 0) | (found > 1)):
        raise ValueError(f"p_values must be in 0..1. Received: p_values={found}")
    adjusted = np.full(found.shape, np.nan)
    tests = np.flatnonzero(~np.isnan(found))
    order = tests[np.argsort(found[tests])]
    multiples = found[order] * np.arange(len(order), 0, -1)
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


def _finite(values: Sequence[float] | np.ndarray) -> np.ndarray:
    found = np.asarray(values, np.float64)
    if not np.all(np.isfinite(found)):
        raise ValueError(f"values must be finite. Received: {found}")
    return found
