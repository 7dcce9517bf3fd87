"""Small images of cases for the verify command's page, with the contours of their masks.

Shapes: H, W pixels, C channels, K classes, of which class 0 is the background.
"""

import cv2
import numpy as np
from matplotlib.colors import to_rgb

from darts_adv_tf.plots.overlays import class_colours

LONGEST_SIDE = 288
"""Pixels of a side: larger images are shrunk, smaller ones enlarged."""


def draw_stored(image: np.ndarray, masks: np.ndarray, num_classes: int) -> np.ndarray:
    """Draws an image with its masks, which may overlap.

    Args:
        image: (H, W, C), any real numbers; of several channels the mean is shown.
        masks: bool (K - 1, H, W); left out where they are of another size than the image.
        num_classes: K.

    Returns:
        (height, width, 3) uint8 RGB, `LONGEST_SIDE` at its longest.
    """
    height, width = image.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    grey = _stretched(image.mean(axis=-1, dtype=np.float32))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    drawn = np.repeat(cv2.resize(grey, size, interpolation=method)[:, :, np.newaxis], 3, axis=2)
    if masks.shape[1:] != (height, width):
        return drawn
    for mask, colour in zip(masks, class_colours(num_classes), strict=True):
        area = cv2.resize(mask.astype(np.float32), size, interpolation=method)
        contours, _ = cv2.findContours(
            (area >= 0.5).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE
        )
        intensities = [round(255 * part) for part in to_rgb(colour)]
        cv2.drawContours(drawn, contours, -1, intensities, 1, cv2.LINE_AA)
    return drawn


def draw_prepared(image: np.ndarray, labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Draws an image (H, W, C) with the contours of its labels (H, W), as `draw_stored` does."""
    masks = labels == np.arange(1, num_classes)[:, np.newaxis, np.newaxis]
    return draw_stored(image, masks, num_classes)


def _stretched(grey: np.ndarray) -> np.ndarray:
    """Intensities from 0 to 205, so that a dark exposure shows too and contours stand out."""
    darkest, brightest = np.percentile(grey, (0.5, 99.5))
    span = max(brightest - darkest, np.finfo(np.float32).tiny)
    return (205 * np.clip((grey - darkest) / span, 0, 1)).astype(np.uint8)
