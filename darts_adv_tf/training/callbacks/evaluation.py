"""Evaluates the segmenter as training goes on; nothing is decided by it."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.evaluation.evaluator import Segmenter, predict_labels
from darts_adv_tf.evaluation.metrics import confusion_matrix, iou, mean_over_present
from darts_adv_tf.plots.overlays import draw_overlays
from darts_adv_tf.training.callbacks import Callback, Report, is_due
from darts_adv_tf.training.callbacks.tensorboard import TensorBoard
from darts_adv_tf.training.metric_names import (
    TEST_MEAN_IOU,
    TEST_MEAN_IOU_ORGANS,
    TRAIN_MEAN_IOU,
    VAL_MEAN_IOU,
)

NUM_OVERLAYS = 3


@dataclasses.dataclass(eq=False)
class Evaluation(Callback):
    """What both evaluations share: the segmenter and the cases.

    Attributes:
        segmenter: The model that is trained, as `compile_segmenter` returns it.
        dataset: Holds the cases.
        cases: Indices of those to evaluate on.
        every: Epochs between two evaluations, the last epoch's included; 0 for none.
        num_epochs: Of the stage.
    """

    segmenter: Segmenter
    dataset: Dataset
    cases: Sequence[int]
    every: int
    num_epochs: int

    def is_due(self, epoch: int) -> bool:
        """Returns whether to evaluate at the end of this epoch."""
        return is_due(self.every, epoch, self.num_epochs)

    def predict(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the IoU of each class, pooled over the cases, and the predicted labels.

        Raises:
            NonFiniteError: The segmenter answered with infinity or nan.
        """
        cases = list(self.cases)
        labels = self.dataset.labels[cases]
        predictions = predict_labels(self.segmenter, self.dataset.images[cases])
        confusion = confusion_matrix(labels, predictions, len(self.dataset.class_names))
        return iou(confusion), predictions


class TestCurve(Evaluation):
    """Measures the test cases during retraining, for curves."""

    __test__ = False  # no test of pytest's

    def on_epoch(self, epoch: int, report: Report) -> None:
        if self.is_due(epoch):
            values, _ = self.predict()
            report.metrics[TEST_MEAN_IOU] = float(mean_over_present(values))
            report.metrics[TEST_MEAN_IOU_ORGANS] = float(mean_over_present(values[1:]))


@dataclasses.dataclass(eq=False)
class ValidationOverlays(Evaluation):
    """Measures the cases of the validation half, and draws overlays of a few of them.

    Attributes:
        trains_on_cases: Whether the stage trains on these cases, as retraining does: the metric
            has another name then, since it says little.
        tensorboard: Takes the overlays.
        Others: See `Evaluation`.
    """

    trains_on_cases: bool
    tensorboard: TensorBoard

    def on_epoch(self, epoch: int, report: Report) -> None:
        if not self.is_due(epoch):
            return
        metric = TRAIN_MEAN_IOU if self.trains_on_cases else VAL_MEAN_IOU
        values, predictions = self.predict()
        report.metrics[metric] = float(mean_over_present(values))
        few = list(self.cases[:NUM_OVERLAYS])
        overlays = draw_overlays(
            self.dataset.images[few],
            self.dataset.labels[few],
            predictions[: len(few)],
            [self.dataset.cases[index] for index in few],
            self.dataset.class_names,
        )
        name = metric.partition("/")[0]
        self.tensorboard.add_image(report.done, f"{name}/overlays", overlays)
