import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.data import chest
from darts_adv_tf.data.preparation import Preparation, merge_masks

BACKGROUND, LEFT, RIGHT, HEART = range(4)
PRIORITY = tuple(chest.CLASS_NAMES.index(name) for name in chest.PRIORITY)


def random_images(*shape, maximum=256):
    return np.random.default_rng(0).integers(0, maximum, shape).astype(np.float32)


def resize(labels, size):
    return Preparation(size).prepare_labels(np.array(labels, np.uint8), PRIORITY)


def test_an_image_is_halved_by_the_triangle_filter():
    # Halving with antialiasing weighs four neighbours by 1, 3, 3, 1 (over 8): on a ramp that is
    # the midpoint between the two middle ones; at the border the outer one is left out (over 7).
    ramp = np.arange(8.0)
    border = (3 * 0 + 3 * 1 + 1 * 2) / 7
    row = np.array([border, 2.5, 4.5, 7 - border])
    images = np.tile(ramp, (8, 1))[np.newaxis, :, :, np.newaxis]
    resized = Preparation(4, intensity_maximum=2.0).prepare_images(images).numpy()
    assert resized.shape == (1, 4, 4, 1)
    np.testing.assert_allclose(resized[0, :, :, 0], np.tile(row / 2.0, (4, 1)), rtol=1e-6)


def test_an_image_of_the_training_size_is_only_scaled():
    images = random_images(2, 16, 16, 1)
    prepared = Preparation(16).prepare_images(images)
    np.testing.assert_allclose(prepared, images / 255.0, rtol=2e-7)
    assert np.all(Preparation(16).prepare_images(np.full((1, 16, 16, 1), 255.0)) == 1.0)


PREPARATIONS = {
    "stretched": Preparation(16),
    "padded": Preparation(16, keeps_aspect=True),
    "window": Preparation(16, normalization="window", window=(20.0, 120.0)),
    "percentile": Preparation(16, None, True, normalization="percentile", percentiles=(10.0, 80.0)),
}


@pytest.mark.parametrize("name", PREPARATIONS)
def test_a_graph_of_unknown_size_prepares_and_restores_alike(name):
    preparation = PREPARATIONS[name]
    prepare = tf.function(
        preparation.prepare_images,
        input_signature=[tf.TensorSpec((None, None, None, 2), tf.float32)],
        autograph=False,
    )
    restore = tf.function(
        lambda scores, images: preparation.restore(scores, *tf.unstack(tf.shape(images)[1:3])),
        input_signature=[tf.TensorSpec((None, 16, 16, 2)), tf.TensorSpec((None, None, None, 2))],
        autograph=False,
    )
    images = random_images(2, 40, 50, 2)
    for given in (images, images[:, :16, :16], images[:, :1], images[:, :33, :7]):
        height, width = given.shape[1:3]
        prepared = prepare(given)
        np.testing.assert_allclose(prepared, preparation.prepare_images(given), atol=1e-6)
        expected = preparation.restore(prepared, height, width)
        assert expected.shape == given.shape
        np.testing.assert_allclose(restore(prepared, given), expected, atol=1e-6)


def test_an_image_that_keeps_its_aspect_is_padded_on_the_right_and_below():
    preparation = Preparation(8, keeps_aspect=True)
    wide, tall = np.full((1, 4, 16, 1), 255.0), np.full((1, 16, 4, 1), 255.0)
    expected = np.zeros((8, 8))
    expected[:2] = 1
    for images, placed in ((wide, expected), (tall, expected.T)):
        prepared = preparation.prepare_images(images)[0, :, :, 0]
        np.testing.assert_allclose(prepared, placed, atol=1e-6)
    labels = preparation.prepare_labels(np.full((4, 16), HEART, np.uint8), PRIORITY)
    np.testing.assert_array_equal(labels, HEART * expected)


@pytest.mark.parametrize("shape", [(40, 64), (64, 40), (3, 100), (64, 64)])
def test_labels_lie_where_the_image_does(shape):
    mask = np.zeros(shape, np.uint8)
    mask[shape[0] // 4 : -(shape[0] // 4), shape[1] // 4 : -(shape[1] // 4)] = 1
    for keeps_aspect in (False, True):
        preparation = Preparation(16, 1.0, keeps_aspect)
        image = preparation.prepare_images(mask[np.newaxis, :, :, np.newaxis])[0, :, :, 0].numpy()
        labels = preparation.prepare_labels(mask, (1,))
        sure = np.abs(image - 0.5) > 0.3
        np.testing.assert_array_equal(labels[sure], image[sure] > 0.5)
        assert sure.mean() > 0.7


def test_restoring_undoes_padding_and_stretching():
    preparation = Preparation(16, keeps_aspect=True)
    rows, columns = np.mgrid[:20, :40] / 40
    smooth = (rows + columns)[np.newaxis, :, :, np.newaxis] * 100
    restored = preparation.restore(preparation.prepare_images(smooth), 20, 40)
    np.testing.assert_allclose(restored[0] * 255, smooth[0], atol=6)


def test_a_window_maps_its_bounds_to_0_and_1_and_cuts_off_the_rest():
    preparation = Preparation(2, None, normalization="window", window=(-100.0, 300.0))
    images = np.array([[-500.0, -100.0], [100.0, 900.0]])[np.newaxis, :, :, np.newaxis]
    prepared = preparation.prepare_images(images)[0, :, :, 0]
    np.testing.assert_allclose(prepared, [[0, 0], [0.5, 1]], atol=1e-7)


@pytest.mark.parametrize("percentiles", [(0.0, 100.0), (0.5, 99.5), (12.5, 60.0)])
def test_percentiles_are_those_of_numpy_for_each_channel_of_each_image(percentiles):
    preparation = Preparation(8, None, normalization="percentile", percentiles=percentiles)
    images = random_images(3, 8, 8, 2, maximum=10_000)
    low, high = np.percentile(images, percentiles, axis=(1, 2), keepdims=True)
    expected = np.clip((images - low) / (high - low), 0, 1)
    np.testing.assert_allclose(preparation.prepare_images(images), expected, atol=1e-6)


def test_padding_takes_no_part_in_the_percentiles():
    images = 50 + random_images(1, 4, 8, 1)
    narrow = {"normalization": "percentile", "percentiles": (0.0, 100.0)}
    padded = Preparation(8, None, keeps_aspect=True, **narrow).prepare_images(images)
    assert np.min(padded[0, :4]) == 0 and np.max(padded[0, :4]) == 1
    assert not np.any(padded[0, 4:])


def test_a_constant_image_becomes_finite():
    preparation = Preparation(4, None, normalization="percentile")
    assert not np.any(preparation.prepare_images(np.full((1, 4, 4, 1), 7.0)))


@pytest.mark.parametrize("name", ["stretched", "window"])
def test_stored_intensities_are_prepared_back(name):
    images = np.random.default_rng(0).random((2, 16, 16, 1), np.float32)
    stored = PREPARATIONS[name].stored_intensities(images)
    np.testing.assert_allclose(PREPARATIONS[name].prepare_images(stored), images, atol=1e-6)


def test_a_training_pixel_covers_as_many_millimetres_as_its_stored_ones():
    assert Preparation(10).pixel_size((0.5, 0.25), 100, 40) == (5.0, 1.0)
    assert Preparation(10, keeps_aspect=True).pixel_size((0.5, 0.25), 100, 40) == (5.0, 2.5)
    assert np.isnan(Preparation(10).pixel_size(None, 100, 40)).all()


def test_labels_go_to_the_class_with_the_largest_area():
    labels = [
        [LEFT, LEFT, 0, 0],
        [LEFT, 0, 0, RIGHT],
        [0, 0, LEFT, HEART],
        [0, LEFT, RIGHT, LEFT],
    ]
    # Quarters: left 3 of 4; background 3 of 4; background 3 of 4; left 2 of 4 beside one of
    # right and one of heart.
    np.testing.assert_array_equal(resize(labels, 2), [[LEFT, 0], [0, LEFT]])


def test_labels_weigh_pixels_cut_by_the_border_by_their_area():
    # 3 columns to 2: the first pixel covers column 0 and half of column 1.
    np.testing.assert_array_equal(resize([[LEFT, RIGHT, RIGHT]] * 3, 2), [[LEFT, RIGHT]] * 2)


@pytest.mark.parametrize(
    "quarter, expected",
    [
        ([[0, 0], [LEFT, LEFT]], LEFT),
        ([[LEFT, HEART], [HEART, LEFT]], HEART),
        ([[RIGHT, LEFT], [HEART, 0]], HEART),
        ([[RIGHT, RIGHT], [0, 0]], RIGHT),
    ],
)
def test_equal_areas_go_by_priority(quarter, expected):
    assert resize(quarter, 1) == [[expected]]


def test_disputed_pixels_go_by_priority():
    left = np.array([[1, 1, 0, 0, 1]], bool)
    right = np.array([[0, 0, 1, 0, 1]], bool)
    heart = np.array([[0, 1, 1, 0, 0]], bool)
    masks = np.array([left, right, heart])
    labels = merge_masks(masks, PRIORITY)
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[LEFT, HEART, HEART, BACKGROUND, LEFT]]
    assert merge_masks(masks, (RIGHT, LEFT, HEART)).tolist() == [[LEFT, LEFT, RIGHT, 0, RIGHT]]
