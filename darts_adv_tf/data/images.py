"""Decoding, resizing and scaling of images and masks.

Shapes: N images, H and W pixels, C channels, S the side of a training image, K classes.
"""

from pathlib import Path

import cv2
import numpy as np
import tensorflow as tf

from darts_adv_tf.data.dataset import CLASS_NAMES
from darts_adv_tf.errors import DataError

MASK_THRESHOLD = 128
"""A pixel of an anti-aliased 8-bit mask belongs to the organ from this value on."""

_PRIORITY = tuple(
    CLASS_NAMES.index(name) for name in ("heart", "left_lung", "right_lung", "background")
)


def read_image(path: str | Path) -> np.ndarray:
    """Decodes an 8-bit grey image.

    Returns:
        float32 (H, W, 1), intensities 0..255 as stored on disk.

    Raises:
        DataError: If the file cannot be read, or is no 8-bit grey image.
    """
    return _read_grey(path)[:, :, np.newaxis].astype(np.float32)


def read_mask(path: str | Path) -> np.ndarray:
    """Decodes an 8-bit grey mask, anti-aliased or not.

    Returns:
        bool (H, W), true where the stored value is at least `MASK_THRESHOLD`.

    Raises:
        DataError: If the file cannot be read, or is no 8-bit grey image.
    """
    return _read_grey(path) >= MASK_THRESHOLD


def preprocess(images: tf.Tensor, image_size: int, intensity_maximum: float) -> tf.Tensor:
    """Resizes images to a square and scales intensities to 0..1.

    The loaders call this, and the exported model holds it, so both see the same numbers. There is
    no normalization of exposure or contrast, as in the paper. Images that are not square are
    stretched.

    Args:
        images: (N, H, W, C), intensities as stored on disk.
        image_size: The side S, in pixels.
        intensity_maximum: The stored intensity that becomes 1.

    Returns:
        float32 (N, S, S, C).
    """
    resized = tf.image.resize(
        tf.cast(images, tf.float32), (image_size, image_size), method="bilinear", antialias=True
    )
    # A graph turns a division by a constant into this product, which differs in the last bit.
    return resized * (1.0 / intensity_maximum)


def merge_masks(masks: np.ndarray) -> tuple[np.ndarray, int]:
    """Merges the masks of organs into one label image; heart goes over lung.

    Args:
        masks: bool (K - 1, H, W), one an organ, in the order of `CLASS_NAMES` without background.

    Returns:
        labels: uint8 (H, W), class indices.
        num_overlapping: Number of pixels that lie in more than one organ.
    """
    labels = np.zeros(masks.shape[1:], np.uint8)
    for class_index in reversed(_PRIORITY[:-1]):
        labels[masks[class_index - 1]] = class_index
    return labels, int(np.count_nonzero(masks.sum(axis=0) > 1))


def resize_labels(labels: np.ndarray, image_size: int) -> np.ndarray:
    """Resizes a label image to a square: each pixel gets the class that covers most of its area.

    Where classes cover the same area of a pixel, heart goes over lung over background.

    Args:
        labels: uint8 (H, W), class indices.
        image_size: The side S, in pixels.

    Returns:
        uint8 (S, S).
    """
    areas = [
        cv2.resize(
            (labels == class_index).astype(np.float32),
            (image_size, image_size),
            interpolation=cv2.INTER_AREA,
        )
        for class_index in _PRIORITY
    ]
    return np.array(_PRIORITY, np.uint8)[np.argmax(areas, axis=0)]


def _read_grey(path: str | Path) -> np.ndarray:
    """Returns uint8 (H, W)."""
    try:
        stored = np.frombuffer(Path(path).read_bytes(), np.uint8)
    except OSError as error:
        raise DataError(
            "Every image and mask can be read.",
            received=error.strerror or error,
            file=path,
            remedy="Restore the file, or its permission, or take the case out of the folder.",
        ) from error
    # imdecode raises on an empty buffer and on absurd sizes, and else returns None for what it
    # cannot decode.
    try:
        pixels = cv2.imdecode(stored, cv2.IMREAD_UNCHANGED)
    except cv2.error:
        pixels = None
    if pixels is None:
        raise DataError(
            "Every image and mask is a file that OpenCV can decode.",
            received=f"{stored.size} bytes that are no complete image",
            file=path,
            remedy="Copy the file again from its source, or take the case out of the folder.",
        )
    # Colour files whose channels agree are grey images stored in a wider format.
    if pixels.ndim == 3 and (pixels[:, :, :1] == pixels[:, :, :3]).all():
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2 or pixels.dtype != np.uint8:
        num_channels = 1 if pixels.ndim == 2 else pixels.shape[2]
        raise DataError(
            "Every image and mask is 8-bit grey.",
            received=f"{8 * pixels.dtype.itemsize} bits a channel, {num_channels} channel(s)",
            file=path,
            remedy="Convert the file to 8-bit grey.",
        )
    return pixels
