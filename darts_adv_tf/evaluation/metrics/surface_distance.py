"""Distances between the surfaces of predicted and true segmentations.

Shapes: N cases, H and W pixels, K classes, of which class 0 is the background.

The surface of a mask is its pixels that have one of their four neighbours outside the mask; what
lies beyond the image's border is outside. Distances are Euclidean, between the centres of
pixels.

Empty masks are counted, never dropped: if only one of truth and prediction is empty, each surface
pixel of the other counts as one image diagonal away, which no distance between two pixels
exceeds. If both are empty, nothing is wrong and there is no surface: nan, which means leave out,
as with the overlap of such a class.
"""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.ndimage import binary_erosion, distance_transform_edt, find_objects

from darts_adv_tf.evaluation.metrics.overlap import for_json, mean_over_present

PERCENTILE = 95


def surface_distances(
    true: np.ndarray, predicted: np.ndarray, spacing: Sequence[float] = (1.0, 1.0)
) -> tuple[np.ndarray, np.ndarray]:
    """Distances from every surface pixel of each mask to the surface of the other.

    Args:
        true, predicted: bool (H, W).
        spacing: Height and width of a pixel, in the unit of the result: (1, 1) for pixels.

    Returns:
        From the true to the predicted surface, and from the predicted to the true one: two
        one-dimensional float64, one element a surface pixel, so empty for an empty mask.

    Raises:
        ValueError: The masks are not bool (H, W) of one shape, or a spacing is not positive.
    """
    for name, mask in (("true", true), ("predicted", predicted)):
        if mask.ndim != 2 or mask.dtype != bool or mask.shape != true.shape:
            raise ValueError(
                "Both masks must be bool (H, W), of the same shape. "
                f"Received: {name} {mask.dtype} {mask.shape}, true {true.shape}"
            )
    if len(spacing) != 2 or not all(0 < length < math.inf for length in spacing):
        raise ValueError(
            f"spacing must be the height and the width of a pixel. Received: spacing={spacing}"
        )
    # No surface pixel is outside this box, so the distance transform can be limited to it.
    found = find_objects((true | predicted).astype(np.int8))
    if not found:
        return np.empty(0), np.empty(0)
    surfaces = [_surface(mask[found[0]]) for mask in (true, predicted)]
    diagonal = math.hypot(*(np.array(true.shape) * spacing))
    return (
        _distances(surfaces[0], surfaces[1], spacing, diagonal),
        _distances(surfaces[1], surfaces[0], spacing, diagonal),
    )


def hd95(true: np.ndarray, predicted: np.ndarray, spacing: Sequence[float] = (1.0, 1.0)) -> float:
    """Hausdorff distance at the 95th percentile.

    The larger of the two directed 95th percentiles, as in Metrics Reloaded: max(P95 of the
    distances from the true surface, P95 of those from the predicted one), percentiles
    interpolated linearly. MedPy takes one percentile of both directions' distances together
    instead, which hides a small misplaced surface next to a large one.

    Args:
        true, predicted: bool (H, W).
        spacing: Height and width of a pixel, in the unit of the result: (1, 1) for pixels.

    Returns:
        In the unit of `spacing`; the image's diagonal if just one mask is empty, nan if both.

    Raises:
        ValueError: As `surface_distances`.

    Reference: Maier-Hein et al., "Metrics reloaded", Nature Methods 21, 2024.
    """
    return _hd95(*surface_distances(true, predicted, spacing))


def assd(true: np.ndarray, predicted: np.ndarray, spacing: Sequence[float] = (1.0, 1.0)) -> float:
    """Average symmetric surface distance: the mean over the pixels of both surfaces together.

    Args:
        true, predicted: bool (H, W).
        spacing: Height and width of a pixel, in the unit of the result: (1, 1) for pixels.

    Returns:
        In the unit of `spacing`; the image's diagonal if just one mask is empty, nan if both.

    Raises:
        ValueError: As `surface_distances`.

    Reference: Heimann et al., "Comparison and evaluation of methods for liver segmentation from
    CT datasets", IEEE Transactions on Medical Imaging 28, 2009.
    """
    return _assd(*surface_distances(true, predicted, spacing))


@dataclasses.dataclass(frozen=True, eq=False)
class SurfaceScores:
    """Both distances of each case and foreground class.

    Attributes:
        hd95, assd: float64 (N, K - 1), without the background; nan where the class is absent
            from truth and prediction, or the case's pixel size is unknown.
    """

    hd95: np.ndarray
    assd: np.ndarray

    def summarize(self, classes: Sequence[str]) -> dict[str, Any]:
        """Means over the cases, ready for JSON: None in place of nan.

        Args:
            classes: K - 1 names.

        Returns:
            mean_hd95_organs, mean_assd_organs (of the classes' means); hd95, assd by class.
        """
        by_class = {
            name: mean_over_present(scores.T)
            for name, scores in (("hd95", self.hd95), ("assd", self.assd))
        }
        overall = {
            f"mean_{name}_organs": for_json(mean_over_present(means))
            for name, means in by_class.items()
        }
        return overall | {
            name: dict(zip(classes, map(for_json, means), strict=True))
            for name, means in by_class.items()
        }


def score_surfaces(
    labels: np.ndarray,
    predictions: np.ndarray,
    num_classes: int,
    pixel_sizes: np.ndarray | None = None,
) -> SurfaceScores:
    """Measures each foreground class of each case.

    Args:
        labels, predictions: (N, H, W), class indices.
        num_classes: K.
        pixel_sizes: (N, 2), height and width of each case's pixels in mm, nan where unknown;
            None measures in pixels.
    """
    if pixel_sizes is None:
        pixel_sizes = np.ones((len(labels), 2))
    scores = np.full((2, len(labels), num_classes - 1), np.nan)
    for case, spacing in enumerate(pixel_sizes):
        if np.isnan(spacing).any():
            continue
        for index in range(1, num_classes):
            masks = labels[case] == index, predictions[case] == index
            distances = surface_distances(*masks, spacing)
            scores[:, case, index - 1] = _hd95(*distances), _assd(*distances)
    return SurfaceScores(*scores)


def _surface(mask: np.ndarray) -> np.ndarray:
    return mask & ~binary_erosion(mask)


def _distances(
    surface: np.ndarray, other: np.ndarray, spacing: Sequence[float], diagonal: float
) -> np.ndarray:
    """From each pixel of one surface to the nearest of the other, or `diagonal` without one."""
    if not other.any():
        return np.full(np.count_nonzero(surface), diagonal)
    return distance_transform_edt(~other, sampling=spacing)[surface]


def _hd95(*directions: np.ndarray) -> float:
    percentiles = [
        np.percentile(distances, PERCENTILE) for distances in directions if len(distances)
    ]
    return float(max(percentiles, default=np.nan))


def _assd(*directions: np.ndarray) -> float:
    distances = np.concatenate(directions)
    return float(distances.mean()) if len(distances) else np.nan
