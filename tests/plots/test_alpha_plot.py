import numpy as np
import pytest
from matplotlib.colors import to_rgb

from darts_adv_tf.plots.alpha_plot import FRAME_COLOUR, draw_op_weights, edge_name
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE


def softmax(alpha):
    return np.exp(alpha) / np.exp(alpha).sum(axis=-1, keepdims=True)


def test_edges_are_named_as_in_the_drawn_cell():
    assert edge_name(0, 2) == r"0 ($c_{k-2}$) → 2"
    assert edge_name(1, 5) == r"1 ($c_{k-1}$) → 5"
    assert edge_name(2, 3) == "2 → 3"
    assert edge_name(4, 5) == "4 → 5"


def test_pictures_of_any_weights_have_one_size():
    even = draw_op_weights(softmax(np.zeros(SPACE.alpha_shape)), SPACE, "epoch 1")
    decided = softmax(20 * np.eye(*SPACE.alpha_shape, dtype=np.float32))
    sharp = draw_op_weights(decided, SPACE, "epoch 200")

    assert even.dtype == np.uint8
    assert even.shape == sharp.shape
    assert even.shape[2] == 3


def test_a_larger_weight_is_darker():
    alpha = np.zeros(SPACE.alpha_shape)
    alpha[6, 4] = 5
    even, sharp = (draw_op_weights(softmax(a), SPACE, "t").astype(int) for a in (0 * alpha, alpha))

    # The seventh row of fourteen lies in the middle of the map, its fifth column right of it.
    changed = np.argwhere(np.abs(even - sharp).sum(axis=-1) > 60)
    rows, columns = changed.min(axis=0), changed.max(axis=0)
    assert even.shape[0] * 0.3 < rows[0]
    assert columns[0] < even.shape[0] * 0.8
    darker = (sharp.sum(axis=-1) < even.sum(axis=-1) - 100).sum()
    assert darker > 1000


def test_what_would_be_derived_is_framed():
    alpha = np.zeros(SPACE.alpha_shape)
    alpha[0, 7] = alpha[1, 7] = 3
    frame = np.array(to_rgb(FRAME_COLOUR)) * 255

    picture = draw_op_weights(softmax(alpha), SPACE, "t")

    near = np.abs(picture.astype(float) - frame).max(axis=-1) < 10
    last_column = near[:200, -110:]
    assert last_column.any()
    assert not near[:150, 250:-130].any()


def test_weights_that_are_no_softmax_are_refused():
    with pytest.raises(ValueError, match="softmax"):
        draw_op_weights(np.zeros(SPACE.alpha_shape), SPACE, "t")
