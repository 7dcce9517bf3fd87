"""Data augmentation: a pure function of seed, epoch and case.

Shapes: S the side of a training image, C channels.
"""

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Rotates, scales, shifts and mirrors images with their labels, and varies gamma and noise.

    The geometry is one affine map, with linear interpolation for images and nearest-neighbour
    interpolation for labels. What enters from outside is black, and background.

    Attributes:
        rotation: Largest angle, in degrees.
        scaling: Largest change of size: a factor from 1 / (1 + scaling) to 1 + scaling.
        shift: Largest shift in each direction, as a fraction of the side.
        gamma: Largest change of the exponent of intensities, defined as for `scaling`.
        noise: Largest standard deviation of Gaussian noise.
        flip: Whether half of the images are mirrored left to right.
        mirrored_classes: The class that each class becomes in a mirrored image; unchanged if empty.

    Example:
        >>> varied, labels = Augmentation(rotation=10)(image, labels, key=(seed, epoch, case))
    """

    rotation: float = 0.0
    scaling: float = 0.0
    shift: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    flip: bool = False
    mirrored_classes: tuple[int, ...] = ()

    @property
    def is_none(self) -> bool:
        """Whether it leaves every image unchanged."""
        return not any((self.rotation, self.scaling, self.shift, self.gamma, self.noise, self.flip))

    def __call__(
        self, image: np.ndarray, labels: np.ndarray, key: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Varies one case.

        Args:
            image: float32 (S, S, C), 0 black and 1 white.
            labels: uint8 (S, S), class indices.
            key: Non-negative numbers; equal keys give equal results.

        Returns:
            Image and labels, of the same shapes and types.
        """
        # All are always drawn, so that one setting does not change the effect of another.
        angle, scale, *shifts, exponent, roughness, coin = np.random.default_rng(key).uniform(
            -1, 1, 7
        )
        angle *= self.rotation
        factor = (1 + self.scaling) ** scale
        side = labels.shape[0]
        matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), angle, factor)
        matrix[:, 2] += np.array(shifts) * self.shift * side
        is_mirrored = self.flip and coin < 0
        if is_mirrored:
            image, labels = image[:, ::-1], self._mirrored(labels[:, ::-1])
        if self.rotation or self.scaling or self.shift:
            image = _warp(image, matrix, cv2.INTER_LINEAR)
            labels = _warp(labels, matrix, cv2.INTER_NEAREST)
        if self.gamma:
            # Percentile and window normalization leave nothing below 0; others may.
            image = np.maximum(image, 0) ** np.float32((1 + self.gamma) ** exponent)
        if self.noise:
            noise = np.random.default_rng((*key, 1)).standard_normal(image.shape, np.float32)
            image = image + np.float32(self.noise * abs(roughness)) * noise
        return np.ascontiguousarray(image), np.ascontiguousarray(labels)

    def _mirrored(self, labels: np.ndarray) -> np.ndarray:
        if not self.mirrored_classes:
            return labels
        return np.array(self.mirrored_classes, np.uint8)[labels]


def mirrored_classes(class_names: Sequence[str]) -> tuple[int, ...]:
    """The class of each class after mirroring: left_... and right_... of the same name swap.

    Example:
        >>> mirrored_classes(["background", "left_lung", "right_lung", "heart"])
        (0, 2, 1, 3)
    """
    swapped = {"left": "right", "right": "left"}
    places = {name: index for index, name in enumerate(class_names)}

    def mirrored(name: str) -> str:
        side, underscore, organ = name.partition("_")
        return f"{swapped.get(side, side)}{underscore}{organ}"

    return tuple(places.get(mirrored(name), index) for index, name in enumerate(class_names))


def _warp(pixels: np.ndarray, matrix: np.ndarray, interpolation: int) -> np.ndarray:
    height, width = pixels.shape[:2]
    warped = cv2.warpAffine(
        np.ascontiguousarray(pixels), matrix, (width, height), flags=interpolation
    )
    # OpenCV drops the last axis of a single channel.
    return warped.reshape(pixels.shape)
