"""What a user's own segmenter may be, what it may not be, and that it is the same each time."""

import random
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.networks.registry import find_segmenter
from darts_adv_tf.networks.unet import build_unet
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.training.checkpoint import Checkpoints
from darts_adv_tf.training.checkpoint_store import CheckpointStore

IMAGE_SHAPE, NUM_CLASSES = (12, 10, 1), 3
MODULE = """
import keras, numpy as np, tensorflow as tf
from keras import layers

K = keras

def functional(image_shape, num_classes, width, seed):
    images = keras.Input(image_shape)
    features = layers.Conv2D(width, 3, padding="same")(images)
    features = layers.Dropout(0.3)(layers.BatchNormalization()(features))
    return keras.Model(images, layers.Conv2D(num_classes, 1)(features))

class Block(layers.Layer):
    def __init__(self, width):
        super().__init__()
        self.convolution = layers.Conv2D(width, 3, padding="same")
        self.dropout = layers.Dropout(0.5)

    def call(self, features):  # without `training`
        return self.dropout(tf.nn.relu(self.convolution(features)))

class Subclassed(keras.Model):
    def __init__(self, width, num_classes):
        super().__init__()
        self.blocks = [Block(width), Block(width)]
        self.score = layers.Conv2D(num_classes, 1)

    def call(self, images):
        for block in self.blocks:
            images = block(images)
        return self.score(images)

def subclassed(image_shape, num_classes, width, seed):
    return Subclassed(width, num_classes)

def sequential(image_shape, num_classes, width, seed):
    return keras.Sequential([
        layers.SpectralNormalization(layers.Conv2D(width, 3, padding="same")),
        layers.LayerNormalization(),
        layers.Conv2D(num_classes, 1),
    ])

def convolution(image_shape, num_classes, width, seed, **arguments):
    images = keras.Input(image_shape)
    return keras.Model(images, layers.Conv2D(num_classes, 3, padding="same", **arguments)(images))

def first_logits_are_0(**given):
    return convolution(**given, kernel_initializer="zeros")

def logarithms(**given):
    return convolution(**given, activation="log_softmax")

def softmax(**given):
    return convolution(**given, activation="softmax")

def sigmoid(**given):
    return convolution(**given, activation="sigmoid")

def regularized(**given):
    return convolution(**given, kernel_regularizer="l2")

def constrained(**given):
    return convolution(**given, kernel_constraint="max_norm")

def half(**given):
    return convolution(**given, dtype="mixed_float16")

def infinite(**given):
    return convolution(**given, bias_initializer=keras.initializers.Constant(np.inf))

def one_class_too_few(image_shape, num_classes, width, seed):
    return convolution(image_shape, num_classes - 1, width, seed)

def smaller(image_shape, num_classes, width, seed):
    images = keras.Input(image_shape)
    return keras.Model(images, layers.Conv2D(num_classes, 3)(images))

def frozen(**given):
    model = convolution(**given)
    model.trainable = False
    return model

def layer(image_shape, num_classes, width, seed):
    return layers.Conv2D(num_classes, 3, padding="same")

def two_outputs(image_shape, num_classes, width, seed):
    images = keras.Input(image_shape)
    logits = layers.Conv2D(num_classes, 1)(images)
    return keras.Model(images, [logits, logits])

def two_inputs(image_shape, num_classes, width, seed):
    images, others = keras.Input(image_shape), keras.Input(image_shape)
    return keras.Model([images, others], layers.Conv2D(num_classes, 1)(images + others))

class Pair(Subclassed):
    def call(self, images):
        return super().call(images), images

def pair(image_shape, num_classes, width, seed):
    return Pair(width, num_classes)

def twins(image_shape, num_classes, width, seed):
    class Twins(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = [
                layers.Conv2D(num_classes, 3, padding="same", name="twin") for _ in range(2)
            ]

        def call(self, images):
            return self.parts[1](self.parts[0](images))

    return Twins()

class Idle(Subclassed):
    def call(self, images):
        self.score(images)
        return self.blocks[0](images)

def idle(image_shape, num_classes, width, seed):
    return Idle(num_classes, num_classes)

class Resized(Subclassed):
    factor = 1

    def call(self, images):
        size = tf.shape(images)[1:3] * self.factor
        return tf.image.resize(super().call(images), size)

def of_a_size_known_late(image_shape, num_classes, width, seed):
    return Resized(width, num_classes)

class Doubled(Resized):
    factor = 2

def doubled(image_shape, num_classes, width, seed):
    return Doubled(width, num_classes)

def raising(image_shape, num_classes, width, seed):
    return layers.Conv2D(width, 3, paddding="same")

class RaisingWhenCalled(Subclassed):
    def call(self, images):
        return self.no_such_layer(images)

def raising_when_called(image_shape, num_classes, width, seed):
    return RaisingWhenCalled(width, num_classes)

def without_width(image_shape, num_classes, seed):
    return None

not_a_function = 3
"""
GOOD = (
    *("functional", "subclassed", "sequential", "of_a_size_known_late"),
    *("first_logits_are_0", "logarithms"),
)


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    """Modules where a command would find them."""
    (tmp_path / "my_nets.py").write_text(MODULE)
    (tmp_path / "my_package").mkdir()
    (tmp_path / "my_package" / "nets.py").write_text("from my_nets import functional as net")
    (tmp_path / "importing_nothing.py").write_text("import no_such_module_of_theirs\n")
    (tmp_path / "misspelt.py").write_text("def net(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in ("my_nets", "my_package", "my_package.nets"):
        sys.modules.pop(name, None)


def build(name, seed=0, width=4):
    backbone = find_segmenter(name if ":" in name else f"my_nets:{name}")
    return backbone(IMAGE_SHAPE, NUM_CLASSES, width=width, seed=seed)


def arrays(model):
    return {variable.path: variable.numpy() for variable in model.variables}


def spoil_what_a_build_could_depend_on():
    keras.utils.set_random_seed(77)
    for layer in (keras.layers.Conv2D(2, 3), keras.layers.Dropout(0.5), keras.layers.Dense(1)):
        layer.build((None, 8, 8, 1))


@pytest.mark.parametrize("name", GOOD)
def test_names_and_first_weights_follow_from_the_seed_alone(name):
    first = arrays(build(name))
    spoil_what_a_build_could_depend_on()
    second = arrays(build(name))
    assert list(first) == list(second)
    for path, array in first.items():
        np.testing.assert_array_equal(array, second[path], err_msg=path)
    if name != "first_logits_are_0":
        other = arrays(build(name, seed=1))
        assert any(np.any(array != other[path]) for path, array in first.items())


def test_a_checkpoint_of_one_segmenter_serves_the_next(tmp_path):
    first = build("functional")
    for variable in first.variables:
        variable.assign(variable + 1 if variable.dtype != "float32" else variable + 0.5)
    store = CheckpointStore(tmp_path / "checkpoints")
    with Checkpoints(store, {"segmenter": first}, {}) as checkpoints:
        checkpoints.save(1, {})
    spoil_what_a_build_could_depend_on()
    second = build("functional")
    with Checkpoints(store, {"segmenter": second}, {}) as checkpoints:
        checkpoints.restore()
    # The dropout's state too.
    assert any("seed_generator" in path for path in arrays(first))
    for path, array in arrays(first).items():
        np.testing.assert_array_equal(array, arrays(second)[path], err_msg=path)


def test_what_is_made_afterwards_does_not_depend_on_the_segmenter():
    def after(name):
        keras.utils.set_random_seed(5)
        earlier = keras.layers.Conv2D(1, 3).name
        if name:
            build(name)
        later = keras.layers.Conv2D(1, 3).name
        numbers = [int(text.rpartition("_")[2]) for text in (earlier, later)]
        return numbers[1] - numbers[0], random.random(), np.random.uniform()

    keras.layers.Conv2D(1, 3)  # The first name has no number.
    assert after(None) == after("functional") == after("subclassed")
    assert after(None)[0] == 1


def test_the_function_gets_what_the_flags_say(module):
    (module / "my_nets.py").write_text(
        MODULE + "\ngiven = []\ndef spy(*args, **kwargs):\n    given.append((args, kwargs))\n"
        "    return functional(**kwargs)\n"
    )
    segmenter = build("spy", seed=7, width=5)
    (given,) = sys.modules["my_nets"].given
    expected = {"image_shape": IMAGE_SHAPE, "num_classes": NUM_CLASSES, "width": 5, "seed": 7}
    assert given == ((), expected)
    assert segmenter.trainable_variables[0].shape == (3, 3, 1, 5)


@pytest.mark.parametrize("name", GOOD)
def test_a_segmenter_has_the_form_that_the_program_expects(name):
    segmenter = build(name)
    assert segmenter.input_shape == (None, *IMAGE_SHAPE)
    images = np.random.default_rng(0).uniform(size=(2, *IMAGE_SHAPE)).astype(np.float32)
    assert segmenter(images, training=False).shape == (2, *IMAGE_SHAPE[:2], NUM_CLASSES)


@pytest.mark.parametrize("name", ["functional", "subclassed"])
def test_trying_a_segmenter_leaves_no_trace(name):
    segmenter = build(name)
    states = [v.numpy() for v in segmenter.variables if "seed_generator_state" in v.path]
    assert states and all(state[1] == 0 for state in states)
    for variable in segmenter.variables:
        if variable.path.endswith("moving_mean"):
            np.testing.assert_array_equal(variable, np.zeros(4))


def test_a_module_may_lie_in_a_package():
    assert build("my_package.nets:net").output_shape == (None, 12, 10, 3)


def test_the_built_in_backbones_keep_their_names():
    assert find_segmenter("unet") is build_unet


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_nets:net", ("must be importable", "no module named no_such_nets", "PYTHONPATH")),
        ("my_package.none:net", ("must be importable", "no module named my_package.none")),
        ("my_nets:net", ("must have that function", "no such name in it", "my_nets.py")),
        ("not_a_function", ("must have that function", "a int in it")),
        # Mistakes in the user's files, with their places.
        (
            "importing_nothing:net",
            (
                "must run without an error",
                "importing_nothing.py",
                "No module named 'no_such_module",
            ),
        ),
        ("misspelt:net", ("must run without an error", "def net(:", "SyntaxError")),
        ("raising", ("must run without an error", 'my_nets.py", line', "paddding")),
        (
            "raising_when_called",
            ("must run without an error", "self.no_such_layer(images)", "AttributeError"),
        ),
        (
            "without_width",
            (
                "must take image_shape, num_classes, width, seed by name",
                "width",
                "(image_shape, num_classes, seed)",
            ),
        ),
        ("layer", ("must be a keras.Model", "Conv2D")),
        ("two_outputs", ("one input, the images, and one output", "2 outputs")),
        ("two_inputs", ("one input, the images, and one output", "2 inputs")),
        ("pair", ("one output", "tuple")),
        ("one_class_too_few", ("one map per class", "(None, 12, 10, 2)", "(None, 12, 10, 3)")),
        ("smaller", ("of the image's size", "(None, 10, 8, 3)")),
        ("doubled", ("of the image's size", "(2, 24, 20, 3)")),
        ("frozen", ("weights that training can change", "no trainable variable")),
        (
            "idle",
            ("every trainable weight", "no gradient with respect to idle/conv2d_2/kernel"),
        ),
        ("twins", ("name of its own", "twins/twin/kernel")),
        ("softmax", ("logits, not probabilities", "summing to 1", "Leave out the softmax")),
        ("sigmoid", ("logits, not probabilities", "Leave out the sigmoid")),
        ("infinite", ("must have finite logits", "720 of 720")),
        ("half", ("must have weights and logits of type float32", "float16")),
        ("regularized", ("must have no loss of its own", "1 losses", "kernel_regularizer")),
        ("constrained", ("Adam", "constraint")),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_reason(name, said):
    with pytest.raises(ConfigurationError) as caught:
        build(name)
    message = str(caught.value)
    for text in said:
        assert text in message
    assert "Remedy: " in message


def test_a_mistake_of_the_user_shows_no_line_of_this_program():
    with pytest.raises(ConfigurationError) as caught:
        build("raising")
    assert "own_segmenter.py" not in str(caught.value)
    assert isinstance(caught.value.__cause__, (TypeError, ValueError))


def test_refused_segmenters_leave_counters_and_random_numbers_alone():
    random.seed(3)
    expected = random.random()
    random.seed(3)
    with pytest.raises(ConfigurationError):
        build("raising")
    assert random.random() == expected


def test_it_can_be_built_in_a_strategy():
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        assert list(arrays(build("functional"))) == list(arrays(build("functional")))
