"""The architecture gradient of a search over a user's own operations, in every mode.

Against Eqs. 1, 2, 8 and 9 as they stand in the paper, in float64, with tapes of their own.
"""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.adversarial.architecture_gradient import (
    FINITE_DIFFERENCE_SCALE,
    architecture_gradient,
)
from darts_adv_tf.adversarial.game import AdversarialGame, Batch
from darts_adv_tf.networks.cell_discriminator import SearchDiscriminator
from darts_adv_tf.networks.unet import build_unet
from darts_adv_tf.search_space.space import SearchSpace

SIZE, BATCH, CLASSES, UNROLL_RATE, ADVERSARIAL_WEIGHT = 16, 2, 3, 0.02, 0.7
MODULE = """
import keras
import tensorflow as tf

from darts_adv_tf.search_space.operations import SeparableConvolution


class Gained(keras.layers.Layer):
    def __init__(self, channels, stride, dtype):
        super().__init__(dtype=dtype)
        self.stride = stride
        self.gains = self.add_weight(shape=(channels,), name="gains", initializer="ones")

    def call(self, x):
        return tf.tanh(x[:, :: self.stride, :: self.stride] * self.gains)


def gained(channels, stride, normalization, affine, dtype):
    return Gained(channels, stride, dtype)


def sep_conv_7x7(channels, stride, **options):
    return SeparableConvolution(channels, stride, size=7, **options)
"""
compiled = functools.partial(tf.function, autograph=False)


def random_batch(seed):
    random = np.random.default_rng(seed)
    images = random.uniform(size=(BATCH, SIZE, SIZE, 1))
    return Batch(tf.constant(images), tf.constant(random.integers(0, CLASSES, images.shape[:3])))


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    """Game, theta, phi, alpha, training batch and validation batch."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "operations_of_a_user.py").write_text(MODULE)
    names = [f"operations_of_a_user:{name}" for name in ("gained", "sep_conv_7x7")]
    space = SearchSpace((*names, "none", "skip_connect"), 2, 1)
    keras.utils.set_random_seed(3)
    segmenter = build_unet((SIZE, SIZE, 1), CLASSES, width=2, seed=1, dtype="float64")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        discriminator = SearchDiscriminator(2, "NR", space=space, dtype="float64")
        discriminator.build((None, SIZE, SIZE, CLASSES))
    game = AdversarialGame(segmenter, discriminator, CLASSES, ADVERSARIAL_WEIGHT, BATCH)
    random = np.random.default_rng(0)
    alpha = [tf.constant(random.normal(size=space.alpha_shape)) for _ in range(2)]
    weights = [
        [tf.constant(variable.value) for variable in model.trainable_variables]
        for model in (segmenter, discriminator)
    ]
    return game, *weights, alpha, random_batch(1), random_batch(2)


def losses(game, theta, phi, alpha, batch):
    """L_S (Eq. 1) and L_D (Eq. 2, of validation cases Eq. 8)."""

    def judge(masks):
        op_weights = [tf.nn.softmax(scores) for scores in alpha]
        logits, _ = game.discriminator.stateless_call(phi, [], masks, *op_weights)
        return tf.sigmoid(logits)

    logits, _ = game.segmenter.stateless_call(theta, [], batch.images)
    fake, real = tf.nn.softmax(logits), tf.one_hot(batch.labels, CLASSES, dtype=tf.float64)
    adversarial = -tf.reduce_mean(tf.math.log(judge(fake)))
    cross_entropy = -tf.reduce_mean(tf.math.log(tf.gather(fake, batch.labels, batch_dims=3)))
    discriminator = -tf.reduce_mean(tf.math.log(judge(real)) + tf.math.log(1 - judge(fake)))
    return cross_entropy + ADVERSARIAL_WEIGHT * adversarial, discriminator


def gradient(function, sources):
    with tf.GradientTape() as tape:
        tape.watch(sources)
        value = function()
    return tape.gradient(value, sources, unconnected_gradients="zero")


def moved(weights, direction, step):
    return [w + step * d for w, d in zip(weights, direction, strict=True)]


def after_the_virtual_step(game, theta, phi, alpha, batch):
    """theta' and phi' of Eq. 9."""
    grad_theta = gradient(lambda: losses(game, theta, phi, alpha, batch)[0], theta)
    grad_phi = gradient(lambda: losses(game, theta, phi, alpha, batch)[1], phi)
    return moved(theta, grad_theta, -UNROLL_RATE), moved(phi, grad_phi, -UNROLL_RATE)


def unrolled(game, theta, phi, alpha, train_batch, val_batch):
    def objective():
        virtual = after_the_virtual_step(game, theta, phi, alpha, train_batch)
        return losses(game, *virtual, alpha, val_batch)[1]

    return gradient(objective, alpha)


def first_order(game, theta, phi, alpha, train_batch, val_batch):
    return gradient(lambda: losses(game, theta, phi, alpha, val_batch)[1], alpha)


def with_differences(game, theta, phi, alpha, train_batch, val_batch):
    """As the DARTS source: the products by central differences along v, one for each loss."""
    virtual = after_the_virtual_step(game, theta, phi, alpha, train_batch)
    by_alpha, v_theta, v_phi = gradient(
        lambda: losses(game, *virtual, alpha, val_batch)[1], (alpha, *virtual)
    )
    result = by_alpha
    for index, v in ((0, v_theta), (1, v_phi)):
        step = FINITE_DIFFERENCE_SCALE / tf.linalg.global_norm(v)
        above, below = (
            gradient(
                lambda index=index, v=v, s=s: losses(
                    game,
                    moved(theta, v, s) if index == 0 else theta,
                    moved(phi, v, s) if index == 1 else phi,
                    alpha,
                    train_batch,
                )[index],
                alpha,
            )
            for s in (step, -step)
        )
        products = [(a - b) / (2 * step) for a, b in zip(above, below, strict=True)]
        result = moved(result, products, -UNROLL_RATE)
    return result


@pytest.mark.parametrize(
    ("mode", "oracle"),
    [
        ("exact", unrolled),
        ("finite_difference", with_differences),
        ("first_order", first_order),
    ],
)
def test_every_mode_is_right_for_a_users_operations(problem, mode, oracle):
    received = compiled(lambda: architecture_gradient(mode, *problem, UNROLL_RATE))()

    expected = compiled(lambda: oracle(*problem))()
    difference = [r - e for r, e in zip(received.gradient, expected, strict=True)]
    assert tf.linalg.global_norm(difference) <= 1e-8 * tf.linalg.global_norm(expected)
    if received.second_order:
        # The second order must be there to be tested.
        second = UNROLL_RATE * tf.linalg.global_norm(received.second_order)
        assert second > 1e-3 * tf.linalg.global_norm(expected)
