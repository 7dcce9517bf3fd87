"""Segmenter against discriminator, as pure functions of theta, phi and alpha.

Legend: N batch of this replica, H, W, K classes.
"""

from typing import Literal, NamedTuple

import keras
import tensorflow as tf

from darts_adv_tf.adversarial.losses import (
    GAN,
    AdversarialLoss,
    SegmentationLoss,
    cross_entropy,
)
from darts_adv_tf.tf_graph.call_in_training import Tensors, Updates, call_in_training
from darts_adv_tf.tf_graph.rematerialization import gradients_wrt

ArchitectureObjective = Literal["discriminator", "segmentation"]


class Batch(NamedTuple):
    """Images and labels of one replica.

    Attributes:
        images: (N, H, W, channels), preprocessed.
        labels: (N, H, W), class indices.
    """

    images: tf.Tensor
    labels: tf.Tensor


class Losses(NamedTuple):
    """Scalars: this replica's share of the mean over the global batch.

    `adversarial` is weighted by lambda_adv.
    """

    segmentation: tf.Tensor
    adversarial: tf.Tensor
    discriminator: tf.Tensor
    real_accuracy: tf.Tensor
    fake_accuracy: tf.Tensor


class TrainingGradients(NamedTuple):
    """The gradients that one training batch gives, of this replica's share of the losses.

    Attributes:
        grad_theta: Of Eq. 1 with respect to the segmenter's weights, one tensor per weight.
        grad_phi: Of Eq. 2 with respect to the discriminator's weights, one tensor per weight.
        grad_fake_masks: (N, H, W, K), of the weighted adversarial term of Eq. 1 with respect to
            the predictions.
        losses: The losses at which they were taken.
        discriminator_updates: New values of the discriminator's state, where it has any, from
            its pass on the predictions.
    """

    grad_theta: list[tf.Tensor]
    grad_phi: list[tf.Tensor]
    grad_fake_masks: tf.Tensor
    losses: Losses
    discriminator_updates: Updates


class Segmentation(NamedTuple):
    """The segmenter's output for a batch of images.

    Attributes:
        logits: (N, H, W, K).
        fake_masks: (N, H, W, K), their softmax.
        updates: New values of moving statistics and of random number states, where it has any.
    """

    logits: tf.Tensor
    fake_masks: tf.Tensor
    updates: Updates


class SegmenterPass:
    """A forward pass of the segmenter that can be differentiated more than once.

    A search step differentiates at the same theta and images twice: for the virtual step, and
    with another alpha for the real one.

    Args:
        game: The players.
        theta: The segmenter's weights.
        batch: A training batch.

    Attributes:
        fake_masks: (N, H, W, K).
        loss: The first term of Eq. 1, a scalar.
        updates: See `Segmentation`.
    """

    def __init__(self, game: "AdversarialGame", theta: Tensors, batch: Batch):
        self._theta = theta
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as self._tape:
            self._tape.watch(theta)
            logits, self.fake_masks, self.updates = game.segment(theta, batch.images)
            self.loss = game.global_mean(game.segmentation_loss(batch.labels, logits))

    def gradient(self, grad_fake_masks: tf.Tensor) -> list[tf.Tensor]:
        """Gradient of `loss`, and of the fake masks weighted by `grad_fake_masks`, w.r.t. theta."""
        gradient = self._tape.gradient(
            [self.loss, self.fake_masks],
            self._theta,
            output_gradients=[tf.ones_like(self.loss), grad_fake_masks],
        )
        return list(map(tf.convert_to_tensor, gradient))  # Of an embedding it is sparse.


class AdversarialGame:
    """The two players and what each descends (Eqs. 1, 2 and 8).

    Every method is a pure function: weights come as tensors, no variable is read or written. So
    a virtual step of the architecture gradient and a real step are the same code, and no virtual
    step can leave a trace in weights, optimizer slots or statistics.

    Args:
        segmenter: A built Keras model, images (N, H, W, channels) -> logits (N, H, W, K).
        discriminator: A built layer, (N, H, W, K) -> logits (N,), called as
            `discriminator(masks, *op_weights)`, in training mode.
        num_classes: K.
        adversarial_weight: lambda_adv of Eq. 1.
        global_batch_size: The number of images of a batch over all replicas.
        discriminator_sees_images: Whether D gets the images as more channels after the masks.
        segmentation_loss: The first term of Eq. 1.
        adversarial_loss: The second term of Eq. 1, Eq. 2 and Eq. 8.

    Example:
        >>> import tensorflow as tf
        >>> from darts_adv_tf import AdversarialGame, Architecture, DerivedDiscriminator, build_unet
        >>> from darts_adv_tf.adversarial.game import Batch
        >>> segmenter = build_unet((None, None, 1), num_classes=3, width=2)
        >>> discriminator = DerivedDiscriminator(Architecture().derive(), cell_pattern="R")
        >>> discriminator.build((None, None, None, 3))
        >>> game = AdversarialGame(
        ...     segmenter, discriminator, num_classes=3, adversarial_weight=0.1, global_batch_size=2
        ... )
        >>> theta, phi = (
        ...     [variable.value for variable in player.trainable_variables]
        ...     for player in (segmenter, discriminator)
        ... )
        >>> batch = Batch(tf.random.uniform((2, 16, 16, 1)), tf.zeros((2, 16, 16), tf.int32))
        >>> training = game.training_gradients(theta, phi, [], batch)
        >>> float(training.losses.discriminator) > 0
        True
    """

    def __init__(
        self,
        segmenter: keras.Model,
        discriminator: keras.layers.Layer,
        num_classes: int,
        adversarial_weight: float,
        global_batch_size: int,
        discriminator_sees_images: bool = False,
        segmentation_loss: SegmentationLoss = cross_entropy,
        adversarial_loss: AdversarialLoss = GAN,
    ):
        self.segmenter = segmenter
        self.discriminator = discriminator
        self.num_classes = num_classes
        self.adversarial_weight = adversarial_weight
        self.global_batch_size = global_batch_size
        self.discriminator_sees_images = discriminator_sees_images
        self.segmentation_loss = segmentation_loss
        self.adversarial_loss = adversarial_loss

    def segment(self, theta: Tensors, images: tf.Tensor) -> Segmentation:
        """The segmenter in training: with the statistics of this batch, and with dropout.

        Before its `updates` are kept every call draws the same random numbers, so that all that
        one step computes is of one and the same function of theta.
        """
        logits, updates = call_in_training(self.segmenter, theta, images)
        return Segmentation(logits, tf.nn.softmax(logits), updates)

    def discriminate(
        self, phi: Tensors, alpha: Tensors, images: tf.Tensor, masks: tf.Tensor
    ) -> tf.Tensor:
        """Judges masks. Real and fake ones come in calls of their own, each with its statistics.

        Args:
            phi: The discriminator's weights.
            alpha: (edges, operations) of the normal and the reduction cells; empty for a discrete
                discriminator.
            images: (N, H, W, channels).
            masks: (N, H, W, K).

        Returns:
            Logits (N,).
        """
        return self._discriminate(phi, alpha, images, masks)[0]

    def _discriminate(
        self, phi: Tensors, alpha: Tensors, images: tf.Tensor, masks: tf.Tensor
    ) -> tuple[tf.Tensor, Updates]:
        """Also returns the new values of the discriminator's state; see `Segmentation.updates`."""
        if self.discriminator_sees_images:
            masks = tf.concat([masks, images], axis=-1)
        op_weights = [tf.nn.softmax(scores) for scores in alpha]
        return call_in_training(self.discriminator, phi, masks, *op_weights)

    def real_masks(self, labels: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
        """Returns the ground truth as the discriminator sees it: one-hot, (N, H, W, K)."""
        return tf.one_hot(labels, self.num_classes, dtype=dtype)

    def global_mean(self, per_image: tf.Tensor) -> tf.Tensor:
        """Returns this replica's share of a mean over the global batch; the shares add up to it."""
        return tf.reduce_sum(per_image) / self.global_batch_size

    def weighted_adversarial_loss(self, fake_logits: tf.Tensor) -> tf.Tensor:
        """The second term of Eq. 1."""
        return self.adversarial_weight * self.global_mean(
            self.adversarial_loss.generator(fake_logits)
        )

    def training_gradients(
        self,
        theta: Tensors,
        phi: Tensors,
        alpha: Tensors,
        batch: Batch,
        segmenter_pass: SegmenterPass | None = None,
    ) -> TrainingGradients:
        """Computes the gradients of Eqs. 1 and 2 from one forward pass at the same weights.

        Each tape watches only what it is asked for: no gradient of L_D reaches the segmenter,
        none of L_S the discriminator's weights.

        Args:
            theta: The segmenter's weights.
            phi: The discriminator's weights.
            alpha: See `discriminate`.
            batch: The training batch.
            segmenter_pass: At these `theta` and `batch`, if there is one already.
        """
        segmenter_pass = segmenter_pass or SegmenterPass(self, theta, batch)
        fake_masks = segmenter_pass.fake_masks
        real_masks = self.real_masks(batch.labels, fake_masks.dtype)
        with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
            tape.watch([*phi, fake_masks])
            real_logits = self.discriminate(phi, alpha, batch.images, real_masks)
            # Both passes start from the same state. Statistics of real and of predicted masks
            # differ; only training uses the discriminator, which takes those of each batch.
            fake_logits, updates = self._discriminate(phi, alpha, batch.images, fake_masks)
            discriminator = self.global_mean(
                self.adversarial_loss.discriminator(real_logits, fake_logits)
            )
            adversarial = self.weighted_adversarial_loss(fake_logits)
        with gradients_wrt("weights"):
            grad_phi = tape.gradient(discriminator, phi)
            grad_phi = list(map(tf.convert_to_tensor, grad_phi))  # Of an embedding it is sparse.
        with gradients_wrt():
            grad_fake_masks = tape.gradient(adversarial, fake_masks)
        del tape
        grad_theta = segmenter_pass.gradient(grad_fake_masks)
        losses = Losses(
            segmentation=segmenter_pass.loss,
            adversarial=adversarial,
            discriminator=discriminator,
            real_accuracy=self._accuracy(real_logits > self.adversarial_loss.threshold),
            fake_accuracy=self._accuracy(fake_logits < self.adversarial_loss.threshold),
        )
        return TrainingGradients(grad_theta, grad_phi, grad_fake_masks, losses, updates)

    def architecture_objective(
        self,
        theta: Tensors,
        phi: Tensors,
        alpha: Tensors,
        batch: Batch,
        kind: ArchitectureObjective = "discriminator",
    ) -> tf.Tensor:
        """J_val, a scalar.

        Args:
            theta, phi, alpha, batch: As everywhere; the batch is of the validation half.
            kind: `discriminator`: Eq. 8, how badly D tells masks from predictions;
                `segmentation`: the first term of Eq. 1, how badly S segments. Alpha and phi act on
                it only through the virtual step of theta.
        """
        if kind == "segmentation":
            logits = self.segment(theta, batch.images).logits
            return self.global_mean(self.segmentation_loss(batch.labels, logits))
        fake_masks = self.segment(theta, batch.images).fake_masks
        real_masks = self.real_masks(batch.labels, fake_masks.dtype)
        return self.discriminator_loss(phi, alpha, batch.images, real_masks, fake_masks)

    def architecture_gradient_scale(self, kind: ArchitectureObjective, unroll_rate: float) -> float:
        """Returns the known factor in the gradient of J_val with respect to alpha.

        Alpha's Adam is given the gradient without it. Adam is blind to such factors but for its
        epsilon, and that of the segmentation loss, eta lambda_adv, is below it with the paper's
        values.

        Args:
            kind: See `architecture_objective`.
            unroll_rate: eta of Eq. 9.
        """
        return unroll_rate * self.adversarial_weight if kind == "segmentation" else 1.0

    def discriminator_loss(self, phi, alpha, images, real_masks, fake_masks) -> tf.Tensor:
        """Eq. 2, a scalar."""
        real_logits = self.discriminate(phi, alpha, images, real_masks)
        fake_logits = self.discriminate(phi, alpha, images, fake_masks)
        return self.global_mean(self.adversarial_loss.discriminator(real_logits, fake_logits))

    def _accuracy(self, right: tf.Tensor) -> tf.Tensor:
        return self.global_mean(tf.cast(right, tf.float32))
