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
    # Logits -ln 9, -ln 4 and ln 3/7: mean -1.476939, standard error 0.392317; t of 2 degrees of
    # freedom is 4.302653. So the logits of the ends are -3.164943 and 0.211065.
    expected = (0.2, 0.040507, 0.552571, 3)
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


def test_intervals_hold_only_what_can_be():
    results = [
        run("none", seed, iou, seconds=[(), (length,)], mean_assd_organs=distance)
        for seed, (iou, length, distance) in enumerate(((0.5, 1.0, 2.0), (0.99, 200.0, 8.0)))
    ]
    (arm,) = summarize_arms(results)
    assert 0 < arm.metrics["mean_iou"].low < 0.5 and 0.99 < arm.metrics["mean_iou"].high < 1
    assert 0 < arm.seconds["retrain"].low < 1 and arm.seconds["retrain"].high > 200
    # t of 1 degree of freedom is 12.7062; the logarithms' mean is ln 4, their standard error ln 2.
    expected = (4 / 2**12.7062, 4 * 2**12.7062)
    assert arm.metrics["mean_assd_organs"][1:3] == pytest.approx(expected, rel=1e-4)


def test_the_best_has_the_highest_mean_iou():
    arms = summarize_arms([run("none", mean_iou=0.6), run("nas", mean_iou=0.7), run("random")])
    assert best(arms).arm == "random" and best(arms[::2]).arm == "nas"
    assert best(summarize_arms([run("none", mean_iou=None)])) is None
