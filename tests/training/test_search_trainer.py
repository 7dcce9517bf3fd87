"""Alg. 1 against the same steps by hand, in float64; which variables each update changes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.adversarial.game import Batch
from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.training.search_trainer import SearchTrainer
from darts_adv_tf.training.trainer import weights
from tests.adversarial.tiny_players import (
    adversarial_term,
    assert_close,
    cross_entropy,
    discriminator_objective,
    tiny_alpha,
    tiny_cases,
    tiny_game,
    training_gradients,
    unrolled_gradient,
)
from tests.training.adam import EPSILONS, Adam
from tests.training.bits import changed_parts
from tests.training.taking import taking

WEIGHT = 0.7
# Powers of two, which are the same number in float32, as Keras keeps a learning rate, and here.
LEARNING_RATE, ARCHITECTURE_LEARNING_RATE, UNROLL_RATE = 2.0**-5, 2.0**-3, 2.0**-4
IMAGES, LABELS = tiny_cases(8)
take = taking(IMAGES, LABELS)
STEPS = [((0, 1), (4, 5)), ((2, 3), (6, 7))]


def make_trainer(
    gradient_mode="exact",
    objective="discriminator",
    adversarial_weight=WEIGHT,
    unroll_rate=UNROLL_RATE,
    epsilon=EPSILONS[0],
):
    architecture = Architecture(dtype="float64")
    for variable, scores in zip(architecture.trainable_variables, tiny_alpha(), strict=True):
        variable.assign(scores)
    return SearchTrainer(
        tiny_game(adversarial_weight),
        architecture,
        LEARNING_RATE,
        ARCHITECTURE_LEARNING_RATE,
        gradient_mode,
        unroll_rate,
        strategy=tf.distribute.OneDeviceStrategy("CPU:0"),
        objective=objective,
        epsilon=epsilon,
    )


def parts_of(trainer):
    return {
        "segmenter": trainer.game.segmenter,
        "discriminator": trainer.game.discriminator,
        "architecture": trainer.architecture,
        "segmenter_optimizer": trainer.segmenter_optimizer,
        "discriminator_optimizer": trainer.discriminator_optimizer,
        "architecture_optimizer": trainer.architecture_optimizer,
    }


def arrays(model):
    return [variable.numpy().copy() for variable in model.trainable_variables]


def batch_of(cases):
    return Batch(tf.constant(IMAGES[list(cases)]), tf.constant(LABELS[list(cases)]))


class AlgorithmOne:
    """The two updates of Alg. 1 by plain formulas and a plain Adam.

    Towards the segmentation loss alpha's gradient is taken in units of eta and lambda.
    """

    def __init__(self, trainer, objective="discriminator", epsilon=EPSILONS[0]):
        self.objective = objective
        self.theta = arrays(trainer.game.segmenter)
        self.phi = arrays(trainer.game.discriminator)
        self.alpha = arrays(trainer.architecture)
        self.of_theta = Adam(self.theta, LEARNING_RATE, epsilon=epsilon)
        self.of_phi = Adam(self.phi, LEARNING_RATE, epsilon=epsilon)
        self.of_alpha = Adam(self.alpha, ARCHITECTURE_LEARNING_RATE, beta_1=0.5, epsilon=epsilon)

    def step(self, train_cases, val_cases):
        train_batch, val_batch = batch_of(train_cases), batch_of(val_cases)
        grad_alpha = unrolled_gradient(
            *self.tensors(), train_batch, val_batch, WEIGHT, UNROLL_RATE, self.objective
        )
        if self.objective == "segmentation":
            grad_alpha = [gradient / (UNROLL_RATE * WEIGHT) for gradient in grad_alpha]
        self.of_alpha.descend(grad_alpha)
        grad_theta, grad_phi = training_gradients(*self.tensors(), train_batch, WEIGHT)
        self.of_theta.descend(grad_theta)
        self.of_phi.descend(grad_phi)

    def tensors(self):
        return [[tf.constant(a) for a in part] for part in (self.theta, self.phi, self.alpha)]


@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("objective", ["discriminator", "segmentation"])
def test_steps_are_those_of_algorithm_1(objective, epsilon):
    """alpha first, then theta and phi at the new alpha, both from the weights before.

    Compares slots too: the first update of Adam moves each weight by its learning rate, whatever
    the gradient's size, so that weights alone could hide a wrong order. The virtual step of Eq. 9
    is plain gradient descent, in which Adam's epsilon has no part.
    """
    trainer = make_trainer(objective=objective, epsilon=epsilon)
    by_hand = AlgorithmOne(trainer, objective, epsilon)
    for train_cases, val_cases in STEPS:
        trainer.step(*take(train_cases, val_cases))
        by_hand.step(train_cases, val_cases)
        for model, optimizer, expected in (
            (trainer.architecture, trainer.architecture_optimizer, by_hand.of_alpha),
            (trainer.game.segmenter, trainer.segmenter_optimizer, by_hand.of_theta),
            (trainer.game.discriminator, trainer.discriminator_optimizer, by_hand.of_phi),
        ):
            assert_close(optimizer._momentums, expected.means)
            assert_close(optimizer._velocities, expected.squares)
            assert_close(model.trainable_variables, expected.variables)


def test_an_update_of_the_architecture_changes_alpha_and_its_slots_alone():
    trainer = make_trainer()
    update = trainer.on_replicas(
        lambda *batches: trainer._update_architecture(trainer._players(), *batches)
    )
    for train_cases, val_cases in STEPS:
        changed = changed_parts(parts_of(trainer), lambda: update(*take(train_cases, val_cases)))  # noqa: B023
        assert changed == {"architecture", "architecture_optimizer"}


def test_an_update_of_the_players_changes_them_and_their_slots_alone():
    trainer = make_trainer()
    update = trainer.on_replicas(
        lambda batch: trainer._update_players(
            *trainer._players(), weights(trainer.architecture), batch
        )
    )
    changed = changed_parts(parts_of(trainer), lambda: update(*take(STEPS[0][0])))
    assert changed == {
        "segmenter",
        "discriminator",
        "segmenter_optimizer",
        "discriminator_optimizer",
    }


def test_a_step_changes_everything_and_a_comparison_nothing():
    trainer = make_trainer()
    parts = parts_of(trainer)
    assert changed_parts(parts, lambda: trainer.compare_second_order(*take(*STEPS[0]))) == set()
    assert changed_parts(parts, lambda: trainer.step(*take(*STEPS[0]))) == set(parts)


@pytest.mark.parametrize(
    ("gradient_mode", "num_forwards"),
    # The training batch once, the validation batch, and beside them: the tangent; two moved
    # segmenters; nothing.
    [("exact", 3), ("finite_difference", 4), ("first_order", 2)],
)
def test_one_forward_of_the_segmenter_serves_both_updates(gradient_mode, num_forwards):
    trainer = make_trainer(gradient_mode)
    segment, forwards = trainer.game.segment, []

    def counted(theta, images):
        forwards.append(images)
        return segment(theta, images)

    trainer.game.segment = counted
    trainer.step(*take(*STEPS[0]))
    assert len(forwards) == num_forwards


def test_figures_of_a_step_are_those_at_the_weights_it_began_with():
    trainer = make_trainer()
    by_hand = AlgorithmOne(trainer)
    theta, phi, alpha = by_hand.tensors()
    train_batch, val_batch = map(batch_of, STEPS[0])
    grad_alpha = unrolled_gradient(theta, phi, alpha, train_batch, val_batch, WEIGHT, UNROLL_RATE)
    figures = trainer.step(*take(*STEPS[0]))
    by_hand.step(*STEPS[0])
    new_alpha = by_hand.tensors()[2]
    grad_theta, grad_phi = training_gradients(theta, phi, new_alpha, train_batch, WEIGHT)
    expected = {
        "gradient_norm/architecture": tf.linalg.global_norm(grad_alpha),
        "loss/segmentation": cross_entropy(theta, train_batch),
        "loss/adversarial": WEIGHT * adversarial_term(theta, phi, new_alpha, train_batch),
        "loss/discriminator": discriminator_objective(theta, phi, new_alpha, train_batch),
        "gradient_norm/segmenter": tf.linalg.global_norm(grad_theta),
        "gradient_norm/discriminator": tf.linalg.global_norm(grad_phi),
    }
    for name, value in expected.items():
        assert figures[name] == pytest.approx(float(value), rel=1e-6), name
    # At the weights after a virtual step.
    old_theta, old_phi = training_gradients(theta, phi, alpha, train_batch, WEIGHT)
    virtual = (
        [w - UNROLL_RATE * g for w, g in zip(weights, grad_weights, strict=True)]
        for weights, grad_weights in ((theta, old_theta), (phi, old_phi))
    )
    objective = discriminator_objective(*virtual, alpha, val_batch)
    assert figures["loss/validation"] == pytest.approx(float(objective), rel=1e-6)
    assert set(figures) == {
        *expected,
        "loss/validation",
        "accuracy/real",
        "accuracy/fake",
        "second_order/ratio",
    }


def test_figures_of_a_step_towards_the_segmentation_loss():
    trainer = make_trainer(objective="segmentation")
    theta, phi, alpha = AlgorithmOne(trainer).tensors()
    train_batch, val_batch = map(batch_of, STEPS[0])
    grad_theta, _ = training_gradients(theta, phi, alpha, train_batch, WEIGHT)
    virtual = [w - UNROLL_RATE * g for w, g in zip(theta, grad_theta, strict=True)]
    grad_alpha = unrolled_gradient(
        theta, phi, alpha, train_batch, val_batch, WEIGHT, UNROLL_RATE, "segmentation"
    )

    figures = trainer.step(*take(*STEPS[0]))

    objective = float(cross_entropy(virtual, val_batch))
    assert figures["loss/validation"] == pytest.approx(objective, rel=1e-6)
    # As it is, and not in the units that Adam gets.
    norm = float(tf.linalg.global_norm(grad_alpha))
    assert figures["gradient_norm/architecture"] == pytest.approx(norm, rel=1e-6)
    # There is no first-order part that it could be a share of.
    assert "second_order/ratio" not in figures


def test_the_segmentation_loss_moves_alpha_at_the_papers_rates_too():
    """Its gradient is as small as eta and lambda, and Adam's epsilon would swallow it."""
    rates = {"adversarial_weight": 0.01, "unroll_rate": 1e-4}
    trainer = make_trainer(objective="segmentation", **rates)
    theta, phi, alpha = AlgorithmOne(trainer).tensors()
    grad_alpha = unrolled_gradient(
        theta, phi, alpha, *map(batch_of, STEPS[0]), *rates.values(), kind="segmentation"
    )

    trainer.step(*take(*STEPS[0]))

    unscaled = [scores.numpy().copy() for scores in alpha]
    Adam(unscaled, ARCHITECTURE_LEARNING_RATE, beta_1=0.5).descend(grad_alpha)
    moved, hardly_moved = (
        np.median([np.abs(np.subtract(*pair)) for pair in zip(each, alpha, strict=True)])
        for each in (arrays(trainer.architecture), unscaled)
    )
    # This discriminator is so small that alpha hardly weighs in it.
    assert moved == pytest.approx(ARCHITECTURE_LEARNING_RATE, rel=0.25)
    assert hardly_moved < 1e-3 * ARCHITECTURE_LEARNING_RATE


def test_ratio_is_the_second_order_part_in_units_of_the_first():
    trainer = make_trainer()
    theta, phi, alpha = AlgorithmOne(trainer).tensors()
    train_batch, val_batch = map(batch_of, STEPS[0])
    whole = unrolled_gradient(theta, phi, alpha, train_batch, val_batch, WEIGHT, UNROLL_RATE)
    grad_theta, grad_phi = training_gradients(theta, phi, alpha, train_batch, WEIGHT)
    virtual = [
        [w - UNROLL_RATE * g for w, g in zip(weights, grad_weights, strict=True)]
        for weights, grad_weights in ((theta, grad_theta), (phi, grad_phi))
    ]
    with tf.GradientTape() as tape:
        tape.watch(alpha)
        objective = discriminator_objective(*virtual, alpha, val_batch)
    first = tape.gradient(objective, alpha)
    second = [w - f for w, f in zip(whole, first, strict=True)]
    expected = float(tf.linalg.global_norm(second) / tf.linalg.global_norm(first))
    assert trainer.step(*take(*STEPS[0]))["second_order/ratio"] == pytest.approx(expected, rel=1e-5)
    assert expected > 1e-3


def test_finite_difference_of_a_smooth_network_points_as_the_exact_product_does():
    figures = make_trainer().compare_second_order(*take(*STEPS[0]))
    assert figures == {
        "second_order/cosine_of_finite_difference": pytest.approx(1, abs=1e-4),
        "second_order/norm_ratio_of_finite_difference": pytest.approx(1, abs=1e-2),
    }


@pytest.mark.parametrize("gradient_mode", ["finite_difference", "first_order"])
def test_other_modes_of_the_gradient_are_heeded(gradient_mode):
    exact, other = make_trainer(), make_trainer(gradient_mode)
    figures = other.step(*take(*STEPS[0]))
    exact.step(*take(*STEPS[0]))
    assert ("second_order/ratio" in figures) == (gradient_mode == "finite_difference")
    pairs = zip(
        exact.architecture_optimizer._momentums,
        other.architecture_optimizer._momentums,
        strict=True,
    )
    differences = [np.abs(one.numpy() - two.numpy()).max() for one, two in pairs]
    assert min(differences) > 0


def test_alpha_has_an_adam_of_its_own_with_less_momentum():
    trainer = make_trainer()
    assert trainer.architecture_optimizer.beta_1 == 0.5
    assert float(trainer.architecture_optimizer.learning_rate) == ARCHITECTURE_LEARNING_RATE
    for optimizer in (trainer.segmenter_optimizer, trainer.discriminator_optimizer):
        assert isinstance(optimizer, keras.optimizers.Adam)
        assert (optimizer.beta_1, float(optimizer.learning_rate)) == (0.9, LEARNING_RATE)
