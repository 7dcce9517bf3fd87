"""A segmenter of one's own: two levels of residual blocks, with batch normalization and dropout.

    cd docs
    python -m darts_adv_tf.search --backbone=own_segmenter_example:make_segmenter

See own_segmenter.md beside this file.
"""

import keras
from keras import layers


def make_segmenter(
    image_shape: tuple[int, int, int], num_classes: int, width: int, seed: int
) -> keras.Model:
    """Makes a fresh model; called once for the search and once for retraining.

    Args:
        image_shape: `(height, width, channels)` of the images, whose values are 0..1.
        num_classes: How many classes there are, the background included.
        width: `--segmenter_width`, to use as you like.
        seed: `--seed`. Keras's layers are seeded already; this is for random choices of your own.

    Returns:
        A model from images `(batch, height, width, channels)` to logits `(batch, height, width,
        num_classes)`: no softmax at its end.
    """
    del seed
    images = keras.Input(image_shape)
    fine = residual_block(images, width)
    coarse = layers.MaxPooling2D(2, padding="same")(fine)
    coarse = residual_block(coarse, 2 * width)
    coarse = layers.SpatialDropout2D(0.1)(coarse)
    enlarged = layers.UpSampling2D(2, interpolation="bilinear")(coarse)
    # An odd height or width has been rounded up by the pooling.
    surplus = [enlarged.shape[axis] - fine.shape[axis] for axis in (1, 2)]
    enlarged = layers.Cropping2D([(0, rows) for rows in surplus])(enlarged)
    features = residual_block(layers.Concatenate()([fine, enlarged]), width)
    return keras.Model(images, layers.Conv2D(num_classes, 1)(features))


def residual_block(features, filters: int):
    """Two normalized 3x3 convolutions beside a 1x1 convolution."""
    shortcut = layers.Conv2D(filters, 1)(features)
    for _ in range(2):
        features = layers.Conv2D(filters, 3, padding="same", use_bias=False)(features)
        features = layers.BatchNormalization(momentum=0.9)(features)
        features = layers.ReLU()(features)
    return layers.Add()([shortcut, features])
