"""DICOM radiographs, as a viewer shows them.

Reference: DICOM PS3.3, C.7.6.3 (image pixels), C.11.1 and C.11.2 (modality and VOI look-up tables);
PS3.10 (file format).

Shapes: H, W pixels, V values that a pixel can hold.
"""

import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from darts_adv_tf.data.formats.decoded_image import DecodedImage, check_size, make_image
from darts_adv_tf.data.formats.dicom_pixels import decode_pixels
from darts_adv_tf.data.formats.medical_packages import import_medical
from darts_adv_tf.data.formats.regular_file import open_to_decode
from darts_adv_tf.system.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

DICOM_SUFFIXES = (".dcm", ".dicom")
INTENSITY_MAXIMUM = 65535

_PREAMBLE = 128
_DIRECTORY = "1.2.840.10008.1.3.10"
_IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"

_MAXIMUM_INFLATED = 2**28
"""Twice `decoded_image.MAXIMUM_VALUES` of 16 bits; a few kilobytes can inflate to any size."""

_CONVERT = "Export the image again, as a grey image of one frame with 8 or 16 bits."


def starts_as_dicom(head: bytes) -> bool:
    """Whether a file begins as DICOM files without preamble do, with an element of group 2 or 8."""
    return len(head) >= 8 and head[:2] in (b"\x02\x00", b"\x08\x00") and head[3] == 0


def read_dicom(path: str | Path) -> DecodedImage:
    """Decodes a grey DICOM image of one frame into what a viewer shows from black to white.

    The stored values pass the modality look-up table or rescaling, then the VOI look-up table or
    the first window; without either, the smallest value of the image becomes black and the largest
    one white. MONOCHROME1, in which the smallest value is white, is inverted; a Presentation LUT
    Shape says the same once more, and is not read. Colour is refused: it is a screenshot or no
    radiograph, and burnt-in colours would be taken for anatomy.

    `spacing` is the PixelSpacing, which is calibrated to the patient where a device has done so,
    and else the ImagerPixelSpacing, which holds at the detector: the body is magnified onto it, so
    a length in the body comes out some percent too large. Spacings that are not positive, which
    real files hold, count as absent.

    Compressed files are read where `dicom_pixels.SYNTAXES` has their transfer syntax. Nothing that
    a file refers to is opened.

    Returns:
        uint16 (H, W, 1), 0..65535.

    Raises:
        DataError: The file cannot be read, is damaged, is a directory of other files (DICOMDIR), or
            is no grey image of one frame with up to 16 bits a pixel.
        ConfigurationError: pydicom is not installed.
    """
    import_medical("pydicom")
    with open_to_decode(path, "a DICOM image") as stream:
        dataset = _read_dataset(stream.read(), path)
        _check_header(dataset, path)
        stored = decode_pixels(dataset, path)
        # Overflows of absurd rescalings are found as numbers that are not finite.
        with np.errstate(all="ignore"):
            pixels = _present(stored, dataset)
        return make_image(pixels, path, float(INTENSITY_MAXIMUM), _spacing(dataset))


def _read_dataset(content: bytes, path: str | Path) -> "Dataset":
    """Parses the elements; pydicom's own opening of files inflates deflated ones without limit."""
    filereader = import_medical("pydicom.filereader")
    dataset_module = import_medical("pydicom.dataset")

    start = _PREAMBLE + 4 if content[_PREAMBLE : _PREAMBLE + 4] == b"DICM" else 0
    stream = io.BytesIO(content)
    stream.seek(start)
    meta = filereader.read_dataset(
        stream, False, True, stop_when=lambda tag, vr, length: tag.group != 2
    )
    start = stream.tell()
    syntax = meta.get("TransferSyntaxUID")
    if syntax is None:
        # Where nothing says it, explicit elements show by their letters.
        explicit = content[start + 4 : start + 6].isalpha()
        syntax = _EXPLICIT_LITTLE_ENDIAN if explicit else _IMPLICIT_LITTLE_ENDIAN
    elements = content[start:]
    if syntax == _DEFLATED:
        inflating = zlib.decompressobj(-zlib.MAX_WBITS)
        elements = inflating.decompress(elements, _MAXIMUM_INFLATED)
        if not inflating.eof:
            raise ValueError(f"deflated data cut off, or of more than {_MAXIMUM_INFLATED:,} bytes")
        syntax = _EXPLICIT_LITTLE_ENDIAN
    dataset = filereader.read_dataset(
        io.BytesIO(elements),
        is_implicit_VR=syntax == _IMPLICIT_LITTLE_ENDIAN,
        is_little_endian=syntax != _EXPLICIT_BIG_ENDIAN,
    )
    if (
        _DIRECTORY in (meta.get("MediaStorageSOPClassUID"), dataset.get("SOPClassUID"))
        or "DirectoryRecordSequence" in dataset
    ):
        raise DataError(
            "A DICOM file must hold an image.",
            received="a DICOMDIR, which only lists other files",
            file=path,
            remedy="Name the image files themselves, or remove the DICOMDIR from the folder.",
        )
    dataset.file_meta = dataset_module.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset


def _check_header(dataset: "Dataset", path: str | Path) -> None:
    def refuse(rule: str, received: object) -> DataError:
        return DataError(rule, received=received, file=path, remedy=_CONVERT)

    for keyword in ("Rows", "Columns", "PhotometricInterpretation", "BitsAllocated", "PixelData"):
        if dataset.get(keyword) is None:
            raise refuse("A DICOM file must hold an image.", f"no element {keyword}")
    num_samples = int(dataset.get("SamplesPerPixel") or 1)
    check_size(int(dataset.Rows), int(dataset.Columns), num_samples, path)
    num_frames = int(dataset.get("NumberOfFrames") or 1)
    if num_frames != 1:
        raise refuse("A DICOM image must have one frame.", f"{num_frames} frames")
    photometric = str(dataset.PhotometricInterpretation)
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or num_samples != 1:
        raise refuse(
            "A DICOM image must be grey: MONOCHROME1 or MONOCHROME2.",
            f"{photometric}, {num_samples} sample(s) per pixel",
        )
    allocated = int(dataset.BitsAllocated)
    stored = int(dataset.get("BitsStored") or allocated)
    high = int(dataset.get("HighBit", stored - 1))
    if allocated not in (8, 16) or not 1 <= stored <= allocated or high != stored - 1:
        raise refuse(
            "A DICOM image must have 8 or 16 bits allocated, with the lowest ones stored.",
            f"{allocated} allocated, {stored} stored, the highest bit {high}",
        )
    # Decoding relies on them, and not all files have them.
    dataset.SamplesPerPixel = 1
    dataset.BitsStored = stored
    dataset.HighBit = high
    dataset.PixelRepresentation = int(dataset.get("PixelRepresentation") or 0)


def _present(stored: np.ndarray, dataset: "Dataset") -> np.ndarray:
    """Maps stored values to 0..65535 through a table of all values that a pixel can hold.

    Args:
        stored: Integers (H, W), as the elements BitsStored and PixelRepresentation say.
        dataset: The elements of the file.

    Returns:
        uint16 (H, W).
    """
    processing = import_medical("pydicom.pixels.processing")
    num_values = 2**dataset.BitsStored
    lowest = -num_values // 2 if dataset.PixelRepresentation else 0
    possible = np.arange(lowest, lowest + num_values)
    values = np.asarray(processing.apply_modality_lut(possible, dataset), np.float64)

    if dataset.get("VOILUTSequence"):
        depth = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        looked_up = processing.apply_voi(np.rint(values).astype(np.int64), dataset)
        fractions = looked_up / (2.0**depth - 1.0)
    elif dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None:
        fractions = _window(values, dataset)
    else:
        occurs = np.zeros(num_values, bool)
        for row in stored:
            occurs[row.astype(np.intp) - lowest] = True
        present = values[occurs]
        extent = present.max() - present.min()
        fractions = (values - present.min()) / (extent or 1.0)
    if not np.isfinite(fractions).all():
        raise ValueError("a rescaling or window that is not finite")
    fractions = np.clip(fractions, 0.0, 1.0)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        fractions = 1.0 - fractions
    table = np.rint(INTENSITY_MAXIMUM * fractions).astype(np.uint16)
    # Row by row, since indices take four times the memory of the image.
    presented = np.empty(stored.shape, np.uint16)
    for row, presented_row in zip(stored, presented, strict=True):
        presented_row[:] = table[row.astype(np.intp) - lowest]
    return presented


def _window(values: np.ndarray, dataset: "Dataset") -> np.ndarray:
    """Applies the first window: PS3.3, C.11.2.1.2 and C.11.2.1.3, scaled to 0..1.

    Args:
        values: float64 (V,), after the modality look-up table.
        dataset: The elements of the file.

    Returns:
        float64 (V,), before clipping.
    """
    center, width = (
        float(np.atleast_1d(dataset[keyword].value)[0])
        for keyword in ("WindowCenter", "WindowWidth")
    )
    function = str(dataset.get("VOILUTFunction") or "LINEAR").strip().upper()
    if width < 1.0 and (function == "LINEAR" or width <= 0.0):
        raise ValueError(f"a window of width {width:g}")
    if function == "LINEAR":
        if width == 1.0:
            return (values > center - 0.5).astype(np.float64)
        return (values - (center - 0.5)) / (width - 1.0) + 0.5
    if function == "LINEAR_EXACT":
        return (values - center) / width + 0.5
    if function == "SIGMOID":
        # The exponent is bounded, since exp(800) overflows.
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -700.0, 700.0)))
    raise ValueError(f"the VOI LUT function {function}")


def _spacing(dataset: "Dataset") -> tuple[float, float] | None:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
        given = np.atleast_1d(dataset.get(keyword) or ())
        if len(given) == 2:
            height, width = float(given[0]), float(given[1])
            if 0.0 < height < np.inf and 0.0 < width < np.inf:
                return height, width
    return None
