"""Measures a segmenter on the test cases, beside two predictors that are blind to the image.

Shapes: N cases, H, W, C channels, K classes, of which class 0 is the background.
"""

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.split import Split
from darts_adv_tf.errors import DataError, NonFiniteError
from darts_adv_tf.files import write_text
from darts_adv_tf.metrics import confusion_matrix, dice, iou, mean_over_present, summarize
from darts_adv_tf.reporting.overlays import draw_overlays
from darts_adv_tf.reporting.pictures import save_png

Segmenter = Callable[[np.ndarray], Any]
"""Maps float32 images (N, H, W, C) to logits or probabilities (N, H, W, K)."""


def evaluate_segmenter(
    segmenter: Segmenter,
    dataset: Dataset,
    split: Split,
    workdir: str | os.PathLike,
    batch_size: int = 8,
) -> dict[str, Any]:
    """Writes metrics.json, per_case.csv and overlays.png of the test cases.

    Args:
        segmenter: Maps float32 images (N, H, W, C) to logits or probabilities (N, H, W, K).
        dataset, split: The cases; those of `split.test` are measured, the training cases shape
            the `mean_shape` baseline.
        workdir: Folder for the three files; each is replaced as a whole.
        batch_size: Images a call of the segmenter.

    Returns:
        What metrics.json holds: `summarize` of the segmenter, and `baselines`, by name a
        `mean_iou` and a `mean_iou_organs`.

    Raises:
        DataError: There is no test case, or no training case.
        NonFiniteError: The segmenter answered with infinity or nan.
        StorageError: A file could not be written.
    """
    for name, cases in (("test", split.test), ("training", split.training)):
        if not cases:
            raise DataError(
                "An evaluation needs a test case to measure and a training case for the baseline.",
                received=f"no {name} case",
                remedy="Change --train_cases, or add cases to the data set.",
            )
    workdir = Path(workdir)
    class_names = dataset.class_names
    test = list(split.test)
    images, labels = dataset.images[test], dataset.labels[test]
    predictions = predict_labels(segmenter, images, batch_size)
    confusions = _confusions(labels, predictions, len(class_names))

    metrics = summarize(confusions, class_names)
    metrics["baselines"] = {}
    shape = mean_shape(dataset.labels[list(split.training)], len(class_names))
    for name, blind in (("mean_shape", shape), ("all_background", np.zeros_like(shape))):
        blind_predictions = np.broadcast_to(blind, labels.shape)
        blind_confusions = _confusions(labels, blind_predictions, len(class_names))
        summary = summarize(blind_confusions, class_names)
        metrics["baselines"][name] = {key: summary[key] for key in ("mean_iou", "mean_iou_organs")}

    cases = [dataset.cases[index] for index in test]
    write_text(workdir / "per_case.csv", _per_case_table(confusions, cases, class_names))
    picture = _overlays_of_extremes(images, labels, predictions, confusions, cases, class_names)
    save_png(workdir / "overlays.png", picture)
    # Last: where the figures stand, the rest stands too.
    write_text(workdir / "metrics.json", json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    return metrics


def predict_labels(segmenter: Segmenter, images: np.ndarray, batch_size: int = 8) -> np.ndarray:
    """Predicts the most likely class of each pixel.

    Args:
        segmenter: Maps float32 images (N, H, W, C) to logits or probabilities (N, H, W, K).
        images: (N, H, W, C) float32.
        batch_size: Images a call; the last call may get fewer.

    Returns:
        (N, H, W) uint8.

    Raises:
        ValueError: The segmenter's answer does not fit the images.
        NonFiniteError: The segmenter answered with infinity or nan.
    """
    predictions = np.empty(images.shape[:3], np.uint8)
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        scores = np.asarray(segmenter(batch))
        if scores.ndim != 4 or scores.shape[:3] != batch.shape[:3]:
            raise ValueError(
                "A segmenter maps (N, H, W, C) to (N, H, W, classes). "
                f"Received: {batch.shape} mapped to {scores.shape}"
            )
        if not np.isfinite(scores).all():
            raise NonFiniteError(
                "A segmenter answers with finite numbers.",
                received=f"infinity or nan for images {start} to {start + len(batch) - 1}",
                remedy="Train it again, with a smaller --learning_rate.",
            )
        predictions[start : start + len(batch)] = scores.argmax(axis=-1)
    return predictions


def mean_shape(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """The average mask: each pixel's most frequent class (tie: the lower class).

    Args:
        labels: (N, H, W), class indices of the training cases.
        num_classes: K.

    Returns:
        (H, W) uint8.
    """
    shares = [np.mean(labels == index, axis=0) for index in range(num_classes)]
    return np.argmax(shares, axis=0).astype(np.uint8)


def _confusions(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """(N, K, K), a confusion matrix a case."""
    pairs = zip(labels, predictions, strict=True)
    return np.stack([confusion_matrix(*pair, num_classes) for pair in pairs])


def _per_case_table(
    confusions: np.ndarray, cases: Sequence[str], class_names: Sequence[str]
) -> str:
    """CSV; the cell of a class absent from truth and prediction is empty."""
    class_iou, class_dice = iou(confusions), dice(confusions)
    scores = np.column_stack([mean_over_present(class_iou), class_iou, class_dice])
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    columns = [f"{metric}_{name}" for metric in ("iou", "dice") for name in class_names]
    writer.writerow(["case", "mean_iou", *columns])
    for case, row in zip(cases, scores, strict=True):
        writer.writerow([case, *("" if np.isnan(score) else f"{score:.6f}" for score in row)])
    return table.getvalue()


def _overlays_of_extremes(
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    confusions: np.ndarray,
    cases: Sequence[str],
    class_names: Sequence[str],
) -> np.ndarray:
    """Draws the best, the median and the worst case, each once if there are fewer than three."""
    mean_iou = mean_over_present(iou(confusions))
    order = np.argsort(-mean_iou, kind="stable")
    ranks: dict[int, list[str]] = {}
    for rank, position in (("best", 0), ("median", len(order) // 2), ("worst", -1)):
        ranks.setdefault(int(order[position]), []).append(rank)
    shown = list(ranks)
    titles = [
        f"{' and '.join(ranks[case]).capitalize()} of {len(cases)}: {cases[case]}, "
        f"mean IoU {mean_iou[case]:.3f}"
        for case in shown
    ]
    return draw_overlays(images[shown], labels[shown], predictions[shown], titles, class_names)
