"""The FCN-32s segmenter.

N batch, H, W height and width, h, w the same divided by 32, K classes.
"""

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.networks.padding import CropPadding, PadToMultiple
from darts_adv_tf.tf_graph.initializers import he_normal_initializers

# VGG-16, configuration D: convolutions a block, and their channels as multiples of the width.
NUM_CONVOLUTIONS = (2, 2, 3, 3, 3)
WIDTH_MULTIPLES = (1, 2, 4, 8, 8)
FULLY_CONNECTED_WIDTH_MULTIPLE = 64
UPSAMPLING = 2 ** len(NUM_CONVOLUTIONS)


def bilinear_kernel(factor: int) -> np.ndarray:
    """The weights with which a transposed convolution of stride `factor` interpolates linearly.

    A pixel of the coarse grid reaches every fine pixel within `factor` of its centre:
    `w(i) = 1 - |i - centre| / factor`, the outer product of which with itself is returned.

    Args:
        factor: Fine pixels a coarse pixel; even, so that the centre lies between two of them.

    Returns:
        float64 `(2 * factor, 2 * factor)`.
    """
    taps = np.arange(2 * factor)
    weights = 1 - np.abs(taps - (factor - 0.5)) / factor
    return np.outer(weights, weights)


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class BilinearUpsampling(keras.layers.Layer):
    """Enlarges score maps by a transposed convolution with a fixed bilinear kernel.

    Pixel centres are aligned as in `tf.image.resize`, whose result it equals; unlike that, it
    stays in float64 and can be differentiated forwards and twice. The outermost scores are
    repeated once around the map before, since a plain transposed convolution fades to a quarter
    of the logits in the corners. (The publication pads the image by 100 pixels and crops, which
    keeps that border outside the image.)

    Args:
        factor: The enlargement, even.

    Call: `(N, h, w, K)` -> `(N, h * factor, w * factor, K)`. Has no weights.
    """

    def __init__(self, factor: int, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape: tuple):
        num_channels = input_shape[-1]
        self.kernel = np.einsum(
            "ij,kl->ijkl", bilinear_kernel(self.factor), np.eye(num_channels)
        ).astype(self.compute_dtype)
        super().build(input_shape)

    def call(self, scores: tf.Tensor) -> tf.Tensor:
        factor = self.factor
        scores = tf.pad(scores, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="SYMMETRIC")
        enlarged = keras.ops.conv_transpose(scores, self.kernel, factor, padding="same")
        return enlarged[:, factor:-factor, factor:-factor]

    def get_config(self) -> dict:
        return {**super().get_config(), "factor": self.factor}


def build_fcn32s(
    image_shape: tuple[int | None, int | None, int],
    num_classes: int,
    width: int = 64,
    seed: int = 0,
    dtype: str = "float32",
) -> keras.Model:
    """FCN-32s: the VGG-16 body, its fully connected layers as convolutions, 32x upsampling.

    Thirteen 3x3 convolutions with ReLU in five blocks, each ending in a 2x2 max pooling; fc6, a
    7x7 convolution, and fc7, a 1x1 convolution, with ReLU; the score, a 1x1 convolution to the
    classes; `BilinearUpsampling` by 32. All convolutions have biases, which start at 0.

    Differences from the publication: the image is padded to a multiple of 32, half before and
    half after, and the logits are cropped back, in place of a padding by 100 pixels and a crop by
    19; there is no dropout after fc6 and fc7; all kernels, the score's too, start as He normal,
    not from ImageNet.

    Args:
        image_shape: `(H, W, channels)`; H and W may be None, for any size.
        num_classes: K, the background included.
        width: Channels of the first block (64 in the publication; fc6 and fc7 have 64 times it).
        seed: Of the initial weights.
        dtype: Of weights and computation.

    Returns:
        A model from images `(N, H, W, channels)`, 0..1, to logits `(N, H, W, K)`.

    Example:
        >>> import numpy as np
        >>> from darts_adv_tf import build_fcn32s
        >>> build_fcn32s((None, None, 1), num_classes=4, width=4)(np.zeros((2, 50, 70, 1))).shape
        TensorShape([2, 50, 70, 4])

    References: Shelhamer et al., Fully Convolutional Networks for Semantic Segmentation, TPAMI
    2017; Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015, Table 1, D.
    """
    initializers = he_normal_initializers(seed)

    def convolve(features, filters: int, kernel_size: int, name: str, activation: str | None):
        return keras.layers.Conv2D(
            filters,
            kernel_size,
            padding="same",
            activation=activation,
            kernel_initializer=next(initializers),
            dtype=dtype,
            name=name,
        )(features)

    images = keras.Input(image_shape, dtype=dtype, name="images")
    features = PadToMultiple(UPSAMPLING, dtype=dtype, name="pad")(images)
    for block, (num_convolutions, multiple) in enumerate(
        zip(NUM_CONVOLUTIONS, WIDTH_MULTIPLES, strict=True)
    ):
        for index in range(num_convolutions):
            features = convolve(
                features, width * multiple, 3, f"block_{block}_convolution_{index}", "relu"
            )
        features = keras.layers.MaxPooling2D(2, dtype=dtype, name=f"block_{block}_pool")(features)

    fully_connected_width = width * FULLY_CONNECTED_WIDTH_MULTIPLE
    features = convolve(features, fully_connected_width, 7, "fc6", "relu")
    features = convolve(features, fully_connected_width, 1, "fc7", "relu")
    scores = convolve(features, num_classes, 1, "score", None)
    logits = BilinearUpsampling(UPSAMPLING, dtype=dtype, name="upsample")(scores)
    logits = CropPadding(UPSAMPLING, dtype=dtype, name="crop")([logits, images])
    return keras.Model(images, logits, name="fcn32s")
