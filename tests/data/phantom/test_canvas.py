import cv2
import numpy as np
import pytest

from darts_adv_tf.data.phantom.canvas import Canvas, shrink

SQUARE = np.array([(0.2, 0.3), (0.7, 0.3), (0.7, 0.8), (0.2, 0.8)])


@pytest.mark.parametrize("image_size, side", [(32, 192), (50, 200), (64, 192), (512, 512)])
def test_a_square_covers_its_area_at_every_size(image_size, side):
    canvas = Canvas(image_size)
    layer = canvas.fill(SQUARE)
    assert layer.shape == (side, side)
    assert layer.mean() == pytest.approx(0.25, abs=0.01)
    assert shrink(layer, image_size).shape == (image_size, image_size)
    assert shrink(layer, image_size).mean() == pytest.approx(layer.mean(), abs=1e-6)


@pytest.mark.parametrize("sigma", [0.01, 0.1])
def test_a_blur_on_a_coarser_grid_is_a_gaussian(sigma):
    canvas = Canvas(192)
    layer = canvas.fill(SQUARE)
    exact = cv2.GaussianBlur(layer, (0, 0), sigma * canvas.side)
    assert np.abs(canvas.blur(layer, sigma) - exact).max() < 0.05


def test_contours_that_overlap_stay_filled():
    layer = Canvas(64).fill(SQUARE, SQUARE)
    assert layer.mean() == pytest.approx(0.25, abs=0.01)


def test_a_texture_is_the_same_at_every_size():
    small, large = (Canvas(size).texture(np.random.default_rng(0), 5) for size in (192, 768))
    assert np.abs(shrink(large, 192) - small).max() < 0.01
    assert small.std() > 0.3
