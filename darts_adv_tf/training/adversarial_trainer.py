"""Adversarial training of a segmenter against a discriminator (Eqs. 1 and 2)."""

import tensorflow as tf

from darts_adv_tf.adversarial.game import AdversarialGame, Batch, SegmenterPass
from darts_adv_tf.tf_graph.call_in_training import Tensors, Updates
from darts_adv_tf.tf_graph.fused_adam import KERAS_EPSILON, AdamEpsilon
from darts_adv_tf.training import metric_names
from darts_adv_tf.training.trainer import Metrics, Trainer, are_finite, make_optimizer, weights


class AdversarialTrainer(Trainer):
    """Updates theta by Eq. 1 and phi by Eq. 2, both from one forward at the same weights.

    Args:
        game: The players, built.
        learning_rate: Of both Adam optimizers.
        strategy: See `Trainer`.
        epsilon: Of both Adam optimizers.
    """

    def __init__(
        self,
        game: AdversarialGame,
        learning_rate: float,
        strategy: tf.distribute.Strategy,
        epsilon: AdamEpsilon = KERAS_EPSILON,
    ):
        super().__init__(strategy)
        self.game = game
        self.segmenter_optimizer = make_optimizer(learning_rate, epsilon=epsilon)
        self.discriminator_optimizer = make_optimizer(learning_rate, epsilon=epsilon)
        self.segmenter_optimizer.build(game.segmenter.trainable_variables)
        self.discriminator_optimizer.build(game.discriminator.trainable_variables)

    @property
    def parts(self):
        return {
            "segmenter": self.game.segmenter,
            "discriminator": self.game.discriminator,
            "segmenter_optimizer": self.segmenter_optimizer,
            "discriminator_optimizer": self.discriminator_optimizer,
        }

    def train_step(self, *batches: Batch) -> Metrics:
        """Updates theta and phi."""
        (batch,) = batches
        return self._update_players(*self._players(), (), batch)

    def _players(self) -> tuple[Tensors, Tensors]:
        """Theta and phi, read once."""
        return weights(self.game.segmenter), weights(self.game.discriminator)

    def _update_players(
        self, theta: Tensors, phi: Tensors, alpha: Tensors, batch: Batch
    ) -> Metrics:
        segmenter_pass = SegmenterPass(self.game, theta, batch)
        gradients, metrics = self._player_gradients(theta, phi, alpha, batch, segmenter_pass)
        self._apply_gradients(*gradients, only_if=are_finite(metrics))
        return metrics

    def _player_gradients(
        self,
        theta: Tensors,
        phi: Tensors,
        alpha: Tensors,
        batch: Batch,
        segmenter_pass: SegmenterPass,
    ) -> tuple[tuple[Tensors, Tensors, Updates], Metrics]:
        """Gradients of the global batch w.r.t. theta and phi, state updates, and metrics."""
        gradients = self.game.training_gradients(theta, phi, alpha, batch, segmenter_pass)
        grad_theta, segmenter_norm = self._all_reduce_sum(gradients.grad_theta)
        grad_phi, discriminator_norm = self._all_reduce_sum(gradients.grad_phi)
        losses = gradients.losses
        updates = [*segmenter_pass.updates, *gradients.discriminator_updates]
        return (grad_theta, grad_phi, updates), {
            metric_names.SEGMENTATION_LOSS: losses.segmentation,
            metric_names.ADVERSARIAL_LOSS: losses.adversarial,
            metric_names.DISCRIMINATOR_LOSS: losses.discriminator,
            metric_names.REAL_ACCURACY: losses.real_accuracy,
            metric_names.FAKE_ACCURACY: losses.fake_accuracy,
            metric_names.SEGMENTER_GRADIENT_NORM: segmenter_norm,
            metric_names.DISCRIMINATOR_GRADIENT_NORM: discriminator_norm,
        }

    def _apply_gradients(
        self, grad_theta: Tensors, grad_phi: Tensors, updates: Updates, only_if: tf.Tensor
    ):
        # State first: a spectral normalization divides a weight in place.
        self._assign_updates(updates, only_if)
        for model, optimizer, gradients in (
            (self.game.segmenter, self.segmenter_optimizer, grad_theta),
            (self.game.discriminator, self.discriminator_optimizer, grad_phi),
        ):
            self._apply(optimizer, gradients, model.trainable_variables, only_if)
