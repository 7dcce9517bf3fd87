"""NIfTI images: 2-D files, and axial slices of volumes.

Reference: the header files nifti1.h and nifti2.h of nifti.nimh.nih.gov.

Shapes: H, W pixels, C channels.
"""

import contextlib
import dataclasses
import functools
import gzip
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from darts_adv_tf.data.formats.decoded_image import DecodedImage, check_size, make_image
from darts_adv_tf.data.formats.inflated import LARGEST_KEPT_BYTES, InflatedFiles
from darts_adv_tf.data.formats.medical_packages import import_medical
from darts_adv_tf.data.formats.regular_file import open_to_decode
from darts_adv_tf.system.errors import DataError

NIFTI_SUFFIXES = (".nii", ".nii.gz")

MAXIMUM_VOLUME_BYTES = 2**31
"""2 GiB, four times a chest CT of 1,000 slices, uncompressed.

A compressed volume that is too large to be kept inflated is inflated up to its end for each slice,
so this bounds the time.
"""

INFLATED_FILES = InflatedFiles()
"""The cache of this process; call `forget` once all slices are read."""

_HEADER_BYTES = {348: "Nifti1Header", 540: "Nifti2Header"}
_CHUNK = 2**20
_MAXIMUM_TRAILING = 2**24
_MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}

# Patient axes of the canonical orientation, each rising in this direction.
_RIGHT, _ANTERIOR, _SUPERIOR = range(3)
# Images show the patient's left on the right, and the back or the feet below; so columns and
# rows run against the first two, and against the third one where it lies in the image.
_IMAGE_SIGN = -1


@dataclasses.dataclass(frozen=True)
class _Volume:
    """What the header says.

    Attributes:
        shape: Stored sizes of x, y, z and of the channels.
        dtype: The stored numbers, with their byte order.
        offset: Where they begin, in bytes.
        scaling: (slope, intercept); None where the numbers stand for themselves.
        slice_axis: The stored axis along which slices are numbered.
        row_axis: The stored axis along which rows follow each other.
        column_axis: The stored axis along which columns follow each other.
        reversed_axes: Stored axes that run against the image, or the numbering of slices.
        spacing: Height and width of a pixel in mm, or None.
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype
    offset: int
    scaling: tuple[float, float] | None
    slice_axis: int
    row_axis: int
    column_axis: int
    reversed_axes: frozenset[int]
    spacing: tuple[float, float] | None

    @property
    def num_slices(self) -> int:
        return self.shape[self.slice_axis]


def num_slices(path: str | Path) -> int:
    """Returns the number of axial slices, read from the header only; 1 for a 2-D file.

    Raises:
        DataError: As `read_nifti`.
        ConfigurationError: nibabel is not installed.
    """
    with _open(path) as (stream, _):
        return _read_header(stream, path).num_slices


def read_nifti(path: str | Path, slice_index: int = 0) -> DecodedImage:
    """Decodes a 2-D NIfTI file, or one axial slice of a volume.

    The axes are turned to the patient's nearest ones, without resampling: columns run to the
    patient's left and rows to the back, as radiologists look at slices from the feet; slices are
    numbered from the feet on. A file of one slice is shown in the plane in which it lies: rows run
    to the feet in a frontal one, as in a radiograph. Without an orientation in the header, x runs
    to the left and y to the front, as nibabel has it. A fourth axis, and a fifth one after a
    fourth of size 1, holds the channels.

    Args:
        path: A `.nii` or `.nii.gz` file.
        slice_index: 0 to `num_slices` - 1.

    Returns:
        uint8 with the maximum 255 where 8-bit numbers stand for themselves; else float32, scaled
        as the header says, without a maximum. (H, W, C)

    Raises:
        DataError: The file cannot be read, is damaged (the checksum of a compressed file
            included), is too large, has no such slice, or holds something else than real numbers.
        ConfigurationError: nibabel is not installed.
    """
    volume, values = _read_slice(path, slice_index)
    if volume.scaling is None and volume.dtype == np.uint8:
        return make_image(values, path, 255.0, volume.spacing)
    values = _scale(values, volume)
    if values.dtype.kind != "f":
        values = values.astype(np.float32)
    return make_image(values, path, None, volume.spacing)


def read_nifti_mask(path: str | Path, slice_index: int = 0) -> np.ndarray:
    """Decodes labels, oriented as `read_nifti` does; floating-point files hold whole numbers.

    Returns:
        uint8 (H, W), or uint16 where a label is above 255.

    Raises:
        DataError: As `read_nifti`, and where there are several channels, or numbers that are no
            labels.
        ConfigurationError: nibabel is not installed.
    """
    volume, values = _read_slice(path, slice_index)
    if values.shape[2] != 1:
        raise _no_labels(f"{values.shape[2]} channels", path)
    labels = _scale(values[:, :, 0], volume)
    # Also true of what is not a number.
    if not ((labels >= 0) & (labels <= 65535) & (labels == np.floor(labels))).all():
        raise _no_labels("other numbers", path)
    return labels.astype(np.uint8 if labels.max() <= 255 else np.uint16)


def _no_labels(received: str, path: str | Path) -> DataError:
    return DataError(
        "A label image must hold a whole number from 0 to 65535 in each pixel.",
        received=received,
        file=path,
        remedy="Store the labels as 8-bit or 16-bit integers, without scaling.",
    )


def _scale(values: np.ndarray, volume: _Volume) -> np.ndarray:
    if volume.scaling is None:
        return values
    slope, intercept = volume.scaling
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


def _read_header(stream: io.BufferedIOBase, path: str | Path) -> _Volume:
    nibabel = import_medical("nibabel")
    head = stream.read(max(_HEADER_BYTES))
    byte_counts = {int.from_bytes(head[:4], order) for order in ("little", "big")}
    num_bytes = next((number for number in _HEADER_BYTES if number in byte_counts), None)
    if num_bytes is None or len(head) < num_bytes:
        raise ValueError("no NIfTI header at the beginning")
    header = getattr(nibabel, _HEADER_BYTES[num_bytes])(head[:num_bytes])
    magic = bytes(header["magic"])[:2]
    if magic != b"n+":
        raise DataError(
            "A NIfTI file must hold header and image together (.nii or .nii.gz).",
            received="only a header; its image is in another file",
            file=path,
            remedy="Convert the pair of files to one .nii file.",
        )
    sizes = [int(size) for size in header.get_data_shape()]
    # Sizes of 1 at the end say nothing.
    while len(sizes) > 2 and sizes[-1] == 1:
        del sizes[-1]
    if len(sizes) == 5 and sizes[3] == 1:
        del sizes[3]
    if not 2 <= len(sizes) <= 4:
        raise ValueError(f"{len(sizes)} axes, where an image has 2 to 4")
    num_x, num_y, num_z, num_channels = [*sizes, 1, 1][:4]
    shape = num_x, num_y, num_z, num_channels
    dtype = header.get_data_dtype()
    if dtype.kind not in "uif" or dtype.itemsize > 8:
        raise ValueError(f"pixels of the kind {dtype}, which are no real numbers of up to 64 bits")

    slice_axis, row_axis, column_axis, reversed_axes = _orient(header.get_best_affine(), shape)
    check_size(shape[row_axis], shape[column_axis], shape[3], path)
    # What is read at a time, which is another plane where slices lie across the stored order.
    check_size(shape[0], shape[1], 1, path)
    num_all = math.prod(shape) * dtype.itemsize
    offset = int(header.get_data_offset())
    if min(shape) < 1 or num_all > MAXIMUM_VOLUME_BYTES or not num_bytes <= offset <= 2**30:
        raise DataError(
            f"A volume must have at most {MAXIMUM_VOLUME_BYTES:,} bytes.",
            received=f"{num_all:,} bytes from byte {offset} on",
            file=path,
            remedy="Crop or split the volume; if it is not that large, its header is damaged.",
        )
    slope, intercept = header.get_slope_inter()
    scaling = None
    if slope is not None and (slope, intercept) != (1.0, 0.0):
        scaling = float(slope), float(intercept or 0.0)
    return _Volume(
        shape=shape,
        dtype=dtype,
        offset=offset,
        scaling=scaling,
        slice_axis=slice_axis,
        row_axis=row_axis,
        column_axis=column_axis,
        reversed_axes=reversed_axes,
        spacing=_spacing(header, row_axis, column_axis),
    )


def _orient(affine: np.ndarray, shape: tuple[int, ...]) -> tuple[int, int, int, frozenset[int]]:
    """Finds which stored axis is which of the image's.

    Returns:
        The axes of slices, rows and columns, and those that run the other way.
    """
    nibabel = import_medical("nibabel")
    # Row i: the patient axis nearest to stored axis i, and 1 or -1 for the direction.
    orientation = nibabel.io_orientation(affine)
    if not np.isfinite(orientation).all():
        raise ValueError("an orientation in which an axis has no direction")
    patient_axes = [int(axis) for axis in orientation[:, 0]]
    slice_axis = 2 if shape[2] == 1 else patient_axes.index(_SUPERIOR)
    column_axis, row_axis = sorted(
        (axis for axis in range(3) if axis != slice_axis), key=lambda axis: patient_axes[axis]
    )
    wanted = {slice_axis: 1, row_axis: _IMAGE_SIGN, column_axis: _IMAGE_SIGN}
    reversed_axes = frozenset(
        axis for axis, direction in wanted.items() if orientation[axis, 1] != direction
    )
    return slice_axis, row_axis, column_axis, reversed_axes


def _spacing(header: Any, row_axis: int, column_axis: int) -> tuple[float, float] | None:
    unit = header.get_xyzt_units()[0]
    # Without a unit, millimetres are what everybody writes.
    scale = _MM.get(unit, 1.0)
    zooms = [float(zoom) * scale for zoom in (*header.get_zooms(), 1.0)[:3]]
    height, width = zooms[row_axis], zooms[column_axis]
    if 0.0 < height < np.inf and 0.0 < width < np.inf:
        return height, width
    return None


def _read_slice(path: str | Path, slice_index: int) -> tuple[_Volume, np.ndarray]:
    """Returns the header and the stored numbers (H, W, C), not scaled yet."""
    with _open(path) as (stream, compressed):
        volume = _read_header(stream, path)
        if not 0 <= slice_index < volume.num_slices:
            raise DataError(
                "The slice must exist; slices are numbered from 0.",
                received=f"slice {slice_index} of {volume.num_slices}",
                file=path,
                remedy=f"Choose a slice from 0 to {volume.num_slices - 1}.",
            )
        stored_index = slice_index
        if volume.slice_axis in volume.reversed_axes:
            stored_index = volume.num_slices - 1 - slice_index
        end = volume.offset + math.prod(volume.shape) * volume.dtype.itemsize
        if compressed and end <= LARGEST_KEPT_BYTES:
            content = INFLATED_FILES.content(path, functools.partial(_inflate, stream, end))
            stream, compressed = io.BytesIO(content), False
        stream.seek(volume.offset)
        values = _take(stream, volume, stored_index)
        # A file without its last slices is damaged, whichever slice is asked for.
        if stream.seek(end if compressed else 0, io.SEEK_SET if compressed else io.SEEK_END) < end:
            raise EOFError("the file ends within the image")
        if compressed:
            _read_to_the_end(stream)
    for position, axis in enumerate((volume.row_axis, volume.column_axis)):
        if axis in volume.reversed_axes:
            values = np.flip(values, position)
    return volume, np.ascontiguousarray(values)


def _take(stream: io.BufferedIOBase, volume: _Volume, index: int) -> np.ndarray:
    """Reads plane by plane, so that memory holds one plane and the slice, never the volume.

    Returns:
        (H, W, C), in the machine's byte order.
    """
    num_x, num_y, num_z, num_channels = volume.shape
    num_bytes = num_x * num_y * volume.dtype.itemsize
    in_plane = volume.slice_axis == 2
    axes = [axis for axis in range(3) if axis != volume.slice_axis]
    taken = np.empty(
        [*(volume.shape[axis] for axis in axes), num_channels], volume.dtype.newbyteorder("=")
    )
    for channel in range(num_channels):
        for z in range(num_z):
            if in_plane and z != index:
                stream.seek(num_bytes, io.SEEK_CUR)
                continue
            content = stream.read(num_bytes)
            if len(content) != num_bytes:
                raise EOFError("the file ends within the image")
            # The first axis varies fastest.
            plane = np.frombuffer(content, volume.dtype).reshape(num_y, num_x).T
            if in_plane:
                taken[:, :, channel] = plane
            else:
                taken[:, z, channel] = plane.take(index, volume.slice_axis)
    return taken if axes == [volume.row_axis, volume.column_axis] else taken.swapaxes(0, 1)


def _inflate(stream: io.BufferedIOBase, end: int) -> bytes:
    stream.seek(0)
    content = stream.read(end)
    if len(content) < end:
        raise EOFError("the file ends within the image")
    _read_to_the_end(stream)
    return content


def _read_to_the_end(stream: io.BufferedIOBase) -> None:
    """Reads the rest of a compressed file, so that its checksum at the end is verified."""
    num_left = _MAXIMUM_TRAILING
    while content := stream.read(_CHUNK):
        num_left -= len(content)
        if num_left < 0:
            raise ValueError("much more data than the header says")
