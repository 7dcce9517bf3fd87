"""How good a segmentation is: its overlap with the truth, the distance of their surfaces, and the
cardiothoracic ratio that is read from it."""

from darts_adv_tf.evaluation.metrics.overlap import (
    confusion_matrix,
    dice,
    iou,
    mean_over_present,
    summarize,
)

__all__ = ["confusion_matrix", "dice", "iou", "mean_over_present", "summarize"]
