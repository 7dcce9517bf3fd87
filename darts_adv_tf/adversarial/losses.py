"""The losses of adversarial segmentation, as pure functions of logits, and their names.

Legend: N batch, H, W, K classes.

Each returns one value per image. The caller divides the sum by the number of images of the global
batch, once, so that replicas add up to the mean over all images.
"""

import dataclasses
from collections.abc import Callable

import tensorflow as tf

SegmentationLoss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
"""From labels (N, H, W), class indices, and logits (N, H, W, K) to (N,)."""

FOCUS = 2.0
"""Gamma of the focal loss."""

SMOOTHING = 1.0
"""Pixels added to the overlap and to the areas of soft Dice: an absent class scores 1, not 0/0."""


def cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """L_seg of Eq. 1: softmax cross-entropy in nats, the mean over the pixels of an image."""
    return tf.reduce_mean(_pixel_entropy(labels, logits), axis=[1, 2])


def dice(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """One minus soft Dice, the mean over all classes of an image, background included.

    With probabilities p and true masks y, Dice is (2 sum p y + 1) / (sum p + sum y + 1)
    (soft Dice with plain sums in the denominator: Isensee et al., nnU-Net, Nature Methods 2021;
    Milletari et al., V-Net, 3DV 2016, who proposed it, have squares there).
    """
    probabilities = tf.nn.softmax(logits)
    masks = tf.one_hot(tf.cast(labels, tf.int32), logits.shape[-1], dtype=logits.dtype)
    overlap = tf.reduce_sum(probabilities * masks, axis=[1, 2])
    areas = tf.reduce_sum(probabilities + masks, axis=[1, 2])
    return 1 - tf.reduce_mean((2 * overlap + SMOOTHING) / (areas + SMOOTHING), axis=-1)


def dice_cross_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """The sum of both (Isensee et al., nnU-Net, Nature Methods 2021)."""
    return dice(labels, logits) + cross_entropy(labels, logits)


def focal(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy times (1 - p)^2, p the probability of a pixel's true class.

    The mean over the pixels of an image, classes unweighted (Lin et al., ICCV 2017, with gamma 2).
    """
    entropy = _pixel_entropy(labels, logits)
    return tf.reduce_mean((1 - tf.exp(-entropy)) ** FOCUS * entropy, axis=[1, 2])


def _pixel_entropy(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """-log p of each pixel's true class, (N, H, W)."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(labels, tf.int32), logits)


SEGMENTATION_LOSSES: dict[str, SegmentationLoss] = {
    "cross_entropy": cross_entropy,
    "dice": dice,
    "dice_cross_entropy": dice_cross_entropy,
    "focal": focal,
}


@dataclasses.dataclass(frozen=True)
class AdversarialLoss:
    """What each player descends, each term a function of D's logits (N,) that returns (N,).

    Attributes:
        real: The discriminator's term on ground truth masks.
        fake: The discriminator's term on predicted masks.
        generator: The segmenter's term on its predictions, the second of Eq. 1 without its weight.
        threshold: Above this logit D takes a mask for a real one; for the accuracies only.
    """

    real: Callable[[tf.Tensor], tf.Tensor]
    fake: Callable[[tf.Tensor], tf.Tensor]
    generator: Callable[[tf.Tensor], tf.Tensor]
    threshold: float = 0.0

    def discriminator(self, real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
        """Eq. 2, and on validation cases J_val of Eq. 8, which alpha descends: (N,)."""
        return self.real(real_logits) + self.fake(fake_logits)


# With g the sigmoid of a logit z: -log g(y) - log(1 - g(f(x))) for D, -log g(f(x)) for S, in nats.
# Softplus is exact and finite where the logarithm of a sigmoid would overflow.
GAN = AdversarialLoss(
    real=lambda z: tf.math.softplus(-z),
    fake=tf.math.softplus,
    generator=lambda z: tf.math.softplus(-z),
)
"""Eqs. 1, 2 and 8 of the paper (Goodfellow et al., NeurIPS 2014).

J_val is 2 ln 2 where D cannot tell, and 0 where it tells all masks with certainty.
"""

LSGAN = AdversarialLoss(
    real=lambda z: (z - 1) ** 2 / 2,
    fake=lambda z: z**2 / 2,
    generator=lambda z: (z - 1) ** 2 / 2,
    threshold=0.5,
)
"""Least squares: 1 for real, 0 for fake (Mao et al., ICCV 2017, Eq. 9).

J_val is 1/4 where D cannot tell, and 0 where it gives each mask its number.
"""

HINGE = AdversarialLoss(
    real=lambda z: tf.nn.relu(1 - z),
    fake=lambda z: tf.nn.relu(1 + z),
    generator=lambda z: -z,
)
"""Hinge with a margin of 1 (Lim and Ye, 2017; Miyato et al., ICLR 2018, Eqs. 16 and 17).

J_val is 2 where D cannot tell. It is 0, and its gradient with respect to alpha vanishes, where D
judges every validation mask rightly and with the margin. The segmenter's term has no lower bound.
"""

ADVERSARIAL_LOSSES = {"gan": GAN, "lsgan": LSGAN, "hinge": HINGE}
