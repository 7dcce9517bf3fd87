"""Both lungs and the heart on a chest radiograph: names, priorities, and typical layout.

Shapes: H and W pixels.
"""

import cv2
import numpy as np

CLASS_NAMES = ("background", "left_lung", "right_lung", "heart")
"""In the order of their indices. Left and right are the patient's."""

ORGANS = CLASS_NAMES[1:]
PRIORITY = ("heart", "left_lung", "right_lung")
"""Priority where masks overlap, the highest first: heart over lung."""

_TYPICAL_LAYOUT = np.array([0.61, 0.39, 0.56, 0.50, -0.29])
_LAYOUT_DEVIATION = np.array([0.046, 0.065, 0.174, 0.162, 0.180])
_PLAUSIBLE = 25.0


def repair_swap(masks: np.ndarray) -> tuple[np.ndarray, str | None, str | None]:
    """Detects a heart mask that was swapped with a lung mask, and corrects both.

    The layout of the masks is compared with the two layouts in which the heart is swapped with a
    lung. A layout is described by five numbers that are invariant to the size and place of the
    body and to mirroring: where the heart is between the lungs, how far
    below them, and how tall each organ is for its width. Its implausibility is their mean squared
    deviation from CX-SEG's usual values, in standard deviations: below 8 in the 159 good cases,
    above 80 for each exchange of heart and lung. An exchange of the two lungs looks like a mirrored
    image, so it is reported and left unchanged.

    Args:
        masks: bool (3, H, W), in the order of `ORGANS`, none empty.

    Returns:
        masks: bool (3, H, W), swapped back if that is the only plausible layout.
        kind: `swapped`, `unusual` or `mirrored`, or None.
        report: What was found and done, or None.
    """
    places = np.array([_place(mask) for mask in masks])
    left, right, heart = range(len(ORGANS))
    if _implausibility(places) > _PLAUSIBLE:
        orders = {lung: np.arange(len(ORGANS)) for lung in (left, right)}
        for lung, order in orders.items():
            order[[lung, heart]] = heart, lung
        best = min(orders, key=lambda lung: _implausibility(places[orders[lung]]))
        if _implausibility(places[orders[best]]) < _PLAUSIBLE:
            report = f"the masks of {ORGANS[best]} and heart were swapped, corrected"
            return masks[orders[best]], "swapped", report
        report = "the organs are not placed as in a chest radiograph, left unchanged"
        return masks, "unusual", report
    if places[left, 0] < places[right, 0]:
        return (
            masks,
            "mirrored",
            "left_lung is on the viewer's left (lungs swapped, or a mirrored image), "
            "left unchanged",
        )
    return masks, None, None


def _place(mask: np.ndarray) -> tuple[float, float, float]:
    """Returns the centre (x, y) in pixels and the logarithm of height over width."""
    moments = cv2.moments(mask.view(np.uint8), binaryImage=True)
    area = moments["m00"]
    # A pixel has an extent of its own, so that a line one pixel wide has a finite shape.
    width, height = moments["mu20"] / area + 1 / 12, moments["mu02"] / area + 1 / 12
    return moments["m10"] / area, moments["m01"] / area, 0.5 * np.log(height / width)


def _implausibility(places: np.ndarray) -> float:
    """Mean squared deviation of a layout from the usual one, in standard deviations.

    Args:
        places: (3, 3), `_place` of left lung, right lung and heart.
    """
    left, right, heart = places
    span = left[0] - right[0]
    if abs(span) < 1.0:
        return np.inf
    along = (heart[0] - right[0]) / span
    below = (heart[1] - (left[1] + right[1]) / 2) / abs(span)
    layout = np.array([along, below, left[2], right[2], heart[2]])
    return float(np.mean(((layout - _TYPICAL_LAYOUT) / _LAYOUT_DEVIATION) ** 2))
