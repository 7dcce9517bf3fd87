"""The shape model that comes with the program, beside what was counted on CX-SEG's masks."""

import json

import cv2
import numpy as np
import pytest

from darts_adv_tf.data.chest import ORGANS
from darts_adv_tf.data.phantom import shape_model
from darts_adv_tf.data.phantom.shape_model import LARGEST_DEVIATION, Chest, ShapeModel, chest_shapes

# Mean share of the image's pixels in the 160 cases, and its deviation from case to case.
SHARES = {"left_lung": (0.104, 0.030), "right_lung": (0.129, 0.033), "heart": (0.096, 0.021)}


@pytest.fixture(scope="module")
def drawn():
    return [chest_shapes().draw(np.random.default_rng((0, index))) for index in range(400)]


def area(chest: Chest, organ: str) -> float:
    return cv2.contourArea(chest.outline(organ).astype(np.float32))


@pytest.mark.parametrize("organ", ORGANS)
def test_organs_are_as_large_as_real_ones_and_vary_as_much(drawn, organ):
    areas = [area(chest, organ) for chest in drawn]
    mean, deviation = SHARES[organ]
    assert np.mean(areas) == pytest.approx(mean, rel=0.06)
    assert np.std(areas) == pytest.approx(deviation, rel=0.2)


def test_organs_vary_together(drawn):
    left, right, heart = ([area(chest, organ) for chest in drawn] for organ in ORGANS)
    # 0.91 and 0.02 in the 160 cases.
    assert 0.85 < np.corrcoef(left, right)[0, 1] < 0.95
    assert -0.1 < np.corrcoef(left, heart)[0, 1] < 0.2


def test_lung_and_heart_share_their_border(drawn):
    for side in ("left", "right"):
        heart, lung = (drawn[0].outline(organ) for organ in ("heart", f"{side}_lung"))
        for point in drawn[0].path(f"{side}_seam"):
            for outline in (heart, lung):
                assert np.min(np.linalg.norm(outline - point, axis=1)) < 1e-9


def test_place_and_size_spread_as_far_as_asked():
    def centre(spread, index):
        return chest_shapes().draw(np.random.default_rng(index), spread).points.mean(axis=0)

    still = np.array([centre(0.0, index) for index in range(40)])
    moving = np.array([[centre(spread, i) for i in range(40)] for spread in (1.0, 2.0)])
    # The shapes' own mean lies at the origin only on average.
    assert np.ptp(still, axis=0).max() < 0.01
    np.testing.assert_allclose(moving[1].std(axis=0), 2.0 * moving[0].std(axis=0), rtol=0.05)


def test_nothing_is_drawn_from_too_far_out():
    draws = shape_model._truncated_normal(np.random.default_rng(0), 100_000)
    assert np.abs(draws).max() <= LARGEST_DEVIATION
    # A standard normal cut off at 2.5 has 0.955, and what is drawn again lies evenly.
    assert draws.std() == pytest.approx(0.96, abs=0.01)
    assert draws.mean() == pytest.approx(0.0, abs=0.01)


def test_a_quarter_turn_is_clockwise():
    turned = Chest(np.array([(1.0, 0.5), (0.5, 0.5)]), {}).turned(np.pi / 2)
    np.testing.assert_allclose(turned.points, [(0.5, 1.0), (0.5, 0.5)], atol=1e-12)


@pytest.mark.parametrize(
    "outside, inside",
    [
        ([(-0.2, 0.5), (0.5, 1.1)], [(0.0, 0.4), (0.7, 1.0)]),
        ([(-0.3, 0.2), (1.1, 0.4)], [(-0.2, 0.2), (1.2, 0.4)]),
        ([(0.1, 0.2), (0.9, 0.4)], [(0.1, 0.2), (0.9, 0.4)]),
    ],
    ids=["moved", "too_wide", "left_alone"],
)
def test_a_chest_is_brought_into_the_image(outside, inside):
    moved = Chest(np.array(outside), {}).brought_inside()
    np.testing.assert_allclose(moved.points, inside, atol=1e-12)


def test_the_shipped_file_is_small_and_says_where_it_is_from():
    stored = json.loads(shape_model._FILE.read_text(encoding="utf-8"))
    assert shape_model._FILE.stat().st_size < 60_000
    assert "CX-SEG" in stored["source"] and "MIT" in stored["licence"]
    assert stored["num_cases"] == 159 and len(stored["left_out"]) == 1
    assert stored["command"].startswith("python tools/fit_chest_shapes.py")


def test_modes_are_orthonormal_and_ordered():
    model = ShapeModel.read(shape_model._FILE)
    modes = model.modes.reshape(len(model.modes), -1)
    np.testing.assert_allclose(modes @ modes.T, np.eye(len(modes)), atol=2e-3)
    assert (np.diff(model.standard_deviations) < 0).all()
