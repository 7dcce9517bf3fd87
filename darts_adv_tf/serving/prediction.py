"""Predicts images with an exported segmenter and writes what it found.

Shapes: H, W pixels, C channels, K classes, of which class 0 is the background.
"""

import csv
import dataclasses
import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from darts_adv_tf.config.config_file import load_config
from darts_adv_tf.config.predict import PredictConfig
from darts_adv_tf.data.formats.dicom import DICOM_SUFFIXES
from darts_adv_tf.data.formats.medical_packages import import_medical
from darts_adv_tf.data.formats.reading import is_dicom
from darts_adv_tf.evaluation.metrics.cardiothoracic_ratio import (
    cardiothoracic_ratio,
    has_cardiothoracic_ratio,
)
from darts_adv_tf.plots.images import save_png
from darts_adv_tf.plots.prediction_overlay import draw_prediction
from darts_adv_tf.serving.dicom_segmentation import make_dicom_segmentation
from darts_adv_tf.serving.exporting import VERSION_FOLDER
from darts_adv_tf.serving.inputs import PredictionInput, find_inputs, printable
from darts_adv_tf.serving.largest_component import keep_largest_component
from darts_adv_tf.serving.model_description import DESCRIPTION_FILE
from darts_adv_tf.serving.output_folder import refuse_occupied_output
from darts_adv_tf.serving.served_model import ServedModel
from darts_adv_tf.system import interruption
from darts_adv_tf.system.errors import ConfigurationError, DataError, StorageError, UserError
from darts_adv_tf.system.files import write_bytes, write_text
from darts_adv_tf.terminal.progress import Progress

TABLE_FILE = "predictions.csv"
CONTENTS = {
    TABLE_FILE: "areas by class, and what was skipped",
    "labels": "the class index of each pixel, at the original size",
    "overlays": "the organs' contours over the images",
    "segmentations": "DICOM Segmentation objects",
}
NUM_SHOWN = 5


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes:
        file: The input.
        name: Of its results; None where it was skipped.
        slice_index: Of a volume.
        size: H and W.
        spacing: Height and width of a pixel in mm, where the file says it.
        areas: K numbers of pixels.
        ratio: The cardiothoracic one; nan where the organs are not all there.
        problem: Why it, or a part of its results, is missing.
    """

    file: str | Path
    name: str | None = None
    slice_index: int | None = None
    size: tuple[int, int] | None = None
    spacing: tuple[float, float] | None = None
    areas: tuple[int, ...] | None = None
    ratio: float = np.nan
    problem: str | None = None


def predict(config: PredictConfig) -> None:
    """Writes labels, overlays, the table and, where asked for, DICOM Segmentations.

    What cannot be predicted is named, in the table too, and the rest goes on.

    Raises:
        ConfigurationError: The output folder is occupied, a package is missing, or there is no
            model that predicts.
        DataError: At the end, if anything was skipped; at the beginning, if there is no input.
        StorageError: A result could not be written.
    """
    assert config.output_dir is not None, "the command has given it a default"
    folder = Path(config.output_dir)
    refuse_occupied_output(folder)
    inputs, errors = find_inputs(config.inputs)
    if not inputs:
        raise errors[0]
    _require_packages(config, inputs)
    model = _load_model(config)
    rows = [Row(str(error.file or ""), problem=_in_a_line(error)) for error in errors]
    with (
        interruption.deferral() as stop,
        Progress("predict", len(inputs), unit="image") as progress,
    ):
        for row in rows:
            progress.note(_note(row))
        stop.begin()
        for number, each in enumerate(inputs, start=1):
            row = _predict_one(each, model, folder, config)
            if row.problem is not None:
                progress.note(_note(row))
            rows.append(row)
            progress.update(number)
            if stop.is_requested:
                break
        # Also of what was done before a signal.
        write_text(folder / TABLE_FILE, _table(rows, model.class_names))
    _conclude(folder, rows)


def _require_packages(config: PredictConfig, inputs: Sequence[PredictionInput]) -> None:
    """Says that a package is missing before the work, and not once a file.

    That for volumes was needed to count their slices.
    """
    if any(each.file.name.lower().endswith(DICOM_SUFFIXES) for each in inputs):
        import_medical("pydicom")
    if config.dicom_segmentation:
        import_medical("highdicom")


def _load_model(config: PredictConfig) -> ServedModel:
    if config.model is not None:
        return ServedModel(config.model, config.classes)
    assert config.workdir is not None, "the configuration has a workdir or a model"
    load_config(config.workdir)
    folder = Path(config.workdir) / VERSION_FOLDER
    if not (folder / DESCRIPTION_FILE).exists():
        raise ConfigurationError(
            "A run must have exported its segmenter, with a description, before it can predict.",
            received=f"--workdir={config.workdir} without one",
            file=folder / DESCRIPTION_FILE,
            remedy=f"python -m darts_adv_tf.export --workdir={config.workdir}",
        )
    return ServedModel(folder)


def _predict_one(
    each: PredictionInput, model: ServedModel, folder: Path, config: PredictConfig
) -> Row:
    """Writes the results of an image, and says in its row what could not be done."""
    try:
        image = each.read()
        labels = model.predict(image, each.file)
    except UserError as error:
        if isinstance(error, ConfigurationError) and error.file == model.folder:
            raise
        return Row(each.file, slice_index=each.slice_index, problem=_in_a_line(error))
    if config.keep_largest_component:
        labels = keep_largest_component(labels)
    _, encoded = cv2.imencode(".png", labels)
    write_bytes(folder / "labels" / f"{each.name}.png", encoded.tobytes())
    overlay = draw_prediction(image.pixels, labels, model.class_names)
    save_png(folder / "overlays" / f"{each.name}.png", overlay)
    problem = None
    if config.dicom_segmentation and is_dicom(each.file):
        try:
            content = make_dicom_segmentation(
                each.file, labels, model.class_names, model.fingerprint
            )
            write_bytes(folder / "segmentations" / f"{each.name}.dcm", content)
        except DataError as error:
            problem = f"no DICOM Segmentation: {_in_a_line(error)}"
    num_classes = len(model.class_names)
    ratio = np.nan
    if has_cardiothoracic_ratio(model.class_names):
        ratio = cardiothoracic_ratio(labels, model.class_names)
    return Row(
        file=each.file,
        name=each.name,
        slice_index=each.slice_index,
        size=labels.shape,
        spacing=image.spacing,
        areas=tuple(np.bincount(labels.ravel(), minlength=num_classes).tolist()),
        ratio=ratio,
        problem=problem,
    )


def _table(rows: Sequence[Row], class_names: Sequence[str]) -> str:
    """CSV, one row per image; what is not known is empty."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    columns = ["file", "slice", "name", "width", "height"]
    columns += ["pixel_width_mm", "pixel_height_mm"]
    for unit in ("pixels", "mm2", "fraction"):
        columns += [f"{unit}_{name}" for name in class_names]
    has_ratio = has_cardiothoracic_ratio(class_names)
    columns += ["cardiothoracic_ratio"] if has_ratio else []
    writer.writerow([*columns, "problem"])
    for row in rows:
        cells = [
            printable(row.file),
            "" if row.slice_index is None else row.slice_index,
            row.name or "",
            *(("", "") if row.size is None else reversed(row.size)),
            *(("", "") if row.spacing is None else map(_number, reversed(row.spacing))),
            *_areas(row, len(class_names)),
            *(("" if np.isnan(row.ratio) else _fraction(row.ratio),) if has_ratio else ()),
            row.problem or "",
        ]
        writer.writerow(cells)
    return table.getvalue()


def _areas(row: Row, num_classes: int) -> Sequence[object]:
    """Cells of the areas in pixels, in mm² and as fractions of the image."""
    unknown = [""] * num_classes
    if row.areas is None:
        return 3 * unknown
    in_mm = unknown
    if row.spacing is not None:
        pixel = row.spacing[0] * row.spacing[1]
        in_mm = [_number(area * pixel) for area in row.areas]
    whole = sum(row.areas)
    return [*row.areas, *in_mm, *(_fraction(area / whole) for area in row.areas)]


def _number(value: float) -> str:
    return f"{value:.8g}"


def _fraction(value: float) -> str:
    return f"{value:.6f}"


def _note(row: Row) -> str:
    what = "skipped" if row.name is None else "predicted"
    return f"{what} {_place(row)}: {row.problem}"


def _place(row: Row) -> str:
    where = printable(row.file)
    return where if row.slice_index is None else f"{where} (slice {row.slice_index})"


def _in_a_line(error: UserError) -> str:
    """The message without the file, which stands beside it."""
    parts = [error.rule, error.received and f"Received: {error.received}."]
    if isinstance(error, ConfigurationError | StorageError):
        parts.append(error.remedy)
    return " ".join(" ".join(str(part).split()) for part in parts if part)


def _conclude(folder: Path, rows: Sequence[Row]) -> None:
    """Says what there is; a DataError says what there is not."""
    num_done = sum(row.name is not None for row in rows)
    print(f"{num_done} of {len(rows)} images predicted")
    for name, description in CONTENTS.items():
        if (folder / name).exists():
            print(f"{folder / name}".ljust(len(str(folder)) + 18) + description)
    wrong = [row for row in rows if row.problem is not None]
    if wrong:
        shown = [f"\n    {_note(row)}" for row in wrong[:NUM_SHOWN]]
        more = len(wrong) - len(shown)
        shown += [f"\n    and {more} more"] if more > 0 else []
        raise DataError(
            "All inputs must be images that can be predicted.",
            received=f"{len(wrong)} of {len(rows)} with a problem" + "".join(shown),
            file=folder / TABLE_FILE,
            remedy="See the column problem there; the other results are complete.",
        )
