"""The height and width of images, as numbers where they are known in advance."""

import tensorflow as tf


def height_and_width(images: tf.Tensor) -> tuple[int | tf.Tensor, int | tf.Tensor]:
    """Returns H and W of images (N, H, W, C): integers if known, otherwise scalar tensors."""
    dynamic = tf.shape(images)
    height, width = (
        dynamic[axis] if images.shape[axis] is None else images.shape[axis] for axis in (1, 2)
    )
    return height, width
