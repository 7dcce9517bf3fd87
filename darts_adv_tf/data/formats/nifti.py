"""NIfTI images: 2-D files, and axial slices of volumes.

Shapes: H, W pixels, C channels.
"""

import contextlib
import functools
import gzip
import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from darts_adv_tf.data.formats.decoded_image import (
    DecodedImage,
    Report,
    make_image,
    unreported,
)
from darts_adv_tf.data.formats.inflated import LARGEST_KEPT_BYTES, InflatedFiles
from darts_adv_tf.data.formats.label_image import no_label_image, to_label_image
from darts_adv_tf.data.formats.medical_packages import import_medical
from darts_adv_tf.data.formats.nifti_header import (
    MAXIMUM_VOLUME_BYTES,
    PATIENT_AXES,
    NiftiHeader,
    align_headers,
    read_header,
)
from darts_adv_tf.data.formats.regular_file import open_to_decode
from darts_adv_tf.system.errors import DataError

NIFTI_SUFFIXES = (".nii", ".nii.gz")

INFLATED_FILES = InflatedFiles()
"""The cache of this process; call `forget` once all slices are read."""

_CHUNK = 2**20
_MAXIMUM_TRAILING = 2**24


def num_slices(path: str | Path, like: str | Path | None = None) -> int:
    """Returns the number of axial slices, read from the header only; 1 for a 2-D file.

    Args:
        path: The file.
        like: The image that it belongs to, as for `read_nifti`.

    Raises:
        DataError: As `read_nifti`.
        ConfigurationError: nibabel is not installed.
    """
    with _open(path) as (stream, _):
        return _header(stream, path, like, unreported).num_slices


def read_nifti(
    path: str | Path, slice_index: int = 0, like: str | Path | None = None
) -> DecodedImage:
    """Decodes a 2-D NIfTI file, or one axial slice of a volume.

    The axes are turned to the patient's nearest ones, without resampling: columns run to the
    patient's left and rows to the back, as radiologists look at slices from the feet; slices are
    numbered from the feet on. A file of one slice is shown in the plane in which it lies: rows run
    to the feet in a frontal one, as in a radiograph, and in a sagittal one, whose columns run to
    the back. Without an orientation in the header, x runs to the left and y to the front, as
    nibabel has it. A fourth axis, and a fifth one after a fourth of size 1, holds the channels.

    Args:
        path: A `.nii` or `.nii.gz` file.
        slice_index: 0 to `num_slices` - 1.
        like: The image that this further channel belongs to: it lends its orientation.

    Returns:
        uint8 with the maximum 255 where 8-bit numbers stand for themselves; else float32, scaled
        as the header says, without a maximum. (H, W, C)

    Raises:
        DataError: The file cannot be read, is damaged (the checksum of a compressed file
            included), is too large, has no such slice, or holds something else than real numbers;
            HeaderMismatch if its header and that of `like` disagree beyond repair.
        ConfigurationError: nibabel is not installed.
    """
    remarks: list[str] = []
    header, values = _read_slice(path, slice_index, like, remarks.append)
    maximum = 255.0 if header.scaling is None and header.dtype == np.uint8 else None
    if maximum is None:
        values = _scale(values, header)
        if values.dtype.kind != "f":
            values = values.astype(np.float32)
    return make_image(values, path, maximum, _spacing(header), remarks)


def read_nifti_mask(
    path: str | Path,
    slice_index: int = 0,
    like: str | Path | None = None,
    report: Report = unreported,
) -> np.ndarray:
    """Decodes labels, oriented as `read_nifti` does; floating-point files hold whole numbers.

    Args:
        path, slice_index: As for `read_nifti`.
        like: The image that the mask belongs to.
        report: Called with what had to be interpreted.

    Returns:
        uint8 (H, W), or uint16 where a label is above 255.

    Raises:
        DataError: As `read_nifti`, and where there are several channels, or numbers that are no
            labels.
        ConfigurationError: nibabel is not installed.
    """
    header, values = _read_slice(path, slice_index, like, report)
    if values.shape[2] != 1:
        raise no_label_image(f"{values.shape[2]} channels", path)
    return to_label_image(_scale(values[:, :, 0], header), path, report)


def _scale(values: np.ndarray, header: NiftiHeader) -> np.ndarray:
    if header.scaling is None:
        return values
    slope, intercept = header.scaling
    with np.errstate(all="ignore"):
        return values * np.float64(slope) + np.float64(intercept)


@contextlib.contextmanager
def _open(path: str | Path) -> Iterator[tuple[io.BufferedIOBase, bool]]:
    """Opens a file, inflating it on reading if it is compressed; also yields whether it is."""
    import_medical("nibabel")
    with open_to_decode(path, "a NIfTI image", MAXIMUM_VOLUME_BYTES) as stream:
        compressed = stream.read(2) == b"\x1f\x8b"
        stream.seek(0)
        if not compressed:
            yield stream, False
            return
        with gzip.GzipFile(fileobj=stream) as inflating:
            yield inflating, True


def _header(
    stream: io.BufferedIOBase, path: str | Path, like: str | Path | None, report: Report
) -> NiftiHeader:
    header = read_header(stream, path)
    if like is None or like == path:
        return header
    with _open(like) as (image, _):
        header, remark = align_headers(header, read_header(image, like), path)
    if remark is not None:
        report(remark)
    return header


def _image_axes(header: NiftiHeader) -> tuple[int, int]:
    """The stored axes along which rows follow each other, and columns."""
    turn = header.turn
    column, row = sorted(set(range(3)) - {header.slice_axis}, key=lambda axis: turn[axis, 0])
    return row, column


def _spacing(header: NiftiHeader) -> tuple[float, float] | None:
    height, width = (header.zooms[axis] for axis in _image_axes(header))
    return (height, width) if 0.0 < height < np.inf and 0.0 < width < np.inf else None


def _read_slice(
    path: str | Path, slice_index: int, like: str | Path | None, report: Report
) -> tuple[NiftiHeader, np.ndarray]:
    """Returns the header and the stored numbers (H, W, C), not scaled yet."""
    with _open(path) as (stream, compressed):
        header = _header(stream, path, like, report)
        if not 0 <= slice_index < header.num_slices:
            raise DataError(
                "The slice must exist; slices are numbered from 0.",
                received=f"slice {slice_index} of {header.num_slices}",
                file=path,
                remedy=f"Choose a slice from 0 to {header.num_slices - 1}.",
            )
        if header.turn[header.slice_axis, 1] < 0:
            slice_index = header.num_slices - 1 - slice_index
        slab = _read_slab(stream, compressed, header, slice_index, path)
    return header, _upright(slab, header)


def _read_slab(
    stream: io.BufferedIOBase, compressed: bool, header: NiftiHeader, index: int, path: str | Path
) -> np.ndarray:
    """Reads one slice as it is stored, (x, y, z, C) with one of the first three of size 1.

    Memory holds the slice, and the whole volume only where the cache keeps it inflated.
    """
    if compressed and header.end <= LARGEST_KEPT_BYTES:
        content = INFLATED_FILES.content(path, functools.partial(_inflate, stream, header.end))
        volume = np.ndarray(header.shape, header.dtype, content, header.offset, order="F")
        return volume.take([index], header.slice_axis)
    # A file without its last slices is damaged, whichever slice is asked for.
    if not compressed and stream.seek(0, io.SEEK_END) < header.end:
        raise EOFError("the file ends within the image")
    stream.seek(header.offset)
    slab = _take(stream, header, index)
    if compressed:
        if stream.seek(header.end) < header.end:
            raise EOFError("the file ends within the image")
        _read_to_the_end(stream)
    return slab


def _take(stream: io.BufferedIOBase, header: NiftiHeader, index: int) -> np.ndarray:
    """Takes one slice from a stream that begins with the numbers, passing over each byte once.

    nibabel's `fileslice` would read number by number, or the whole volume at once, where the first
    stored axis is the one across the slices.
    """
    axis, size = header.slice_axis, header.dtype.itemsize
    num_inner, num_along = math.prod(header.shape[:axis]), header.shape[axis]
    num_outer = math.prod(header.shape[axis + 1 :])
    # The first axis varies fastest: runs of `num_inner` numbers belong to one slice each.
    run, period = num_inner * size, num_inner * num_along * size
    parts = []
    if period > _CHUNK:
        for _ in range(num_outer):
            stream.seek(index * run, io.SEEK_CUR)
            parts.append(_read_exactly(stream, run))
            stream.seek((num_along - 1 - index) * run, io.SEEK_CUR)
    else:
        at_once = _CHUNK // period
        for begin in range(0, num_outer, at_once):
            shape = min(at_once, num_outer - begin), num_along, num_inner
            numbers = _read_exactly(stream, math.prod(shape) * size)
            parts.append(np.frombuffer(numbers, header.dtype).reshape(shape)[:, index].tobytes())
    shape_of_slice = list(header.shape)
    shape_of_slice[axis] = 1
    return np.ndarray(shape_of_slice, header.dtype, b"".join(parts), order="F")


def _read_exactly(stream: io.BufferedIOBase, num_bytes: int) -> bytes:
    content = stream.read(num_bytes)
    if len(content) < num_bytes:
        raise EOFError("the file ends within the image")
    return content


def _upright(slab: np.ndarray, header: NiftiHeader) -> np.ndarray:
    """Turns a slice as it is stored to (H, W, C), in the machine's byte order."""
    orientations = import_medical("nibabel.orientations")
    turn = header.turn
    slice_axis = turn[header.slice_axis, 0]
    # Columns run to the left or, in a sagittal plane, to the back; rows to the back or the head.
    image = orientations.apply_orientation(slab, turn).take(0, slice_axis).swapaxes(0, 1)
    if PATIENT_AXES[slice_axis] != "S":
        image = image[::-1]
    return np.ascontiguousarray(image, header.dtype.newbyteorder("="))


def _inflate(stream: io.BufferedIOBase, end: int) -> bytes:
    stream.seek(0)
    content = _read_exactly(stream, end)
    _read_to_the_end(stream)
    return content


def _read_to_the_end(stream: io.BufferedIOBase) -> None:
    """Reads the rest of a compressed file, so that its checksum at the end is verified."""
    num_left = _MAXIMUM_TRAILING
    while content := stream.read(_CHUNK):
        num_left -= len(content)
        if num_left < 0:
            raise ValueError("much more data than the header says")
