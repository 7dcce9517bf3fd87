"""Which models are compared case by case, and how."""

import numpy as np
import pytest
from scipy import stats

from darts_adv_tf.reproduction.arms import ARMS
from darts_adv_tf.reproduction.averages import MEAN_MASK
from darts_adv_tf.reproduction.claims import CLAIMS, FURTHER_CLAIMS
from darts_adv_tf.reproduction.comparison import compare_cases, pairs_among
from tests.reproduction.made_runs import run


def test_pairs_name_arms_and_the_mean_mask():
    pairs = pairs_among(ARMS)
    assert len(set(pairs)) == len(pairs)
    assert {arm for pair in pairs for arm in pair} == {*ARMS, MEAN_MASK}
    assert {(claim.first, claim.second) for claim in (*CLAIMS, *FURTHER_CLAIMS)} <= set(pairs)
    assert {first for first, second in pairs if second == "none"} == set(ARMS) - {"none"}


def test_a_users_discriminator_is_compared_with_none_the_searched_one_and_the_mean_mask():
    assert pairs_among(["mine:build", "none", "nas"]) == [
        ("nas", "none"),
        ("mine:build", "none"),
        ("nas", "mine:build"),
        ("none", MEAN_MASK),
        ("nas", MEAN_MASK),
        ("mine:build", MEAN_MASK),
    ]


def test_each_pair_that_ran_is_compared_first_minus_second():
    results = [
        run("resnet10", cases=[0.7, 0.9, 0.5]),
        run("none", cases=[0.6, 0.6, 0.6]),
        run("resnet18", cases=[0.6, 0.6, 0.6]),
    ]

    first, second = compare_cases(results)

    assert (first.backbone, first.seed, first.first, first.second) == (
        "unet",
        0,
        "resnet10",
        "none",
    )
    assert first.statistics.mean == pytest.approx(0.1)
    assert (first.statistics.wins, first.statistics.losses) == (2, 1)
    assert (second.first, second.second, second.statistics.mean) == ("resnet18", "none", 0)


def test_cases_are_paired_by_name_and_draws_averaged():
    results = [
        run("nas", cases={"b": 0.9, "a": 0.5}),
        run("random", cases={"a": 0.4, "b": 0.5}, draw=0),
        run("random", cases={"b": 0.9, "a": 0.2}, draw=3),
    ]

    (found,) = compare_cases(results)

    # Of a: 0.5 - 0.3, of b: 0.9 - 0.7.
    assert (found.first, found.second) == ("nas", "random")
    assert (found.statistics.low, found.statistics.high) == pytest.approx((0.2, 0.2))
    assert (found.statistics.wins, found.statistics.num_cases) == (2, 2)


def test_holms_family_is_one_backbone_over_all_seeds():
    better = np.arange(1, 8) / 100
    mixed = [0.03, -0.01, 0.04, 0.02, -0.05, 0.06, 0.07]
    results = [
        *(run("none", seed, cases=np.zeros(7)) for seed in (1, 0)),
        run("nas", 1, cases=mixed),
        run("nas", 0, cases=better),
        run("nas", 0, cases=better, backbone="fcn32s"),
        run("none", 0, cases=np.zeros(7), backbone="fcn32s"),
    ]
    p_mixed = stats.wilcoxon(mixed, method="exact").pvalue

    found = compare_cases(results)

    assert [(each.backbone, each.seed) for each in found] == [
        ("unet", 0),
        ("unet", 1),
        ("fcn32s", 0),
    ]
    assert [each.statistics.p_value for each in found] == pytest.approx([2**-6, p_mixed, 2**-6])
    assert [each.p_holm for each in found] == pytest.approx([2 * 2**-6, p_mixed, 2**-6])


def test_each_arm_is_compared_with_the_mean_mask_too():
    mean_mask = {"b": 0.3, "a": 0.6}
    results = [
        run("none", cases={"a": 0.7, "b": 0.9}, mean_mask=mean_mask),
        run("nas", cases=mean_mask),
    ]

    *_, none, nas = compare_cases(results)

    assert (none.first, none.second, nas.first) == ("none", MEAN_MASK, "nas")
    assert none.statistics.mean == pytest.approx((0.1 + 0.6) / 2)
    assert (nas.statistics.mean, nas.p_holm) == (0, 1)
    # Runs of an earlier version did not measure it.
    assert compare_cases([run("none", cases={"a": 0.7})]) == []


def test_arms_of_different_seeds_are_not_compared():
    others = [run("none", 0, cases={"a": 1}), run("nas", 1, cases={"b": 1})]
    assert compare_cases(others) == []
