"""Segmenters with normalization and dropout in each kind of training: what a step keeps of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.adversarial.game import AdversarialGame
from darts_adv_tf.networks.plugin import UserModel
from darts_adv_tf.networks.registry import find_segmenter
from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.tf_graph.call_in_training import call_in_training
from darts_adv_tf.training.adversarial_trainer import AdversarialTrainer
from darts_adv_tf.training.checkpoint import Checkpoints
from darts_adv_tf.training.checkpoint_store import CheckpointStore
from darts_adv_tf.training.search_trainer import SearchTrainer
from darts_adv_tf.training.segmentation_trainer import SegmentationTrainer
from darts_adv_tf.training.trainer import weights
from tests.adversarial.tiny_players import CHANNELS, CLASSES, SIZE, TinyDiscriminator, tiny_cases
from tests.training.bits import changed_parts
from tests.training.taking import taking
from tests.training.tiny_search import bits_of, variables_of

LEARNING_RATE, MOMENTUM, NAN_CASE = 2.0**-5, 0.9, 8
GRADIENT_MODES = ("exact", "finite_difference", "first_order")
KINDS = ("segmentation", "adversarial", *GRADIENT_MODES)
IMAGES, LABELS = tiny_cases(9)
IMAGES = IMAGES.astype(np.float32)
IMAGES[NAN_CASE, 0, 0, 0] = np.nan
take = taking(IMAGES, LABELS)
STEPS = [((0, 1), (4, 5)), ((2, 3), (6, 7)), ((1, 2), (5, 6))]


def normalized(image_shape, num_classes, width, seed):
    """A user's function, found by its name in this module."""
    del seed
    return make_model(image_shape, num_classes, width)


def make_model(image_shape, num_classes, width, extra_layers=()):
    """A convolution, its normalization, dropout, and what else is asked for."""
    images = keras.Input(image_shape)
    features = keras.layers.Conv2D(width, 3, padding="same", name="convolution")(images)
    features = keras.layers.BatchNormalization(momentum=MOMENTUM, name="normalization")(features)
    features = keras.layers.Activation("tanh")(features)
    features = keras.layers.Dropout(0.4, seed=1, name="dropout")(features)
    for layer in extra_layers:
        features = layer(features)
    return keras.Model(images, keras.layers.Conv2D(num_classes, 1, name="score")(features))


def make_segmenter(*extra_layers):
    shape = (SIZE, SIZE, CHANNELS)
    if not extra_layers:
        return find_segmenter(f"{__name__}:normalized")(shape, CLASSES, width=4, seed=0)
    model = make_model(shape, CLASSES, 4, extra_layers)
    return UserModel(model.inputs, model.outputs[0])


def make_trainer(kind, segmenter=None):
    keras.utils.set_random_seed(0)
    segmenter = segmenter or make_segmenter()
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    data = {"strategy": strategy}
    if kind == "segmentation":
        return SegmentationTrainer(segmenter, LEARNING_RATE, 2, **data)
    discriminator = TinyDiscriminator(name="discriminator")
    discriminator.build((None, SIZE, SIZE, CLASSES))
    game = AdversarialGame(segmenter, discriminator, CLASSES, 0.7, 2)
    if kind == "adversarial":
        return AdversarialTrainer(game, LEARNING_RATE, **data)
    architecture = Architecture(name="architecture")
    rates = LEARNING_RATE, LEARNING_RATE, kind, LEARNING_RATE
    return SearchTrainer(game, architecture, *rates, **data, checks_tangent=True)


def step(trainer, cases):
    return trainer.step(*take(*(cases if isinstance(trainer, SearchTrainer) else cases[:1])))


def layer_of(trainer, name):
    _, model = trainer.parts["segmenter"].layers
    return model.get_layer(name)


def state_of(trainer):
    return bits_of(variables_of(trainer.parts))


def differing(one, other):
    return [name for name in one if one[name] != other[name]]


def dropout_state(trainer):
    return layer_of(trainer, "dropout").seed_generator.state.numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_keeps_the_statistics_of_its_training_batch_once(kind):
    trainer = make_trainer(kind)
    normalization = layer_of(trainer, "normalization")
    mean, variance = np.zeros(4), np.ones(4)
    first_dropout_state = dropout_state(trainer)
    for number, cases in enumerate(STEPS, start=1):
        # At the weights before the step, from the convolution alone.
        kernel, bias = layer_of(trainer, "convolution").get_weights()
        features = tf.nn.conv2d(IMAGES[list(cases[0])], kernel, 1, "SAME") + bias
        mean = MOMENTUM * mean + (1 - MOMENTUM) * np.mean(features, axis=(0, 1, 2))
        variance = MOMENTUM * variance + (1 - MOMENTUM) * np.var(features, axis=(0, 1, 2))
        step(trainer, cases)
        np.testing.assert_allclose(normalization.moving_mean, mean, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(normalization.moving_variance, variance, rtol=1e-4)
        np.testing.assert_array_equal(dropout_state(trainer), first_dropout_state + [0, number])


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_that_is_not_finite_leaves_no_trace(kind):
    trainer = make_trainer(kind)
    step(trainer, STEPS[0])
    before = state_of(trainer)
    figures = step(trainer, ((0, NAN_CASE), STEPS[1][1]))
    assert np.isnan(figures["loss/segmentation"])
    assert not differing(before, state_of(trainer))
    step(trainer, STEPS[1])
    assert len(differing(before, state_of(trainer))) > len(before) / 2


@pytest.mark.parametrize("kind", ["segmentation", "exact"])
def test_a_resumed_run_ends_as_one_that_was_never_stopped(kind, tmp_path):
    uninterrupted = make_trainer(kind)
    for cases in STEPS:
        expected_figures = step(uninterrupted, cases)

    stopped, store = make_trainer(kind), CheckpointStore(tmp_path / "checkpoints")
    for cases in STEPS[:2]:
        step(stopped, cases)
    with Checkpoints(store, stopped.parts, {}) as checkpoints:
        checkpoints.save(2, {})
    resumed = make_trainer(kind)
    with Checkpoints(store, resumed.parts, {}) as checkpoints:
        checkpoints.restore()

    assert step(resumed, STEPS[2]) == expected_figures
    assert not differing(state_of(uninterrupted), state_of(resumed))


def test_a_comparison_of_gradients_changes_nothing():
    trainer = make_trainer("exact")
    assert (
        changed_parts(trainer.parts, lambda: trainer.compare_second_order(*take(*STEPS[0])))
        == set()
    )


def test_the_exact_gradient_and_the_finite_difference_are_of_one_dropout_mask():
    # Of two masks the products would have little in common.
    figures = make_trainer("exact").compare_second_order(*take(*STEPS[0]))
    assert figures["second_order/cosine_of_finite_difference"] > 0.99


def test_a_spectral_normalization_divides_the_weight_that_evaluation_uses():
    """As in Keras: the weight of the last training pass, moved by one step of Adam."""
    convolution = keras.layers.Conv2D(4, 3, padding="same", name="normalized")
    layer = keras.layers.SpectralNormalization(convolution, power_iterations=50, name="spectral")
    trainer = make_trainer("segmentation", make_segmenter(layer))
    convolution.kernel.assign(5 * convolution.kernel)
    before = convolution.kernel.numpy()
    step(trainer, STEPS[0])
    largest = np.linalg.svd(before.reshape(-1, 4), compute_uv=False)[0]
    assert largest > 2
    moved = convolution.kernel.numpy() - before / largest
    # The first step of Adam moves a weight by the learning rate, where its gradient is not tiny.
    assert np.abs(moved).max() <= 1.001 * LEARNING_RATE
    assert np.median(np.abs(moved)) >= 0.99 * LEARNING_RATE


def test_training_has_another_mode_than_evaluation():
    segmenter = make_segmenter()
    images = tf.constant(IMAGES[:2])
    before = [variable.numpy() for variable in segmenter.variables]
    first, second = (call_in_training(segmenter, weights(segmenter), images) for _ in range(2))
    np.testing.assert_array_equal(first[0], second[0])
    assert np.abs(first[0] - segmenter(images, training=False)).max() > 0.1
    assert [variable.path for variable, _ in first[1]] == [
        variable.path for variable in segmenter.non_trainable_variables
    ]
    for variable, array in zip(segmenter.variables, before, strict=True):
        np.testing.assert_array_equal(variable, array)


class Untellable(keras.layers.Layer):
    """Has a gradient, and nothing that could be differentiated again."""

    def call(self, features):
        boxes, indices = tf.constant([[0.0, 0.0, 1.0, 1.0]] * 2), tf.constant([0, 1])
        return features + tf.image.crop_and_resize(features, boxes, indices, (SIZE, SIZE))


@pytest.mark.parametrize("what", ["step", "compare_second_order"])
def test_a_segmenter_without_a_tangent_is_refused_in_the_exact_mode(what):
    trainer = make_trainer("exact", make_segmenter(Untellable()))
    before = state_of(trainer)
    with pytest.raises(ConfigurationError, match="architecture_gradient=finite_difference"):
        getattr(trainer, what)(*take(*STEPS[0]))
    assert not differing(before, state_of(trainer))


class Places(keras.layers.Layer):
    """Adds to each pixel a vector of its place, the gradient of which is sparse."""

    def build(self, shape):
        self.table = keras.layers.Embedding(shape[1] * shape[2], shape[3], name="table")
        self.table.build(None)

    def call(self, features):
        _, *shape = features.shape
        return features + tf.reshape(self.table(tf.range(shape[0] * shape[1])), shape)


@pytest.mark.parametrize("kind", KINDS)
def test_an_embedding_learns(kind):
    trainer = make_trainer(kind, make_segmenter(Places()))
    (table,) = (v for v in trainer.parts["segmenter"].variables if "table" in v.path)
    before = table.numpy()
    step(trainer, STEPS[0])
    assert np.abs(table - before).min() > 0


@pytest.mark.parametrize("kind", ["finite_difference", "first_order"])
def test_it_is_not_refused_in_the_others(kind):
    step(make_trainer(kind, make_segmenter(Untellable())), STEPS[0])


def test_resizing_and_pooling_have_a_tangent():
    pool = keras.layers.MaxPooling2D(3, 1, padding="same")
    enlarge = keras.layers.UpSampling2D(2, interpolation="bilinear")
    halve = keras.layers.AveragePooling2D(2)
    step(make_trainer("exact", make_segmenter(pool, enlarge, halve)), STEPS[0])
