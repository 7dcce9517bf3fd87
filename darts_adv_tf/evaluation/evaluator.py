"""Evaluates a segmenter on the test cases, next to two baselines that ignore the image.

Shapes: N cases, H, W, C channels, K classes, of which class 0 is the background.
"""

import csv
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.ratio_table import RATIOS_FILE
from darts_adv_tf.data.split import Split
from darts_adv_tf.evaluation.metrics import (
    confusion_matrix,
    dice,
    iou,
    mean_over_present,
    summarize,
)
from darts_adv_tf.evaluation.metrics.cardiothoracic_ratio import (
    cardiothoracic_ratio,
    compare_ratios,
    has_cardiothoracic_ratio,
)
from darts_adv_tf.evaluation.metrics.surface_distance import score_surfaces
from darts_adv_tf.plots.images import save_png
from darts_adv_tf.plots.overlays import draw_overlays
from darts_adv_tf.system.errors import DataError, NonFiniteError
from darts_adv_tf.system.files import write_text

Segmenter = Callable[[np.ndarray], Any]
"""Maps float32 images (N, H, W, C) to logits or probabilities (N, H, W, K)."""

BASELINE_METRICS = (
    "mean_iou",
    "mean_iou_organs",
    "mean_hd95_organs",
    "mean_assd_organs",
    "cardiothoracic_ratio",
)
"""The metrics that metrics.json gives for a baseline too, where it has them."""

RATIO_COLUMNS = {"masks": "ctr_true", RATIOS_FILE: "ctr_listed"}
"""The columns of per_case.csv for reference ratios, by where those are from."""


def evaluate_segmenter(
    segmenter: Segmenter,
    dataset: Dataset,
    split: Split,
    workdir: str | os.PathLike,
    batch_size: int = 8,
    ratios: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Writes metrics.json, per_case.csv and overlays.png of the test cases.

    Everything is measured at the training resolution. Padding that keeps an image's aspect counts
    as background, and as part of the image for its diagonal. If the aspect was not kept, distances
    in pixels are still in training pixels; distances in mm use their height and width.

    Args:
        segmenter: Maps float32 images (N, H, W, C) to logits or probabilities (N, H, W, K).
        dataset, split: The cases; those of `split.test` are measured, the training cases shape
            the `mean_shape` baseline.
        workdir: Folder for the three files; each is replaced as a whole.
        batch_size: Number of images per call of the segmenter.
        ratios: Listed cardiothoracic ratios by case; not every case needs one.

    Returns:
        What metrics.json holds: `summarize` of the segmenter; the means of its surface distances
        in pixels, and where every test case's pixel size is known `hd95_mm` and `assd_mm` by
        class; `cardiothoracic_ratio`, where both lungs and the heart are classes, against the
        ratios of the true masks and, if given, `ratios`; and `baselines`, by name the overall
        means and the cardiothoracic ratio.

    Raises:
        DataError: There is no test case, or no training case.
        NonFiniteError: The segmenter's output contains infinity or nan.
        StorageError: A file could not be written.
    """
    for name, indices in (("test", split.test), ("training", split.train_and_val)):
        if not indices:
            raise DataError(
                "An evaluation must have at least one test case and one training case.",
                received=f"no {name} case",
                remedy="Change --train_cases, or add cases to the data set.",
            )
    workdir = Path(workdir)
    class_names = dataset.class_names
    test = list(split.test)
    images, labels = dataset.images[test], dataset.labels[test]
    cases = [dataset.cases[index] for index in test]
    predictions = predict_labels(segmenter, images, batch_size)
    references = _reference_ratios(labels, cases, class_names, ratios)

    metrics, columns = _measure(
        labels, predictions, class_names, references, dataset.pixel_sizes[test]
    )
    metrics["baselines"] = {}
    shape = mean_shape(dataset.labels[list(split.train_and_val)], len(class_names))
    for name, constant in (("mean_shape", shape), ("all_background", np.zeros_like(shape))):
        constant_predictions = np.broadcast_to(constant, labels.shape)
        summary, constant_columns = _measure(labels, constant_predictions, class_names, references)
        if name == "mean_shape":
            columns["mean_iou_of_mean_shape"] = constant_columns["mean_iou"]
        metrics["baselines"][name] = {
            key: summary[key] for key in BASELINE_METRICS if key in summary
        }

    write_text(workdir / "per_case.csv", _per_case_table(cases, columns))
    overlays = _overlays_of_extremes(
        images, labels, predictions, columns["mean_iou"], cases, class_names
    )
    save_png(workdir / "overlays.png", overlays)
    # Last, so that the other files exist wherever metrics.json does.
    write_text(workdir / "metrics.json", json.dumps(metrics, indent=2, allow_nan=False) + "\n")
    return metrics


def compile_segmenter(segmenter: keras.Model) -> Segmenter:
    """Returns calls of a segmenter as one graph, for any number of images."""
    spec = tf.TensorSpec([None, *segmenter.input_shape[1:]], tf.float32)
    return tf.function(
        lambda images: segmenter(images, training=False), input_signature=[spec], autograph=False
    )


def predict_labels(segmenter: Segmenter, images: np.ndarray, batch_size: int = 8) -> np.ndarray:
    """Predicts the most likely class of each pixel.

    Args:
        segmenter: Maps float32 images (N, H, W, C) to logits or probabilities (N, H, W, K).
        images: (N, H, W, C) float32.
        batch_size: Number of images per call; the last call may get fewer.

    Returns:
        (N, H, W) uint8.

    Raises:
        ValueError: The shape of the segmenter's output does not fit the images.
        NonFiniteError: The segmenter's output contains infinity or nan.
    """
    predictions = np.empty(images.shape[:3], np.uint8)
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size]
        scores = np.asarray(segmenter(batch))
        if scores.ndim != 4 or scores.shape[:3] != batch.shape[:3]:
            raise ValueError(
                "A segmenter must map (N, H, W, C) to (N, H, W, classes). "
                f"Received: {batch.shape} mapped to {scores.shape}"
            )
        if not np.isfinite(scores).all():
            raise NonFiniteError(
                "The segmenter's output must be finite.",
                received=f"infinity or nan for images {start} to {start + len(batch) - 1}",
                remedy="Train it again with a lower --learning_rate.",
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


def _measure(
    labels: np.ndarray,
    predictions: np.ndarray,
    class_names: Sequence[str],
    references: Mapping[str, np.ndarray],
    pixel_sizes: np.ndarray | None = None,
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Computes all metrics of some predictions.

    Args:
        labels, predictions: (N, H, W), class indices.
        class_names: K names.
        references: Reference cardiothoracic ratios (N,) by origin.
        pixel_sizes: (N, 2) in mm, nan where unknown.

    Returns:
        The summary, ready for JSON; and by column of per_case.csv float64 (N,), with nan.
    """
    foreground = class_names[1:]
    pairs = zip(labels, predictions, strict=True)
    confusions = np.stack([confusion_matrix(*pair, len(class_names)) for pair in pairs])
    class_iou, class_dice = iou(confusions), dice(confusions)
    metrics = summarize(confusions, class_names)
    columns = {
        "mean_iou": mean_over_present(class_iou),
        **_named("iou", class_names, class_iou),
        **_named("dice", class_names, class_dice),
    }
    surfaces = score_surfaces(labels, predictions, len(class_names))
    metrics |= surfaces.summarize(foreground)
    columns |= _named("hd95", foreground, surfaces.hd95) | _named("assd", foreground, surfaces.assd)
    if pixel_sizes is not None and not np.isnan(pixel_sizes).all():
        surfaces = score_surfaces(labels, predictions, len(class_names), pixel_sizes)
        columns |= _named("hd95_mm", foreground, surfaces.hd95)
        columns |= _named("assd_mm", foreground, surfaces.assd)
        # A mean over only some of the cases would not be comparable to the one in pixels.
        if not np.isnan(pixel_sizes).any():
            summary = surfaces.summarize(foreground)
            metrics |= {"hd95_mm": summary["hd95"], "assd_mm": summary["assd"]}
    if references:
        ratios = _ratios(predictions, class_names)
        metrics["cardiothoracic_ratio"] = {
            name: compare_ratios(ratios, reference) for name, reference in references.items()
        }
        columns["ctr"] = ratios
        columns |= {RATIO_COLUMNS[name]: reference for name, reference in references.items()}
    return metrics, columns


def _reference_ratios(
    labels: np.ndarray,
    cases: Sequence[str],
    class_names: Sequence[str],
    ratios: Mapping[str, float] | None,
) -> dict[str, np.ndarray]:
    """Reference cardiothoracic ratios (N,) by origin, nan where there is none."""
    if not has_cardiothoracic_ratio(class_names):
        return {}
    references = {"masks": _ratios(labels, class_names)}
    if ratios is not None:
        references[RATIOS_FILE] = np.array([ratios.get(case, np.nan) for case in cases])
    return references


def _ratios(labels: np.ndarray, class_names: Sequence[str]) -> np.ndarray:
    return np.array([cardiothoracic_ratio(case, class_names) for case in labels])


def _named(metric: str, names: Sequence[str], scores: np.ndarray) -> dict[str, np.ndarray]:
    """Scores (N, names) as columns."""
    return {f"{metric}_{name}": column for name, column in zip(names, scores.T, strict=True)}


def _per_case_table(cases: Sequence[str], columns: Mapping[str, np.ndarray]) -> str:
    """Returns a CSV table; cells of undefined values are empty."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["case", *columns])
    for case, *row in zip(cases, *columns.values(), strict=True):
        writer.writerow([case, *("" if np.isnan(score) else f"{score:.6f}" for score in row)])
    return table.getvalue()


def _overlays_of_extremes(
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    mean_iou: np.ndarray,
    cases: Sequence[str],
    class_names: Sequence[str],
) -> np.ndarray:
    """Draws the best, the median and the worst case, each once if there are fewer than three."""
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
