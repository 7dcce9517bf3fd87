"""Lets a network that halves its input several times take images of any size.

N batch, H, W height and width, C channels.
"""

import keras
import tensorflow as tf

from darts_adv_tf.tf_graph.image_size import height_and_width


def _padding(size: int | tf.Tensor, multiple: int) -> tuple:
    """The rows (or columns) to add before and after `size` of them."""
    total = -size % multiple
    return total // 2, total - total // 2


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class PadToMultiple(keras.layers.Layer):
    """Pads images with zeros, centred, until both sizes divide by `multiple`.

    Half of the padding comes before, half after; of an odd number, the larger part after. Where
    the sizes are known while the graph is built and divide already, no operation is added.

    Args:
        multiple: What both sizes have to divide by.

    Call: `(N, H, W, C)` -> `(N, H + p, W + q, C)`, `p` and `q` less than `multiple`.

    Example:
        >>> import tensorflow as tf
        >>> PadToMultiple(16)(tf.zeros((1, 30, 16, 1))).shape
        TensorShape([1, 32, 16, 1])
    """

    def __init__(self, multiple: int, **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, images: tf.Tensor) -> tf.Tensor:
        height, width = height_and_width(images)
        rows = _padding(height, self.multiple)
        columns = _padding(width, self.multiple)
        if _is_zero(rows) and _is_zero(columns):
            return images
        return tf.pad(images, ((0, 0), rows, columns, (0, 0)))

    def get_config(self) -> dict:
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class CropPadding(keras.layers.Layer):
    """Takes away what `PadToMultiple` with the same `multiple` added.

    Args:
        multiple: As in `PadToMultiple`.

    Call: `[padded (N, H + p, W + q, K), images (N, H, W, C)]` -> `(N, H, W, K)`; of `images` only
    the size counts.
    """

    def __init__(self, multiple: int, **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, inputs: list[tf.Tensor]) -> tf.Tensor:
        padded, images = inputs
        height, width = height_and_width(images)
        rows = _padding(height, self.multiple)
        columns = _padding(width, self.multiple)
        if _is_zero(rows) and _is_zero(columns):
            return padded
        top, left = rows[0], columns[0]
        return padded[:, top : top + height, left : left + width]

    def compute_output_shape(self, input_shape: list[tuple]) -> tuple:
        padded, images = input_shape
        return (*images[:3], padded[3])

    def get_config(self) -> dict:
        return {**super().get_config(), "multiple": self.multiple}


def _is_zero(padding: tuple) -> bool:
    """Whether it is known, while the graph is built, that there is nothing to pad."""
    return all(isinstance(amount, int) and amount == 0 for amount in padding)
