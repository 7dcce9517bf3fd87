"""Means over runs, and their intervals."""

import pytest

from darts_adv_tf.reproduction.averages import best, summarize_arms, summarize_baselines
from tests.reproduction.made_runs import BASELINES, run


def test_an_arm_is_summarized_over_its_runs():
    results = [
        run("resnet10", seconds=[(), (5.0, 6.0)]),
        run("random", 0, 0.1, draw=0, mean_hd95_organs=4.0),
        run("random", 0, 0.2, draw=2, mean_hd95_organs=None),
        run("random", 1, 0.3, draw=1, mean_hd95_organs=6.0),
        run("none", 0, 0.7, backbone="fcn32s"),
    ]

    random, resnet10, none = summarize_arms(results)

    assert (random.backbone, random.arm, random.num_runs, random.num_seeds) == (
        "unet",
        "random",
        3,
        2,
    )
    assert random.metrics.keys() == {"mean_iou", "mean_hd95_organs"}
    # The lower end, 0.2 - 0.248, is below what an IoU can be.
    expected = (0.2, 0, 0.2 + 0.2484138, 3)
    assert random.metrics["mean_iou"] == pytest.approx(expected, abs=1e-6)
    assert random.metrics["mean_hd95_organs"][::3] == (5, 2)
    assert resnet10.arm == "resnet10"
    assert resnet10.seconds["retrain"].mean == 11
    assert resnet10.seconds["search"].mean == 0
    assert (none.backbone, none.metrics["mean_iou"].mean) == ("fcn32s", 0.7)


def test_a_baseline_counts_once_a_seed():
    other = {name: row | {"mean_iou": row["mean_iou"] + 0.1} for name, row in BASELINES.items()}
    results = [run("none", 0), run("nas", 0), run("none", 1, baselines=other)]

    shape, background = summarize_baselines(results)

    assert (shape.backbone, shape.name, shape.num_seeds) == ("unet", "mean_shape", 2)
    assert shape.metrics.keys() == {"mean_iou", "mean_iou_organs"}
    assert shape.metrics["mean_iou"].mean == pytest.approx(0.65)
    assert shape.metrics["mean_iou"].num_values == 2
    assert background.metrics["mean_iou_organs"] == (0, 0, 0, 2)


def test_intervals_are_clipped_to_what_can_be():
    results = [
        run("none", seed, iou, seconds=[(), (length,)], mean_assd_organs=3 * seed)
        for seed, (iou, length) in enumerate(((0.5, 1.0), (0.99, 200.0)))
    ]
    (arm,) = summarize_arms(results)
    assert arm.metrics["mean_iou"][1:3] == (0, 1)
    assert arm.seconds["retrain"].low == 0 and arm.seconds["retrain"].high > 200
    assert arm.metrics["mean_assd_organs"].low == 0
    # t of 1 degree of freedom is 12.7062, the standard error 1.5.
    assert arm.metrics["mean_assd_organs"].high == pytest.approx(1.5 + 12.7062 * 1.5, abs=1e-3)


def test_the_best_has_the_highest_mean_iou():
    arms = summarize_arms([run("none", mean_iou=0.6), run("nas", mean_iou=0.7), run("random")])
    assert best(arms).arm == "random" and best(arms[::2]).arm == "nas"
    assert best(summarize_arms([run("none", mean_iou=None)])) is None
