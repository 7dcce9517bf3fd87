"""What the trainers share: batches from cases, figures, optimizers."""

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.training.trainer import Trainer, make_optimizer, weights
from tests.adversarial.tiny_players import tiny_game
from tests.training.taking import taking

take = taking(
    np.arange(5, dtype=np.float32).reshape(5, 1, 1, 1),
    np.arange(5, dtype=np.uint8).reshape(5, 1, 1) + 10,
)


@pytest.fixture
def trainer():
    return Trainer(strategy=tf.distribute.OneDeviceStrategy("CPU:0"))


def test_a_function_of_batches_is_given_the_cases_in_their_order(trainer):
    def figures(first, second):
        return {
            "images": tf.reduce_sum(first.images[:, 0, 0, 0] * [1, 10]),
            "labels": tf.reduce_sum(tf.cast(second.labels[:, 0, 0], tf.int32) * [1, 100, 10000]),
        }

    received = trainer.on_replicas(figures)(*take([3, 1], [4, 0, 2]))
    assert received == {"images": 13.0, "labels": 121014.0}
    assert all(type(value) is float for value in received.values())


def test_figures_keep_their_names_when_cases_change(trainer):
    function = trainer.on_replicas(lambda batch: {"sum": tf.reduce_sum(batch.images), "one": 1})
    assert function(*take([1, 2])) == {"sum": 3.0, "one": 1.0}
    assert function(*take([3, 4])) == {"sum": 7.0, "one": 1.0}


def test_a_trainer_without_a_train_step_says_so(trainer):
    with pytest.raises(TypeError, match="train_step"):
        trainer.step(*take([0]))


def test_optimizers_are_adam_at_a_constant_rate():
    for beta_1 in (0.9, 0.5):
        optimizer = make_optimizer(0.25, beta_1)
        assert (optimizer.beta_1, optimizer.beta_2) == (beta_1, 0.999)
        assert float(optimizer.learning_rate) == 0.25
        assert optimizer.clipnorm is None and optimizer.weight_decay is None
    assert make_optimizer(0.25).beta_1 == 0.9


def test_weights_are_values_of_that_moment():
    segmenter = tiny_game().segmenter
    (first, _), before = weights(segmenter), segmenter.first.numpy()
    segmenter.first.assign_add(np.ones_like(before))
    np.testing.assert_array_equal(first, before)
