"""Every loss in every mode of the architecture gradient against the whole unroll, in float64.

The formulas are written once more from probabilities, each with forward passes of its own.
"""

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.adversarial.architecture_gradient import architecture_gradient
from darts_adv_tf.adversarial.game import AdversarialGame
from darts_adv_tf.adversarial.losses import ADVERSARIAL_LOSSES, SEGMENTATION_LOSSES
from tests.adversarial.tiny_players import (
    CLASSES,
    assert_close,
    gradients,
    judge,
    segment,
    tiny_alpha,
    tiny_batch,
    tiny_game,
    values,
)

WEIGHT, RATE = 0.7, 0.05


def true_masks(batch):
    return tf.one_hot(batch.labels, CLASSES, dtype=tf.float64)


def entropy(fake, real):
    return -tf.reduce_mean(tf.reduce_sum(real * tf.math.log(fake), axis=-1))


def soft_dice(fake, real):
    per_class = [
        (2 * tf.reduce_sum(fake[n, ..., k] * real[n, ..., k]) + 1)
        / (tf.reduce_sum(fake[n, ..., k]) + tf.reduce_sum(real[n, ..., k]) + 1)
        for n in range(fake.shape[0])
        for k in range(CLASSES)
    ]
    return 1 - tf.add_n(per_class) / len(per_class)


def focused(fake, real):
    true = tf.reduce_sum(real * fake, axis=-1)
    return tf.reduce_mean(-((1 - true) ** 2) * tf.math.log(true))


SEGMENTATION = {
    "cross_entropy": entropy,
    "dice": soft_dice,
    "dice_cross_entropy": lambda fake, real: soft_dice(fake, real) + entropy(fake, real),
    "focal": focused,
}
# The terms for real and fake masks of D, and that of S.
ADVERSARIAL = {
    "gan": (
        lambda z: -tf.math.log(tf.sigmoid(z)),
        lambda z: -tf.math.log(1 - tf.sigmoid(z)),
        lambda z: -tf.math.log(tf.sigmoid(z)),
    ),
    "lsgan": (
        lambda z: 0.5 * tf.square(z - 1),
        lambda z: 0.5 * tf.square(z),
        lambda z: 0.5 * tf.square(z - 1),
    ),
    "hinge": (
        lambda z: tf.maximum(1 - z, 0),
        lambda z: tf.maximum(1 + z, 0),
        lambda z: -z,
    ),
}
PAIRS = [("cross_entropy", name) for name in ADVERSARIAL]
PAIRS += [(name, "gan") for name in SEGMENTATION if name != "cross_entropy"]
PAIRS += [("dice", "hinge")]


def oracle(segmentation, adversarial, objective):
    """The objective of alpha at the weights after the virtual step, as a function of all."""
    l_seg, (real_term, fake_term, generator) = SEGMENTATION[segmentation], ADVERSARIAL[adversarial]

    def logits(phi, alpha, masks):
        return judge(phi, masks, [tf.nn.softmax(scores) for scores in alpha])

    def loss_s(theta, phi, alpha, batch):
        fake = tf.nn.softmax(segment(theta, batch.images))
        term = tf.reduce_mean(generator(logits(phi, alpha, fake)))
        return l_seg(fake, true_masks(batch)) + WEIGHT * term

    def loss_d(theta, phi, alpha, batch):
        fake = tf.nn.softmax(segment(theta, batch.images))
        of_real = real_term(logits(phi, alpha, true_masks(batch)))
        return tf.reduce_mean(of_real) + tf.reduce_mean(fake_term(logits(phi, alpha, fake)))

    def at(theta, phi, alpha, batch):
        if objective == "segmentation":
            return l_seg(tf.nn.softmax(segment(theta, batch.images)), true_masks(batch))
        return loss_d(theta, phi, alpha, batch)

    def unrolled(theta, phi, alpha, train_batch, val_batch):
        grad_theta = gradients(lambda: loss_s(theta, phi, alpha, train_batch), theta)
        grad_phi = gradients(lambda: loss_d(theta, phi, alpha, train_batch), phi)
        theta = [w - RATE * g for w, g in zip(theta, grad_theta, strict=True)]
        phi = [w - RATE * g for w, g in zip(phi, grad_phi, strict=True)]
        return at(theta, phi, alpha, val_batch)

    return at, unrolled


def problem(segmentation, adversarial):
    tiny = tiny_game(WEIGHT)
    game = AdversarialGame(
        tiny.segmenter,
        tiny.discriminator,
        CLASSES,
        WEIGHT,
        global_batch_size=2,
        segmentation_loss=SEGMENTATION_LOSSES[segmentation],
        adversarial_loss=ADVERSARIAL_LOSSES[adversarial],
    )
    theta, phi = values(game.segmenter), values(game.discriminator)
    return game, theta, phi, tiny_alpha(), tiny_batch(seed=1), tiny_batch(seed=2)


def test_every_loss_is_among_the_pairs():
    assert {pair[0] for pair in PAIRS} == set(SEGMENTATION_LOSSES)
    assert {pair[1] for pair in PAIRS} == set(ADVERSARIAL_LOSSES)


@pytest.mark.parametrize("objective", ["discriminator", "segmentation"])
@pytest.mark.parametrize(("segmentation", "adversarial"), PAIRS)
def test_exact_equals_the_unroll_and_finite_difference_approaches_it(
    segmentation, adversarial, objective
):
    parts = problem(segmentation, adversarial)
    _, theta, phi, alpha, train_batch, val_batch = parts
    _, unrolled = oracle(segmentation, adversarial, objective)
    expected = gradients(lambda: unrolled(theta, phi, alpha, train_batch, val_batch), alpha)
    exact, difference = (
        architecture_gradient(mode, *parts, RATE, objective=objective)
        for mode in ("exact", "finite_difference")
    )
    assert_close(exact.gradient, expected)
    np.testing.assert_allclose(
        exact.objective, unrolled(theta, phi, alpha, train_batch, val_batch), rtol=1e-12
    )
    assert_close(difference.gradient, expected, rtol=1e-3)
    # The second order must be there to be tested.
    assert max(np.abs(part).max() for part in exact.second_order) > 1e-6


@pytest.mark.parametrize(("segmentation", "adversarial"), PAIRS)
def test_first_order_is_the_gradient_without_a_virtual_step(segmentation, adversarial):
    parts = problem(segmentation, adversarial)
    _, theta, phi, alpha, _, val_batch = parts
    at, _ = oracle(segmentation, adversarial, "discriminator")
    expected = gradients(lambda: at(theta, phi, alpha, val_batch), alpha)
    assert_close(architecture_gradient("first_order", *parts, RATE).gradient, expected)


@pytest.mark.parametrize("adversarial", ADVERSARIAL)
def test_the_accuracies_are_shares_of_logits_on_the_right_side(adversarial):
    game, theta, phi, alpha, batch, _ = problem("cross_entropy", adversarial)
    losses = game.training_gradients(theta, phi, alpha, batch).losses
    op_weights = [tf.nn.softmax(scores) for scores in alpha]
    border = {"gan": 0, "lsgan": 0.5, "hinge": 0}[adversarial]
    real = judge(phi, true_masks(batch), op_weights).numpy()
    fake = judge(phi, tf.nn.softmax(segment(theta, batch.images)), op_weights).numpy()
    assert losses.real_accuracy == np.mean(real > border)
    assert losses.fake_accuracy == np.mean(fake < border)
