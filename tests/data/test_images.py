import cv2
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.data.images import (
    merge_masks,
    preprocess,
    read_image,
    read_mask,
    resize_labels,
)
from darts_adv_tf.errors import DataError

BACKGROUND, LEFT, RIGHT, HEART = range(4)


def write(path, pixels):
    assert cv2.imwrite(str(path), pixels)
    return path


def test_an_image_keeps_its_stored_intensities(tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    image = read_image(write(tmp_path / "image.png", pixels))
    assert image.dtype == np.float32
    np.testing.assert_array_equal(image, pixels[:, :, np.newaxis])


def test_a_grey_image_stored_as_colour_is_read(tmp_path):
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    path = write(tmp_path / "image.png", np.repeat(pixels[:, :, np.newaxis], 3, axis=2))
    np.testing.assert_array_equal(read_image(path)[:, :, 0], pixels)


def test_a_mask_is_thresholded_at_128(tmp_path):
    mask = read_mask(write(tmp_path / "mask.png", np.array([[0, 127, 128, 255]], np.uint8)))
    assert mask.dtype == bool
    assert mask.tolist() == [[False, False, True, True]]


def damaged_files(tmp_path):
    whole = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8))[1]
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "truncated.png").write_bytes(whole.tobytes()[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no image")
    colour = np.zeros((4, 4, 3), np.uint8)
    colour[0, 0] = 1, 2, 3
    write(tmp_path / "colour.png", colour)
    write(tmp_path / "deep.png", np.zeros((4, 4), np.uint16))
    (tmp_path / "folder.png").mkdir()


@pytest.mark.parametrize(
    "name, told",
    [
        ("absent.png", "No such file"),
        ("folder.png", "directory"),
        ("empty.png", "0 bytes"),
        ("truncated.png", "no complete image"),
        ("text.png", "no complete image"),
        ("colour.png", "8 bits a channel, 3 channel"),
        ("deep.png", "16 bits a channel, 1 channel"),
    ],
)
@pytest.mark.parametrize("read", [read_image, read_mask])
def test_a_file_that_is_no_grey_image_is_refused(tmp_path, name, told, read):
    damaged_files(tmp_path)
    with pytest.raises(DataError) as caught:
        read(tmp_path / name)
    assert told in str(caught.value.received)
    assert caught.value.file == tmp_path / name
    assert caught.value.remedy
    assert caught.value.exit_status == 3


def test_preprocessing_halves_a_ramp_by_the_triangle_filter():
    # Halving with antialiasing weighs four neighbours by 1, 3, 3, 1 (over 8): on a ramp that is
    # the midpoint between the two middle ones; at the border the outer one is left out (over 7).
    ramp = np.arange(8.0)
    border = (3 * 0 + 3 * 1 + 1 * 2) / 7
    row = np.array([border, 2.5, 4.5, 7 - border])
    images = np.tile(ramp, (8, 1))[np.newaxis, :, :, np.newaxis]
    resized = preprocess(images, 4, intensity_maximum=2.0).numpy()
    assert resized.shape == (1, 4, 4, 1)
    np.testing.assert_allclose(resized[0, :, :, 0], np.tile(row / 2.0, (4, 1)), rtol=1e-6)


def test_preprocessing_at_the_same_size_only_scales():
    images = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 1)).astype(np.float32)
    np.testing.assert_allclose(preprocess(images, 16, 255.0), images / 255.0, rtol=2e-7)
    full = np.full((1, 16, 16, 1), 255.0, np.float32)
    assert np.all(preprocess(full, 16, 255.0) == 1.0)


def test_preprocessing_is_the_same_inside_a_graph_of_unknown_size():
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 1)).astype(np.float32)
    graph = tf.function(
        lambda given: preprocess(given, 16, 255.0),
        input_signature=[tf.TensorSpec((None, None, None, 1), tf.float32)],
    )
    for given in (images, images[:, :16, :16]):
        np.testing.assert_array_equal(graph(given), preprocess(given, 16, 255.0))


def test_labels_go_to_the_class_with_the_largest_area():
    labels = np.array(
        [
            [LEFT, LEFT, 0, 0],
            [LEFT, 0, 0, RIGHT],
            [0, 0, LEFT, HEART],
            [0, LEFT, RIGHT, LEFT],
        ],
        np.uint8,
    )
    # Quarters: left 3 of 4; background 3 of 4; background 3 of 4; left 2 of 4 beside one of
    # right and one of heart.
    np.testing.assert_array_equal(resize_labels(labels, 2), [[LEFT, 0], [0, LEFT]])


def test_labels_weigh_pixels_cut_by_the_border_by_their_area():
    # 3 columns to 2: the first pixel covers column 0 and half of column 1.
    labels = np.array([[LEFT, RIGHT, RIGHT]] * 3, np.uint8)
    np.testing.assert_array_equal(resize_labels(labels, 2), [[LEFT, RIGHT]] * 2)


@pytest.mark.parametrize(
    "quarter, expected",
    [
        ([[0, 0], [LEFT, LEFT]], LEFT),
        ([[LEFT, HEART], [HEART, LEFT]], HEART),
        ([[RIGHT, LEFT], [HEART, 0]], HEART),
        ([[RIGHT, RIGHT], [0, 0]], RIGHT),
    ],
)
def test_equal_areas_go_to_heart_over_lung_over_background(quarter, expected):
    assert resize_labels(np.array(quarter, np.uint8), 1) == [[expected]]


def test_overlapping_masks_go_to_the_heart_and_are_counted():
    left = np.array([[1, 1, 0, 0, 1]], bool)
    right = np.array([[0, 0, 1, 0, 1]], bool)
    heart = np.array([[0, 1, 1, 0, 0]], bool)
    labels, num_overlapping = merge_masks(np.array([left, right, heart]))
    assert labels.tolist() == [[LEFT, HEART, HEART, BACKGROUND, LEFT]]
    assert labels.dtype == np.uint8
    assert num_overlapping == 3
