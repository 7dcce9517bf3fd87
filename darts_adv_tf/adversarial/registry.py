"""The losses by the names that `--segmentation_loss` and `--adversarial_loss` take."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from darts_adv_tf.adversarial.losses import (
    ADVERSARIAL_LOSSES,
    SEGMENTATION_LOSSES,
    AdversarialLoss,
    SegmentationLoss,
)
from darts_adv_tf.system.entry_point import failed_entry_point, load_entry_point
from darts_adv_tf.system.errors import ConfigurationError

_SEGMENTATION_SIGNATURE = "{function}(labels, logits)"
_ADVERSARIAL_SIGNATURE = "{function}() -> AdversarialLoss"


def find_segmentation_loss(name: str, num_classes: int) -> SegmentationLoss:
    """The loss of an entry of `SEGMENTATION_LOSSES`, or a user's own.

    Args:
        name: Of an entry, or `<module>:<function>`: a function of labels (N, H, W) and logits
            (N, H, W, K) that returns one value per image, (N,).
        num_classes: K, by which a user's function is tried.

    Raises:
        ConfigurationError: The user's function cannot be loaded, or does not give such values.
    """
    if name in SEGMENTATION_LOSSES:
        return SEGMENTATION_LOSSES[name]
    signature = _SEGMENTATION_SIGNATURE.format(function=name.partition(":")[2])
    loss = load_entry_point(name, "--segmentation_loss", signature)
    labels = tf.constant(np.arange(2 * 8 * 8).reshape(2, 8, 8) % num_classes, tf.uint8)
    logits = tf.reshape(tf.linspace(-1.0, 1.0, 2 * 8 * 8 * num_classes), (2, 8, 8, num_classes))
    _try(lambda z: loss(labels, z), logits, name, signature)
    return loss


def find_adversarial_loss(name: str) -> AdversarialLoss:
    """The loss of an entry of `ADVERSARIAL_LOSSES`, or a user's own.

    Args:
        name: Of an entry, or `<module>:<function>`: a function without arguments that returns an
            `AdversarialLoss`.

    Raises:
        ConfigurationError: The user's function cannot be loaded, does not return one, or a term
            of it does not give one finite value per image.
    """
    if name in ADVERSARIAL_LOSSES:
        return ADVERSARIAL_LOSSES[name]
    signature = _ADVERSARIAL_SIGNATURE.format(function=name.partition(":")[2])
    make = load_entry_point(name, "--adversarial_loss", signature)
    try:
        loss = make()
    except Exception as error:
        raise failed_entry_point(name, error, signature) from error
    if not isinstance(loss, AdversarialLoss):
        raise ConfigurationError(
            "The function of --adversarial_loss must return an AdversarialLoss.",
            received=f"{name}: {type(loss).__name__}",
            remedy="Import the class from darts_adv_tf.adversarial.losses.",
        )
    for term in (loss.real, loss.fake, loss.generator):
        _try(term, tf.constant([-0.3, 0.4]), name, signature)
    return loss


def _try(term: Callable[[tf.Tensor], tf.Tensor], logits: tf.Tensor, name: str, signature: str):
    """Refuses a term that does not give one finite value per image, or no gradient."""
    try:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            value = tf.convert_to_tensor(term(logits))
        gradient = tape.gradient(value, logits)
    except Exception as error:
        raise failed_entry_point(name, error, signature) from error
    if value.shape != logits.shape[:1] or value.dtype != logits.dtype:
        received = f"{value.dtype.name} {tuple(value.shape)} for {logits.shape[0]} images"
    elif gradient is None:
        received = "a value that does not depend on the logits"
    elif not bool(tf.reduce_all(tf.math.is_finite(value))):
        received = f"{value.numpy().tolist()}"
    else:
        return
    raise ConfigurationError(
        "A loss must return one finite value per image, of the logits' type, that depends on them.",
        received=f"{name}: {received}",
        remedy="Take the mean over the pixels of an image, not over the images: "
        "tf.reduce_mean(value, axis=[1, 2]).",
    )
