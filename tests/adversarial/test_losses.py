"""Eqs. 1, 2 and 8 against numbers worked out by hand, at extreme logits, and their order."""

import math

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.adversarial.losses import (
    ADVERSARIAL_LOSSES,
    GAN,
    HINGE,
    LSGAN,
    SEGMENTATION_LOSSES,
    cross_entropy,
    dice,
    dice_cross_entropy,
    focal,
)

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
    loss = cross_entropy(tf.constant(labels, tf.uint8), tf.constant(logits, tf.float64))
    np.testing.assert_allclose(loss, [(MINUS_LN_3_4 + LN2) / 2, MINUS_LN_1_4], rtol=1e-14)


def test_segmentation_loss_takes_any_number_of_classes_and_pixels():
    logits = np.random.default_rng(0).normal(size=(3, 4, 5, 6))
    labels = np.random.default_rng(1).integers(0, 6, (3, 4, 5))
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    picked = np.take_along_axis(probabilities, labels[..., None], -1)[..., 0]
    loss = cross_entropy(tf.constant(labels), tf.constant(logits))
    np.testing.assert_allclose(loss, -np.log(picked).mean((1, 2)), rtol=1e-12)


def test_adversarial_loss_is_minus_the_log_of_the_sigmoid():
    loss = GAN.generator(tf.constant([LN3, -LN3, 0.0], tf.float64))
    np.testing.assert_allclose(loss, [MINUS_LN_3_4, MINUS_LN_1_4, LN2], rtol=1e-14)


def test_discriminator_loss_judges_real_and_fake():
    real = tf.constant([LN3, -LN3, 0.0, LN3], tf.float64)
    fake = tf.constant([-LN3, LN3, 0.0, LN3], tf.float64)
    expected = [2 * MINUS_LN_3_4, 2 * MINUS_LN_1_4, 2 * LN2, MINUS_LN_3_4 + MINUS_LN_1_4]
    np.testing.assert_allclose(GAN.discriminator(real, fake), expected, rtol=1e-14)


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_extreme_logits_have_finite_losses_and_derivatives(logit):
    logits = tf.constant([logit])
    pixels = tf.reshape(tf.stack([logits, -logits], axis=-1), (1, 1, 1, 2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([logits, pixels])
        adversarial = GAN.generator(logits)
        discriminator = GAN.discriminator(logits, -logits)
        segmentation = cross_entropy(tf.zeros((1, 1, 1), tf.int32), pixels)
    is_wrong = logit < 0
    np.testing.assert_array_equal(adversarial, [1e4 * is_wrong])
    np.testing.assert_array_equal(discriminator, [2e4 * is_wrong])
    np.testing.assert_array_equal(segmentation, [2e4 * is_wrong])
    np.testing.assert_array_equal(tape.gradient(adversarial, logits), [-1.0 * is_wrong])
    np.testing.assert_array_equal(tape.gradient(discriminator, logits), [-2.0 * is_wrong])
    expected = np.reshape([-1.0, 1.0], (1, 1, 1, 2)) * is_wrong
    np.testing.assert_array_equal(tape.gradient(segmentation, pixels), expected)


def test_the_more_a_prediction_passes_for_real_the_lower_its_adversarial_loss():
    losses = GAN.generator(tf.constant(np.linspace(-20.0, 20.0, 41))).numpy()
    assert np.all(np.diff(losses) < 0) and np.all(losses > 0)


def test_the_better_the_discriminator_the_lower_its_loss():
    skill = tf.constant(np.linspace(-15.0, 15.0, 31))
    still = tf.zeros_like(skill)
    for losses in (
        GAN.discriminator(skill, still),
        GAN.discriminator(still, -skill),
        GAN.discriminator(skill, -skill),
    ):
        assert np.all(np.diff(losses) < 0) and np.all(losses > 0)


def test_segmenter_and_discriminator_want_opposite_logits_of_a_prediction():
    fake = tf.constant([-2.0, 0.0, 2.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(fake)
        adversarial = GAN.generator(fake)
        discriminator = GAN.discriminator(tf.zeros_like(fake), fake)
    assert np.all(tape.gradient(adversarial, fake) < 0)
    assert np.all(tape.gradient(discriminator, fake) > 0)


def test_least_squares_by_hand():
    z = tf.constant([-1.0, 0.5, 1.0, 3.0], tf.float64)
    np.testing.assert_array_equal(LSGAN.real(z), [2, 1 / 8, 0, 2])
    np.testing.assert_array_equal(LSGAN.fake(z), [1 / 2, 1 / 8, 1 / 2, 9 / 2])
    np.testing.assert_array_equal(LSGAN.generator(z), [2, 1 / 8, 0, 2])


def test_hinge_by_hand():
    z = tf.constant([-2.0, -0.5, 0.0, 3.0], tf.float64)
    np.testing.assert_array_equal(HINGE.real(z), [3, 1.5, 1, 0])
    np.testing.assert_array_equal(HINGE.fake(z), [0, 0.5, 1, 4])
    np.testing.assert_array_equal(HINGE.generator(z), [2, 0.5, 0, -3])


@pytest.mark.parametrize(
    ("name", "of_a_blind_one"), [("gan", 2 * LN2), ("lsgan", 1 / 4), ("hinge", 2)]
)
def test_a_discriminator_at_its_threshold_cannot_tell(name, of_a_blind_one):
    loss = ADVERSARIAL_LOSSES[name]
    at = tf.constant([loss.threshold], tf.float64)
    np.testing.assert_allclose(loss.discriminator(at, at), [of_a_blind_one], rtol=1e-14)
    # No constant logit does better, so the threshold lies between the answers for real and fake.
    others = tf.constant(np.linspace(-3, 3, 601))
    assert np.min(loss.discriminator(others, others)) >= of_a_blind_one - 1e-12


def test_every_adversarial_loss_has_hand_worked_numbers_above():
    assert set(ADVERSARIAL_LOSSES) == {"gan", "lsgan", "hinge"}


# Two pixels, two classes: p = (3/4, 1/4), truth class 0, and p = (1/2, 1/2), truth class 1.
PIXELS = tf.constant([[[[LN3, 0.0], [0.0, 0.0]]]], tf.float64)
TRUTH = tf.constant([[[0, 1]]], tf.uint8)


def test_dice_by_hand():
    # Class 0: overlap 3/4, areas 5/4 + 1; class 1: overlap 1/2, areas 3/4 + 1.
    expected = 1 - ((2 * 0.75 + 1) / (2.25 + 1) + (2 * 0.5 + 1) / (1.75 + 1)) / 2
    np.testing.assert_allclose(dice(TRUTH, PIXELS), [expected], rtol=1e-14)


def test_dice_is_of_each_image_and_nearly_zero_for_its_own_truth():
    labels = np.random.default_rng(0).integers(0, 3, (2, 5, 4))
    perfect = 100.0 * np.eye(3)[labels]
    perfect[1] *= -1
    received = dice(tf.constant(labels), tf.constant(perfect)).numpy()
    assert received.shape == (2,)
    assert received[0] < 1e-12 and received[1] > 0.5


def test_dice_of_a_class_that_is_neither_true_nor_predicted_costs_nothing():
    labels = tf.zeros((1, 6, 6), tf.int32)
    logits = tf.constant(np.tile([50.0, -50.0, -50.0], (1, 6, 6, 1)))
    np.testing.assert_allclose(dice(labels, logits), [0], atol=1e-12)


def test_focal_by_hand():
    expected = ((1 / 4) ** 2 * MINUS_LN_3_4 + (1 / 2) ** 2 * LN2) / 2
    np.testing.assert_allclose(focal(TRUTH, PIXELS), [expected], rtol=1e-14)


def test_dice_cross_entropy_is_the_sum():
    expected = dice(TRUTH, PIXELS) + (MINUS_LN_3_4 + LN2) / 2
    np.testing.assert_allclose(dice_cross_entropy(TRUTH, PIXELS), expected, rtol=1e-14)


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_a_segmentation_loss_is_one_number_per_image_with_finite_derivatives(name):
    labels = tf.constant([[[0, 1]], [[2, 2]]])
    logits = tf.constant([[[[1e4, -1e4, 0], [1e4, 0, -1e4]]], [[[0.0, 0, 1e4], [1e4, 0, 0]]]])
    with tf.GradientTape() as outer:
        outer.watch(logits)
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = SEGMENTATION_LOSSES[name](labels, logits)
        first = tape.gradient(value, logits)
    second = outer.gradient(first, logits)
    assert value.shape == (2,)
    for tensor in (value, first, second):
        assert np.all(np.isfinite(tensor))
