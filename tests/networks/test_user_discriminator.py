"""What a user's own discriminator may be, what it may not be, and that it is the same each time."""

import random
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.config import model as model_config
from darts_adv_tf.networks.registry import (
    DISCRIMINATORS,
    SEGMENTERS,
    DiscriminatorSettings,
    find_discriminator,
)
from darts_adv_tf.search_space.genotype import random_genotype
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.tf_graph.call_in_training import call_in_training

MASK_SHAPE, NUM_CLASSES = (12, 10, 4), 3
MODULE = """
import keras, numpy as np, tensorflow as tf
from keras import layers

def patch(mask_shape, num_classes, width, seed):
    masks = keras.Input(mask_shape)
    features = layers.Conv2D(width, 4, strides=2, padding="same")(masks)
    features = layers.Dropout(0.3)(layers.BatchNormalization()(features))
    return keras.Model(masks, layers.Conv2D(1, 3, padding="same")(features))

class Subclassed(keras.Model):
    def __init__(self, width):
        super().__init__()
        self.convolution = layers.SpectralNormalization(layers.Conv2D(width, 3))
        self.pool = layers.GlobalAveragePooling2D()
        self.score = layers.Dense(1)

    def call(self, masks):
        return self.score(self.pool(tf.nn.relu(self.convolution(masks))))

def one_column(mask_shape, num_classes, width, seed):
    return Subclassed(width)

class Flat(Subclassed):
    def call(self, masks):
        return super().call(masks)[:, 0]

def one_per_case(mask_shape, num_classes, width, seed):
    return Flat(width)

def dense(mask_shape, units=1, **arguments):
    masks = keras.Input(mask_shape)
    return keras.Model(masks, layers.Dense(units, **arguments)(layers.Flatten()(masks)))

def first_logits_are_0(mask_shape, num_classes, width, seed):
    return dense(mask_shape, kernel_initializer="zeros")

def sigmoid(mask_shape, num_classes, width, seed):
    return dense(mask_shape, activation="sigmoid")

def two_logits(mask_shape, num_classes, width, seed):
    return dense(mask_shape, units=2)

def softmax(mask_shape, num_classes, width, seed):
    return dense(mask_shape, units=2, activation="softmax")

def regularized(mask_shape, num_classes, width, seed):
    return dense(mask_shape, kernel_regularizer="l2")

def constrained(mask_shape, num_classes, width, seed):
    return dense(mask_shape, kernel_constraint="max_norm")

def half(mask_shape, num_classes, width, seed):
    return dense(mask_shape, dtype="mixed_float16")

def infinite(mask_shape, num_classes, width, seed):
    return dense(mask_shape, bias_initializer=keras.initializers.Constant(np.inf))

def frozen(mask_shape, num_classes, width, seed):
    model = dense(mask_shape)
    model.trainable = False
    return model

def map_of_two(mask_shape, num_classes, width, seed):
    masks = keras.Input(mask_shape)
    return keras.Model(masks, layers.Conv2D(2, 3)(masks))

class OfTheBatch(Subclassed):
    def call(self, masks):
        return tf.reshape(tf.reduce_mean(super().call(masks)), [1])

def one_for_the_batch(mask_shape, num_classes, width, seed):
    return OfTheBatch(width)

class Rounded(Subclassed):
    def call(self, masks):
        return super().call(tf.stop_gradient(masks))

def without_mask_gradient(mask_shape, num_classes, width, seed):
    return Rounded(width)

class Idle(Subclassed):
    def call(self, masks):
        super().call(masks)
        return self.pool(self.convolution(masks))[:, :1]

def idle(mask_shape, num_classes, width, seed):
    return Idle(width)

def two_inputs(mask_shape, num_classes, width, seed):
    masks, images = keras.Input(mask_shape), keras.Input(mask_shape)
    return keras.Model([masks, images], layers.Conv2D(1, 1)(masks + images))

def layer(mask_shape, num_classes, width, seed):
    return layers.Dense(1)

def raising(mask_shape, num_classes, width, seed):
    return layers.Conv2D(width, 3, paddding="same")

def of_a_segmenter(image_shape, num_classes, width, seed):
    return None

def twins(mask_shape, num_classes, width, seed):
    class Twins(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = [layers.Conv2D(1, 3, name="twin") for _ in range(2)]

        def call(self, masks):
            return self.parts[1](self.parts[0](masks))

    return Twins()
"""
GOOD = ("patch", "one_column", "one_per_case", "first_logits_are_0")


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    """A module where a command would find it."""
    (tmp_path / "my_gans.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("my_gans", None)


def settings(seed=0, genotype=None):
    return DiscriminatorSettings(
        width=6,
        channels=2,
        cell_pattern="NR",
        normalization="group",
        seed=seed,
        genotype=genotype,
    )


def build(name, seed=0):
    build_discriminator = find_discriminator(f"my_gans:{name}")
    return build_discriminator(MASK_SHAPE, NUM_CLASSES, settings(seed))


def arrays(model):
    return {variable.path: variable.numpy() for variable in model.variables}


def some_masks(num_cases=3):
    generator = np.random.default_rng(0)
    return generator.uniform(size=(num_cases, *MASK_SHAPE)).astype(np.float32)


def test_the_flags_offer_what_the_registry_has():
    assert set(model_config.DISCRIMINATORS) == {"none", *DISCRIMINATORS}
    assert set(model_config.BACKBONES) == set(SEGMENTERS)


@pytest.mark.parametrize("name", [*DISCRIMINATORS, *(f"my_gans:{name}" for name in GOOD)])
def test_every_discriminator_gives_one_logit_per_case(name):
    build_discriminator = find_discriminator(name)
    discriminator = build_discriminator((32, 32, 4), 3, settings(genotype=random_genotype(1)))
    assert discriminator.built and discriminator.name == "discriminator"
    masks = np.random.default_rng(0).uniform(size=(3, 32, 32, 4)).astype(np.float32)
    theta = [tf.convert_to_tensor(each.value) for each in discriminator.trainable_variables]
    logits, _ = call_in_training(discriminator, theta, masks)
    assert logits.shape == (3,) and logits.dtype == tf.float32


def test_none_is_no_discriminator():
    assert find_discriminator("none") is None


def test_a_discriminator_of_cells_needs_a_genotype():
    with pytest.raises(ValueError, match="must have a genotype"):
        find_discriminator("nas")((32, 32, 4), 3, settings())


@pytest.mark.parametrize("name", GOOD)
def test_names_and_first_weights_follow_from_the_seed_alone(name):
    first = arrays(build(name))
    keras.utils.set_random_seed(77)
    keras.layers.Conv2D(2, 3).build((None, 8, 8, 1))
    second = arrays(build(name))
    assert list(first) == list(second)
    for path, array in first.items():
        np.testing.assert_array_equal(array, second[path], err_msg=path)
    if name != "first_logits_are_0":
        other = arrays(build(name, seed=1))
        assert any(np.any(array != other[path]) for path, array in first.items())


def test_what_is_made_afterwards_does_not_depend_on_it():
    random.seed(3)
    np.random.seed(3)
    expected = random.random(), np.random.uniform()
    random.seed(3)
    np.random.seed(3)
    build("patch")
    assert (random.random(), np.random.uniform()) == expected


def test_a_map_of_logits_is_averaged_per_case():
    discriminator = build("patch")
    _, model = discriminator.layers[:2]
    masks = some_masks()
    logits_map = model(masks, training=False)
    assert logits_map.shape == (3, 6, 5, 1)
    expected = np.mean(logits_map, axis=(1, 2, 3))
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(discriminator(masks, training=False), expected, rtol=1e-5)


def test_trying_it_leaves_no_trace():
    discriminator = build("patch")
    for variable in discriminator.non_trainable_variables:
        if variable.path.endswith("moving_mean"):
            np.testing.assert_array_equal(variable, np.zeros(6))
        elif "seed_generator_state" in variable.path:
            assert variable.numpy()[1] == 0


def test_the_function_gets_what_the_flags_say(module):
    spy = "\ngiven = []\ndef spy(*args, **kwargs):\n    given.append((args, kwargs))\n"
    (module / "my_gans.py").write_text(MODULE + spy + "    return patch(**kwargs)\n")
    build("spy", seed=7)
    (given,) = sys.modules["my_gans"].given
    expected = {"mask_shape": MASK_SHAPE, "num_classes": NUM_CLASSES, "width": 6, "seed": 7}
    assert given == ((), expected)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such", ("--discriminator=<module>:<function>", "no such name", "mask_shape")),
        ("raising", ("must run without an error", 'my_gans.py", line', "paddding")),
        ("of_a_segmenter", ("must take mask_shape, num_classes, width, seed by name",)),
        ("layer", ("A discriminator must be a keras.Model", "Dense")),
        ("two_inputs", ("one input, the masks", "2 inputs")),
        ("two_logits", ("one logit per case", "(None, 2)", "(batch, height, width, 1)")),
        ("softmax", ("one logit per case", "(None, 2)")),
        ("map_of_two", ("one map of logits per case", "(None, 10, 8, 2)")),
        ("one_for_the_batch", ("one logit per case", "the shape (1,)")),
        ("sigmoid", ("logits, not probabilities", "Leave out the sigmoid")),
        ("infinite", ("must have finite logits", "2 of 2", "masks in 0..1")),
        ("frozen", ("weights that training can change", "no trainable variable")),
        ("idle", ("must use every trainable weight", "no gradient with respect to idle/dense")),
        ("without_mask_gradient", ("differentiable with respect to the masks", "stop_gradient")),
        ("twins", ("name of its own", "twins/twin/kernel")),
        ("half", ("must have weights and logits of type float32", "float16")),
        ("regularized", ("must have no loss of its own", "Eq. 2", "kernel_regularizer")),
        ("constrained", ("must have no constraints", "Adam")),
    ],
)
def test_what_cannot_be_trained_is_refused_with_the_reason(name, said):
    with pytest.raises(ConfigurationError) as caught:
        build(name)
    message = str(caught.value)
    for text in said:
        assert text in message
    assert "Remedy: " in message
