"""The names of a run's metrics: tags of TensorBoard and columns of `epochs_<stage>.csv`.

Whoever writes a metric and whoever reads it takes its name from here, so that a renamed metric
cannot go unread. Free of TensorFlow.
"""

SEGMENTATION_LOSS = "loss/segmentation"
ADVERSARIAL_LOSS = "loss/adversarial"
DISCRIMINATOR_LOSS = "loss/discriminator"
VALIDATION_LOSS = "loss/validation"
"""What alpha descends (Eq. 8), on a batch of the validation half."""

REAL_ACCURACY = "accuracy/real"
"""Share of true masks that the discriminator takes for true."""
FAKE_ACCURACY = "accuracy/fake"
"""Share of predicted masks that the discriminator takes for predicted."""

SEGMENTER_GRADIENT_NORM = "gradient_norm/segmenter"
DISCRIMINATOR_GRADIENT_NORM = "gradient_norm/discriminator"
ARCHITECTURE_GRADIENT_NORM = "gradient_norm/architecture"

SECOND_ORDER_RATIO = "second_order/ratio"
FINITE_DIFFERENCE_COSINE = "second_order/cosine_of_finite_difference"
FINITE_DIFFERENCE_NORM_RATIO = "second_order/norm_ratio_of_finite_difference"

TEST_MEAN_IOU = "test/mean_iou"
TEST_MEAN_IOU_ORGANS = "test/mean_iou_organs"
"""The same without the background."""
VAL_MEAN_IOU = "val/mean_iou"
"""On the validation half, during the search."""
TRAIN_MEAN_IOU = "train/mean_iou"
"""On the same cases during retraining, which trains on them too."""

SECONDS_PER_STEP = "seconds/step"
STEPS_LEFT_OUT = "steps_left_out"

IN_EPOCH_LOG = ("loss/", "accuracy/", "second_order/")
"""How the names of the metrics begin whose means over an epoch's steps are logged."""


def short_name(metric: str) -> str:
    """The last part of a name, for a progress line.

    Example:
        >>> short_name("loss/segmentation")
        'segmentation'
    """
    return metric.rpartition("/")[-1]


def alpha_entropy(cell: str) -> str:
    """Mean entropy of the operations' weights over the edges of a kind of cell, in nats."""
    return f"alpha_entropy/{cell}"


def alpha_weight(operation: str, cell: str) -> str:
    """Mean weight of an operation over the edges of a kind of cell."""
    return f"alpha_{operation}/{cell}"


def alpha_edge_share(operation: str, cell: str) -> str:
    """Share of the edges of a kind of cell on which an operation is the strongest."""
    return f"alpha_{operation}_edges/{cell}"
