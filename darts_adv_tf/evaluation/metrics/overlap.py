"""Overlap of predicted and true segmentations, all from confusion matrices.

Shapes: K classes, of which class 0 is the background. A class that occurs neither in the truth
nor in the prediction has no overlap to speak of: nan, and means leave it out.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts the pixels of each (true class, predicted class).

    Args:
        labels, predictions: Class indices, integers of one shape.
        num_classes: K.

    Returns:
        (K, K) int64, a row a true class, a column a predicted one.

    Raises:
        ValueError: The shapes differ, or an index is not a class.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.shape != predictions.shape:
        raise ValueError(
            "labels and predictions must have the same shape. "
            f"Received: labels of shape {labels.shape}, predictions of shape {predictions.shape}"
        )
    for name, indices in (("labels", labels), ("predictions", predictions)):
        if indices.size and not (indices.min() >= 0 and indices.max() < num_classes):
            raise ValueError(
                f"{name} must be class indices from 0 to {num_classes - 1}. "
                f"Received: {name} from {indices.min()} to {indices.max()}"
            )
    # In int64: class indices come as uint8, where the product would wrap around.
    pairs = labels.ravel().astype(np.int64) * num_classes + predictions.ravel()
    counts = np.bincount(pairs, minlength=num_classes**2)
    return counts.reshape(num_classes, num_classes)


def iou(confusion: np.ndarray) -> np.ndarray:
    """Intersection over union, |A ∩ B| / |A ∪ B|, of each class.

    Args:
        confusion: (..., K, K), truth in rows.

    Returns:
        (..., K) float64, fractions in 0..1; nan for a class absent from truth and prediction.

    Reference: Jaccard, "Étude comparative de la distribution florale", 1901.
    """
    true, predicted, both = _areas(confusion)
    return _ratio(both, true + predicted - both)


def dice(confusion: np.ndarray) -> np.ndarray:
    """Dice coefficient, 2 |A ∩ B| / (|A| + |B|), of each class.

    Args:
        confusion: (..., K, K), truth in rows.

    Returns:
        (..., K) float64, fractions in 0..1; nan for a class absent from truth and prediction.

    Reference: Dice, "Measures of the amount of ecologic association between species", 1945.
    """
    true, predicted, both = _areas(confusion)
    return _ratio(2 * both, true + predicted)


def mean_over_present(scores: np.ndarray) -> np.ndarray:
    """Means over the last axis without its nan; nan where nothing else is there.

    Args:
        scores: (..., K), with nan for absent classes.

    Returns:
        (...) float64.
    """
    present = ~np.isnan(scores)
    return _ratio(np.where(present, scores, 0).sum(axis=-1), present.sum(axis=-1))


def summarize(confusions: np.ndarray, class_names: Sequence[str]) -> dict[str, Any]:
    """Sums up the cases of a split, ready for JSON: fractions in 0..1, None in place of nan.

    Args:
        confusions: (cases, K, K), a confusion matrix a case.
        class_names: K names, the background first.

    Returns:
        num_cases; mean_iou (of the pooled matrix, every class); mean_iou_organs (the same without
        the background); iou and dice by class name (pooled); mean_iou_per_case (mean over the
        cases of each case's class mean); by foreground class, num_missing (the cases in which
        either the truth or the prediction, but not both, is empty) and num_absent (those in which
        both are).

    Raises:
        ValueError: The confusion matrices do not fit the class names.
    """
    num_classes = len(class_names)
    if confusions.ndim != 3 or confusions.shape[1:] != (num_classes, num_classes):
        raise ValueError(
            f"confusions must have the shape (cases, {num_classes}, {num_classes}). "
            f"Received: confusions of shape {confusions.shape}"
        )
    pooled = confusions.sum(axis=0)
    class_iou, class_dice = iou(pooled), dice(pooled)
    mean_iou_of_cases = mean_over_present(iou(confusions))
    true, predicted, _ = _areas(confusions)
    num_missing = ((true > 0) != (predicted > 0)).sum(axis=0)
    num_absent = ((true == 0) & (predicted == 0)).sum(axis=0)
    return {
        "num_cases": len(confusions),
        "mean_iou": for_json(mean_over_present(class_iou)),
        "mean_iou_organs": for_json(mean_over_present(class_iou[1:])),
        "iou": dict(zip(class_names, map(for_json, class_iou), strict=True)),
        "dice": dict(zip(class_names, map(for_json, class_dice), strict=True)),
        "mean_iou_per_case": for_json(mean_over_present(mean_iou_of_cases)),
        "num_missing": dict(zip(class_names[1:], num_missing[1:].tolist(), strict=True)),
        "num_absent": dict(zip(class_names[1:], num_absent[1:].tolist(), strict=True)),
    }


def for_json(value: float | np.ndarray) -> float | None:
    """Converts a scalar; nan, which JSON lacks, becomes None."""
    return None if np.isnan(value) else float(value)


def _areas(confusion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of each class in the truth, in the prediction and in both, each (..., K)."""
    both = np.diagonal(confusion, axis1=-2, axis2=-1)
    return confusion.sum(axis=-1), confusion.sum(axis=-2), both


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Divides, with nan in place of 0 / 0."""
    return np.where(denominator > 0, numerator / np.maximum(denominator, 1), np.nan)
