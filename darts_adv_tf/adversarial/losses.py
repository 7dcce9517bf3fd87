"""The losses of adversarial segmentation, as pure functions of logits.

Legend: N batch, H, W, K classes.

Each returns one value an image. The caller divides the sum by the number of images of the global
batch, once, so that replicas add up to the mean over all images.
"""

import tensorflow as tf


def segmentation_loss(labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """L_seg of Eq. 1: softmax cross-entropy, the mean over the pixels of an image.

    Args:
        labels: (N, H, W), class indices.
        logits: (N, H, W, K).

    Returns:
        (N,), in nats.
    """
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(labels, tf.int32), logits)
    return tf.reduce_mean(entropy, axis=[1, 2])


def adversarial_loss(fake_logits: tf.Tensor) -> tf.Tensor:
    """The second term of Eq. 1 without its weight: -log g(f(x)).

    Args:
        fake_logits: (N,), the discriminator on predictions; g is their sigmoid.

    Returns:
        (N,), in nats: large where the discriminator recognises the prediction as such.
    """
    return tf.math.softplus(-fake_logits)


def discriminator_loss(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    """Eq. 2, and on validation cases Eq. 8: -log g(y) - log(1 - g(f(x))).

    On logits z this is softplus(-z) for real and softplus(z) for fake masks: exact and finite
    where the logarithm of a sigmoid would overflow.

    Args:
        real_logits: (N,), the discriminator on ground truth masks.
        fake_logits: (N,), the discriminator on predictions.

    Returns:
        (N,), in nats; 2 ln 2 for a discriminator that cannot tell.
    """
    return tf.math.softplus(-real_logits) + tf.math.softplus(fake_logits)
