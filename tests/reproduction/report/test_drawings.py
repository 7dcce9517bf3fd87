"""What the plots draw: each line its own metric over all epochs, each image its own run."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from darts_adv_tf.reproduction.report import plots
from darts_adv_tf.reproduction.report.alpha_curves_plot import draw_alpha
from darts_adv_tf.reproduction.report.bands import Band
from darts_adv_tf.reproduction.report.content import gather
from darts_adv_tf.reproduction.report.curves_plot import draw_curves
from darts_adv_tf.reproduction.report.tables import mean_entropy
from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from tests.reproduction.results import make_result, make_results
from tests.search_space.op_weights import random_op_weights


def lines(axes):
    return {line.get_label(): np.array(line.get_data()) for line in axes.get_lines()}


def test_curves_have_every_epoch_of_each_arm_and_the_mean_mask_level():
    epochs, counts = np.arange(1, 5), np.full(4, 3)
    means = {"none": np.linspace(0.4, 0.7, 4), "nas": np.linspace(0.3, 0.8, 4)}
    bands = {arm: Band(epochs, counts, mean, mean - 0.1, mean + 0.1) for arm, mean in means.items()}

    (axes,) = draw_curves(bands, 0.25, "U-Net").axes

    drawn = lines(axes)
    np.testing.assert_array_equal(drawn["no discriminator, 3 runs"], [epochs, means["none"]])
    np.testing.assert_array_equal(drawn["NAS, 3 runs"], [epochs, means["nas"]])
    assert set(drawn["mean-mask baseline"][1]) == {0.25}
    low, high = axes.get_ylim()
    assert low < 0.25 and high > 0.8


def test_each_of_a_users_arms_has_a_line_of_its_own():
    epochs, counts, mean = np.arange(1, 3), np.full(2, 1), np.zeros(2)
    bands = dict.fromkeys(
        ["none", "patch:build", "pyramid:build"], Band(epochs, counts, mean, mean, mean)
    )
    (axes,) = draw_curves(bands, None, "U-Net").axes
    looks = {(line.get_color(), str(line.get_linestyle())) for line in axes.get_lines()}
    assert len(looks) == 3


def test_alpha_is_drawn_over_all_epochs_and_by_kind_of_cell():
    alpha = np.stack([random_op_weights(epoch) for epoch in range(5)])
    panels = draw_alpha([7], [alpha], PUBLISHED_OPERATIONS, "NAS").axes
    assert len(panels) == 4
    for kind in range(2):
        entropy, weights = (lines(axes) for axes in panels[2 * kind : 2 * kind + 2])
        expected = [np.arange(1, 6), mean_entropy(alpha[:, kind])]
        np.testing.assert_allclose(entropy["seed 7"], expected)
        for index, name in enumerate(PUBLISHED_OPERATIONS):
            expected = [np.arange(1, 6), alpha[:, kind, :, index].mean(axis=1)]
            np.testing.assert_allclose(weights[name], expected)


def test_each_panel_shows_the_metric_that_its_title_names(tmp_path, monkeypatch):
    (run,) = runs = make_results(tmp_path, ("unet",), ("nas",), (0,))
    drawn = {}
    draw = plots.draw_discriminator
    monkeypatch.setattr(
        plots, "draw_discriminator", lambda panels: drawn.update(panels) or draw(panels)
    )
    plots.discriminators(gather(runs, [], {}, 1), "unet")
    for title, metric in (
        ("D accuracy on real masks", "accuracy/real"),
        ("D accuracy on predicted masks", "accuracy/fake"),
        ("weighted adversarial loss", "loss/adversarial"),
    ):
        np.testing.assert_array_equal(drawn[title]["nas"].mean, run.retrain_epochs[metric])


def test_overlays_are_those_of_the_first_seed_in_their_own_colours(tmp_path):
    runs = [make_result(tmp_path, "unet", "none", seed) for seed in (1, 0)]
    for run, blue_green_red in zip(runs, ((255, 0, 0), (0, 0, 255)), strict=True):
        picture = np.full((60, 40, 3), blue_green_red, np.uint8)
        cv2.imwrite(str(run.workdir / "overlays.png"), picture)

    (plot,) = plots.overlays(gather(runs, [], {}, 2), "unet")

    picture = np.array(Image.open(io.BytesIO(plot.image.content)).convert("RGB"))
    assert plot.caption == "U-Net, no discriminator, seed 0" and plot.image.kind == "jpeg"
    assert picture.mean(axis=(0, 1)) == pytest.approx((255, 0, 0), abs=5)


def test_each_cell_is_drawn_below_its_own_name(tmp_path, monkeypatch):
    (run,) = runs = make_results(tmp_path, ("unet",), ("nas",), (0,))
    drawn = {}
    monkeypatch.setattr(plots, "_cell", lambda cell, kind, _: drawn.update({kind: cell}))
    plots.genotypes(gather(runs, [], {}, 1), "unet")
    assert run.genotype.normal != run.genotype.reduction
    assert drawn == {"normal": run.genotype.normal, "reduction": run.genotype.reduction}
