"""A user's discriminator with state in adversarial training: what a step keeps of it."""

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.adversarial.game import AdversarialGame, Batch
from darts_adv_tf.networks.registry import DiscriminatorSettings, find_discriminator
from darts_adv_tf.training.adversarial_trainer import AdversarialTrainer
from darts_adv_tf.training.checkpoint import Checkpoints
from darts_adv_tf.training.checkpoint_store import CheckpointStore
from tests.adversarial.tiny_players import CHANNELS, CLASSES, SIZE, TinySegmenter, tiny_cases
from tests.training.taking import taking
from tests.training.tiny_search import bits_of, variables_of

LEARNING_RATE, MOMENTUM, NAN_CASE = 2.0**-5, 0.9, 8
IMAGES, LABELS = tiny_cases(9)
IMAGES = IMAGES.astype(np.float32)
IMAGES[NAN_CASE, 0, 0, 0] = np.nan
take = taking(IMAGES, LABELS)
STEPS = [(0, 1), (2, 3), (4, 5)]


def patchgan(mask_shape, num_classes, width, seed):
    """A user's function, found by its name in this module."""
    del num_classes, seed
    masks = keras.Input(mask_shape)
    features = keras.layers.Conv2D(width, 3, padding="same", name="convolution")(masks)
    features = keras.layers.BatchNormalization(momentum=MOMENTUM, name="normalization")(features)
    features = keras.layers.Activation("tanh")(features)
    features = keras.layers.Dropout(0.4, name="dropout")(features)
    score = keras.layers.Conv2D(1, 3, strides=2, name="score")
    return keras.Model(masks, keras.layers.SpectralNormalization(score, name="spectral")(features))


def make_trainer():
    keras.utils.set_random_seed(0)
    settings = DiscriminatorSettings(4, 4, "NR", "batch", seed=0)
    discriminator = find_discriminator(f"{__name__}:patchgan")(
        (SIZE, SIZE, CLASSES), CLASSES, settings
    )
    segmenter = TinySegmenter(name="segmenter")
    segmenter.build((None, SIZE, SIZE, CHANNELS))
    game = AdversarialGame(segmenter, discriminator, CLASSES, 0.7, 2)
    return AdversarialTrainer(game, LEARNING_RATE, tf.distribute.OneDeviceStrategy("CPU:0"))


def layer_of(trainer, name):
    return trainer.game.discriminator.layers[1].get_layer(name)


def state_of(trainer):
    return bits_of(variables_of(trainer.parts))


def test_a_step_keeps_the_state_of_the_pass_on_predictions_once():
    trainer = make_trainer()
    dropout = layer_of(trainer, "dropout").seed_generator
    mean, first_state = np.zeros(4), dropout.state.numpy()
    for number, cases in enumerate(STEPS, start=1):
        # At the weights before the step.
        kernel, bias = layer_of(trainer, "convolution").get_weights()
        fake_masks = tf.nn.softmax(trainer.game.segmenter(tf.constant(IMAGES[list(cases)])))
        features = tf.nn.conv2d(fake_masks, kernel, 1, "SAME") + bias
        mean = MOMENTUM * mean + (1 - MOMENTUM) * np.mean(features, axis=(0, 1, 2))
        trainer.step(*take(cases))
        moving_mean = layer_of(trainer, "normalization").moving_mean
        np.testing.assert_allclose(moving_mean, mean, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(dropout.state.numpy() - first_state, [0, number])


def test_a_spectral_normalization_divides_the_weight_before_its_step():
    trainer = make_trainer()
    spectral = layer_of(trainer, "spectral")
    spectral.kernel.assign(5 * spectral.kernel)
    before = spectral.kernel.numpy()
    _, normalized = spectral.normalized_weights()
    assert np.abs(before - normalized).max() > 0.1
    trainer.step(*take(STEPS[0]))
    moved = spectral.kernel.numpy() - normalized
    # The first step of Adam moves a weight by the learning rate, where its gradient is not tiny.
    assert np.abs(moved).max() <= 1.001 * LEARNING_RATE
    assert np.median(np.abs(moved)) >= 0.99 * LEARNING_RATE


def test_a_step_that_is_not_finite_leaves_no_trace():
    trainer = make_trainer()
    trainer.step(*take(STEPS[0]))
    before = state_of(trainer)
    assert np.isnan(trainer.step(*take((1, NAN_CASE)))["loss/segmentation"])
    assert state_of(trainer) == before


def test_it_has_a_gradient_for_both_players():
    """Its gradient with respect to the predicted masks is what the segmenter learns from."""
    trainer = make_trainer()
    game = trainer.game
    theta, phi = (
        [tf.convert_to_tensor(each.value) for each in player.trainable_variables]
        for player in (game.segmenter, game.discriminator)
    )
    batch = Batch(tf.constant(IMAGES[:2]), tf.constant(LABELS[:2]))
    gradients = game.training_gradients(theta, phi, (), batch)
    assert np.abs(gradients.grad_fake_masks).max() > 0
    assert all(np.abs(gradient).max() > 0 for gradient in gradients.grad_phi[-2:])


def test_a_resumed_run_ends_as_one_that_was_never_stopped(tmp_path):
    uninterrupted = make_trainer()
    for cases in STEPS:
        expected_metrics = uninterrupted.step(*take(cases))

    stopped, store = make_trainer(), CheckpointStore(tmp_path / "checkpoints")
    for cases in STEPS[:2]:
        stopped.step(*take(cases))
    with Checkpoints(store, stopped.parts, {}) as checkpoints:
        checkpoints.save(2, {})
    resumed = make_trainer()
    with Checkpoints(store, resumed.parts, {}) as checkpoints:
        checkpoints.restore()

    assert resumed.step(*take(STEPS[2])) == expected_metrics
    assert state_of(resumed) == state_of(uninterrupted)
