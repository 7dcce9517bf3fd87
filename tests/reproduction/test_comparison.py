"""Runs with figures made up, so that what must come out is plain."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from darts_adv_tf.reproduction.arms import ARMS
from darts_adv_tf.reproduction.comparison import (
    BLIND,
    CLAIMS,
    FURTHER_CLAIMS,
    MARGIN,
    PAIRS,
    blind_baselines,
    compare_cases,
    judge,
    judge_against_blind,
    summarize_arms,
)
from darts_adv_tf.reproduction.results import RunResult

BASELINES = {
    "mean_shape": {"mean_iou": 0.6, "mean_iou_organs": 0.5, "cardiothoracic_ratio": {}},
    "all_background": {"mean_iou": 0.2, "mean_iou_organs": 0.0, "mean_hd95_organs": None},
}


def run(
    arm, seed=0, mean_iou=0.8, cases=(), draw=None, backbone="unet", seconds=(), blind=(), **metrics
):
    metrics = {"mean_iou": mean_iou, "baselines": BASELINES} | metrics
    epochs = [{"seconds": np.array(each)} if each else {} for each in seconds] or [{}, {}]
    cases, blind = (
        values if isinstance(values, dict) else {f"case{i}": iou for i, iou in enumerate(values)}
        for values in (cases, blind)
    )
    return RunResult(
        *(backbone, arm, seed, draw, Path(f"{arm}_{draw}"), metrics, cases, blind),
        *(dict.fromkeys(cases, "test"), {}, *epochs, None, None),
    )


def verdicts(results, **options):
    """By the claim's arms; of results with one backbone."""
    return {
        (each.claim.first, each.claim.second): each.verdict for each in judge(results, **options)
    }


def test_pairs_and_claims_name_arms():
    assert len(set(PAIRS)) == len(PAIRS)
    assert {arm for pair in PAIRS for arm in pair} == {*ARMS, BLIND}
    assert {(claim.first, claim.second) for claim in (*CLAIMS, *FURTHER_CLAIMS)} <= set(PAIRS)
    assert {first for first, second in PAIRS if second == "none"} == set(ARMS) - {"none"}


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
    assert (found.statistics.wins, found.statistics.count) == (2, 2)


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


def test_each_arm_is_compared_with_the_blind_mask_too():
    blind = {"b": 0.3, "a": 0.6}
    results = [run("none", cases={"a": 0.7, "b": 0.9}, blind=blind), run("nas", cases=blind)]

    *_, alone, nas = compare_cases(results)

    assert (alone.first, alone.second, nas.first) == ("none", BLIND, "nas")
    assert alone.statistics.mean == pytest.approx((0.1 + 0.6) / 2)
    assert (nas.statistics.mean, nas.p_holm) == (0, 1)
    # Runs of an earlier version did not measure it.
    assert compare_cases([run("none", cases={"a": 0.7})]) == []


def test_arms_of_different_seeds_are_not_compared():
    others = [run("none", 0, cases={"a": 1}), run("nas", 1, cases={"b": 1})]
    assert compare_cases(others) == []


def test_a_claim_is_judged_by_the_interval_over_seeds():
    results = [
        *(run("none", seed, 0.80 + seed / 100) for seed in range(3)),
        *(run("resnet10", seed, 0.90 + seed / 100 + 0.001 * seed) for seed in range(3)),
        *(run("nas", seed, 0.70 + seed / 100 + 0.001 * seed) for seed in range(3)),
        *(run("random", seed, iou) for seed, iou in enumerate((0.60, 0.99, 0.80))),
    ]

    assert verdicts(results) == {
        ("resnet10", "none"): "held",
        ("nas", "none"): "contradicted",
        ("nas", "resnet10"): "contradicted",
        ("nas", "random"): "undecided",
        ("resnet10", "random"): "undecided",
    }
    first = judge(results)[0]
    # Differences 0.100, 0.101, 0.102: the hand-worked interval of 1, 2, 3, a thousandth of it.
    assert first.interval == pytest.approx((0.101, 0.101 - 0.002484, 0.101 + 0.002484, 3), abs=1e-6)
    assert (first.backbone, first.num_seeds) == ("unet", 3)


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (0.02, "held"),
        (-0.5 * MARGIN, "held"),
        (-1.05 * MARGIN, "undecided"),
        (-0.95 * MARGIN, "undecided"),
        (-1.5 * MARGIN, "contradicted"),
    ],
)
def test_to_match_is_to_stay_within_the_margin(difference, expected):
    differences = (difference - 1e-4, difference + 1e-4)  # ± 0.00127
    results = [
        *(run("resnet10", seed, 0.8) for seed in range(2)),
        *(run("nas", seed, 0.8 + each) for seed, each in enumerate(differences)),
        *(run("none", seed, 0.8) for seed in range(2)),
    ]
    found = verdicts(results)
    assert found["nas", "resnet10"] == expected
    # To beat, there is no margin.
    assert found["nas", "none"] == ("held" if difference > 0 else "contradicted")


def test_seeds_are_paired_and_draws_averaged_first():
    results = [
        run("nas", 0, 0.9),
        run("nas", 1, 0.7),
        run("nas", 2, 0.1),
        run("random", 1, 0.5, draw=1),
        run("random", 0, 0.6, draw=0),
        run("random", 0, 0.8, draw=3),
        run("random", 0, 1.0, draw=6),
    ]

    found = {(each.claim.first, each.claim.second): each for each in judge(results)}

    random = found["nas", "random"]
    assert (random.num_seeds, random.interval.count) == (2, 2)
    assert random.interval.mean == pytest.approx((0.1 + 0.2) / 2)
    alone = found["nas", "none"]
    assert (alone.verdict, alone.num_seeds) == ("not run", 0)


def test_one_seed_decides_nothing():
    results = [run("nas", mean_iou=0.9), run("none", mean_iou=0.1)]
    assert verdicts(results)["nas", "none"] == "undecided"


def test_the_figure_can_be_chosen():
    results = [
        run(arm, seed, iou, mean_iou_organs=organs)
        for arm, iou, organs in (("none", 0.5, 0.6), ("nas", 0.7, 0.2))
        for seed in range(2)
    ]
    assert verdicts(results)["nas", "none"] == "held"
    assert verdicts(results, figure="mean_iou_organs")["nas", "none"] == "contradicted"
    # Less is better there.
    with pytest.raises(ValueError, match="mean_hd95_organs"):
        judge(results, "mean_hd95_organs")


def test_each_backbone_has_its_verdicts():
    results = [run("none"), run("none", backbone="fcn32s")]
    assert [each.backbone for each in judge(results)] == ["unet"] * 5 + ["fcn32s"] * 5
    assert judge([]) == []


def test_an_arm_is_summarized_over_its_runs():
    results = [
        run("resnet10", seconds=[(), (5.0, 6.0)]),
        run("random", 0, 0.1, draw=0, mean_hd95_organs=4.0),
        run("random", 0, 0.2, draw=2, mean_hd95_organs=None),
        run("random", 1, 0.3, draw=1, mean_hd95_organs=6.0),
        run("none", 0, 0.7, backbone="fcn32s"),
    ]

    random, resnet10, alone = summarize_arms(results)

    assert (random.backbone, random.arm, random.num_runs, random.num_seeds) == (
        "unet",
        "random",
        3,
        2,
    )
    assert random.figures.keys() == {"mean_iou", "mean_hd95_organs"}
    expected = (0.2, 0.2 - 0.2484138, 0.2 + 0.2484138, 3)
    assert random.figures["mean_iou"] == pytest.approx(expected, abs=1e-6)
    assert random.figures["mean_hd95_organs"][::3] == (5, 2)
    assert resnet10.arm == "resnet10"
    assert resnet10.seconds["retrain"].mean == 11
    assert resnet10.seconds["search"].mean == 0
    assert (alone.backbone, alone.figures["mean_iou"].mean) == ("fcn32s", 0.7)


def test_a_blind_predictor_counts_once_a_seed():
    other = {name: row | {"mean_iou": row["mean_iou"] + 0.1} for name, row in BASELINES.items()}
    results = [run("none", 0), run("nas", 0), run("none", 1, baselines=other)]

    shape, background = blind_baselines(results)

    assert (shape.backbone, shape.name, shape.num_seeds) == ("unet", "mean_shape", 2)
    assert shape.figures.keys() == {"mean_iou", "mean_iou_organs"}
    assert shape.figures["mean_iou"].mean == pytest.approx(0.65)
    assert shape.figures["mean_iou"].count == 2
    assert background.figures["mean_iou_organs"] == (0, 0, 0, 2)


def test_arms_are_judged_against_the_blind_mask_of_their_seeds():
    easy = {name: row | {"mean_iou": row["mean_iou"] + 0.2} for name, row in BASELINES.items()}
    results = [
        run("none", 0, 0.70),
        # Above the mean of both seeds' masks, and below that of its own.
        run("resnet10", 1, 0.75, baselines=easy),
        run("resnet10", 2, 0.745, baselines=easy),
        run("random", 0, 0.80, draw=0),
        run("random", 0, 0.60, draw=3),
        run("random", 1, 0.90, draw=1, baselines=easy),
        run("random", 2, 0.91, draw=2, baselines=easy),
        run("none", 0, backbone="fcn32s", baselines={}),
    ]

    found = {(each.backbone, each.claim.first): each for each in judge_against_blind(results)}

    assert {key: each.verdict for key, each in found.items()} == {
        ("unet", "none"): "undecided",
        ("unet", "resnet10"): "contradicted",
        ("unet", "random"): "held",
        ("fcn32s", "none"): "not run",
    }
    assert found["unet", "random"].interval.mean == pytest.approx((0.1 + 0.1 + 0.11) / 3)
    assert found["unet", "random"].claim.second == BLIND


def test_further_claims_are_judged_where_both_of_their_arms_ran():
    results = [
        run(arm, seed, iou)
        for arm, iou in (("nas", 0.8), ("nas_first_order", 0.7))
        for seed in range(2)
    ]
    assert verdicts(results)["nas", "nas_first_order"] == "held"
    assert ("nas", "nas_segmentation") not in verdicts(results)
    assert ("nas", "nas_first_order") not in verdicts(results[:2])


def test_seeds_are_paired_by_their_number_whatever_their_order():
    results = [
        *(run("nas", seed, iou) for seed, iou in ((0, 0.9), (1, 0.7), (2, 0.1))),
        *(run("random", seed, iou, draw=seed) for seed, iou in ((1, 0.5), (0, 0.8))),
    ]
    found = {(each.claim.first, each.claim.second): each for each in judge(results)}[
        "nas", "random"
    ]
    # 0.1 and 0.2: t of 1 degree of freedom is 12.7062, the standard error 0.05.
    assert found.interval == pytest.approx((0.15, 0.15 - 0.63531, 0.15 + 0.63531, 2), abs=1e-5)


def test_a_run_without_the_figure_is_no_seed():
    results = [
        run(arm, seed, mean_iou_organs=organs)
        for arm, organs in (("none", 0.5), ("nas", 0.7))
        for seed in range(2)
    ]
    # None stands for nan in metrics.json.
    results += [run("none", 2, mean_iou_organs=0.5), run("nas", 2, mean_iou_organs=None)]
    found = {
        (each.claim.first, each.claim.second): each for each in judge(results, "mean_iou_organs")
    }
    assert found["nas", "none"].num_seeds == 2
    assert found["nas", "none"].interval.mean == pytest.approx(0.2)


def test_a_claim_says_which_arms_it_compares():
    training, searched, resnet10 = "Adversarial training against", "searched", "ResNet10"
    expected = {
        ("resnet10", "none"): (training, "ResNet10 beats training alone"),
        ("nas", "none"): (training, "the searched discriminator beats training alone"),
        ("nas", "resnet10"): (searched, "matches or beats ResNet10"),
        ("nas", "random"): (searched, "beats random"),
        ("resnet10", "random"): (resnet10, "beats random"),
        ("resnet18", "none"): (training, "ResNet18 beats training alone"),
        ("nas", "nas_first_order"): ("exact second order", "beats one by the first"),
        ("nas", "nas_finite_difference"): ("exact second order", "beats one by its finite diff"),
        ("nas", "nas_segmentation"): ("Eq. 8", "beats one by the segmentation loss"),
    }
    claims = {(each.first, each.second): each.text for each in (*CLAIMS, *FURTHER_CLAIMS)}
    assert claims.keys() == expected.keys()
    for pair, (first, rest) in expected.items():
        start, found, _ = claims[pair].partition(rest)
        assert first in start and found, claims[pair]
