import numpy as np
import pytest

from darts_adv_tf.data.phantom.frame import ChestFrame
from darts_adv_tf.data.phantom.shape_model import chest_shapes


@pytest.fixture(params=[0.0, 0.15], ids=["upright", "turned"])
def chest(request):
    return chest_shapes().draw(np.random.default_rng(1)).turned(request.param)


def test_apices_angles_and_walls_lie_at_zero_and_one(chest):
    frame = ChestFrame(chest)
    left, right = (frame.locate(chest.path(f"{side}_outer")) for side in ("left", "right"))
    assert (left[0, 1] + right[0, 1]) / 2 == pytest.approx(0.0, abs=0.06)
    assert (left[-1, 1] + right[-1, 1]) / 2 == pytest.approx(1.0, abs=0.06)
    walls = [frame.wall(side, 0.8) for side in (1, -1)]
    assert np.mean(walls) == pytest.approx(1.0, abs=0.06)
    # The wall at the height of a contour's point is that point's own distance.
    middle = len(left) // 2
    assert frame.wall(1, left[middle, 1]) == pytest.approx(left[middle, 0], abs=1e-6)


def test_locate_undoes_place(chest):
    frame = ChestFrame(chest)
    points = np.random.default_rng(0).normal(size=(5, 2))
    np.testing.assert_allclose(frame.locate(frame.place(points)), points, atol=1e-9)
    assert np.abs(frame.place(points) - points).max() > 0.1
