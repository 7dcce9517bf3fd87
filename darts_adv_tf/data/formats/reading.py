"""One way to read an image of any format: its content decides which."""

import os
from collections.abc import Callable
from pathlib import Path

from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.formats.dicom import DICOM_SUFFIXES, read_dicom, starts_as_dicom
from darts_adv_tf.data.formats.jsrt_raw import NUM_BYTES as JSRT_BYTES
from darts_adv_tf.data.formats.jsrt_raw import read_jsrt_raw
from darts_adv_tf.data.formats.nifti import NIFTI_SUFFIXES, num_slices, read_nifti
from darts_adv_tf.data.formats.nifti_header import MAXIMUM_VOLUME_BYTES
from darts_adv_tf.data.formats.other_formats import name_format
from darts_adv_tf.data.formats.raster import RASTER_SUFFIXES, read_raster
from darts_adv_tf.data.formats.regular_file import open_to_decode
from darts_adv_tf.system.errors import DataError

JSRT_SUFFIXES = (".img",)

IMAGE_SUFFIXES = (*RASTER_SUFFIXES, *DICOM_SUFFIXES, *NIFTI_SUFFIXES, *JSRT_SUFFIXES)
"""Suffixes of image files in folders, in lower case."""

_RASTER_HEADS = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"II*\x00",
    b"MM\x00*",
    b"II+\x00",
    b"MM\x00+",
    b"BM",
    b"GIF87a",
    b"GIF89a",
)
_HEAD_BYTES = 132


def is_image_name(name: str) -> bool:
    """Whether a file name has the suffix of an image."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def read_image(path: str | Path) -> DecodedImage:
    """Decodes an image of any format.

    Raises:
        DataError: The file cannot be read, is of no known format, is damaged, or is a volume of
            several slices; use `nifti.read_nifti` for one of them.
        ConfigurationError: The package for the format is not installed.
    """
    return _reader_of(path)(path)


def is_dicom(path: str | Path) -> bool:
    """Whether `read_image` takes a file for DICOM.

    Raises:
        DataError: The file cannot be read, or is of no known format.
    """
    return _reader_of(path) is read_dicom


def _reader_of(path: str | Path) -> Callable[[str | Path], DecodedImage]:
    """Returns the function that reads a file.

    DICOM and the raster formats are recognized by their first bytes, whatever the name; NIfTI and
    raw JSRT images by the suffix.
    """
    name = os.fsdecode(path).lower()
    with open_to_decode(path, "an image", MAXIMUM_VOLUME_BYTES) as stream:
        head = stream.read(_HEAD_BYTES)
        num_bytes = os.fstat(stream.fileno()).st_size
    # DICOM first: its preamble may be the head of a TIFF file.
    if head.endswith(b"DICM") and len(head) == _HEAD_BYTES:
        return read_dicom
    if name.endswith(JSRT_SUFFIXES) and num_bytes == JSRT_BYTES:
        return read_jsrt_raw
    if head.startswith(_RASTER_HEADS):
        return read_raster
    if name.endswith(NIFTI_SUFFIXES):
        return _read_nifti_image
    if name.endswith(JSRT_SUFFIXES):
        return read_jsrt_raw
    if name.endswith(DICOM_SUFFIXES) or starts_as_dicom(head):
        return read_dicom
    raise DataError(
        "An image must be a PNG, JPEG, TIFF, BMP, GIF, DICOM or NIfTI file, or a raw JSRT .IMG.",
        received=name_format(head, name),
        file=path,
        remedy="Convert the file to one of these formats, or remove it.",
    )


def _read_nifti_image(path: str | Path) -> DecodedImage:
    number = num_slices(path)
    if number > 1:
        raise DataError(
            "The file must hold one image.",
            received=f"a volume of {number} slices",
            file=path,
            remedy="Save the slice to use as a separate file.",
        )
    return read_nifti(path)
