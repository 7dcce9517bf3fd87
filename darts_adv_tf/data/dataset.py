"""A labelled data set in memory.

Shapes: N cases, H and W pixels, C channels.
"""

import dataclasses
import hashlib

import numpy as np

from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.data.preparation import Preparation


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
    """Images and labels of all cases at the training resolution.

    Attributes:
        name: The source, as `--dataset` names it.
        class_names: Names of the classes; a class's place is its index in `labels`.
        cases: N distinct names, one a case.
        images: float32 (N, H, W, C), prepared.
        labels: uint8 (N, H, W), class indices.
        preparation: How the images were prepared, and others are to be for the same segmenter.
        patients: N names, whose image each is; each case's own name by default.
        folds: The N cases' folds in the source's own split; empty if it has none.
        pixel_sizes: float (N, 2), height and width of a pixel of `images` in mm, nan where
            unknown; all unknown by default.
        has_whole_organs: Whether every case shows every organ, in one part.
        issues: What was found wrong with the data, and what was done about it.

    Raises:
        ValueError: If the parts do not belong together.
    """

    name: str
    class_names: tuple[str, ...]
    cases: tuple[str, ...]
    images: np.ndarray
    labels: np.ndarray
    preparation: Preparation
    patients: tuple[str, ...] = ()
    folds: tuple[str, ...] = ()
    pixel_sizes: np.ndarray = dataclasses.field(default_factory=lambda: np.empty((0, 2)))
    has_whole_organs: bool = False
    issues: tuple[DataIssue, ...] = ()

    def fingerprint(self) -> str:
        """SHA-256 of all cases, by which a resumed run knows its data."""
        digest = hashlib.sha256("\n".join((self.name, *self.class_names, *self.cases)).encode())
        for array in (self.images, self.labels):
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def __post_init__(self):
        num_cases = len(self.cases)
        if not self.patients:
            object.__setattr__(self, "patients", self.cases)
        if not len(self.pixel_sizes):
            object.__setattr__(self, "pixel_sizes", np.full((num_cases, 2), np.nan))
        lengths = {"patients": len(self.patients), "pixel_sizes": len(self.pixel_sizes)}
        for name, length in lengths.items():
            if length != num_cases:
                raise ValueError(f"{name} must have one entry per case. Received: {length}")
        if len(self.folds) not in (0, num_cases):
            raise ValueError(
                f"folds must have one entry per case, or none. Received: {len(self.folds)}"
            )
        if len(set(self.cases)) != num_cases:
            raise ValueError("The names of the cases must be distinct. Received duplicates.")
        if self.images.ndim != 4 or self.images.dtype != np.float32:
            raise ValueError(
                "images must be float32 (N, H, W, C). "
                f"Received: {self.images.dtype} {self.images.shape}"
            )
        if self.labels.shape != self.images.shape[:3] or self.labels.dtype != np.uint8:
            raise ValueError(
                "labels must be uint8 (N, H, W), as large as the images. "
                f"Received: {self.labels.dtype} {self.labels.shape}, images {self.images.shape}"
            )
        if len(self.images) != num_cases:
            raise ValueError(
                f"There must be one image per case. "
                f"Received: {len(self.images)} images, {num_cases} cases"
            )
        if self.labels.size and self.labels.max() >= len(self.class_names):
            raise ValueError(
                f"labels must be less than the number of classes, {len(self.class_names)}. "
                f"Received: {self.labels.max()}"
            )
