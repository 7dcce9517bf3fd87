"""Eqs. 1, 2 and 8 against numbers worked out by hand, at extreme logits, and their order."""

import math

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.adversarial.losses import adversarial_loss, discriminator_loss, segmentation_loss

# At the logit ln 3 the sigmoid is 3/4, at -ln 3 it is 1/4.
LN3 = math.log(3)
MINUS_LN_3_4, MINUS_LN_1_4 = 0.2876820724517809, 1.3862943611198906
LN2 = 0.6931471805599453


def test_segmentation_loss_is_the_mean_cross_entropy_of_each_images_pixels():
    logits = [
        [[[0.0, LN3], [0.0, 0.0]]],  # its labels have the probabilities 3/4 and 1/2
        [[[LN3, 0.0], [0.0, LN3]]],  # 1/4 and 1/4
    ]
    labels = [[[1, 0]], [[1, 0]]]
    loss = segmentation_loss(tf.constant(labels, tf.uint8), tf.constant(logits, tf.float64))
    np.testing.assert_allclose(loss, [(MINUS_LN_3_4 + LN2) / 2, MINUS_LN_1_4], rtol=1e-14)


def test_segmentation_loss_takes_any_number_of_classes_and_pixels():
    logits = np.random.default_rng(0).normal(size=(3, 4, 5, 6))
    labels = np.random.default_rng(1).integers(0, 6, (3, 4, 5))
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    picked = np.take_along_axis(probabilities, labels[..., None], -1)[..., 0]
    loss = segmentation_loss(tf.constant(labels), tf.constant(logits))
    np.testing.assert_allclose(loss, -np.log(picked).mean((1, 2)), rtol=1e-12)


def test_adversarial_loss_is_minus_the_log_of_the_sigmoid():
    loss = adversarial_loss(tf.constant([LN3, -LN3, 0.0], tf.float64))
    np.testing.assert_allclose(loss, [MINUS_LN_3_4, MINUS_LN_1_4, LN2], rtol=1e-14)


def test_discriminator_loss_judges_real_and_fake():
    real = tf.constant([LN3, -LN3, 0.0, LN3], tf.float64)
    fake = tf.constant([-LN3, LN3, 0.0, LN3], tf.float64)
    expected = [2 * MINUS_LN_3_4, 2 * MINUS_LN_1_4, 2 * LN2, MINUS_LN_3_4 + MINUS_LN_1_4]
    np.testing.assert_allclose(discriminator_loss(real, fake), expected, rtol=1e-14)


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_extreme_logits_have_finite_losses_and_derivatives(logit):
    logits = tf.constant([logit])
    pixels = tf.reshape(tf.stack([logits, -logits], axis=-1), (1, 1, 1, 2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([logits, pixels])
        adversarial = adversarial_loss(logits)
        discriminator = discriminator_loss(logits, -logits)
        segmentation = segmentation_loss(tf.zeros((1, 1, 1), tf.int32), pixels)
    is_wrong = logit < 0
    np.testing.assert_array_equal(adversarial, [1e4 * is_wrong])
    np.testing.assert_array_equal(discriminator, [2e4 * is_wrong])
    np.testing.assert_array_equal(segmentation, [2e4 * is_wrong])
    np.testing.assert_array_equal(tape.gradient(adversarial, logits), [-1.0 * is_wrong])
    np.testing.assert_array_equal(tape.gradient(discriminator, logits), [-2.0 * is_wrong])
    expected = np.reshape([-1.0, 1.0], (1, 1, 1, 2)) * is_wrong
    np.testing.assert_array_equal(tape.gradient(segmentation, pixels), expected)


def test_the_more_a_prediction_passes_for_real_the_lower_its_adversarial_loss():
    losses = adversarial_loss(tf.constant(np.linspace(-20.0, 20.0, 41))).numpy()
    assert np.all(np.diff(losses) < 0) and np.all(losses > 0)


def test_the_better_the_discriminator_the_lower_its_loss():
    skill = tf.constant(np.linspace(-15.0, 15.0, 31))
    still = tf.zeros_like(skill)
    for losses in (
        discriminator_loss(skill, still),
        discriminator_loss(still, -skill),
        discriminator_loss(skill, -skill),
    ):
        assert np.all(np.diff(losses) < 0) and np.all(losses > 0)


def test_segmenter_and_discriminator_want_opposite_logits_of_a_prediction():
    fake = tf.constant([-2.0, 0.0, 2.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(fake)
        adversarial = adversarial_loss(fake)
        discriminator = discriminator_loss(tf.zeros_like(fake), fake)
    assert np.all(tape.gradient(adversarial, fake) < 0)
    assert np.all(tape.gradient(discriminator, fake) > 0)
