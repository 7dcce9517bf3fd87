"""The search: Alg. 1 of the paper."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from darts_adv_tf.adversarial.architecture_gradient import (
    ArchitectureGradient,
    ArchitectureGradientMode,
    architecture_gradient,
    no_tangent,
    tangent_error,
)
from darts_adv_tf.adversarial.game import (
    AdversarialGame,
    ArchitectureObjective,
    Batch,
    SegmenterPass,
)
from darts_adv_tf.data.batches import BatchArrays
from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.tf_graph.call_in_training import Tensors
from darts_adv_tf.tf_graph.fused_adam import KERAS_EPSILON, AdamEpsilon
from darts_adv_tf.tf_graph.replicas import sum_over_replicas
from darts_adv_tf.training import metric_names
from darts_adv_tf.training.adversarial_trainer import AdversarialTrainer
from darts_adv_tf.training.trainer import (
    Metrics,
    are_finite,
    assign_here,
    make_optimizer,
    values,
    weights,
)

TANGENT_TOLERANCE = 1e-3
"""Far above the rounding of float32 (1e-6 and less), and below what a lost operation brings."""


class SearchTrainer(AdversarialTrainer):
    """Each step updates alpha on a validation batch, then theta and phi on a training batch.

    Args:
        game: The players, built; the discriminator is a `SearchDiscriminator`.
        architecture: Owner of alpha.
        learning_rate: Of the segmenter's and the discriminator's Adam.
        architecture_learning_rate: Of alpha's Adam, whose first beta is 0.5 as in DARTS.
        gradient_mode: See `architecture_gradient`.
        unroll_rate: eta of Eq. 9.
        strategy: See `Trainer`.
        objective: What alpha descends; see `AdversarialGame.architecture_objective`.
        checks_tangent: Whether to compare the segmenter's derivatives forwards and backwards
            before the first step, since TensorFlow may lack one of a user's own operations.
        epsilon: Of all three Adam optimizers.
    """

    def __init__(
        self,
        game: AdversarialGame,
        architecture: Architecture,
        learning_rate: float,
        architecture_learning_rate: float,
        gradient_mode: ArchitectureGradientMode,
        unroll_rate: float,
        strategy: tf.distribute.Strategy,
        objective: ArchitectureObjective = "discriminator",
        checks_tangent: bool = False,
        epsilon: AdamEpsilon = KERAS_EPSILON,
    ):
        super().__init__(game, learning_rate, strategy, epsilon)
        self.architecture = architecture
        self.gradient_mode = gradient_mode
        self.unroll_rate = unroll_rate
        self.objective = objective
        self.architecture_optimizer = make_optimizer(
            architecture_learning_rate, beta_1=0.5, epsilon=epsilon
        )
        self.architecture_optimizer.build(architecture.trainable_variables)
        self._compare = self.on_replicas(self._compare_second_order)
        self._needs_trial = checks_tangent

    @property
    def parts(self):
        return super().parts | {
            "architecture": self.architecture,
            "architecture_optimizer": self.architecture_optimizer,
        }

    def step(self, *batches: BatchArrays) -> dict[str, float]:
        """One step on all replicas; see `Trainer`.

        Args:
            *batches: Of the training half, then of the validation half.

        Raises:
            ConfigurationError: The gradient is to be exact, which this segmenter does not permit.
        """
        if self.gradient_mode == "exact":
            self._try_tangent(batches[0])
        return super().step(*batches)

    def compare_second_order(
        self, train_batch: BatchArrays, val_batch: BatchArrays
    ) -> dict[str, float]:
        """Measures how far the finite difference is from the exact second-order part.

        Raises:
            ConfigurationError: As `step`.
        """
        self._try_tangent(train_batch)
        return self._compare(train_batch, val_batch)

    def train_step(self, *batches: Batch) -> Metrics:
        """Updates alpha on the second batch, then theta and phi on the first."""
        train_batch, val_batch = batches
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
        self._apply_gradients(*gradients, only_if=finite)
        # Roll alpha back if the step of theta and phi at the new alpha is not finite.
        _restore_unless(finite, of_alpha, before)
        return metrics

    def _try_tangent(self, batch: BatchArrays):
        """Compares both derivatives once, at the size of a step: some errors depend on the size."""
        if not self._needs_trial:
            return
        self._needs_trial = False

        def trial(batch):
            error = tangent_error(self.game, weights(self.game.segmenter), batch.images)
            return {"error": self._per_replica_share(error)}

        error = self.on_replicas(trial)(batch)["error"]
        if error > TANGENT_TOLERANCE:
            raise no_tangent(
                f"a segmenter whose derivatives forwards and backwards differ by {error:.1%}: "
                "some operation has none, or a wrong one, in TensorFlow"
            )

    def architecture_gradient(
        self, mode: ArchitectureGradientMode, train_batch: Batch, val_batch: Batch
    ) -> ArchitectureGradient:
        """Computes the gradient at the present weights; see `architecture_gradient`."""
        return self._gradient(mode, self._players(), train_batch, val_batch)

    def _gradient(
        self,
        mode: ArchitectureGradientMode,
        players: tuple[Tensors, Tensors],
        train_batch: Batch,
        val_batch: Batch,
        segmenter_pass: SegmenterPass | None = None,
    ) -> ArchitectureGradient:
        theta, phi = players
        return architecture_gradient(
            mode,
            self.game,
            theta,
            phi,
            weights(self.architecture),
            train_batch,
            val_batch,
            self.unroll_rate,
            segmenter_pass,
            self.objective,
        )

    def _update_architecture(
        self,
        players: tuple[Tensors, Tensors],
        train_batch: Batch,
        val_batch: Batch,
        segmenter_pass: SegmenterPass | None = None,
    ) -> Metrics:
        result = self._gradient(self.gradient_mode, players, train_batch, val_batch, segmenter_pass)
        gradient, norm = self._all_reduce_sum(result.gradient)
        scale = self.game.architecture_gradient_scale(self.objective, self.unroll_rate)
        if scale != 1:
            gradient = [each / scale for each in gradient]
        self._apply(self.architecture_optimizer, gradient, self.architecture.trainable_variables)
        metrics = {
            metric_names.VALIDATION_LOSS: result.objective,
            metric_names.ARCHITECTURE_GRADIENT_NORM: norm,
        }
        if result.second_order and self.objective == "discriminator":
            first = tf.linalg.global_norm(sum_over_replicas(result.first_order))
            second = tf.linalg.global_norm(sum_over_replicas(result.second_order))
            ratio = tf.math.divide_no_nan(self.unroll_rate * second, first)
            metrics[metric_names.SECOND_ORDER_RATIO] = self._per_replica_share(ratio)
        return metrics

    def _compare_second_order(self, train_batch: Batch, val_batch: Batch) -> Metrics:
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
            metric_names.FINITE_DIFFERENCE_COSINE: self._per_replica_share(cosine),
            metric_names.FINITE_DIFFERENCE_NORM_RATIO: self._per_replica_share(norm_ratio),
        }


def _restore_unless(kept: tf.Tensor, variables: Sequence[keras.Variable], before: Tensors) -> None:
    """Gives variables their values of before, unless a scalar bool says that they keep the new."""
    for variable, value in zip(variables, before, strict=True):
        assign_here(variable, tf.where(kept, variable.value, value))
