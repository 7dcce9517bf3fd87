"""DICOM radiographs, as a viewer shows them.

Reference: DICOM PS3.3, C.7.6.3 (image pixels), C.7.6.16 (functional groups), 10.7.1.3 (spacings);
PS3.10 (file format).

Shapes: H, W pixels.
"""

import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from darts_adv_tf.data.formats.decoded_image import DecodedImage, check_size, make_image
from darts_adv_tf.data.formats.dicom_display import INTENSITY_MAXIMUM, display_values
from darts_adv_tf.data.formats.dicom_pixels import decode_pixels
from darts_adv_tf.data.formats.medical_packages import import_medical
from darts_adv_tf.data.formats.regular_file import open_to_decode
from darts_adv_tf.system.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

DICOM_SUFFIXES = (".dcm", ".dicom")

_PREAMBLE = 128
_DIRECTORY = "1.2.840.10008.1.3.10"
_IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
_EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_EXPLICIT_BIG_ENDIAN = "1.2.840.10008.1.2.2"

_MAXIMUM_INFLATED = 2**28
"""Twice `decoded_image.MAXIMUM_VALUES` of 16 bits; a few kilobytes can inflate to any size."""

_FUNCTIONAL_GROUPS = (
    "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
    "PixelMeasuresSequence",
)

_CONVERT = "Export the image again, as a grey image of one frame with 8 or 16 bits."


def starts_as_dicom(head: bytes) -> bool:
    """Whether a file begins as DICOM files without preamble do, with an element of group 2 or 8."""
    if _starts_as_big_endian(head):
        return True
    return len(head) >= 8 and head[:2] in (b"\x02\x00", b"\x08\x00") and head[3] == 0


def _starts_as_big_endian(elements: bytes) -> bool:
    return elements[:3] == b"\x00\x08\x00" and elements[4:6].isalpha()


def read_dicom(path: str | Path) -> DecodedImage:
    """Decodes a grey DICOM image of one frame into what a viewer shows from black to white.

    The stored values pass the modality look-up table or rescaling, then the VOI look-up table or
    the first window; without either, the smallest value of the image becomes black and the largest
    one white, padding aside. Empty tables and windows count as absent. MONOCHROME1, in which the
    smallest value is white, is inverted; a Presentation LUT Shape says the same once more, and is
    not read. Colour is refused: it is a screenshot or no radiograph, and burnt-in colours would be
    taken for anatomy.

    `spacing` is the PixelSpacing, which is calibrated to the patient where a device has done so;
    else the ImagerPixelSpacing, which holds at the detector: the body is magnified onto it, so a
    length in the body comes out some percent too large; else the NominalScannedPixelSpacing, which
    holds on a film. Spacings that are not positive, which real files hold, count as absent.

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
        _lift_functional_groups(dataset)
        _check_header(dataset, path)
        stored = decode_pixels(dataset, path)
        big_endian = dataset.file_meta.TransferSyntaxUID == _EXPLICIT_BIG_ENDIAN
        # Overflows of absurd rescalings are found as numbers that are not finite.
        with np.errstate(all="ignore"):
            pixels = display_values(stored, dataset, big_endian, path)
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
        if _starts_as_big_endian(content[start : start + 8]):
            syntax = _EXPLICIT_BIG_ENDIAN
        elif content[start + 4 : start + 6].isalpha():
            syntax = _EXPLICIT_LITTLE_ENDIAN
        else:
            syntax = _IMPLICIT_LITTLE_ENDIAN
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


def _lift_functional_groups(dataset: "Dataset") -> None:
    """Copies what enhanced objects say of their first frame to where other objects say it."""
    for groups in ("PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"):
        for frame in (dataset.get(groups) or [])[:1]:
            for macro in _FUNCTIONAL_GROUPS:
                for item in (frame.get(macro) or [])[:1]:
                    for element in item:
                        dataset.setdefault(element.tag, element)


def _check_header(dataset: "Dataset", path: str | Path) -> None:
    def refuse(rule: str, received: object) -> DataError:
        return DataError(rule, received=received, file=path, remedy=_CONVERT)

    for keyword in ("Rows", "Columns", "PhotometricInterpretation", "BitsAllocated", "PixelData"):
        if dataset.get(keyword) is None:
            kind = getattr(dataset.get("SOPClassUID"), "name", "")[:64] or "a file of no kind"
            raise DataError(
                "A DICOM file must hold an image of integers.",
                received=f"{kind}: no element {keyword}",
                file=path,
                remedy="Leave this file out, or export the image again.",
            )
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


def _spacing(dataset: "Dataset") -> tuple[float, float] | None:
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        given = np.atleast_1d(dataset.get(keyword) or ())
        if len(given) == 2:
            height, width = float(given[0]), float(given[1])
            if 0.0 < height < np.inf and 0.0 < width < np.inf:
                return height, width
    return None
