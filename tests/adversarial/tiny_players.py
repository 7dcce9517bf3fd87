"""A segmenter and a discriminator of a few weights, without kinks, in float64; the plain formulas.

The formulas are written from Eqs. 1, 2, 8 and 9 with sigmoids and logarithms, each loss from
forward passes of its own: an oracle for what the program computes from shared ones.

Legend: N batch, H, W, K classes.
"""

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.adversarial.game import AdversarialGame, Batch
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE

CLASSES, SIZE, CHANNELS = 3, 6, 2


def segment(theta, images):
    """Logits (N, H, W, K) of the segmenter with the weights theta."""
    hidden = tf.tanh(tf.nn.conv2d(images, theta[0], 1, "SAME"))
    return tf.nn.conv2d(hidden, theta[1], 1, "SAME")


def judge(phi, masks, op_weights, normalize=tf.identity):
    """Logits (N,) of the discriminator with the weights phi; `op_weights` may be empty."""
    hidden = tf.tanh(normalize(tf.nn.conv2d(masks, phi[0], 2, "VALID")))
    pooled = tf.reduce_mean(tf.sigmoid(3 * hidden), axis=[1, 2])
    if not op_weights:
        return tf.reduce_sum(pooled @ phi[1], axis=-1)
    normal, reduction = op_weights
    mixed = (pooled @ (normal * phi[1])) ** 2
    return tf.reduce_sum(mixed * tf.reduce_sum(reduction, axis=0), axis=-1) - 0.5


class TinySegmenter(keras.layers.Layer):
    """Two convolutions."""

    def build(self, input_shape):
        self.first = self.add_weight(shape=(3, 3, input_shape[-1], 4), name="first")
        self.second = self.add_weight(shape=(1, 1, 4, CLASSES), name="second")

    def call(self, images):
        return segment([tf.convert_to_tensor(v) for v in (self.first, self.second)], images)


class TinyDiscriminator(keras.layers.Layer):
    """A convolution and a matrix, in which both alphas weigh."""

    def build(self, input_shape):
        self.first = self.add_weight(shape=(3, 3, input_shape[-1], 14), name="first")
        self.second = self.add_weight(shape=SPACE.alpha_shape, name="second")

    def call(self, masks, *op_weights):
        return judge(
            [tf.convert_to_tensor(v) for v in (self.first, self.second)], masks, op_weights
        )


def tiny_game(
    adversarial_weight=0.7, global_batch_size=2, discriminator_sees_images=False, seed=0
) -> AdversarialGame:
    """A game of the two, always with the same initial weights."""
    keras.utils.set_random_seed(seed)
    segmenter, discriminator = TinySegmenter(dtype="float64"), TinyDiscriminator(dtype="float64")
    segmenter.build((None, SIZE, SIZE, CHANNELS))
    num_channels = CLASSES + CHANNELS * discriminator_sees_images
    discriminator.build((None, SIZE, SIZE, num_channels))
    return AdversarialGame(
        segmenter,
        discriminator,
        CLASSES,
        adversarial_weight,
        global_batch_size,
        discriminator_sees_images,
    )


def tiny_cases(num_cases, seed=0):
    """Images (cases, H, W, channels) and labels (cases, H, W)."""
    random = np.random.default_rng(seed)
    images = random.uniform(size=(num_cases, SIZE, SIZE, CHANNELS))
    return images, random.integers(0, CLASSES, images.shape[:3]).astype(np.uint8)


def tiny_batch(num_cases=2, seed=0) -> Batch:
    """Some cases as tensors."""
    return Batch(*map(tf.constant, tiny_cases(num_cases, seed)))


def tiny_alpha(seed=0):
    """Scores (edges, operations) of the normal and of the reduction cells."""
    random = np.random.default_rng(seed)
    return [tf.constant(random.normal(size=SPACE.alpha_shape)) for _ in range(2)]


def values(model) -> list[tf.Tensor]:
    """The trainable weights as constants."""
    return [tf.constant(variable.value) for variable in model.trainable_variables]


def probability_of_real(phi, alpha, masks, images, sees_images=False):
    """g of Eqs. 1 and 2, (N,)."""
    if sees_images:
        masks = tf.concat([masks, images], axis=-1)
    return tf.sigmoid(judge(phi, masks, [tf.nn.softmax(scores) for scores in alpha]))


def cross_entropy(theta, batch):
    """The first term of Eq. 1."""
    fake = tf.nn.softmax(segment(theta, batch.images))
    picked = tf.gather(fake, tf.cast(batch.labels, tf.int32), batch_dims=3)
    return -tf.reduce_mean(tf.math.log(picked))


def adversarial_term(theta, phi, alpha, batch, sees_images=False):
    """The second term of Eq. 1 without its weight."""
    fake = tf.nn.softmax(segment(theta, batch.images))
    real = probability_of_real(phi, alpha, fake, batch.images, sees_images)
    return -tf.reduce_mean(tf.math.log(real))


def discriminator_objective(theta, phi, alpha, batch, sees_images=False):
    """Eq. 2; on validation cases Eq. 8."""
    fake = tf.nn.softmax(segment(theta, batch.images))
    real = tf.one_hot(batch.labels, CLASSES, dtype=tf.float64)
    of_real, of_fake = (
        probability_of_real(phi, alpha, masks, batch.images, sees_images) for masks in (real, fake)
    )
    return -tf.reduce_mean(tf.math.log(of_real)) - tf.reduce_mean(tf.math.log(1 - of_fake))


def gradients(function, sources):
    """The gradients of a scalar function of no arguments."""
    with tf.GradientTape() as tape:
        tape.watch(sources)
        value = function()
    return tape.gradient(value, sources)


def training_gradients(theta, phi, alpha, batch, adversarial_weight):
    """Of Eq. 1 by theta and of Eq. 2 by phi."""
    grad_theta = gradients(
        lambda: (
            cross_entropy(theta, batch)
            + adversarial_weight * adversarial_term(theta, phi, alpha, batch)
        ),
        theta,
    )
    grad_phi = gradients(lambda: discriminator_objective(theta, phi, alpha, batch), phi)
    return grad_theta, grad_phi


def unrolled_gradient(
    theta,
    phi,
    alpha,
    train_batch,
    val_batch,
    adversarial_weight,
    unroll_rate,
    kind="discriminator",
):
    """Eq. 8, or the first term of Eq. 1, at the weights of Eq. 9, differentiated by alpha."""

    def objective():
        grad_theta, grad_phi = training_gradients(
            theta, phi, alpha, train_batch, adversarial_weight
        )
        virtual_theta = [w - unroll_rate * g for w, g in zip(theta, grad_theta, strict=True)]
        virtual_phi = [w - unroll_rate * g for w, g in zip(phi, grad_phi, strict=True)]
        if kind == "segmentation":
            return cross_entropy(virtual_theta, val_batch)
        return discriminator_objective(virtual_theta, virtual_phi, alpha, val_batch)

    return gradients(objective, alpha)


def assert_close(received, expected, rtol=1e-9):
    """Each tensor within `rtol` of the largest entry of the expected one."""
    assert len(received) == len(expected)
    for one, other in zip(received, expected, strict=True):
        one, other = (x.numpy() if hasattr(x, "numpy") else np.asarray(x) for x in (one, other))
        np.testing.assert_allclose(one, other, rtol=0, atol=rtol * np.abs(other).max())
