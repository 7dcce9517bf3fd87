"""Metrics of a segmentation: overlap, surface distances and cardiothoracic ratio."""

from darts_adv_tf.evaluation.metrics.overlap import (
    confusion_matrix,
    dice,
    iou,
    mean_over_present,
    summarize,
)

__all__ = ["confusion_matrix", "dice", "iou", "mean_over_present", "summarize"]
