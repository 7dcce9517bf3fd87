"""What a screen shows of a grey DICOM image, from its stored values.

Reference: DICOM PS3.3, C.7.5.1.1.2 (padding), C.7.6.3.1.2 (MONOCHROME1), C.8.7.1.1.2 (angiography),
C.11.1 and C.11.2 (modality and VOI).

Shapes: H, W pixels, V values that a pixel can hold.
"""

from collections.abc import MutableSequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from darts_adv_tf.data.formats.lookup_table import read_lookup_table
from darts_adv_tf.data.formats.medical_packages import import_medical
from darts_adv_tf.system.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

INTENSITY_MAXIMUM = 65535

_ALL_16_BITS = 2**16
_ANGIOGRAPHY = ("1.2.840.10008.5.1.4.1.1.12.1", "1.2.840.10008.5.1.4.1.1.12.2")


def display_values(
    stored: np.ndarray, dataset: "Dataset", big_endian: bool, path: str | Path
) -> np.ndarray:
    """Maps stored values to black to white, through a table of all values that a pixel can hold.

    Args:
        stored: Integers (H, W), as the elements BitsStored and PixelRepresentation say.
        dataset: The elements of the file.
        big_endian: Whether the file stores the upper byte of a number first.
        path: The file, for messages.

    Returns:
        uint16 (H, W), 0..`INTENSITY_MAXIMUM`.

    Raises:
        DataError: The rescaling, the window or a look-up table is none.
    """
    num_values = 2**dataset.BitsStored
    lowest = -num_values // 2 if dataset.PixelRepresentation else 0
    possible = np.arange(lowest, lowest + num_values)
    values = _modality_values(possible, dataset, big_endian, path)

    table = read_lookup_table(dataset.get("VOILUTSequence"), values, big_endian, path)
    window = None if table else _first_window(dataset, path)
    if table:
        fractions = table.look_up(values) / (table.white or 1)
    elif window:
        fractions = _apply_window(values, *window, dataset, path)
    else:
        occurs = np.zeros(num_values, bool)
        for row in stored:
            occurs[row.astype(np.intp) - lowest] = True
        shown = occurs & ~_is_padding(possible, dataset)
        present = values[shown if shown.any() else occurs]
        extent = present.max() - present.min()
        fractions = np.clip((values - present.min()) / (extent or 1.0), 0.0, 1.0)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        fractions = 1.0 - fractions
    shades = np.rint(INTENSITY_MAXIMUM * fractions).astype(np.uint16)
    # Row by row, since indices take four times the memory of the image.
    displayed = np.empty(stored.shape, np.uint16)
    for row, displayed_row in zip(stored, displayed, strict=True):
        displayed_row[:] = shades[row.astype(np.intp) - lowest]
    return displayed


def _modality_values(
    possible: np.ndarray, dataset: "Dataset", big_endian: bool, path: str | Path
) -> np.ndarray:
    """Returns float64 (V,): stored values (V,) through the modality table or the rescaling."""
    table = None
    if not _table_is_for_analysis(dataset):
        items = dataset.get("ModalityLUTSequence")
        table = read_lookup_table(items, possible, big_endian, path)
    if table:
        return table.look_up(possible).astype(np.float64)
    slope = _numbers(dataset, "RescaleSlope")[0]
    intercept = _numbers(dataset, "RescaleIntercept")[0]
    # A slope of 0, which old devices write, would make the image one grey.
    values = possible * (slope or 1.0) + (intercept or 0.0)
    if not np.isfinite(values).all():
        raise DataError(
            "The rescaling of a DICOM image must give finite numbers.",
            received=f"RescaleSlope {slope}, RescaleIntercept {intercept}",
            file=path,
            remedy="Correct these two elements, or remove the case from the data set.",
        )
    return values


def _table_is_for_analysis(dataset: "Dataset") -> bool:
    """Whether a modality table leads back to the intensity of X-rays, and is not for display."""
    relationship = dataset.get("PixelIntensityRelationship")
    return dataset.get("SOPClassUID") in _ANGIOGRAPHY and relationship in ("LOG", "DISP")


def _first_window(dataset: "Dataset", path: str | Path) -> tuple[float, float] | None:
    """Returns center and width of the first window; a width of 0 stands for none."""
    centers, widths = _numbers(dataset, "WindowCenter"), _numbers(dataset, "WindowWidth")
    # Files with one center for several widths exist.
    for center, width in zip(centers, widths, strict=False):
        if center is None or not width:
            continue
        if not (np.isfinite(center) and 0.0 < width < np.inf):
            raise DataError(
                "The window of a DICOM image must have a finite center, and a width above 0.",
                received=f"WindowCenter {center:g}, WindowWidth {width:g}",
                file=path,
                remedy="Correct or remove these two elements.",
            )
        return center, width
    return None


def _apply_window(
    values: np.ndarray, center: float, width: float, dataset: "Dataset", path: str | Path
) -> np.ndarray:
    """Returns float64 (V,), 0 for black to 1 for white, of values (V,)."""
    pydicom = import_medical("pydicom")
    processing = import_medical("pydicom.pixels.processing")
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if function not in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        raise DataError(
            "The VOI LUT Function of a DICOM image must be LINEAR, LINEAR_EXACT or SIGMOID.",
            received=function[:64],
            file=path,
            remedy="Export the image again with another window, or remove this element.",
        )
    # LINEAR counts whole numbers, and is not defined below a width of 1, which files whose slope is
    # a small fraction have all the same.
    if function == "LINEAR" and width < 1.0:
        function = "LINEAR_EXACT"
    settings = pydicom.Dataset()
    # pydicom goes from the smallest to the largest number of these bits: from 0 to 1.
    settings.BitsStored, settings.PixelRepresentation = 1, 0
    settings.PhotometricInterpretation = "MONOCHROME2"
    settings.WindowCenter, settings.WindowWidth = center, width
    settings.VOILUTFunction = function
    return processing.apply_windowing(values, settings)


def _is_padding(possible: np.ndarray, dataset: "Dataset") -> np.ndarray:
    """Returns bool (V,): whether a stored value stands for no part of the body."""
    (value,) = _numbers(dataset, "PixelPaddingValue")[:1]
    if value is None:
        return np.zeros(len(possible), bool)
    (limit,) = _numbers(dataset, "PixelPaddingRangeLimit")[:1]
    lowest, num_values = int(possible[0]), len(possible)
    if limit is None:
        # As many bits as the pixels keep, with their sign: files write either sign and all bits.
        return possible == (int(value) - lowest) % num_values + lowest
    lowest = -_ALL_16_BITS // 2 if dataset.PixelRepresentation else 0
    low, high = sorted((int(bound) - lowest) % _ALL_16_BITS + lowest for bound in (value, limit))
    return (low <= possible) & (possible <= high)


def _numbers(dataset: "Dataset", keyword: str) -> list[float | None]:
    """Returns the values of an element, None for each that is empty; one None if it is absent."""
    value = dataset.get(keyword)
    # A string, which is a sequence too, is one value.
    values = list(value) if isinstance(value, MutableSequence) else [value]
    return [None if each is None or each == "" else float(each) for each in values] or [None]
