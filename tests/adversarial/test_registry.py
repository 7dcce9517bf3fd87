"""Losses by name: the entries, and a user's own."""

import pytest
import tensorflow as tf

from darts_adv_tf.adversarial import losses
from darts_adv_tf.adversarial.registry import find_adversarial_loss, find_segmentation_loss
from darts_adv_tf.config.training import ADVERSARIAL_LOSSES, SEGMENTATION_LOSSES
from darts_adv_tf.system.errors import ConfigurationError

OWN = """
import tensorflow as tf
from darts_adv_tf.adversarial.losses import AdversarialLoss

def absolute(labels, logits):
    masks = tf.one_hot(labels, logits.shape[-1], dtype=logits.dtype)
    return tf.reduce_mean(tf.abs(tf.nn.softmax(logits) - masks), axis=[1, 2, 3])

def label_minus_one(labels, logits):
    labels = tf.cast(labels - 1, logits.dtype)
    return tf.reduce_mean(labels, axis=[1, 2]) + tf.reduce_mean(logits, axis=[1, 2, 3])

def over_the_batch(labels, logits):
    return tf.reduce_mean(logits)

def constant(labels, logits):
    return tf.ones(logits.shape[0])

def of_one_image_with_the_others(labels, logits):
    return tf.nn.softmax(tf.reduce_mean(logits, axis=[1, 2, 3]))

def log_of_softmax(labels, logits):
    masks = tf.one_hot(labels, logits.shape[-1])
    entropy = -tf.math.log(tf.reduce_sum(masks * tf.nn.softmax(logits), axis=-1))
    return tf.reduce_mean(entropy, axis=[1, 2])

def infinite_slope(labels, logits):
    return tf.sqrt(tf.reduce_mean(0 * logits, axis=[1, 2, 3]))

def in_numpy(labels, logits):
    return logits.numpy().mean(axis=(1, 2, 3))

def broken(labels, logits):
    raise ValueError("out of luck")

def not_finite(labels, logits):
    return tf.reduce_sum(logits, axis=[1, 2, 3]) / 0.0

def exponential():
    return AdversarialLoss(lambda z: tf.exp(-z), tf.exp, lambda z: tf.exp(-z))

def wasserstein_of_the_batch():
    return AdversarialLoss(lambda z: -tf.reduce_mean(z), tf.reduce_mean, lambda z: -z)

def relativistic():
    def term(z):
        return tf.math.softplus(tf.reduce_mean(z) - z)
    return AdversarialLoss(term, lambda z: z, term)

def upside_down():
    return AdversarialLoss(tf.math.softplus, lambda z: tf.math.softplus(-z), tf.math.softplus)

def threshold_on_the_wrong_side():
    return AdversarialLoss(lambda z: (z - 1) ** 2, lambda z: z**2, lambda z: (z - 1) ** 2, 1.5)

def no_loss():
    return 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path, monkeypatch):
    (tmp_path / "losses_of_a_user.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)


def test_the_settings_name_the_entries_of_the_registries():
    assert tuple(losses.SEGMENTATION_LOSSES) == SEGMENTATION_LOSSES
    assert tuple(losses.ADVERSARIAL_LOSSES) == ADVERSARIAL_LOSSES
    assert find_segmentation_loss("focal", 3) is losses.focal
    assert find_adversarial_loss("hinge") is losses.HINGE


def test_a_users_losses_are_found():
    loss = find_segmentation_loss("losses_of_a_user:absolute", 2)
    value = loss(tf.zeros((1, 1, 1), tf.uint8), tf.constant([[[[50.0, -50.0]]]]))
    assert value.numpy().tolist() == [0]
    term = find_adversarial_loss("losses_of_a_user:exponential")
    assert term.discriminator(tf.zeros(1), tf.zeros(1)).numpy().tolist() == [2]


@pytest.mark.parametrize(
    ("function", "received"),
    [
        ("over_the_batch", "float32 () for 3 images"),
        ("constant", "does not depend"),
        ("broken", "out of luck"),
        ("not_finite", "A loss and its gradient must be finite"),
        ("log_of_softmax", "A loss and its gradient must be finite"),
        ("infinite_slope", "A loss and its gradient must be finite"),
        ("of_one_image_with_the_others", "must not depend on the other images"),
        ("in_numpy", "has no attribute 'numpy'"),
        ("missing", "no such name"),
    ],
)
def test_a_segmentation_loss_that_cannot_be_descended_is_refused(function, received):
    with pytest.raises(ConfigurationError) as refusal:
        find_segmentation_loss(f"losses_of_a_user:{function}", 3)
    assert received in str(refusal.value)


@pytest.mark.parametrize(
    ("function", "received"),
    [
        ("wasserstein_of_the_batch", "float32 () for 7 images"),
        ("relativistic", "must not depend on the other images"),
        ("upside_down", "the slopes 0.5, -0.5 and 0.5"),
        ("threshold_on_the_wrong_side", "the slopes 1, 3 and 1"),
        ("no_loss", "int"),
    ],
)
def test_an_adversarial_loss_that_cannot_be_descended_is_refused(function, received):
    with pytest.raises(ConfigurationError) as refusal:
        find_adversarial_loss(f"losses_of_a_user:{function}")
    assert received in str(refusal.value)


def test_of_a_users_error_the_traceback_begins_in_the_users_code():
    with pytest.raises(ConfigurationError) as refusal:
        find_segmentation_loss("losses_of_a_user:broken", 3)
    first_frame = next(line for line in str(refusal.value).splitlines() if "File" in line)
    assert "losses_of_a_user.py" in first_frame


def test_a_users_segmentation_loss_gets_labels_that_index():
    """Batches have uint8, of which arithmetic wraps around."""
    loss = find_segmentation_loss("losses_of_a_user:label_minus_one", 3)
    value = loss(tf.zeros((1, 2, 2), tf.uint8), tf.zeros((1, 2, 2, 3)))
    assert value.numpy().tolist() == [-1]
