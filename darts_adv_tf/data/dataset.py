"""A labelled data set in memory.

Shapes: N cases, H and W pixels, C channels.
"""

import dataclasses
import hashlib

import numpy as np

CLASS_NAMES = ("background", "left_lung", "right_lung", "heart")
"""Chest radiographs: a class's place here is its index. Left and right are the patient's."""


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of all cases at the training resolution.

    Attributes:
        name: The source, as `--dataset` names it.
        class_names: Names of the classes; a class's place is its index in `labels`.
        cases: N distinct names, one a case.
        images: float32 (N, H, W, C), preprocessed: `intensity_maximum` is 1.
        labels: uint8 (N, H, W), class indices.
        intensity_maximum: The largest intensity that the stored images can hold; preprocessing
            divides by it.
        repairs: One line for each fault of the data that was found, naming the case and what was
            done about it.

    Raises:
        ValueError: If the parts do not belong together.
    """

    name: str
    class_names: tuple[str, ...]
    cases: tuple[str, ...]
    images: np.ndarray
    labels: np.ndarray
    intensity_maximum: float
    repairs: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """SHA-256 of all cases, by which a resumed run knows its data."""
        digest = hashlib.sha256("\n".join((self.name, *self.class_names, *self.cases)).encode())
        for array in (self.images, self.labels):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()

    def __post_init__(self):
        num_cases = len(self.cases)
        if len(set(self.cases)) != num_cases:
            raise ValueError("The names of the cases are distinct. Received duplicates.")
        if self.images.ndim != 4 or self.images.dtype != np.float32:
            raise ValueError(
                f"images is float32 (N, H, W, C). Received: {self.images.dtype} {self.images.shape}"
            )
        if self.labels.shape != self.images.shape[:3] or self.labels.dtype != np.uint8:
            raise ValueError(
                "labels is uint8 (N, H, W), as large as the images. "
                f"Received: {self.labels.dtype} {self.labels.shape} beside {self.images.shape}"
            )
        if len(self.images) != num_cases:
            raise ValueError(
                f"There is one image a case. Received: {len(self.images)} images, {num_cases} cases"
            )
        if self.labels.size and self.labels.max() >= len(self.class_names):
            raise ValueError(
                f"A label is less than the number of classes, {len(self.class_names)}. "
                f"Received: {self.labels.max()}"
            )
