"""The losses by the names that `--segmentation_loss` and `--adversarial_loss` take.

A user's own, `<module>:<function>`, is tried on a small batch before it is used. Legend: N batch,
H, W, K classes.
"""

from collections.abc import Callable
from typing import Any

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
_TRIAL_LOGITS = (-50.0, -2.0, -0.3, 0.2, 0.7, 3.0, 50.0)
_TRIAL_SIZE = (3, 5, 4)


def find_segmentation_loss(name: str, num_classes: int) -> SegmentationLoss:
    """Returns an entry of `SEGMENTATION_LOSSES`, or a user's own loss.

    Args:
        name: Of an entry, or `<module>:<function>`: a function of labels (N, H, W), int32, and
            logits (N, H, W, K) that returns one value per image, (N,).
        num_classes: K, by which a user's function is tried.

    Raises:
        ConfigurationError: The user's function cannot be loaded, or training cannot descend what
            it returns; the message says why.
    """
    if name in SEGMENTATION_LOSSES:
        return SEGMENTATION_LOSSES[name]
    own = _UserLoss(name, "--segmentation_loss", _SEGMENTATION_SIGNATURE)

    def loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        return own.function(tf.cast(labels, tf.int32), logits)

    random = np.random.default_rng(0)
    labels = random.integers(0, num_classes, _TRIAL_SIZE).astype(np.uint8)
    labels[0] = 0  # The first image has no other class.
    logits = random.normal(size=(*_TRIAL_SIZE, num_classes)).astype(np.float32)
    # As at the start of training, and as of a segmenter that is sure of itself.
    for scale in (1, 50):
        own.try_on(loss, [labels, scale * logits])
    return loss


def find_adversarial_loss(name: str) -> AdversarialLoss:
    """Returns an entry of `ADVERSARIAL_LOSSES`, or a user's own loss.

    Args:
        name: Of an entry, or `<module>:<function>`: a function without arguments that returns an
            `AdversarialLoss`.

    Raises:
        ConfigurationError: The user's function cannot be loaded, does not return one, or training
            cannot descend a term of it; the message says why.
    """
    if name in ADVERSARIAL_LOSSES:
        return ADVERSARIAL_LOSSES[name]
    own = _UserLoss(name, "--adversarial_loss", _ADVERSARIAL_SIGNATURE)
    loss = own.guarded(own.function)
    if not isinstance(loss, AdversarialLoss):
        raise own.mistake(
            "The function of --adversarial_loss must return an AdversarialLoss.",
            type(loss).__name__,
            "Import the class from darts_adv_tf.adversarial.losses.",
        )
    for term in (loss.real, loss.fake, loss.generator):
        own.try_on(term, [np.array(_TRIAL_LOGITS, np.float32)])
    slopes = [
        float(own.try_on(term, [np.array([loss.threshold], np.float32)])[0])
        for term in (loss.real, loss.fake, loss.generator)
    ]
    if not (slopes[0] < 0 < slopes[1] and slopes[2] < 0):
        raise own.mistake(
            "At the threshold, the terms `real` and `generator` must fall with the logit, and "
            "`fake` must rise with it.",
            "the slopes {:g}, {:g} and {:g} of real, fake and generator".format(*slopes),
            "A high logit means that a mask is judged real: correct the signs or the threshold.",
        )
    return loss


class _UserLoss:
    """A function of a user's, and the trials that it has to pass."""

    def __init__(self, name: str, flag: str, signature: str):
        self.name = name
        self.signature = signature.format(function=name.partition(":")[2])
        self.function = load_entry_point(name, flag, self.signature)

    def guarded(self, function: Callable[..., Any], *inputs: Any) -> Any:
        """Calls what the user wrote."""
        try:
            return function(*inputs)
        except ConfigurationError:
            raise
        except Exception as error:
            raise failed_entry_point(self.name, error, self.signature) from error

    def mistake(self, rule: str, received: str, remedy: str) -> ConfigurationError:
        """Returns the error to raise."""
        return ConfigurationError(rule, received=f"{self.name}: {received}", remedy=remedy)

    def try_on(
        self, loss: Callable[..., tf.Tensor], inputs: list[np.ndarray[Any, Any]]
    ) -> np.ndarray[Any, Any]:
        """Refuses a loss that training cannot descend.

        Args:
            loss: A function of the inputs that returns one value per image, (N,).
            inputs: (N, ...) each, of which the last are the logits.

        Returns:
            The gradient with respect to the logits.
        """
        values, gradient = self._value_and_gradient(loss, inputs)
        for name, numbers in (("values", values), ("gradients", gradient)):
            if not np.isfinite(numbers).all():
                raise self.mistake(
                    "A loss and its gradient must be finite.",
                    f"{name} {numbers[~np.isfinite(numbers)][:3].tolist()} for logits of up to "
                    f"{np.abs(inputs[-1]).max():.0f}",
                    "Use tf.nn.log_softmax or tf.math.softplus in place of tf.math.log.",
                )
        one_by_one = [
            self._value_and_gradient(loss, [array[image : image + 1] for array in inputs])[0][0]
            for image in range(len(values))
        ]
        if not np.allclose(one_by_one, values, rtol=1e-4, atol=1e-5):
            raise self.mistake(
                "The value of an image must not depend on the other images of its batch: devices "
                "share a batch, and add up its values.",
                f"{values.tolist()} for a batch, {np.array(one_by_one).tolist()} one by one",
                "Take no mean, and no other statistics, over the first axis.",
            )
        return gradient

    def _value_and_gradient(self, loss, inputs):
        @tf.function(autograph=False)
        def derivatives(*inputs):
            logits = inputs[-1]
            with tf.GradientTape() as outer, tf.GradientTape() as inner:
                outer.watch(logits)
                inner.watch(logits)
                values = tf.convert_to_tensor(self.guarded(loss, *inputs))
                self._check_values(values, logits)
            gradient = inner.gradient(values, logits)
            if gradient is None:
                raise self.mistake(
                    "A loss must depend on the logits, by differentiable operations.",
                    "a value that does not depend on the logits",
                    "Leave out operations such as argmax, rounding and comparisons.",
                )
            # The exact architecture gradient differentiates once more; zero will do.
            outer.gradient(gradient, logits)
            return values, tf.convert_to_tensor(gradient)

        results = self.guarded(derivatives, *map(tf.constant, inputs))
        return [result.numpy() for result in results]

    def _check_values(self, values: tf.Tensor, logits: tf.Tensor) -> None:
        if values.shape != logits.shape[:1] or values.dtype != logits.dtype:
            raise self.mistake(
                "A loss must return one value per image, (N,), of the logits' type.",
                f"{values.dtype.name} {tuple(values.shape)} for {logits.shape[0]} images",
                "Take the mean over the pixels of an image, not over the images: "
                "tf.reduce_mean(value, axis=[1, 2]).",
            )
