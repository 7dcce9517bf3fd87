"""The U-Net segmenter.

N batch, H, W height and width, K classes.
"""

import keras

from darts_adv_tf.networks.padding import CropPadding, PadToMultiple
from darts_adv_tf.tf_graph.initializers import he_normal_initializers

NUM_POOLINGS = 4


def build_unet(
    image_shape: tuple[int | None, int | None, int],
    num_classes: int,
    width: int = 64,
    seed: int = 0,
    dtype: str = "float32",
) -> keras.Model:
    """U-Net as published, with padded convolutions.

    Four times two 3x3 convolutions with ReLU and a 2x2 max pooling, each level twice as wide as
    the one before; two convolutions at the bottom; four times a 2x2 up-convolution of stride 2
    without an activation, the concatenation with the level's own output, and two 3x3 convolutions
    with ReLU; a 1x1 convolution to the classes. All have biases, which start at 0.

    Differences from the publication: the convolutions are padded with zeros, so that the output
    has the size of the input (the publication loses a border of 92 pixels), and there is no
    dropout at the end of the contracting path. (Its text has no ReLU after an up-convolution,
    the network that its authors released has one.) The image is padded to a multiple of 16, half
    before and half after, and the logits are cropped back, so that any size will do.

    Kernels start as He normal. Keras counts four taps a weight in an up-convolution, of which its
    stride leaves one: their variance is 1 / input channels, which keeps the scale of a layer
    without ReLU.

    Args:
        image_shape: `(H, W, channels)`; H and W may be None, for any size.
        num_classes: K, the background included.
        width: Channels of the first level (64 in the publication, 1024 at the bottom).
        seed: Of the initial weights.
        dtype: Of weights and computation.

    Returns:
        A model from images `(N, H, W, channels)`, 0..1, to logits `(N, H, W, K)`.

    Example:
        >>> import numpy as np
        >>> from darts_adv_tf import build_unet
        >>> build_unet((None, None, 1), num_classes=4, width=8)(np.zeros((2, 50, 70, 1))).shape
        TensorShape([2, 50, 70, 4])

    Reference: Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image
    Segmentation, MICCAI 2015, Fig. 1.
    """
    initializers = he_normal_initializers(seed)

    def convolve_twice(features, filters: int, name: str):
        for index in range(2):
            features = keras.layers.Conv2D(
                filters,
                3,
                padding="same",
                activation="relu",
                kernel_initializer=next(initializers),
                dtype=dtype,
                name=f"{name}_convolution_{index}",
            )(features)
        return features

    multiple = 2**NUM_POOLINGS
    images = keras.Input(image_shape, dtype=dtype, name="images")
    features = PadToMultiple(multiple, dtype=dtype, name="pad")(images)

    skips = []
    for level in range(NUM_POOLINGS):
        features = convolve_twice(features, width * 2**level, f"encoder_{level}")
        skips.append(features)
        features = keras.layers.MaxPooling2D(2, dtype=dtype, name=f"encoder_{level}_pool")(features)

    features = convolve_twice(features, width * 2**NUM_POOLINGS, "bottom")

    for level in reversed(range(NUM_POOLINGS)):
        features = keras.layers.Conv2DTranspose(
            width * 2**level,
            2,
            strides=2,
            kernel_initializer=next(initializers),
            dtype=dtype,
            name=f"decoder_{level}_up_convolution",
        )(features)
        features = keras.layers.Concatenate(dtype=dtype, name=f"decoder_{level}_concatenate")(
            [skips[level], features]
        )
        features = convolve_twice(features, width * 2**level, f"decoder_{level}")

    logits = keras.layers.Conv2D(
        num_classes, 1, kernel_initializer=next(initializers), dtype=dtype, name="score"
    )(features)
    logits = CropPadding(multiple, dtype=dtype, name="crop")([logits, images])
    return keras.Model(images, logits, name="unet")
