"""The cardiothoracic ratio: the width of the heart relative to that of the chest.

The largest horizontal extent of the heart over that of both lungs together, each from the
leftmost to the rightmost pixel column that it touches, in whichever rows. As a ratio of two
horizontal lengths it depends on no pixel size, nor on whether an image's aspect was kept.

Of the definitions tried, this one is nearest to the `ctr_ground_truth.csv` that CX-SEG comes
with: on the 512x512 masks of the 139 listed cases out of 160 it differs by 0.0013 on average, by
0.0050 at most. With the widest single row of the lungs in place of their extent it would be
0.0043, with the widest row of the heart 0.013. Smaller masks round more: 0.0025 at 256x256, 0.0044
at 128x128, 0.0080 at 64x64. What a perfect segmenter would show against that file is no less.

Reference: Danzer, "The cardiothoracic ratio: an index of cardiac enlargement", 1919; Dong et al.,
"Unsupervised domain adaptation for automatic estimation of cardiothoracic ratio", MICCAI 2018.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from darts_adv_tf.evaluation.metrics.overlap import for_json, mean_over_present

LUNGS = ("left_lung", "right_lung")
HEART = "heart"


def has_cardiothoracic_ratio(class_names: Sequence[str]) -> bool:
    """Whether both lungs and the heart are among the classes."""
    return {*LUNGS, HEART} <= set(class_names)


def cardiothoracic_ratio(labels: np.ndarray, class_names: Sequence[str]) -> float:
    """The ratio of one image.

    Every pixel counts: stray ones far from their organ widen it.

    Args:
        labels: (H, W), class indices.
        class_names: K names, both lungs and the heart among them.

    Returns:
        Above 0, usually 0.3 to 0.8; nan if either lung or the heart is missing.
    """
    lungs = [labels == class_names.index(name) for name in LUNGS]
    heart = labels == class_names.index(HEART)
    if not all(mask.any() for mask in (*lungs, heart)):
        return np.nan
    return _width(heart) / _width(lungs[0] | lungs[1])


def compare_ratios(ratios: np.ndarray, references: np.ndarray) -> dict[str, Any]:
    """How well predicted ratios agree with reference ones, ready for JSON.

    Args:
        ratios, references: (N,), nan where there is none.

    Returns:
        mean_absolute_error and correlation (Pearson's; None where it is not defined) over the
        num_cases cases that have both; num_missing, the cases that only have a reference.
    """
    listed = ~np.isnan(references)
    both = listed & ~np.isnan(ratios)
    ratios, references = ratios[both], references[both]
    correlation = np.nan
    if len(ratios) > 1 and np.ptp(ratios) > 0 and np.ptp(references) > 0:
        correlation = np.corrcoef(ratios, references)[0, 1]
    return {
        "mean_absolute_error": for_json(mean_over_present(np.abs(ratios - references))),
        "correlation": for_json(correlation),
        "num_cases": len(ratios),
        "num_missing": int(listed.sum()) - len(ratios),
    }


def _width(mask: np.ndarray) -> int:
    """Columns from the leftmost to the rightmost pixel, both included."""
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[-1] - columns[0] + 1)
