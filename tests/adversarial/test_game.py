"""The players' gradients against separate tapes over the plain formulas, in float64."""

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.adversarial.architecture_gradient import architecture_gradient
from darts_adv_tf.adversarial.game import Batch, SegmenterPass
from darts_adv_tf.adversarial.losses import ADVERSARIAL_LOSSES, SEGMENTATION_LOSSES
from tests.adversarial.tiny_players import (
    CLASSES,
    adversarial_term,
    assert_close,
    cross_entropy,
    discriminator_objective,
    gradients,
    segment,
    tiny_alpha,
    tiny_batch,
    tiny_game,
    training_gradients,
    values,
)

WEIGHT = 0.7


@pytest.fixture(params=["search", "derived"])
def alpha(request):
    return tiny_alpha() if request.param == "search" else []


def players(game):
    return values(game.segmenter), values(game.discriminator)


def test_each_player_descends_its_own_loss(alpha):
    game, batch = tiny_game(WEIGHT), tiny_batch()
    theta, phi = players(game)
    result = game.training_gradients(theta, phi, alpha, batch)
    grad_theta, grad_phi = training_gradients(theta, phi, alpha, batch, WEIGHT)
    assert_close(result.grad_theta, grad_theta)
    assert_close(result.grad_phi, grad_phi)


def test_losses_are_those_of_the_equations(alpha):
    game, batch = tiny_game(WEIGHT), tiny_batch()
    theta, phi = players(game)
    losses = game.training_gradients(theta, phi, alpha, batch).losses
    adversarial = WEIGHT * adversarial_term(theta, phi, alpha, batch)
    expected = (
        cross_entropy(theta, batch),
        adversarial,
        discriminator_objective(theta, phi, alpha, batch),
    )
    np.testing.assert_allclose(losses[:3], expected, rtol=1e-12)
    objective = game.architecture_objective(theta, phi, alpha, batch)
    np.testing.assert_allclose(objective, expected[2], rtol=1e-12)


def test_a_given_pass_of_the_segmenter_serves_as_its_own_would(alpha):
    game, batch = tiny_game(WEIGHT), tiny_batch()
    theta, phi = players(game)
    expected = game.training_gradients(theta, phi, alpha, batch)
    segmenter_pass = SegmenterPass(game, theta, batch)
    game.segment = None  # not needed any more

    result = game.training_gradients(theta, phi, alpha, batch, segmenter_pass)

    for received, one in zip(tf.nest.flatten(result), tf.nest.flatten(expected), strict=True):
        np.testing.assert_array_equal(received, one)


def test_one_pass_of_the_segmenter_serves_every_alpha():
    game, batch = tiny_game(WEIGHT), tiny_batch()
    theta, phi = players(game)

    @tf.function(autograph=False)
    def gradients_at(*alphas):
        segmenter_pass = SegmenterPass(game, theta, batch)
        return [
            game.training_gradients(theta, phi, alpha, batch, segmenter_pass) for alpha in alphas
        ]

    alphas = tiny_alpha(), tiny_alpha(seed=1)
    results = gradients_at(*alphas)

    for alpha, result in zip(alphas, results, strict=True):
        grad_theta, grad_phi = training_gradients(theta, phi, alpha, batch, WEIGHT)
        assert_close(result.grad_theta, grad_theta)
        assert_close(result.grad_phi, grad_phi)
    one, other = (result.grad_fake_masks for result in results)
    assert np.abs(one - other).max() > 1e-6


def test_a_pass_of_the_segmenter_gives_gradients_more_than_once():
    game, batch = tiny_game(WEIGHT), tiny_batch()
    theta, _ = players(game)
    segmenter_pass = SegmenterPass(game, theta, batch)
    random = np.random.default_rng(0)
    directions = random.normal(size=(3, *segmenter_pass.fake_masks.shape))

    np.testing.assert_allclose(segmenter_pass.loss, cross_entropy(theta, batch), rtol=1e-12)
    for direction in (*directions, directions[0]):

        def value(direction=direction):
            fake_masks = tf.nn.softmax(segment(theta, batch.images))
            return cross_entropy(theta, batch) + tf.reduce_sum(fake_masks * direction)

        received = segmenter_pass.gradient(tf.constant(direction))
        assert_close(received, gradients(value, theta))


def test_the_segmenter_feels_the_adversarial_term_in_proportion_to_its_weight():
    batch, alpha = tiny_batch(), tiny_alpha()
    theta, phi = players(tiny_game())
    light, heavy = (
        tiny_game(weight).training_gradients(theta, phi, alpha, batch).grad_theta
        for weight in (1, 11)
    )
    of_weight_10 = [more - less for more, less in zip(heavy, light, strict=True)]
    alone = gradients(lambda: adversarial_term(theta, phi, alpha, batch), theta)
    assert_close(of_weight_10, [10 * gradient for gradient in alone])
    assert min(np.abs(gradient).max() for gradient in alone) > 1e-6


def test_the_discriminator_feels_nothing_of_the_segmenters_loss():
    batch, alpha = tiny_batch(), tiny_alpha()
    theta, phi = players(tiny_game())
    light, heavy = (
        tiny_game(weight).training_gradients(theta, phi, alpha, batch).grad_phi
        for weight in (0.01, 1e6)
    )
    for one, other in zip(light, heavy, strict=True):
        np.testing.assert_array_equal(one, other)


def test_fake_masks_are_the_gradient_of_the_weighted_adversarial_term_by_the_predictions():
    game, batch, alpha = tiny_game(WEIGHT), tiny_batch(), tiny_alpha()
    theta, phi = players(game)
    fake = tf.nn.softmax(segment(theta, batch.images))

    def term():
        logits = game.discriminate(phi, alpha, batch.images, fake)
        return -WEIGHT * tf.reduce_mean(tf.math.log(tf.sigmoid(logits)))

    expected = gradients(term, fake)
    assert_close([game.training_gradients(theta, phi, alpha, batch).grad_fake_masks], [expected])


def test_the_discriminator_sees_images_beside_masks_where_asked():
    game = tiny_game(WEIGHT, discriminator_sees_images=True)
    batch, alpha = tiny_batch(), tiny_alpha()
    theta, phi = players(game)
    result = game.training_gradients(theta, phi, alpha, batch)
    seen = {"sees_images": True}
    grad_theta = gradients(
        lambda: (
            cross_entropy(theta, batch)
            + WEIGHT * adversarial_term(theta, phi, alpha, batch, **seen)
        ),
        theta,
    )
    grad_phi = gradients(lambda: discriminator_objective(theta, phi, alpha, batch, **seen), phi)
    assert_close(result.grad_theta, grad_theta)
    assert_close(result.grad_phi, grad_phi)
    of_images = result.grad_phi[0][:, :, CLASSES:]
    assert np.abs(of_images).min() > 0


@pytest.mark.parametrize(
    ("segmentation", "adversarial"),
    [
        ("cross_entropy", "gan"),
        ("dice", "lsgan"),
        ("dice_cross_entropy", "hinge"),
        ("focal", "gan"),
    ],
)
def test_replicas_shares_add_up_to_the_global_batch(segmentation, adversarial):
    batch, alpha = tiny_batch(num_cases=4), tiny_alpha()
    game = tiny_game(WEIGHT, global_batch_size=4)
    game.segmentation_loss = SEGMENTATION_LOSSES[segmentation]
    game.adversarial_loss = ADVERSARIAL_LOSSES[adversarial]
    theta, phi = players(game)
    whole = game.training_gradients(theta, phi, alpha, batch)
    shares = [
        game.training_gradients(theta, phi, alpha, Batch(batch.images[part], batch.labels[part]))
        for part in (slice(0, 1), slice(1, 4))
    ]
    for name in ("grad_theta", "grad_phi", "losses"):
        parts = [getattr(share, name) for share in shares]
        assert_close([a + b for a, b in zip(*parts, strict=True)], getattr(whole, name))


def test_accuracies_are_the_shares_of_right_verdicts():
    game, batch = tiny_game(global_batch_size=4), tiny_batch(num_cases=4)
    theta, phi = players(game)
    verdicts = {"real": [3.0, -1.0, 0.5, 2.0], "fake": [-1.0, 2.0, 1.0, 4.0]}
    real_masks = game.real_masks(batch.labels, tf.float64)

    judged = []

    def discriminate(phi, alpha, images, masks):
        judged.append("real" if np.array_equal(masks, real_masks) else "fake")
        still = 0 * tf.add_n([tf.reduce_sum(tensor) for tensor in (*phi, masks)])
        return tf.constant(verdicts[judged[-1]], tf.float64) + still, []

    game._discriminate = discriminate
    losses = game.training_gradients(theta, phi, [], batch).losses
    assert (float(losses.real_accuracy), float(losses.fake_accuracy)) == (0.75, 0.25)
    assert sorted(judged) == ["fake", "real"]


def test_real_masks_are_one_hot():
    masks = tiny_game().real_masks(tf.constant([[[0, 2]]], tf.uint8), tf.float64)
    np.testing.assert_array_equal(masks, [[[[1, 0, 0], [0, 0, 1]]]])


def test_the_scale_of_alphas_gradient_is_the_known_factor_in_it():
    """Doubling lambda_adv or eta doubles the gradient of the segmentation loss, to first order."""
    batch, val_batch, alpha = tiny_batch(seed=1), tiny_batch(seed=2), tiny_alpha()

    def gradient_in_units_of_its_scale(weight, rate):
        game = tiny_game(weight)
        result = architecture_gradient(
            "exact",
            game,
            *players(game),
            *(alpha, batch, val_batch, rate),
            objective="segmentation",
        )
        scale = game.architecture_gradient_scale("segmentation", rate)
        return [each / scale for each in result.gradient]

    expected = gradient_in_units_of_its_scale(1e-5, 1e-6)
    for weight, rate in ((1e-6, 1e-6), (1e-5, 1e-7)):
        assert_close(gradient_in_units_of_its_scale(weight, rate), expected, rtol=1e-3)
    assert tiny_game(WEIGHT).architecture_gradient_scale("discriminator", 0.1) == 1
