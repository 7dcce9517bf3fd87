"""The search: Alg. 1 of the paper."""

import tensorflow as tf

from darts_adv_tf.adversarial_game import AdversarialGame, Batch, SegmenterPass, Tensors
from darts_adv_tf.architecture_gradient import (
    ArchitectureGradientMode,
    architecture_gradient,
)
from darts_adv_tf.distribution import sum_over_replicas
from darts_adv_tf.models.architecture import Architecture
from darts_adv_tf.training.adversarial import AdversarialTrainer
from darts_adv_tf.training.fused_adam import handle
from darts_adv_tf.training.trainer import Metrics, are_finite, make_optimizer, values, weights


class SearchTrainer(AdversarialTrainer):
    """Each step updates alpha on a validation batch, then theta and phi on a training batch.

    Args:
        game: The players, built; the discriminator is a `SearchDiscriminator`.
        architecture: Owner of alpha.
        learning_rate: Of the segmenter's and the discriminator's Adam.
        architecture_learning_rate: Of alpha's Adam, whose first beta is 0.5 as in DARTS.
        gradient_mode: See `architecture_gradient`.
        unroll_rate: eta of Eq. 9.
        **data: See `Trainer`.
    """

    def __init__(
        self,
        game: AdversarialGame,
        architecture: Architecture,
        learning_rate: float,
        architecture_learning_rate: float,
        gradient_mode: ArchitectureGradientMode,
        unroll_rate: float,
        **data,
    ):
        super().__init__(game, learning_rate, **data)
        self.architecture = architecture
        self.gradient_mode = gradient_mode
        self.unroll_rate = unroll_rate
        self.architecture_optimizer = make_optimizer(architecture_learning_rate, beta_1=0.5)
        self.architecture_optimizer.build(architecture.trainable_variables)
        self.compare_second_order = self.on_replicas(self._compare_second_order)

    @property
    def parts(self):
        return super().parts | {
            "architecture": self.architecture,
            "architecture_optimizer": self.architecture_optimizer,
        }

    def train_step(self, train_batch: Batch, val_batch: Batch) -> Metrics:
        """Updates alpha, then theta and phi."""
        players = theta, _ = self._players()
        # Theta does not change before its own update, so that one forward serves both.
        segmenter_pass = SegmenterPass(self.game, theta, train_batch)
        of_alpha = [*self.architecture.variables, *self.architecture_optimizer.variables]
        before = values(of_alpha)
        metrics = self._update_architecture(players, train_batch, val_batch, segmenter_pass)
        gradients, metrics_of_players = self._player_gradients(
            *players, weights(self.architecture), train_batch, segmenter_pass
        )
        metrics |= metrics_of_players
        finite = are_finite(metrics)
        self._move_players(*gradients, only_if=finite)
        # Whether the players can follow shows only at the new alpha.
        _put_back(of_alpha, before, unless=finite)
        return metrics

    def architecture_gradient(self, mode: ArchitectureGradientMode, train_batch, val_batch):
        """The gradient at the present weights; see `architecture_gradient`."""
        return self._gradient(mode, self._players(), train_batch, val_batch)

    def _gradient(self, mode, players, train_batch, val_batch, segmenter_pass=None):
        alpha, rate = weights(self.architecture), self.unroll_rate
        return architecture_gradient(
            mode, self.game, *players, alpha, train_batch, val_batch, rate, segmenter_pass
        )

    def _update_architecture(self, players, train_batch, val_batch, segmenter_pass=None) -> Metrics:
        result = self._gradient(self.gradient_mode, players, train_batch, val_batch, segmenter_pass)
        gradient, norm = self._sum_up(result.gradient)
        self._apply(self.architecture_optimizer, gradient, self.architecture.trainable_variables)
        metrics = {"loss/validation": result.objective, "gradient_norm/architecture": norm}
        if result.second_order:
            first = tf.linalg.global_norm(sum_over_replicas(result.first_order))
            second = tf.linalg.global_norm(sum_over_replicas(result.second_order))
            ratio = tf.math.divide_no_nan(self.unroll_rate * second, first)
            metrics["second_order/ratio"] = self._everywhere(ratio)
        return metrics

    def _compare_second_order(self, train_batch: Batch, val_batch: Batch) -> Metrics:
        """How far the finite difference is from the exact second-order part, at these weights."""
        exact, difference = (
            tf.concat(
                sum_over_replicas(
                    self.architecture_gradient(mode, train_batch, val_batch).second_order
                ),
                axis=0,
            )
            for mode in ("exact", "finite_difference")
        )
        product, norms = tf.reduce_sum(exact * difference), tf.norm(exact) * tf.norm(difference)
        cosine = tf.math.divide_no_nan(product, norms)
        norm_ratio = tf.math.divide_no_nan(tf.norm(difference), tf.norm(exact))
        return {
            "second_order/cosine_of_finite_difference": self._everywhere(cosine),
            "second_order/norm_ratio_of_finite_difference": self._everywhere(norm_ratio),
        }


def _put_back(variables, before: Tensors, unless: tf.Tensor):
    """Gives variables the values of before, unless a scalar bool says that they keep theirs."""
    for variable, value in zip(variables, before, strict=True):
        # On each replica its own copy: Keras's variables refuse to be assigned to there.
        tf.raw_ops.AssignVariableOp(
            resource=handle(variable), value=tf.where(unless, variable.value, value)
        )
