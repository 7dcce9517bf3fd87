import numpy as np
import pytest

from darts_adv_tf.data import chest
from darts_adv_tf.data.phantom import draw_case

SIZE = 64


def make_masks(labels):
    return np.array([labels == index for index in (1, 2, 3)])


def test_no_swap_is_seen_in_many_shapes_and_every_swap_is_found():
    for index in range(60):
        masks = make_masks(draw_case(SIZE, seed=2, case_index=index)[1])
        same, kind, report = chest.repair_swap(masks)
        assert kind is None and report is None
        np.testing.assert_array_equal(same, masks)
        for order, lung in (([2, 1, 0], "left_lung"), ([0, 2, 1], "right_lung")):
            repaired, kind, report = chest.repair_swap(masks[order])
            assert kind == "swapped"
            assert report == f"the masks of {lung} and heart were swapped, corrected"
            np.testing.assert_array_equal(repaired, masks)


@pytest.mark.parametrize(
    "change, expected",
    [
        (lambda masks: masks[:, :, ::-1], "mirrored"),
        (lambda masks: masks[[1, 0, 2]], "mirrored"),
        (lambda masks: np.rot90(masks, axes=(1, 2)), "unusual"),
        (lambda masks: masks[[0, 0, 0]], "unusual"),
    ],
)
def test_what_cannot_be_put_right_is_told_and_left_alone(change, expected):
    masks = np.ascontiguousarray(change(make_masks(draw_case(SIZE, seed=0, case_index=0)[1])))
    same, kind, report = chest.repair_swap(masks)
    assert kind == expected
    assert report.endswith("left unchanged")
    np.testing.assert_array_equal(same, masks)
