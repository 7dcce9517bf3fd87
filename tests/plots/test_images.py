import cv2
import numpy as np

from darts_adv_tf.plots.images import make_figure, rasterize, save_png


def test_figures_have_the_asked_size_and_channel_order():
    figure = make_figure(2, 1, dots_per_inch=50)
    figure.set_facecolor((1, 0, 0))

    picture = rasterize(figure)

    assert picture.shape == (50, 100, 3)
    assert picture.dtype == np.uint8
    assert np.all(picture == (255, 0, 0))


def test_png_keeps_every_pixel(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)

    save_png(tmp_path / "picture.png", picture)

    stored = cv2.imread(str(tmp_path / "picture.png"), cv2.IMREAD_COLOR_RGB)
    np.testing.assert_array_equal(stored, picture)
