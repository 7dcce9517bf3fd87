"""Runs of a matrix that never ran: seeded metrics, of the form that a run leaves them in."""

import cv2
import numpy as np

from darts_adv_tf.reproduction.arms import ARMS
from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.genotype import derive
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE

LEVELS = {"none": 0.70, "random": 0.68, "resnet10": 0.78, "resnet50": 0.69, "nas": 0.77}
"""The mean IoU around which an arm's runs lie; 0.74 in the others."""

NUM_CASES = 12
EPOCHS = 8


def make_results(folder, backbones=("unet",), arms=("none", "nas"), seeds=(0, 1), draws=1):
    """A run for each backbone, seed and arm; `draws` for the arm random."""
    return [
        make_result(folder, backbone, arm, seed, draw)
        for backbone in backbones
        for seed in seeds
        for arm in arms
        for draw in (range(draws) if ARMS[arm].is_drawn else (None,))
    ]


def make_result(folder, backbone, arm, seed, draw=None, level=None, epochs=EPOCHS):
    """One run; its workdir holds an overlays.png.

    Args:
        folder: For workdirs.
        backbone, arm, seed, draw: Which run it is.
        level: The mean IoU on the test cases; drawn around that of `LEVELS` if not given.
        epochs: Of the search, and of retraining.
    """
    shared = np.random.default_rng([seed, len(backbone)])
    own = np.random.default_rng([seed, len(backbone), list(ARMS).index(arm), draw or 0])
    blind = 0.72 + 0.01 * shared.normal()
    if level is None:
        level = LEVELS.get(arm, 0.74) + 0.01 * own.normal()
    easiness = 0.08 * shared.normal(size=NUM_CASES)
    cases = level + easiness + 0.02 * own.normal(size=NUM_CASES)
    workdir = folder / f"{len(backbone)}_{arm}_{seed}_{draw}"
    workdir.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(workdir / "overlays.png"), own.integers(0, 255, (90, 60, 3), np.uint8))
    has_discriminator, is_searched = arm != "none", ARMS[arm].command == "search"
    alpha = _make_alpha(own, epochs) if is_searched else None
    genotype = None
    if is_searched or ARMS[arm].is_drawn:
        weights = alpha[-1] if is_searched else _make_alpha(own, 1)[-1]
        genotype = derive(*weights)
    return RunResult(
        backbone=backbone,
        arm=arm,
        seed=seed,
        draw=draw,
        workdir=workdir,
        metrics={
            "num_cases": NUM_CASES,
            "mean_iou": level,
            "mean_iou_organs": level - 0.08,
            "mean_hd95_organs": 20 - 15 * level + own.random(),
            "mean_assd_organs": 6 - 5 * level + 0.2 * own.random(),
            "baselines": {
                "mean_shape": {
                    "mean_iou": blind,
                    "mean_iou_organs": blind - 0.1,
                    "mean_hd95_organs": 9.5,
                    "mean_assd_organs": 3.25,
                },
                "all_background": {"mean_iou": 0.175, "mean_iou_organs": 0.0},
            },
        },
        cases=_by_case(cases),
        mean_mask_cases=_by_case(blind + easiness),
        split=dict.fromkeys(_by_case(cases), "test") | {"trained_on": "train"},
        versions={"darts_adv_tf": "0.1.0", "tensorflow": "2.21.0"},
        search_epochs=_make_epochs(own, epochs, level, True) if is_searched else {},
        retrain_epochs=_make_epochs(own, epochs, level, has_discriminator, is_tested=True),
        alpha=alpha,
        genotype=genotype,
    )


def _by_case(values):
    return {f"case_{index:03}": float(value) for index, value in enumerate(values)}


def _make_epochs(rng, epochs, level, has_discriminator, is_tested=False):
    time = np.arange(1, epochs + 1) / epochs
    columns = {
        "epoch": np.arange(1.0, epochs + 1),
        "seconds": 20 + 2 * rng.random(epochs),
        "loss/segmentation": 1.2 * np.exp(-3 * time),
    }
    if has_discriminator:
        pace = 2 + 4 * rng.random()
        columns |= {
            "loss/adversarial": 0.7 + 3 * time + 0.2 * rng.random(epochs),
            "loss/discriminator": 1.4 * np.exp(-pace * time),
            "accuracy/real": 1 - 0.5 * np.exp(-pace * time),
            "accuracy/fake": 1 - 0.4 * np.exp(-2 * pace * time),
        }
    if is_tested:
        curve = level - (level - 0.2) * np.exp(-6 * time) + 0.01 * rng.normal(size=epochs)
        curve[-1] = level
        columns |= {"test/mean_iou": curve, "test/mean_iou_organs": curve - 0.08}
    return columns


def _make_alpha(rng, epochs):
    """(epochs, 2, edges, operations), the softmax of logits that wander off."""
    steps = 0.08 * rng.normal(size=(epochs, 2, len(SPACE.edges), len(PUBLISHED_OPERATIONS)))
    drift = 0.1 * rng.normal(size=(2, 1, len(PUBLISHED_OPERATIONS)))
    logits = np.cumsum(steps + drift, axis=0)
    exponentials = np.exp(logits)
    return exponentials / exponentials.sum(axis=-1, keepdims=True)
