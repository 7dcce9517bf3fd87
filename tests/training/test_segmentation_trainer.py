"""Training without a discriminator, against the same steps by hand, in float64."""

import pytest
import tensorflow as tf

from darts_adv_tf.adversarial.game import Batch
from darts_adv_tf.adversarial.losses import SEGMENTATION_LOSSES
from darts_adv_tf.training.segmentation_trainer import SegmentationTrainer
from tests.adversarial.test_losses_in_the_game import SEGMENTATION
from tests.adversarial.tiny_players import (
    CLASSES,
    assert_close,
    cross_entropy,
    gradients,
    segment,
    tiny_cases,
    tiny_game,
    values,
)
from tests.training.adam import EPSILONS, Adam
from tests.training.bits import changed_parts
from tests.training.taking import taking

LEARNING_RATE = 2.0**-5
IMAGES, LABELS = tiny_cases(4)
take = taking(IMAGES, LABELS)
STEPS = [(0, 1), (2, 3)]


def make_trainer(segmenter, epsilon=EPSILONS[0], **options):
    return SegmentationTrainer(
        segmenter,
        LEARNING_RATE,
        global_batch_size=2,
        strategy=tf.distribute.OneDeviceStrategy("CPU:0"),
        epsilon=epsilon,
        **options,
    )


@pytest.mark.parametrize("epsilon", EPSILONS)
def test_steps_are_those_of_adam_on_the_cross_entropy(epsilon):
    segmenter = tiny_game().segmenter
    trainer = make_trainer(segmenter, epsilon)
    theta = [value.numpy().copy() for value in values(segmenter)]
    of_theta = Adam(theta, LEARNING_RATE, epsilon=epsilon)
    for cases in STEPS:
        figures = trainer.step(*take(cases))
        batch = Batch(tf.constant(IMAGES[list(cases)]), tf.constant(LABELS[list(cases)]))
        tensors = [tf.constant(array) for array in theta]
        grad_theta = gradients(lambda: cross_entropy(tensors, batch), tensors)  # noqa: B023
        assert figures == {
            "loss/segmentation": pytest.approx(float(cross_entropy(tensors, batch)), rel=1e-6),
            "gradient_norm/segmenter": pytest.approx(
                float(tf.linalg.global_norm(grad_theta)), rel=1e-6
            ),
        }
        of_theta.descend(grad_theta)
        assert_close(trainer.segmenter_optimizer._momentums, of_theta.means)
        assert_close(segmenter.trainable_variables, of_theta.variables)


@pytest.mark.parametrize("name", SEGMENTATION_LOSSES)
def test_every_segmentation_loss_is_descended(name):
    segmenter = tiny_game().segmenter
    trainer = make_trainer(segmenter, segmentation_loss=SEGMENTATION_LOSSES[name])
    theta, batch = values(segmenter), Batch(tf.constant(IMAGES[:2]), tf.constant(LABELS[:2]))

    def loss():
        fake = tf.nn.softmax(segment(theta, batch.images))
        return SEGMENTATION[name](fake, tf.one_hot(batch.labels, CLASSES, dtype=tf.float64))

    expected = gradients(loss, theta)
    metrics = trainer.step(*take(STEPS[0]))
    assert metrics["loss/segmentation"] == pytest.approx(float(loss()), rel=1e-6)
    # The first moments after one step.
    assert_close(trainer.segmenter_optimizer._momentums, [0.1 * each for each in expected])


def test_a_step_changes_the_segmenter_and_its_slots_alone():
    game = tiny_game()
    trainer = make_trainer(game.segmenter)
    parts = {
        "segmenter": game.segmenter,
        "segmenter_optimizer": trainer.segmenter_optimizer,
        "discriminator": game.discriminator,
    }
    changed = changed_parts(parts, lambda: trainer.step(*take(STEPS[0])))
    assert changed == {"segmenter", "segmenter_optimizer"}
