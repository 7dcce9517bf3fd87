"""Removes what a segmentation has beside the main piece of each organ.

Shapes: H and W pixels.
"""

import cv2
import numpy as np


def keep_largest_component(labels: np.ndarray) -> np.ndarray:
    """Turns all pieces of an organ but its largest one into background.

    Pixels that touch at a side or a corner are connected. Of pieces of one size the one that
    comes first, row by row, stays.

    Args:
        labels: uint8 (H, W), class indices; 0 is the background.

    Returns:
        uint8 (H, W).
    """
    kept = np.zeros_like(labels)
    for class_index in np.unique(labels[labels > 0]):
        mask = (labels == class_index).astype(np.uint8)
        _, pieces = cv2.connectedComponents(mask, connectivity=8)
        # Numbered by the library in an order of its own, so the first pixels decide a tie.
        numbers, first_places, areas = np.unique(pieces, return_index=True, return_counts=True)
        is_piece = numbers > 0
        candidates = zip(-areas[is_piece], first_places[is_piece], numbers[is_piece], strict=True)
        kept[pieces == min(candidates)[2]] = class_index
    return kept
