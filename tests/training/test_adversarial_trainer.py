"""Training against a discrete discriminator, against the same steps by hand, in float64."""

import pytest
import tensorflow as tf

from darts_adv_tf.adversarial.game import Batch
from darts_adv_tf.training.adversarial_trainer import AdversarialTrainer
from tests.adversarial.tiny_players import (
    assert_close,
    tiny_cases,
    tiny_game,
    training_gradients,
    values,
)
from tests.training.adam import EPSILONS, Adam
from tests.training.bits import changed_parts
from tests.training.taking import taking

WEIGHT, LEARNING_RATE = 0.7, 2.0**-5
IMAGES, LABELS = tiny_cases(4)
take = taking(IMAGES, LABELS)
STEPS = [(0, 1), (2, 3)]


def make_trainer(epsilon=EPSILONS[0]):
    return AdversarialTrainer(
        tiny_game(WEIGHT),
        LEARNING_RATE,
        strategy=tf.distribute.OneDeviceStrategy("CPU:0"),
        epsilon=epsilon,
    )


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_steps_are_those_of_adam_on_equations_1_and_2(epsilon):
    trainer = make_trainer(epsilon)
    theta, phi = (
        [value.numpy().copy() for value in values(model)]
        for model in (trainer.game.segmenter, trainer.game.discriminator)
    )
    of_theta, of_phi = (Adam(weights, LEARNING_RATE, epsilon=epsilon) for weights in (theta, phi))
    for cases in STEPS:
        trainer.step(*take(cases))
        batch = Batch(tf.constant(IMAGES[list(cases)]), tf.constant(LABELS[list(cases)]))
        tensors = ([tf.constant(array) for array in part] for part in (theta, phi))
        grad_theta, grad_phi = training_gradients(*tensors, [], batch, WEIGHT)
        of_theta.descend(grad_theta)
        of_phi.descend(grad_phi)
        for model, optimizer, expected in (
            (trainer.game.segmenter, trainer.segmenter_optimizer, of_theta),
            (trainer.game.discriminator, trainer.discriminator_optimizer, of_phi),
        ):
            assert_close(optimizer._momentums, expected.means)
            assert_close(optimizer._velocities, expected.squares)
            assert_close(model.trainable_variables, expected.variables)


def test_a_step_changes_the_players_and_their_slots():
    trainer = make_trainer()
    parts = {
        "segmenter": trainer.game.segmenter,
        "discriminator": trainer.game.discriminator,
        "segmenter_optimizer": trainer.segmenter_optimizer,
        "discriminator_optimizer": trainer.discriminator_optimizer,
    }
    assert changed_parts(parts, lambda: trainer.step(*take(STEPS[0]))) == set(parts)
