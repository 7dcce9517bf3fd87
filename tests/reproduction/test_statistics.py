"""Against enumeration, textbook numbers, identities, and scipy called in another way."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from darts_adv_tf.reproduction.statistics import (
    PairedStatistics,
    holm,
    mean_interval,
    paired_statistics,
)


def skewed(num_values, seed=0):
    return np.random.default_rng(seed).exponential(1, num_values) - 0.6


def enumerated_p_value(differences):
    """How many of all assignments of signs are as far from the middle, in exact numbers."""
    signed = [each for each in differences if each != 0]
    sizes = [abs(each) for each in signed]
    # Twice the ranks, so that those of ties are whole.
    ranks = [
        2 * sum(other < size for other in sizes) + sum(other == size for other in sizes) + 1
        for size in sizes
    ]

    def distance(signs):
        return abs(sum(rank * sign for rank, sign in zip(ranks, signs, strict=True)))

    observed = distance([math.copysign(1, each) for each in signed])
    assignments = list(itertools.product((-1, 1), repeat=len(ranks)))
    return sum(distance(signs) >= observed for signs in assignments) / len(assignments)


def test_students_interval_by_hand():
    # t of 2 degrees of freedom is 4.302653 at 97.5 %, the standard error 1 / sqrt(3).
    assert mean_interval([1, 2, 3]) == pytest.approx((2, 2 - 2.484138, 2 + 2.484138, 3), abs=1e-6)


@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_students_interval_is_that_of_the_t_test(confidence):
    values = skewed(7)

    expected = stats.ttest_1samp(values, 0).confidence_interval(confidence)

    assert mean_interval(values, confidence)[1:3] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "bounds", "expected"),
    [
        # t of 2 degrees of freedom is 4.302653. The logits are -ln 3, 0 and ln 3, of standard
        # error ln 3 / sqrt(3): 3 ** (4.302653 / sqrt(3)) = 15.3184.
        ((0.25, 0.5, 0.75), (0, 1), (1 / 16.3184, 15.3184 / 16.3184)),
        # Of -1 to 1 the same, twice as wide.
        ((-0.5, 0, 0.5), (-1, 1), (2 / 16.3184 - 1, 2 * 15.3184 / 16.3184 - 1)),
        # The logarithms are ln 2 apart: 2 ** (4.302653 / sqrt(3)) = 5.5953.
        ((1, 2, 4), (0, math.inf), (2 / 5.5953, 2 * 5.5953)),
        ((0.5, 0.5), (0, 1), (0.5, 0.5)),
        ((0, 0, 0), (0, 1), (0, 0)),
        ((1, 1), (0, 1), (1, 1)),
        ((0.5, 1), (0, 1), (math.nan, math.nan)),
        ((0, 3), (0, math.inf), (math.nan, math.nan)),
        ((0.5, 1.5), (0, 1), (math.nan, math.nan)),
    ],
)
@pytest.mark.filterwarnings("error")
def test_an_interval_never_leaves_the_bounds(values, bounds, expected):
    least, most = bounds
    found = mean_interval(values, least=least, most=most)
    assert found.mean == pytest.approx(sum(values) / len(values))
    assert found[1:3] == pytest.approx(expected, rel=1e-4, nan_ok=True)


def test_two_runs_far_apart_say_nothing_and_no_more():
    found = mean_interval([0.02, 0.21], least=0, most=1)
    assert 0 < found.low < 1e-4 and 0.99 < found.high < 1


@pytest.mark.filterwarnings("error")
def test_an_interval_of_few_or_equal_values():
    assert mean_interval([]) == pytest.approx((np.nan, np.nan, np.nan, 0), nan_ok=True)
    assert mean_interval([0.7]) == pytest.approx((0.7, np.nan, np.nan, 1), nan_ok=True)
    assert mean_interval([0.5, 0.5]) == (0.5, 0.5, 0.5, 2)


def test_what_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="finite"):
        mean_interval([0.5, np.nan])
    with pytest.raises(ValueError, match="finite"):
        paired_statistics([0.5, np.inf])


def test_five_pairs_by_hand():
    # Ranks of the sizes 3, 1, 5, 2, 4: those above 0 sum up to 10, those below to 5. Of the 32
    # assignments of signs 10 reach a sum of 10 or more, and as many one of 5 or less.
    differences = np.array([1.1, -0.3, 2.2, 0.7, -1.6])

    found = paired_statistics(differences)

    assert found.num_cases == 5
    assert found.mean == pytest.approx(0.42)
    assert found.effect_size == pytest.approx(5 / 15)
    assert found.p_value == pytest.approx(20 / 32)
    assert enumerated_p_value(differences) == 20 / 32
    assert (found.wins, found.losses) == (3, 2)


def test_ties_share_a_rank_and_zeros_have_none():
    # Without the zeros the ranks are 3, 3, 3, 1: 7 above 0 against 3 below.
    differences = [2, 2, -2, 0, 0, 1]

    found = paired_statistics(differences)

    assert found.effect_size == pytest.approx(0.4)
    assert found.p_value == pytest.approx(enumerated_p_value(differences))
    assert found.mean == pytest.approx(0.5)
    assert (found.num_cases, found.wins, found.losses) == (6, 3, 1)


@pytest.mark.parametrize("seed", range(4))
def test_the_test_is_exact_where_there_are_zeros(seed):
    differences = np.append(skewed(13, seed), [0, 0])
    p_value = paired_statistics(differences).p_value
    assert p_value == pytest.approx(enumerated_p_value(differences))


def test_many_pairs_follow_the_normal_distribution():
    differences = skewed(80)
    order = np.argsort(np.abs(differences))
    above = sum(rank for rank, index in enumerate(order, 1) if differences[index] > 0)
    deviation = math.sqrt(80 * 81 * 161 / 24)

    expected = math.erfc(abs(above - 80 * 81 / 4) / deviation / math.sqrt(2))

    assert paired_statistics(differences).p_value == pytest.approx(expected)


def test_the_effect_size_counts_averages_of_pairs():
    """Tukey: the ranks above 0 sum up to the number of i <= j with d_i + d_j > 0."""
    differences = skewed(30)
    sums = [a + b for a, b in itertools.combinations_with_replacement(differences, 2)]

    effect_size = paired_statistics(differences).effect_size

    assert effect_size == pytest.approx(np.mean(np.sign(sums)))
    assert 0 < effect_size < 1
    assert paired_statistics(-differences).effect_size == pytest.approx(-effect_size)


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_effect_is_whole_where_all_cases_agree(sign):
    found = paired_statistics(sign * np.arange(1, 8))
    assert found.effect_size == sign
    assert found.p_value == pytest.approx(2 / 2**7)


def test_no_difference_at_all():
    assert paired_statistics(np.zeros(4)) == PairedStatistics(4, 0, 0, 0, 1, 0, 0, 0)


def test_equal_differences_have_an_interval_without_width():
    found = paired_statistics(np.full(6, 0.1))
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))
    assert found.p_value == pytest.approx(2 / 2**6)


def test_a_single_case_and_none():
    one = paired_statistics([0.2])
    assert one == pytest.approx((1, 0.2, np.nan, np.nan, 1, 1, 1, 0), nan_ok=True)
    assert paired_statistics([]) == pytest.approx((0, *[np.nan] * 5, 0, 0), nan_ok=True)


def test_the_bootstrap_is_bias_corrected_and_accelerated():
    """Efron's formulas, on resamples of another generator."""
    differences = skewed(15)
    normal = stats.norm
    resamples = np.random.default_rng(7).choice(differences, (200_000, 15)).mean(axis=1)
    bias = normal.ppf(np.mean(resamples < differences.mean()))
    left_out = np.array([np.delete(differences, index).mean() for index in range(15)])
    deviations = left_out.mean() - left_out
    acceleration = np.sum(deviations**3) / (6 * np.sum(deviations**2) ** 1.5)
    ends = bias + normal.ppf([0.025, 0.975])
    levels = normal.cdf(bias + ends / (1 - acceleration * ends))
    expected = np.quantile(resamples, levels)

    found = paired_statistics(differences)

    # 9,999 resamples leave the upper end a standard error of 0.025; percentiles are 0.1 and 0.24
    # away.
    assert (found.low, found.high) == pytest.approx(tuple(expected), abs=0.06)
    assert found == paired_statistics(differences)


def test_the_bootstrap_covers_the_mean_about_nineteen_times_in_twenty():
    # 0.94 for 40 values, as the deviation is estimated, with a standard error of 0.008.
    samples = np.random.default_rng(0).normal(0.3, 1, (1000, 40))
    found = [paired_statistics(sample) for sample in samples]
    covered = np.mean([each.low < 0.3 < each.high for each in found])
    assert 0.91 < covered < 0.97


def test_holm_by_the_book():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.3, 0.6, 0.9]) == pytest.approx([0.9, 1, 1])
    assert holm([]).shape == (0,)


def test_what_was_not_tested_is_no_part_of_the_family():
    adjusted = holm([np.nan, 0.02, np.nan, 0.01])
    assert adjusted == pytest.approx([np.nan, 0.02, np.nan, 0.02], nan_ok=True)


@pytest.mark.parametrize("level", [0.01, 0.05, 0.2])
def test_holm_rejects_step_by_step(level):
    """The procedure as Holm describes it: from the smallest, until one stays."""
    p_values = np.random.default_rng(1).uniform(0, 1, 20) ** 4
    rejected = set()
    for steps, index in enumerate(np.argsort(p_values)):
        if p_values[index] > level / (20 - steps):
            break
        rejected.add(index)

    assert set(np.flatnonzero(holm(p_values) <= level)) == rejected
    assert 0 < len(rejected) < 20


def test_a_p_value_outside_its_range_is_refused():
    with pytest.raises(ValueError, match="p_values must be in"):
        holm([0.5, 1.5])
