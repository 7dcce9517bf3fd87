"""The exported SavedModel: its signature, its answers, its independence of this program."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.networks.fcn32s import build_fcn32s
from darts_adv_tf.networks.unet import build_unet
from darts_adv_tf.serving import exporting
from darts_adv_tf.serving.exporting import export_segmenter
from darts_adv_tf.serving.model_description import ModelDescription
from darts_adv_tf.system.errors import DataError, StorageError
from tests.phantoms import load_phantoms

SIZE, CLASSES, MAXIMUM = 32, 4, 255.0
NAMES = ("background", "left_lung", "right_lung", "heart")
PREPARATION = Preparation(SIZE)


@pytest.fixture(scope="module")
def images():
    """Preprocessed images (N, H, W, 1) in 0..1."""
    return load_phantoms(SIZE, 4).images


def make_segmenter(seed=0, channels=1, build=build_unet):
    return build((SIZE, SIZE, channels), CLASSES, width=2, seed=seed)


@pytest.fixture(scope="module")
def segmenter():
    """With biases, so that its answers differ between classes and pixels."""
    segmenter = make_segmenter()
    random = np.random.default_rng(0)
    for variable in segmenter.trainable_variables:
        if len(variable.shape) == 1:
            variable.assign(random.normal(scale=0.5, size=variable.shape))
    return segmenter


@pytest.fixture(scope="module")
def workdir(segmenter, images, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run")
    assert (
        export_segmenter(segmenter, workdir, images, PREPARATION, NAMES)
        == workdir / "segmenter" / "1"
    )
    return workdir


@pytest.fixture(scope="module")
def loaded(workdir):
    return tf.saved_model.load(str(workdir / "segmenter" / "1"))


@pytest.fixture(scope="module")
def serve(loaded):
    return loaded.signatures["serving_default"]


def test_signature_is_that_of_the_contract(loaded, serve):
    assert list(loaded.signatures) == ["serving_default"]
    positional, inputs = serve.structured_input_signature
    assert positional == ()
    assert inputs == {"images": tf.TensorSpec([None, None, None, 1], tf.float32, "images")}
    outputs = {name: (s.dtype, s.shape.as_list()) for name, s in serve.structured_outputs.items()}
    assert outputs == {
        "labels": (tf.int32, [None, None, None]),
        "probabilities": (tf.float32, [None, None, None, CLASSES]),
    }


def test_it_answers_as_the_trained_model_does_at_the_training_size(serve, segmenter, images):
    expected = tf.nn.softmax(segmenter(images)).numpy()
    answer = serve(images=tf.constant(images * MAXIMUM))
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=0, atol=1e-5)
    # Otherwise a constant answer would do.
    assert expected.std(axis=(0, 1, 2)).min() > 1e-3


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 64, 64), (2, 45, 71), (5, 7, 300), (1, 1, 1)])
def test_any_size_and_number_of_images_is_answered_at_its_own_size(shape, serve):
    images = np.random.default_rng(0).uniform(0, MAXIMUM, (*shape, 1)).astype(np.float32)
    answer = serve(images=tf.constant(images))
    labels, probabilities = answer["labels"].numpy(), answer["probabilities"].numpy()
    assert labels.shape == shape and probabilities.shape == (*shape, CLASSES)
    np.testing.assert_array_equal(labels, probabilities.argmax(axis=-1))
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-5)
    assert probabilities.min() >= 0


def test_a_larger_image_is_shrunk_as_in_training_and_its_answer_enlarged(serve, segmenter):
    large = np.random.default_rng(1).uniform(0, MAXIMUM, (2, 2 * SIZE, 2 * SIZE, 1))
    large = large.astype(np.float32)
    small = tf.image.resize(large, (SIZE, SIZE), antialias=True) / MAXIMUM
    expected = tf.image.resize(tf.nn.softmax(segmenter(small)), (2 * SIZE, 2 * SIZE))
    answer = serve(images=tf.constant(large))
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=0, atol=1e-5)


def test_it_runs_where_there_is_only_tensorflow(workdir, segmenter, images, tmp_path):
    np.save(tmp_path / "images.npy", images * MAXIMUM)
    code = """
        import sys
        import numpy as np
        import tensorflow as tf
        serve = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
        answer = serve(images=tf.constant(np.load("images.npy")))
        np.save("probabilities.npy", answer["probabilities"])
        assert not any(name.startswith("darts_adv_tf") for name in sys.modules)
    """
    folder = workdir / "segmenter" / "1"
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert process.returncode == 0, process.stderr
    expected = tf.nn.softmax(segmenter(images))
    received = np.load(tmp_path / "probabilities.npy")
    np.testing.assert_allclose(received, expected, rtol=0, atol=1e-5)


def test_fcn32s_with_several_channels_is_exported_too(tmp_path):
    images = np.random.default_rng(0).uniform(size=(2, SIZE, SIZE, 3)).astype(np.float32)
    segmenter = make_segmenter(channels=3, build=build_fcn32s)
    preparation = Preparation(SIZE, intensity_maximum=1023.0)
    folder = export_segmenter(segmenter, tmp_path, images, preparation, NAMES)
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    answer = serve(images=tf.constant(images * 1023.0))
    expected = tf.nn.softmax(segmenter(images))
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=0, atol=1e-5)


def test_a_new_export_replaces_the_old_one(images, tmp_path):
    other = make_segmenter(seed=3)
    for segmenter in (make_segmenter(seed=2), other):
        export_segmenter(segmenter, tmp_path, images, PREPARATION, NAMES)
    assert [path.name for path in (tmp_path / "segmenter").iterdir()] == ["1"]
    serve = tf.saved_model.load(str(tmp_path / "segmenter" / "1")).signatures["serving_default"]
    answer = serve(images=tf.constant(images * MAXIMUM))
    expected = tf.nn.softmax(other(images))
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "wrong", [lambda logits: logits * 1.01, lambda logits: logits[..., ::-1], lambda x: x / 0.0]
)
def test_a_model_that_answers_otherwise_is_not_exported(
    wrong, segmenter, images, tmp_path, monkeypatch
):
    class Wrong(exporting.ServedSegmenter):
        def __init__(self, segmenter, *arguments):
            super().__init__(segmenter, *arguments)
            self.weights = segmenter.variables
            self.segmenter = lambda inputs, training: wrong(segmenter(inputs, training=training))

    monkeypatch.setattr(exporting, "ServedSegmenter", Wrong)
    with pytest.raises(RuntimeError, match=r"must answer as the trained one does.*a difference of"):
        export_segmenter(segmenter, tmp_path, images, PREPARATION, NAMES)
    assert not (tmp_path / "segmenter" / "1").exists()


def test_another_preparation_than_the_trainings_is_noticed(segmenter, images, tmp_path):
    class WithoutScaling(Preparation):
        def _normalize(self, images):
            return images

    with pytest.raises(RuntimeError, match="a difference of"):
        export_segmenter(segmenter, tmp_path, images, WithoutScaling(SIZE), NAMES)


@pytest.mark.parametrize(
    "preparation",
    [
        Preparation(SIZE, None, normalization="percentile", percentiles=(2.0, 95.0)),
        Preparation(SIZE, None, normalization="window", window=(-100.0, 300.0)),
        Preparation(SIZE, keeps_aspect=True),
    ],
    ids=["percentile", "window", "padded"],
)
def test_every_preparation_is_inside_the_exported_model(preparation, segmenter, tmp_path):
    stored = np.random.default_rng(0).uniform(-150, 400, (2, 50, 70, 1)).astype(np.float32)
    prepared = preparation.prepare_images(stored)
    folder = export_segmenter(segmenter, tmp_path, prepared.numpy(), preparation, NAMES)
    serve = tf.saved_model.load(str(folder)).signatures["serving_default"]
    answer = serve(images=tf.constant(stored))
    expected = preparation.restore(tf.nn.softmax(segmenter(prepared)), 50, 70)
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=0, atol=1e-5)
    assert answer["labels"].shape == (2, 50, 70)


def test_the_model_says_what_its_labels_mean(workdir):
    folder = workdir / "segmenter" / "1"
    assert ModelDescription.read(folder) == ModelDescription(NAMES, 1, 255.0)
    assert ModelDescription.read(workdir) is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"class_names": "ab", "num_channels": 1, "intensity_maximum": -1}']
)
def test_a_damaged_description_is_refused(text, tmp_path):
    path = tmp_path / "assets.extra" / "description.json"
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(DataError) as caught:
        ModelDescription.read(tmp_path)
    assert caught.value.file == path


def test_a_folder_that_cannot_be_written_is_told(segmenter, images, tmp_path):
    (tmp_path / "segmenter").write_text("a file where the folder should be")
    with pytest.raises(StorageError) as caught:
        export_segmenter(segmenter, tmp_path, images, PREPARATION, NAMES)
    assert caught.value.file == tmp_path / "segmenter" / "1"
