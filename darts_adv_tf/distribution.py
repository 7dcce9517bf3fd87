"""Sums and means over the replicas of a distribution strategy, and what its processes tell."""

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf


def sum_over_replicas(tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Adds up each tensor over all replicas; differentiable. On one replica, the tensors."""
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return list(tensors)
    return context.all_reduce(tf.distribute.ReduceOp.SUM, list(tensors))


def mean_over_replicas(tensor: tf.Tensor, synchronized: bool = True) -> tf.Tensor:
    """The mean of a tensor over all replicas; differentiable. If not synchronized, the tensor."""
    if not synchronized:
        return tensor
    context = tf.distribute.get_replica_context()
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, tensor)


def make_gather(strategy: tf.distribute.Strategy) -> Callable[[Sequence[float]], np.ndarray]:
    """A function by which the processes of a run tell each other numbers.

    All of them call it, at the same places, with as many numbers each; it returns when they have.

    Returns:
        A function of n numbers, which returns float64 (replicas, n), a row for each replica, those
        of one process alike.
    """

    @tf.function(autograph=False)
    def run(rows):
        def on_replica(row):
            # On a device of this replica, which an argument is not.
            return tf.distribute.get_replica_context().all_gather(tf.identity(row), axis=0)

        return strategy.run(on_replica, args=(rows,))

    def gather(values: Sequence[float]) -> np.ndarray:
        row = tf.constant([values], tf.float64)
        rows = strategy.experimental_distribute_values_from_function(lambda context: row)
        return strategy.experimental_local_results(run(rows))[0].numpy()

    return gather
