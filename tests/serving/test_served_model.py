"""Models from elsewhere and our own: what they have to be, and what is done with images."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.serving import served_model
from darts_adv_tf.serving.exporting import VERSION_FOLDER
from darts_adv_tf.serving.served_model import ServedModel
from darts_adv_tf.system.errors import ConfigurationError, DataError
from tests.serving.models import (
    CLASS_NAMES,
    STEP,
    bright_or_dark,
    scene,
    write_foreign,
    write_run,
)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return ServedModel(write_run(tmp_path_factory.mktemp("run")) / VERSION_FOLDER)


@pytest.fixture(scope="module")
def own_rgb(tmp_path_factory):
    return ServedModel(write_run(tmp_path_factory.mktemp("rgb"), 3) / VERSION_FOLDER)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    return write_foreign(tmp_path_factory.mktemp("foreign"), bright_or_dark)


def picture_of(labels, dtype=np.uint8, maximum=255.0, num_channels=1):
    greys = np.rint(labels.astype(np.float64) / 3 * (maximum or 255.0)).astype(dtype)
    return DecodedImage(np.repeat(greys[:, :, np.newaxis], num_channels, axis=2), maximum)


def test_our_own_says_what_its_classes_are(own):
    assert own.class_names == CLASS_NAMES
    assert len(own.fingerprint) == 16


@pytest.mark.parametrize(
    ("dtype", "maximum"), [(np.uint8, 255.0), (np.uint16, 65535.0), (np.uint16, 4095.0)]
)
def test_each_depth_is_scaled_to_that_of_the_training_images(own, dtype, maximum):
    labels = own.predict(picture_of(scene(), dtype, maximum), "x.png")
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, scene())


@pytest.mark.parametrize("shape", [(1, 1), (300, 1), (1, 300), (7, 90), (64, 48)])
def test_any_size_is_answered_at_that_size(own, shape):
    for index in range(4):
        labels = own.predict(picture_of(np.full(shape, index)), "x.png")
        np.testing.assert_array_equal(labels, np.full(shape, index))


def test_a_large_picture_is_neither_turned_nor_mirrored(own):
    large = scene().repeat(3, axis=0).repeat(5, axis=1)
    labels = own.predict(picture_of(large), "x.png")
    # Centres of the small pixels that have neighbours of their own class alone.
    inner = np.array([[len({*scene()[y - 1 : y + 2, x - 1 : x + 2].flat}) == 1
                       for x in range(1, 31)] for y in range(1, 31)])  # fmt: skip
    centres = labels[1::3, 2::5][1:-1, 1:-1]
    np.testing.assert_array_equal(centres[inner], scene()[1:-1, 1:-1][inner])
    assert set(centres[inner]) == {0, 1, 2, 3}


def test_grey_is_repeated_for_a_model_of_colours_and_colours_are_refused_for_grey(own, own_rgb):
    np.testing.assert_array_equal(own_rgb.predict(picture_of(scene()), "x.png"), scene())
    colours = picture_of(scene(), num_channels=3)
    np.testing.assert_array_equal(own_rgb.predict(colours, "x.png"), scene())
    with pytest.raises(DataError, match="3 channels, the model takes 1") as caught:
        own.predict(colours, "x.png")
    assert caught.value.file == "x.png"
    with pytest.raises(DataError, match="2 channels, the model takes 3"):
        own_rgb.predict(picture_of(scene(), num_channels=2), "x.png")


def test_intensities_without_bounds_are_refused_by_a_model_that_has_them(own):
    with pytest.raises(DataError, match="no bound") as caught:
        own.predict(picture_of(scene(), np.float32, None), "x.nii")
    assert caught.value.file == "x.nii"


def test_a_foreign_model_sees_what_is_stored(foreign):
    model = ServedModel(foreign)
    assert model.class_names == ("background", "class_1")
    pixels = np.array([[[0], [127], [128], [1000]]], np.uint16)
    labels = model.predict(DecodedImage(pixels, 65535.0), "x.png")
    np.testing.assert_array_equal(labels, [[0, 0, 1, 1]])
    labels = model.predict(DecodedImage(pixels.astype(np.float32)), "x.nii")
    np.testing.assert_array_equal(labels, [[0, 0, 1, 1]])


def test_the_classes_of_a_foreign_model_get_names(foreign):
    assert ServedModel(foreign, ("lungs",)).class_names == ("background", "lungs")
    with pytest.raises(ConfigurationError, match="2 names, 2 classes"):
        ServedModel(foreign, ("left_lung", "right_lung"))


def test_a_model_that_keras_exported_is_taken(tmp_path):
    convolution = keras.layers.Conv2D(2, 1, activation="softmax")
    model = keras.Sequential([keras.Input((None, None, 1)), convolution])
    convolution.set_weights([np.array([[[[0.0, 1.0]]]]), np.array([0.0, -127.5])])
    model.export(tmp_path / "model", verbose=False)
    served = ServedModel(tmp_path / "model")
    np.testing.assert_array_equal(served.predict(picture_of(scene()), "x.png"), scene() >= 2)


def test_a_foreign_model_may_answer_with_labels(tmp_path):
    def answer(images):
        return {"which": tf.cast(images[..., 0] / STEP, tf.int64)}

    folder = write_foreign(tmp_path / "model", answer)
    with pytest.raises(ConfigurationError, match="--classes="):
        ServedModel(folder)
    model = ServedModel(folder, CLASS_NAMES[1:])
    np.testing.assert_array_equal(model.predict(picture_of(scene()), "x.png"), scene())
    # Labels beyond the classes that were named.
    model = ServedModel(folder, ("lungs", "heart"))
    bright = picture_of(np.full((2, 2), 3))
    model.predict(picture_of(np.zeros((2, 2))), "x.png")
    with pytest.raises(DataError, match="labels from 3 to 3 for 3 classes"):
        model.predict(bright, "x.png")


@pytest.mark.parametrize(
    ("answer", "options", "received"),
    [
        (bright_or_dark, {"shape": (None, 64, 64, 1)}, "inputs: x float32 (None, 64, 64, 1)"),
        (bright_or_dark, {"shape": (None, None, 1)}, "inputs: x float32"),
        (lambda x: {"scores": tf.cast(x, tf.float32)}, {"dtype": tf.int32}, "inputs: x int32"),
        (lambda x: {"a": x + 1, "b": x + 2}, {}, "outputs: "),
        (lambda x: {"whole": tf.reduce_mean(x, axis=(1, 2))}, {}, "outputs: whole"),
        (lambda x: {"scores": x + 1}, {}, "1 class(es), of 2 to 256"),
    ],
)
def test_other_models_are_told_what_they_have_to_be(answer, options, received, tmp_path):
    folder = write_foreign(tmp_path / "model", answer, **options)
    with pytest.raises(ConfigurationError) as caught:
        ServedModel(folder)
    assert caught.value.received.startswith(received)
    assert "class scores (N, H, W, classes)" in caught.value.rule
    assert caught.value.file == folder


def test_what_is_no_saved_model_is_told_so(tmp_path):
    with pytest.raises(ConfigurationError, match=r"holds a saved_model\.pb"):
        ServedModel(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(ConfigurationError, match="TensorFlow can load"):
        ServedModel(tmp_path)
    module = tf.Module()
    module.one = tf.Variable(1.0)
    tf.saved_model.save(module, str(tmp_path / "without"))
    with pytest.raises(ConfigurationError, match="signatures: none"):
        ServedModel(tmp_path / "without")


def test_a_model_that_always_fails_is_no_fault_of_the_picture(tmp_path):
    def smaller(images):
        return {"scores": tf.tile(images[:, ::2], (1, 1, 1, 2))}

    folder = write_foreign(tmp_path / "model", smaller)
    model = ServedModel(folder)
    with pytest.raises(ConfigurationError, match=r"128, 256, 2\) in place of") as caught:
        model.predict(picture_of(scene()), "x.png")
    assert caught.value.file == folder


def test_a_model_that_fails_on_a_picture_goes_on_with_the_next(tmp_path):
    def picky(images):
        height = tf.shape(images)[1]
        rest = tf.debugging.assert_equal(height % 2, 0, message="even heights alone")
        with tf.control_dependencies([rest]):
            return bright_or_dark(tf.identity(images))

    model = ServedModel(write_foreign(tmp_path / "model", picky))
    odd, even = (DecodedImage(np.zeros((height, 4, 1), np.uint8), 255.0) for height in (3, 4))
    for _ in range(2):
        with pytest.raises(DataError, match="even heights alone") as caught:
            model.predict(odd, "odd.png")
        assert caught.value.file == "odd.png"
        assert model.predict(even, "even.png").shape == (4, 4)


def test_scores_that_are_not_finite_are_no_answer(tmp_path):
    def broken(images):
        return {"scores": tf.concat([images, tf.math.log(images - 1)], axis=-1)}

    model = ServedModel(write_foreign(tmp_path / "model", broken))
    with pytest.raises(ConfigurationError, match="infinite or not a number"):
        model.predict(DecodedImage(np.zeros((3, 4, 1), np.uint8), 255.0), "x.png")


@pytest.mark.parametrize(
    "error", [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM")]
)
def test_lack_of_memory_is_told_of_the_picture(foreign, error, monkeypatch):
    model = ServedModel(foreign)

    def fail(pixels):
        raise error

    monkeypatch.setattr(model, "_call", fail)
    with pytest.raises(DataError, match="fit into memory") as caught:
        model.predict(picture_of(scene()), "x.png")
    assert caught.value.received == "32 x 32 pixels, 2 classes" and caught.value.file == "x.png"


def test_more_than_the_whole_memory_is_not_even_tried(foreign, monkeypatch):
    model = ServedModel(foreign)
    image = picture_of(scene())
    monkeypatch.setattr(served_model, "memory_bytes", lambda: 4 * 2 * 32 * 32 * 3)
    assert model.predict(image, "x.png").shape == (32, 32)
    monkeypatch.setattr(served_model, "memory_bytes", lambda: 4 * 2 * 32 * 32 * 3 - 1)
    with pytest.raises(DataError, match="fit into memory"):
        model.predict(image, "x.png")
