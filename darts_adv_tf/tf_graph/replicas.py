"""Sums and means over the replicas of a distribution strategy."""

from collections.abc import Sequence

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
