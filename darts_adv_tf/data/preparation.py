"""From stored images to what the networks see, and back.

Shapes: N images, H and W pixels, C channels, S the side of a training image, K classes.
"""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np
import tensorflow as tf

from darts_adv_tf.tf_graph.image_size import height_and_width

NORMALIZATIONS = ("range", "window", "percentile")


@dataclasses.dataclass(frozen=True)
class Preparation:
    """Size and intensities of the training images.

    The loader and the exported model both use it, so they see the same numbers. By default,
    exposure and contrast are not normalized, as in the paper.

    Attributes:
        image_size: The side S, in pixels.
        intensity_maximum: The largest intensity that the stored images can hold; None if their
            format does not bound it.
        keeps_aspect: Whether images that are not square are padded with zeros on the right and
            below, instead of stretched. The padding is background.
        normalization: `range` divides by `intensity_maximum`; `window` maps the two intensities
            of `window` to 0 and 1; `percentile` does so with the two `percentiles` of each
            channel of each image. The latter two clip.
        window: Two stored intensities, ascending.
        percentiles: Two numbers from 0 to 100, ascending.
    """

    image_size: int
    intensity_maximum: float | None = 255.0
    keeps_aspect: bool = False
    normalization: str = "range"
    window: tuple[float, float] | None = None
    percentiles: tuple[float, float] = (0.5, 99.5)

    def prepare_images(self, images: tf.Tensor) -> tf.Tensor:
        """Images (N, H, W, C), intensities as stored on disk -> float32 (N, S, S, C)."""
        images = tf.cast(images, tf.float32)
        height, width = self._inner_size(*height_and_width(images))
        resized = tf.image.resize(images, (height, width), method="bilinear", antialias=True)
        normalized = self._normalize(resized)
        if not self.keeps_aspect:
            return normalized
        side = self.image_size
        padded = tf.pad(normalized, ((0, 0), (0, side - height), (0, side - width), (0, 0)))
        return tf.ensure_shape(padded, (None, side, side, None))

    def prepare_labels(self, labels: np.ndarray, priority: Sequence[int]) -> np.ndarray:
        """Assigns each training pixel the class that covers most of its area.

        Args:
            labels: uint8 (H, W), class indices.
            priority: All foreground classes, the one that wins a tie first.

        Returns:
            uint8 (S, S).
        """
        height, width = self._inner_size(*labels.shape)
        order = (*priority, 0)
        areas = [
            cv2.resize(
                (labels == class_index).astype(np.float32),
                (width, height),
                interpolation=cv2.INTER_AREA,
            )
            for class_index in order
        ]
        prepared = np.zeros((self.image_size, self.image_size), np.uint8)
        prepared[:height, :width] = np.array(order, np.uint8)[np.argmax(areas, axis=0)]
        return prepared

    def restore(self, scores: tf.Tensor, height: tf.Tensor, width: tf.Tensor) -> tf.Tensor:
        """Scores (N, S, S, K) of prepared images -> float32 (N, height, width, K)."""
        inner_height, inner_width = self._inner_size(height, width)
        return tf.image.resize(scores[:, :inner_height, :inner_width], (height, width))

    def stored_intensities(self, images: np.ndarray) -> np.ndarray:
        """Maps prepared images (N, S, S, C) back to stored intensities, at the same size."""
        if self.normalization == "window":
            low, high = self._window_bounds()
            return low + images * (high - low)
        return images * (self.intensity_maximum or 1.0)

    def pixel_size(
        self, spacing: tuple[float, float] | None, height: int, width: int
    ) -> tuple[float, float]:
        """Height and width of a training pixel in mm; nan if unknown."""
        if spacing is None:
            return np.nan, np.nan
        inner_height, inner_width = self._inner_size(height, width)
        return spacing[0] * height / inner_height, spacing[1] * width / inner_width

    def _inner_size(
        self, height: int | tf.Tensor, width: int | tf.Tensor
    ) -> tuple[int | tf.Tensor, int | tf.Tensor]:
        """The part of the square that the image covers; integers if its size is."""
        side = self.image_size
        if not self.keeps_aspect:
            return side, side
        if isinstance(height, int) and isinstance(width, int):
            longest = max(height, width)
            sizes = (2 * side * length + longest for length in (height, width))
            inner_height, inner_width = (max(1, size // (2 * longest)) for size in sizes)
            return inner_height, inner_width
        longest = tf.maximum(height, width)
        sizes = (2 * side * length + longest for length in (height, width))
        inner_height, inner_width = (tf.maximum(1, size // (2 * longest)) for size in sizes)
        return inner_height, inner_width

    def _normalize(self, images: tf.Tensor) -> tf.Tensor:
        if self.normalization == "range":
            # A graph turns a division by a constant into this product, which differs in the last
            # bit.
            assert self.intensity_maximum is not None, "the loader checks it"
            return images * (1.0 / self.intensity_maximum)
        if self.normalization == "window":
            low, high = self._window_bounds()
        else:
            low, high = self._percentiles(images)
        return tf.clip_by_value(tf.math.divide_no_nan(images - low, high - low), 0.0, 1.0)

    def _window_bounds(self) -> tuple[float, float]:
        assert self.window is not None, "the configuration checks it"
        return self.window

    def _percentiles(self, images: tf.Tensor) -> list[tf.Tensor]:
        """Two (N, 1, 1, C), interpolated between the two nearest values as NumPy does."""
        num_pixels = tf.shape(images)[1] * tf.shape(images)[2]
        shape = tf.stack([tf.shape(images)[0], num_pixels, tf.shape(images)[3]])
        ascending = tf.sort(tf.reshape(images, shape), axis=1)
        found = []
        for percentile in self.percentiles:
            place = tf.cast(num_pixels - 1, tf.float32) * (percentile / 100)
            below = tf.cast(tf.floor(place), tf.int32)
            above = tf.minimum(below + 1, num_pixels - 1)
            share = place - tf.floor(place)
            value = (1 - share) * ascending[:, below] + share * ascending[:, above]
            found.append(value[:, tf.newaxis, tf.newaxis])
        return found


def merge_masks(masks: np.ndarray, priority: Sequence[int]) -> np.ndarray:
    """Merges the masks of the classes into one label image.

    Args:
        masks: bool (K - 1, H, W), one per foreground class.
        priority: Indices of the foreground classes, the highest priority first.

    Returns:
        uint8 (H, W), class indices.
    """
    labels = np.zeros(masks.shape[1:], np.uint8)
    for class_index in reversed(priority):
        labels[masks[class_index - 1]] = class_index
    return labels
