"""The claims are judged by what the runs show."""

import pytest

from darts_adv_tf.reproduction.averages import MEAN_MASK
from darts_adv_tf.reproduction.claims import (
    CLAIMS,
    FURTHER_CLAIMS,
    MARGIN,
    claims_about,
    judge,
    judge_against_mean_mask,
)
from tests.reproduction.made_runs import BASELINES, run


def verdicts(results, **options):
    """By the claim's arms; of results with one backbone."""
    return {
        (each.claim.first, each.claim.second): each.verdict for each in judge(results, **options)
    }


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
    assert (random.num_seeds, random.interval.num_values) == (2, 2)
    assert random.interval.mean == pytest.approx((0.1 + 0.2) / 2)
    none = found["nas", "none"]
    assert (none.verdict, none.num_seeds) == ("not run", 0)


def test_one_seed_decides_nothing():
    results = [run("nas", mean_iou=0.9), run("none", mean_iou=0.1)]
    assert verdicts(results)["nas", "none"] == "undecided"


def test_the_metric_can_be_chosen():
    results = [
        run(arm, seed, iou, mean_iou_organs=organs)
        for arm, iou, organs in (("none", 0.5, 0.6), ("nas", 0.7, 0.2))
        for seed in range(2)
    ]
    assert verdicts(results)["nas", "none"] == "held"
    assert verdicts(results, metric="mean_iou_organs")["nas", "none"] == "contradicted"
    # Less is better there.
    with pytest.raises(ValueError, match="mean_hd95_organs"):
        judge(results, "mean_hd95_organs")


def test_each_backbone_has_its_verdicts():
    results = [run("none"), run("none", backbone="fcn32s")]
    assert [each.backbone for each in judge(results)] == ["unet"] * 5 + ["fcn32s"] * 5
    assert judge([]) == []


def test_arms_are_judged_against_the_mean_mask_of_their_seeds():
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

    found = {(each.backbone, each.claim.first): each for each in judge_against_mean_mask(results)}

    assert {key: each.verdict for key, each in found.items()} == {
        ("unet", "none"): "undecided",
        ("unet", "resnet10"): "contradicted",
        ("unet", "random"): "held",
        ("fcn32s", "none"): "not run",
    }
    assert found["unet", "random"].interval.mean == pytest.approx((0.1 + 0.1 + 0.11) / 3)
    assert found["unet", "random"].claim.second == MEAN_MASK


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
    # 0.1 and 0.2, whose Fisher's z are 0.100335 and 0.202733: t of 1 degree of freedom is
    # 12.7062, the standard error 0.051199, so that z of the ends is -0.499014 and 0.802082.
    assert found.interval == pytest.approx((0.15, -0.461335, 0.665195, 2), abs=1e-5)


def test_a_run_without_the_metric_is_no_seed():
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
    beats_none = "beats training without a discriminator"
    expected = {
        ("resnet10", "none"): (training, f"ResNet10 {beats_none}"),
        ("nas", "none"): (
            training,
            f"the searched discriminator {beats_none}",
        ),
        ("nas", "resnet10"): (searched, "matches or beats ResNet10"),
        ("nas", "random"): (searched, "beats random"),
        ("resnet10", "random"): (resnet10, "beats random"),
        ("resnet18", "none"): (training, f"ResNet18 {beats_none}"),
        ("nas", "nas_first_order"): ("exact second order", "beats one by the first"),
        ("nas", "nas_finite_difference"): ("exact second order", "beats one by its finite diff"),
        ("nas", "nas_segmentation"): ("Eq. 8", "beats one by the segmentation loss"),
    }
    claims = {(each.first, each.second): each.text for each in (*CLAIMS, *FURTHER_CLAIMS)}
    assert claims.keys() == expected.keys()
    for pair, (first, rest) in expected.items():
        start, found, _ = claims[pair].partition(rest)
        assert first in start and found, claims[pair]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        # The mean-mask baseline is at 0.6, the other at 0.2.
        ((0.3, 0.4), "not judged"),
        ((0.3, 0.6), "not judged"),
        ((0.3, 0.601), "held"),
        ((0.601, 0.3), "contradicted"),
    ],
)
def test_nothing_is_judged_where_no_arm_beats_the_trivial_baselines(levels, expected):
    results = [
        run(arm, seed, iou, mean_iou_organs=iou - 0.1, backbone=backbone)
        for backbone, offset in (("unet", 0.0), ("fcn32s", 0.5))
        for seed in range(2)
        for arm, iou in zip(("none", "nas"), (level + offset for level in levels), strict=True)
    ]
    for metric in ("mean_iou", "mean_iou_organs"):
        unet, fcn32s = (
            {each.claim.first + each.claim.second: each for each in judge(of_one, metric)}
            for of_one in (results[:4], results[4:])
        )
        assert unet["nasnone"].verdict == expected
        assert fcn32s["nasnone"].verdict == ("contradicted" if levels[1] < levels[0] else "held")
        # What was measured is kept.
        assert unet["nasnone"].interval.mean == pytest.approx(levels[1] - levels[0])
        assert unet["resnet10none"].verdict == "not run"


def test_the_all_background_baseline_has_to_be_beaten_too():
    low = {"mean_shape": {"mean_iou": 0.1}, "all_background": {"mean_iou": 0.5}}
    results = [
        run(arm, seed, iou, baselines=low)
        for arm, iou in (("none", 0.3), ("nas", 0.4))
        for seed in range(2)
    ]
    assert verdicts(results)["nas", "none"] == "not judged"
    unmeasured = [run(each.arm, each.seed, baselines={}) for each in results]
    assert verdicts(unmeasured)["nas", "none"] != "not judged"


def test_a_users_discriminator_is_asked_about_by_its_name():
    claims = claims_about([run("none"), run("nas"), run("mine:build")])
    assert [(each.first, each.second, each.margin) for each in claims[len(CLAIMS) :]] == [
        ("mine:build", "none", 0),
        ("nas", "mine:build", MARGIN),
    ]
    assert all("mine:build" in each.text for each in claims[len(CLAIMS) :])
