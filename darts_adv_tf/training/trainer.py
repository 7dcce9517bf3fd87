"""What every kind of training shares: a step on each replica, sums over all of them."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.adversarial.game import Batch
from darts_adv_tf.data.batches import BatchArrays
from darts_adv_tf.tf_graph.call_in_training import Tensors, Updates
from darts_adv_tf.tf_graph.fused_adam import KERAS_EPSILON, AdamEpsilon, FusedAdam, handle
from darts_adv_tf.tf_graph.replicas import sum_over_replicas
from darts_adv_tf.tf_graph.stack_filter import without_stack_traces

Metrics = dict[str, tf.Tensor]


def make_optimizer(
    learning_rate: float, beta_1: float = 0.9, epsilon: AdamEpsilon = KERAS_EPSILON
) -> FusedAdam:
    """Adam at a constant rate; the paper names the rate (1e-4) and no more."""
    return FusedAdam(
        learning_rate, beta_1, beta_2=0.999, epsilon=epsilon.value, epsilon_place=epsilon.place
    )


class Trainer:
    """Runs `train_step` on every replica and adds up the metrics they report.

    A subclass defines its `parts` and `train_step(*batches)`, which sequences updates and returns
    scalars whose sum over the replicas is what to report. Make it, and all it trains, in the
    strategy's scope.

    A step that reports a metric which is not finite changes nothing: whoever stops there has the
    weights and optimizers of the step before.

    Args:
        strategy: Where replicas live.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self.strategy = strategy
        self._step = self.on_replicas(self.train_step)

    @property
    def parts(self) -> dict[str, keras.layers.Layer | keras.optimizers.Optimizer]:
        """All that training changes, by name: models and optimizers, built."""
        raise TypeError(f"{type(self).__name__} defines no parts.")

    def train_step(self, *args: Any, **kwargs: Any) -> Metrics:
        """The updates of one step on one replica; a subclass takes the batches that it needs."""
        raise TypeError(f"{type(self).__name__} defines no train_step.")

    def step(self, *batches: BatchArrays) -> dict[str, float]:
        """One step on all replicas.

        Args:
            *batches: The global batch of each of `train_step`'s arguments, images float32
                (N, H, W, channels) and labels uint8 (N, H, W); the replicas share it in equal
                parts.

        Returns:
            The metrics of `train_step`, summed over replicas.
        """
        return self._step(*batches)

    def on_replicas(self, function: Callable[..., Metrics]) -> Callable[..., dict[str, float]]:
        """Makes a function of batches, defined on a replica, one of arrays, run on all of them."""
        names: list[str] = []

        @tf.function(autograph=False)
        def run(batches):
            def on_replica(*batches):
                with without_stack_traces():
                    metrics = function(*batches)
                names[:] = metrics
                return _stacked(metrics)

            stacked = self.strategy.run(on_replica, args=batches)
            return self.strategy.reduce(tf.distribute.ReduceOp.SUM, stacked, axis=None)

        def call(*batches):
            totals = run(tuple(self._split_batch(*batch) for batch in batches))
            return dict(zip(names, totals.numpy().tolist(), strict=True))

        return call

    def _split_batch(self, images: np.ndarray, labels: np.ndarray):
        num_replicas = self.strategy.num_replicas_in_sync
        parts = list(
            zip(np.split(images, num_replicas), np.split(labels, num_replicas), strict=True)
        )

        def of_replica(context):
            return Batch(*map(tf.constant, parts[context.replica_id_in_sync_group]))

        return self.strategy.experimental_distribute_values_from_function(of_replica)

    def _per_replica_share(self, value: tf.Tensor) -> tf.Tensor:
        """Scales a replica-identical value so that summing over replicas returns it."""
        num_replicas = self.strategy.num_replicas_in_sync
        return value if num_replicas == 1 else value / num_replicas

    def _all_reduce_sum(self, gradients: Tensors) -> tuple[Tensors, tf.Tensor]:
        """Adds up the replicas' shares of gradients; also returns the norm of the sum."""
        gradients = sum_over_replicas(gradients)
        return gradients, self._per_replica_share(tf.linalg.global_norm(gradients))

    def _apply(self, optimizer, gradients: Tensors, variables, only_if: tf.Tensor | None = None):
        """Descends gradients that are the same on all replicas; see `FusedAdam.apply`."""
        # Keras adds up over the replicas once more inside `apply`.
        gradients = [self._per_replica_share(gradient) for gradient in gradients]
        optimizer.apply(gradients, variables, only_if)

    def _assign_updates(self, updates: Updates, only_if: tf.Tensor):
        """Gives variables the values that a forward pass made for them.

        Statistics become their mean over the replicas. What is no real number, as the state of
        random numbers, is alike on all replicas.

        Args:
            updates: Of the pass at the weights before the step.
            only_if: Whether to do so, a scalar bool, alike on all replicas.
        """
        variables, kept = [variable for variable, _ in updates], [value for _, value in updates]
        real = [index for index, value in enumerate(kept) if value.dtype.is_floating]
        if real:
            totals = sum_over_replicas([kept[index] for index in real])
            for index, total in zip(real, totals, strict=True):
                kept[index] = self._per_replica_share(total)
        for variable, value in zip(variables, kept, strict=True):
            assign_here(variable, tf.where(only_if, value, variable.value))


def are_finite(metrics: Metrics) -> tf.Tensor:
    """Whether all that a step will report is finite, a scalar bool.

    Of the sums over the replicas, so that all of them agree where only one has seen a nan.
    """
    (totals,) = sum_over_replicas([_stacked(metrics)])
    return tf.reduce_all(tf.math.is_finite(totals))


def weights(model: keras.layers.Layer) -> list[tf.Tensor]:
    """The values of the trainable variables, read once."""
    return values(model.trainable_variables)


def values(variables: Sequence[keras.Variable]) -> list[tf.Tensor]:
    """What variables hold at this moment, on this replica."""
    return [tf.convert_to_tensor(variable.value) for variable in variables]


def assign_here(variable: keras.Variable | tf.Variable, value: tf.Tensor) -> None:
    """Changes a variable's copy on this replica, to which Keras's variables refuse to assign."""
    tf.raw_ops.AssignVariableOp(resource=handle(variable), value=value)


def _stacked(metrics: Metrics) -> tf.Tensor:
    return tf.stack([tf.cast(value, tf.float32) for value in metrics.values()])
