"""Training without a discriminator: the paper's first row of each table."""

import keras
import tensorflow as tf

from darts_adv_tf.adversarial.game import Batch
from darts_adv_tf.adversarial.losses import SegmentationLoss, cross_entropy
from darts_adv_tf.tf_graph.call_in_training import call_in_training
from darts_adv_tf.tf_graph.fused_adam import KERAS_EPSILON, AdamEpsilon
from darts_adv_tf.training import metric_names
from darts_adv_tf.training.trainer import Metrics, Trainer, are_finite, make_optimizer, weights


class SegmentationTrainer(Trainer):
    """Descends the segmentation loss only (Eq. 1 with lambda_adv = 0).

    Args:
        segmenter: A built model.
        learning_rate: Of Adam.
        global_batch_size: Images of a batch over all replicas.
        strategy: See `Trainer`.
        epsilon: Of Adam.
        segmentation_loss: What it descends.
    """

    def __init__(
        self,
        segmenter: keras.Model,
        learning_rate: float,
        global_batch_size: int,
        strategy: tf.distribute.Strategy,
        epsilon: AdamEpsilon = KERAS_EPSILON,
        segmentation_loss: SegmentationLoss = cross_entropy,
    ):
        super().__init__(strategy)
        self.segmentation_loss = segmentation_loss
        self.segmenter = segmenter
        self.global_batch_size = global_batch_size
        self.segmenter_optimizer = make_optimizer(learning_rate, epsilon=epsilon)
        self.segmenter_optimizer.build(segmenter.trainable_variables)

    @property
    def parts(self):
        return {"segmenter": self.segmenter, "segmenter_optimizer": self.segmenter_optimizer}

    def train_step(self, *batches: Batch) -> Metrics:
        """Updates theta."""
        (batch,) = batches
        theta = weights(self.segmenter)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(theta)
            logits, updates = call_in_training(self.segmenter, theta, batch.images)
            per_image = self.segmentation_loss(batch.labels, logits)
            loss = tf.reduce_sum(per_image) / self.global_batch_size
        grad_theta, norm = self._all_reduce_sum(tape.gradient(loss, theta))
        metrics = {metric_names.SEGMENTATION_LOSS: loss, metric_names.SEGMENTER_GRADIENT_NORM: norm}
        finite = are_finite(metrics)
        self._assign_updates(updates, finite)
        self._apply(
            self.segmenter_optimizer, grad_theta, self.segmenter.trainable_variables, only_if=finite
        )
        return metrics
