"""The architecture gradient against the full unroll and against numeric derivatives, in float64."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.adversarial.architecture_gradient import architecture_gradient
from darts_adv_tf.adversarial.game import AdversarialGame, Batch, SegmenterPass
from darts_adv_tf.networks.cell_discriminator import SearchDiscriminator
from darts_adv_tf.networks.unet import build_unet
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE

SIZE, BATCH, CLASSES = 16, 2, 3
UNROLL_RATE = 0.02


compiled = functools.partial(tf.function, autograph=False)  # autograph doubles the tracing


def values(model):
    return [tf.constant(variable.value) for variable in model.trainable_variables]


def random_batch(seed, size=SIZE, dtype=np.float64):
    random = np.random.default_rng(seed)
    images = random.uniform(size=(BATCH, size, size, 1)).astype(dtype)
    return Batch(tf.constant(images), tf.constant(random.integers(0, CLASSES, images.shape[:3])))


@pytest.fixture(scope="module")
def problem():
    """A real, small segmenter and discriminator with a large adversarial weight, in float64."""
    keras.utils.set_random_seed(3)
    segmenter = build_unet((SIZE, SIZE, 1), CLASSES, width=2, seed=1, dtype="float64")
    discriminator = SearchDiscriminator(channels=2, cell_pattern="NRN", dtype="float64")
    discriminator.build((None, SIZE, SIZE, CLASSES))
    game = AdversarialGame(segmenter, discriminator, CLASSES, 0.7, BATCH)
    random = np.random.default_rng(0)
    alpha = [tf.constant(random.normal(size=SPACE.alpha_shape)) for _ in range(2)]
    return game, values(segmenter), values(discriminator), alpha, random_batch(1), random_batch(2)


def unrolled_objective(
    game, theta, phi, alpha, train_batch, val_batch, state=(), kind="discriminator"
):
    """J_val after one step of gradient descent on L_S and L_D, written from Eqs. 1, 2, 8 and 9.

    Independent of `training_gradients`: each loss from its own forward passes, real and fake
    masks in separate calls, sigmoids and logarithms as in the paper. `state` holds the values of
    the segmenter's other variables.
    """

    def judge(phi, masks):
        op_weights = [tf.nn.softmax(scores) for scores in alpha]
        logits, _ = game.discriminator.stateless_call(phi, [], masks, *op_weights)
        return tf.sigmoid(logits)

    def segment(theta, batch):
        if state:
            logits, _ = game.segmenter.stateless_call(theta, state, batch.images, training=True)
        else:
            logits, _ = game.segmenter.stateless_call(theta, [], batch.images)
        return tf.nn.softmax(logits)

    def discriminator_loss(theta, phi, batch):
        fake = segment(theta, batch)
        real = tf.one_hot(batch.labels, CLASSES, dtype=tf.float64)
        return -tf.reduce_mean(tf.math.log(judge(phi, real))) - tf.reduce_mean(
            tf.math.log(1 - judge(phi, fake))
        )

    def cross_entropy(fake, batch):
        return -tf.reduce_mean(tf.math.log(tf.gather(fake, batch.labels, batch_dims=3)))

    def segmenter_loss(theta, phi, batch):
        fake = segment(theta, batch)
        adversarial = -tf.reduce_mean(tf.math.log(judge(phi, fake)))
        return cross_entropy(fake, batch) + game.adversarial_weight * adversarial

    with tf.GradientTape(persistent=True) as tape:
        tape.watch([theta, phi])
        loss_s = segmenter_loss(theta, phi, train_batch)
        loss_d = discriminator_loss(theta, phi, train_batch)
    grad_theta, grad_phi = tape.gradient(loss_s, theta), tape.gradient(loss_d, phi)
    theta = [w - UNROLL_RATE * g for w, g in zip(theta, grad_theta, strict=True)]
    phi = [w - UNROLL_RATE * g for w, g in zip(phi, grad_phi, strict=True)]
    if kind == "segmentation":
        return cross_entropy(segment(theta, val_batch), val_batch)
    return discriminator_loss(theta, phi, val_batch)


def numeric_gradient(objective, alpha, step):
    """Central differences of a scalar function of both alphas, one entry at a time."""
    numeric = [np.zeros(SPACE.alpha_shape) for _ in alpha]
    for cell in range(2):
        for place in np.ndindex(SPACE.alpha_shape):
            change = np.zeros(SPACE.alpha_shape)
            change[place] = step
            above, below = ([*alpha] for _ in range(2))
            above[cell], below[cell] = alpha[cell] + change, alpha[cell] - change
            numeric[cell][place] = (objective(*above) - objective(*below)) / (2 * step)
    return numeric


def relative_error(received, expected):
    difference = [r - e for r, e in zip(received, expected, strict=True)]
    return float(tf.linalg.global_norm(difference) / tf.linalg.global_norm(expected))


@pytest.fixture(scope="module")
def exact(problem):
    return compiled(lambda: architecture_gradient("exact", *problem, UNROLL_RATE))()


def test_exact_equals_the_differentiated_unroll(problem, exact):
    game, theta, phi, alpha, train_batch, val_batch = problem

    @compiled
    def oracle():
        with tf.GradientTape() as tape:
            tape.watch(alpha)
            objective = unrolled_objective(game, theta, phi, alpha, train_batch, val_batch)
        return objective, tape.gradient(objective, alpha)

    objective, expected = oracle()
    np.testing.assert_allclose(exact.objective, objective, rtol=1e-12)
    assert relative_error(exact.gradient, expected) <= 1e-9
    # The second order must be there to be tested: without it the comparison could not fail.
    assert relative_error(exact.first_order, expected) > 1e-3


def test_exact_equals_a_numeric_derivative(problem, exact):
    game, theta, phi, alpha, train_batch, val_batch = problem

    @compiled
    def objective(*alpha):
        return unrolled_objective(game, theta, phi, alpha, train_batch, val_batch)

    # at 1e-5 the difference would cross kinks of ReLU and max
    numeric = numeric_gradient(objective, alpha, step=1e-7)
    assert relative_error(exact.gradient, numeric) <= 1e-5


def test_first_order_is_the_gradient_without_a_virtual_step(problem):
    game, theta, phi, alpha, _, val_batch = problem
    result = compiled(lambda: architecture_gradient("first_order", *problem, UNROLL_RATE))()

    @compiled
    def at_unmoved_weights():
        with tf.GradientTape() as tape:
            tape.watch(alpha)
            fake = game.segment(theta, val_batch.images).fake_masks
            real = tf.one_hot(val_batch.labels, CLASSES, dtype=tf.float64)
            real_logits = game.discriminate(phi, alpha, val_batch.images, real)
            fake_logits = game.discriminate(phi, alpha, val_batch.images, fake)
            objective = -tf.reduce_mean(
                tf.math.log(tf.sigmoid(real_logits)) + tf.math.log(1 - tf.sigmoid(fake_logits))
            )
        return objective, tape.gradient(objective, alpha)

    objective, expected = at_unmoved_weights()
    np.testing.assert_allclose(result.objective, objective, rtol=1e-12)
    assert relative_error(result.gradient, expected) <= 1e-9
    assert result.second_order == []


def towards_segmentation(mode, problem):
    """The gradient of the segmentation loss in place of Eq. 8."""
    return compiled(
        lambda: architecture_gradient(mode, *problem, UNROLL_RATE, objective="segmentation")
    )()


def test_exact_of_the_segmentation_loss_equals_the_differentiated_unroll(problem, exact):
    game, theta, phi, alpha, train_batch, val_batch = problem
    result = towards_segmentation("exact", problem)

    @compiled
    def oracle():
        with tf.GradientTape() as tape:
            tape.watch(alpha)
            objective = unrolled_objective(
                game, theta, phi, alpha, train_batch, val_batch, kind="segmentation"
            )
        return objective, tape.gradient(objective, alpha)

    objective, expected = oracle()
    np.testing.assert_allclose(result.objective, objective, rtol=1e-12)
    assert relative_error(result.gradient, expected) <= 1e-9
    # It is another gradient than that of Eq. 8, and of the second order alone.
    assert relative_error(exact.gradient, expected) > 0.1
    assert all(not np.any(part) for part in result.first_order)


class SmoothSegmenter(keras.layers.Layer):
    """A segmenter without kinks."""

    def build(self, input_shape):
        self.first = self.add_weight(shape=(3, 3, input_shape[-1], 4), name="first")
        self.second = self.add_weight(shape=(1, 1, 4, CLASSES), name="second")

    def call(self, images):
        hidden = tf.tanh(tf.nn.conv2d(images, tf.convert_to_tensor(self.first), 1, "SAME"))
        return tf.nn.conv2d(hidden, tf.convert_to_tensor(self.second), 1, "SAME")


class SmoothDiscriminator(keras.layers.Layer):
    """A discriminator without kinks, in which both alphas weigh and every weight matters."""

    def build(self, input_shape):
        self.first = self.add_weight(shape=(3, 3, input_shape[-1], 14), name="first")
        self.second = self.add_weight(shape=SPACE.alpha_shape, name="second")

    def call(self, masks, normal_weights, reduction_weights):
        hidden = tf.tanh(tf.nn.conv2d(masks, tf.convert_to_tensor(self.first), 2, "VALID"))
        pooled = tf.reduce_mean(tf.sigmoid(3 * hidden), axis=[1, 2])
        mixed = (pooled @ (normal_weights * self.second)) ** 2
        return tf.reduce_sum(mixed * tf.reduce_sum(reduction_weights, axis=0), axis=-1)


@pytest.fixture(scope="module")
def smooth_problem():
    """Players without kinks, which are traced in no time."""
    keras.utils.set_random_seed(5)
    segmenter = SmoothSegmenter(dtype="float64")
    discriminator = SmoothDiscriminator(dtype="float64")
    segmenter.build((None, SIZE, SIZE, 1))
    discriminator.build((None, SIZE, SIZE, CLASSES))
    game = AdversarialGame(segmenter, discriminator, CLASSES, 0.7, BATCH)
    random = np.random.default_rng(0)
    alpha = [tf.constant(random.normal(size=SPACE.alpha_shape)) for _ in range(2)]
    return game, values(segmenter), values(discriminator), alpha, random_batch(1), random_batch(2)


def modal_segmenter():
    """A segmenter without kinks, of layers that behave otherwise in training."""
    layers = keras.layers
    images = keras.Input((SIZE, SIZE, 1), dtype="float64")
    features = images
    for layer in (
        layers.Conv2D(4, 3, padding="same", activation="softplus", dtype="float64"),
        layers.BatchNormalization(dtype="float64"),
        layers.AveragePooling2D(2, dtype="float64"),
        layers.Dropout(0.3, seed=4, dtype="float64"),
        layers.Conv2D(4, 3, padding="same", activation="tanh", dtype="float64"),
        layers.UpSampling2D(2, dtype="float64"),
        layers.LayerNormalization(dtype="float64"),
        layers.Conv2D(CLASSES, 1, dtype="float64"),
    ):
        features = layer(features)
    return keras.Model(images, features)


@pytest.fixture(scope="module")
def modal_problem(smooth_problem):
    game, _, phi, *others = smooth_problem
    segmenter = modal_segmenter()
    game = AdversarialGame(segmenter, game.discriminator, CLASSES, 0.7, BATCH)
    return game, values(segmenter), phi, *others


def test_exact_with_normalization_and_dropout_equals_a_numeric_derivative(modal_problem):
    game, theta, phi, alpha, train_batch, val_batch = modal_problem
    state = [tf.constant(variable.value) for variable in game.segmenter.non_trainable_variables]
    exact = compiled(lambda: architecture_gradient("exact", *modal_problem, UNROLL_RATE))()

    @compiled
    def objective(*alpha):
        return unrolled_objective(game, theta, phi, alpha, train_batch, val_batch, state)

    numeric = numeric_gradient(objective, alpha, step=1e-6)
    assert relative_error(exact.gradient, numeric) <= 1e-6
    assert relative_error(exact.first_order, numeric) > 1e-3
    # And the mode matters: otherwise a tangent of evaluation could not be told from it.
    in_training, in_evaluation = (
        game.segmenter.stateless_call(theta, state, train_batch.images, training=mode)[0]
        for mode in (True, False)
    )
    assert np.abs(in_training - in_evaluation).max() > 0.1


@pytest.mark.parametrize("mode", ["exact", "finite_difference", "first_order"])
def test_a_given_pass_of_the_segmenter_changes_nothing(smooth_problem, mode):
    game, theta, _, _, train_batch, _ = smooth_problem

    @compiled
    def with_a_pass():
        segmenter_pass = SegmenterPass(game, theta, train_batch)
        result = architecture_gradient(mode, *smooth_problem, UNROLL_RATE, segmenter_pass)
        # It can still be differentiated, as the real step does.
        return result, segmenter_pass.gradient(tf.zeros_like(segmenter_pass.fake_masks))

    result, grad_theta = with_a_pass()

    expected = compiled(lambda: architecture_gradient(mode, *smooth_problem, UNROLL_RATE))()
    for received, one in zip(tf.nest.flatten(result), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(received, one, rtol=1e-12, atol=1e-14)
    assert min(np.abs(gradient).max() for gradient in grad_theta) > 1e-6


def test_finite_difference_approaches_exact_on_a_smooth_network(smooth_problem):
    exact, difference = (
        compiled(functools.partial(architecture_gradient, mode, *smooth_problem, UNROLL_RATE))()
        for mode in ("exact", "finite_difference")
    )
    assert relative_error(difference.second_order, exact.second_order) < 1e-3
    assert relative_error(difference.gradient, exact.gradient) < 1e-3
    # Both products count: with either left out the comparison fails.
    assert relative_error(exact.first_order, exact.gradient) > 1e-3


def test_exact_of_the_segmentation_loss_equals_a_numeric_derivative(smooth_problem):
    game, theta, phi, alpha, train_batch, val_batch = smooth_problem
    exact = towards_segmentation("exact", smooth_problem)

    @compiled
    def objective(*alpha):
        return unrolled_objective(
            game, theta, phi, alpha, train_batch, val_batch, kind="segmentation"
        )

    # without kinks; the objective hardly moves
    numeric = numeric_gradient(objective, alpha, step=1e-4)
    assert relative_error(exact.gradient, numeric) <= 1e-5


def test_the_segmentation_loss_leads_to_alpha_through_the_segmenter_alone(smooth_problem):
    """-eta times one product, <grad_theta L_S, v_theta>: phi has no virtual step in it."""
    game, theta, phi, alpha, train_batch, val_batch = smooth_problem
    result = towards_segmentation("exact", smooth_problem)

    def segmenter_loss(batch, theta, adversarial_weight):
        fake = game.segment(theta, batch.images).fake_masks
        picked = tf.gather(fake, batch.labels, batch_dims=3)
        real_probability = tf.sigmoid(game.discriminate(phi, alpha, batch.images, fake))
        adversarial = -tf.reduce_mean(tf.math.log(real_probability))
        return -tf.reduce_mean(tf.math.log(picked)) + adversarial_weight * adversarial

    @compiled
    def one_product():
        with tf.GradientTape() as grad_alpha:
            grad_alpha.watch(alpha)
            with tf.GradientTape() as grad_theta:
                grad_theta.watch(theta)
                loss = segmenter_loss(train_batch, theta, game.adversarial_weight)
            gradient = grad_theta.gradient(loss, theta)
            moved = [
                tf.stop_gradient(w - UNROLL_RATE * g) for w, g in zip(theta, gradient, strict=True)
            ]
            with grad_alpha.stop_recording(), tf.GradientTape() as grad_moved:
                grad_moved.watch(moved)
                objective = segmenter_loss(val_batch, moved, 0)
            v = grad_moved.gradient(objective, moved)
            product = tf.add_n(
                [
                    tf.reduce_sum(g * tf.stop_gradient(each))
                    for g, each in zip(gradient, v, strict=True)
                ]
            )
        return [-UNROLL_RATE * each for each in grad_alpha.gradient(product, alpha)]

    assert relative_error(result.gradient, one_product()) <= 1e-9


def test_finite_difference_of_the_segmentation_loss_approaches_exact(smooth_problem):
    exact, difference = (
        towards_segmentation(mode, smooth_problem) for mode in ("exact", "finite_difference")
    )
    assert relative_error(difference.gradient, exact.gradient) < 1e-3
    assert min(np.abs(part).max() for part in exact.gradient) > 0
    np.testing.assert_allclose(difference.objective, exact.objective, rtol=1e-12)


@pytest.mark.parametrize("mode", ["exact", "finite_difference"])
def test_no_variable_changes(problem, mode):
    game = problem[0]
    optimizer = keras.optimizers.Adam()
    optimizer.build(game.discriminator.trainable_variables)
    variables = [
        *game.segmenter.variables, *game.discriminator.variables, *optimizer.variables
    ]  # fmt: skip
    before = [variable.numpy().tobytes() for variable in variables]
    theta = [variable.value for variable in game.segmenter.trainable_variables]
    phi = [variable.value for variable in game.discriminator.trainable_variables]
    compiled(lambda: architecture_gradient(mode, game, theta, phi, *problem[3:], UNROLL_RATE))()
    assert before == [variable.numpy().tobytes() for variable in variables]


def test_second_derivative_of_max_pooling_survives_at_a_realistic_size():
    """Twice 4 images, 16x16 pixels and 16 channels in the cell, inside `tf.function`.

    At this size TensorFlow's own 3x3 stride 1 pooling loses its second derivative in graph mode.
    """
    size, batch = 32, 4
    keras.utils.set_random_seed(7)
    discriminator = SearchDiscriminator(channels=16, cell_pattern="N", dtype="float64")
    discriminator.build((None, size, size, CLASSES))
    phi = values(discriminator)
    random = np.random.default_rng(1)
    real, fake = (tf.constant(random.uniform(size=(batch, size, size, CLASSES))) for _ in range(2))
    scores = random.normal(size=SPACE.alpha_shape)
    scores[:, 1] += 3  # max pooling dominates
    alpha = tf.constant(scores)
    direction = [tf.constant(random.normal(size=w.shape)) for w in phi]
    change = tf.constant(random.normal(size=SPACE.alpha_shape))

    def along_direction(alpha):
        """<grad_phi L_D, direction>, by first derivatives alone."""
        with tf.GradientTape() as tape:
            tape.watch(phi)
            weights = tf.nn.softmax(alpha)
            real_logits, fake_logits = (
                discriminator.stateless_call(phi, [], masks, weights, weights)[0]
                for masks in (real, fake)
            )
            loss = tf.reduce_mean(tf.math.softplus(-real_logits))
            loss += tf.reduce_mean(tf.math.softplus(fake_logits))
        gradients = tape.gradient(loss, phi)
        return tf.add_n([tf.reduce_sum(g * d) for g, d in zip(gradients, direction, strict=True)])

    @compiled
    def nested():
        with tf.GradientTape() as tape:
            tape.watch(alpha)
            product = along_direction(alpha)
        return tf.reduce_sum(tape.gradient(product, alpha) * change)

    first_order = compiled(along_direction)
    step = 1e-6
    numeric = (first_order(alpha + step * change) - first_order(alpha - step * change)) / (2 * step)
    np.testing.assert_allclose(nested(), numeric, rtol=1e-4)
