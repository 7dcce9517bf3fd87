"""What the header of a NIfTI file says: its numbers, and where in the patient they lie.

Reference: the header files nifti1.h and nifti2.h of nifti.nimh.nih.gov.
"""

import dataclasses
import io
import math
from itertools import product
from pathlib import Path

import numpy as np

from darts_adv_tf.data.formats.decoded_image import check_size
from darts_adv_tf.data.formats.medical_packages import import_medical
from darts_adv_tf.system.errors import DataError

MAXIMUM_VOLUME_BYTES = 2**31
"""2 GiB, four times a chest CT of 1,000 slices, uncompressed.

A compressed volume that is too large to be kept inflated is inflated up to its end for each slice,
so this bounds the time.
"""

PATIENT_AXES = "LPS"
"""The axes that volumes are turned to: to the patient's left, to the back and to the head."""
_HEAD = PATIENT_AXES.index("S")

_MOST_HEADER_BYTES = 540
_LARGEST_OFFSET = 2**30
_MM = {"meter": 1000.0, "mm": 1.0, "micron": 0.001}
_FARTHEST = 0.5
"""Voxels by which the corners of a mask may lie beside those of its image."""


class HeaderMismatch(DataError):
    """Two files of a case lie, by their headers, in different places."""


@dataclasses.dataclass(frozen=True, eq=False)
class NiftiHeader:
    """The header of a 2-D file or a volume.

    Attributes:
        shape: Stored sizes of x, y, z and of the channels.
        dtype: The stored numbers, with their byte order.
        offset: Where they begin, in bytes.
        scaling: (slope, intercept); None where the numbers stand for themselves.
        affine: (4, 4), from stored indices to mm to the patient's right, front and head.
        is_oriented: Whether the file gives the affine, and nibabel did not have to assume one.
        zooms: Distances of voxels along x, y and z in mm.
    """

    shape: tuple[int, int, int, int]
    dtype: np.dtype
    offset: int
    scaling: tuple[float, float] | None
    affine: np.ndarray
    is_oriented: bool
    zooms: tuple[float, float, float]

    @property
    def end(self) -> int:
        """The first byte after the image."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize

    @property
    def turn(self) -> np.ndarray:
        """nibabel's orientation transform: the patient axis of each stored one, and 1 or -1.

        Raises:
            ValueError: An axis has no direction.
        """
        orientations = import_medical("nibabel.orientations")
        stored = orientations.io_orientation(self.affine)
        if not np.isfinite(stored).all():
            raise ValueError("an orientation in which an axis has no direction")
        wanted = orientations.axcodes2ornt(PATIENT_AXES)
        return orientations.ornt_transform(stored, wanted).astype(int)

    @property
    def slice_axis(self) -> int:
        """The stored axis across which slices lie: the one of size 1, else that to the head."""
        flat = [axis for axis in range(3) if self.shape[axis] == 1]
        return flat[-1] if flat else int(np.flatnonzero(self.turn[:, 0] == _HEAD)[0])

    @property
    def num_slices(self) -> int:
        return self.shape[self.slice_axis]

    @property
    def directions(self) -> str:
        """Where the stored axes point, such as RAS: to the right, the front and the head."""
        return "".join(import_medical("nibabel").aff2axcodes(self.affine))


def read_header(stream: io.BufferedIOBase, path: str | Path) -> NiftiHeader:
    """Reads the header at the beginning of an inflated file.

    Raises:
        DataError: The image is in another file, or too large.
        Exception: Anything, where the header is damaged; see `open_to_decode`.
    """
    nibabel = import_medical("nibabel")
    head = stream.read(_MOST_HEADER_BYTES)
    kinds = (nibabel.Nifti1Header, nibabel.Nifti2Header)
    kind = next((kind for kind in kinds if kind.may_contain_header(head)), None)
    if kind is None:
        raise ValueError("no NIfTI header at the beginning")
    header = kind(head[: kind.sizeof_hdr])
    if bytes(header["magic"])[:2] != b"n+":
        raise DataError(
            "A NIfTI file must hold header and image together (.nii or .nii.gz).",
            received="only a header; its image is in another file",
            file=path,
            remedy="Convert the pair of files to one .nii file.",
        )
    shape = _four_axes([int(size) for size in header.get_data_shape()], path)
    dtype = header.get_data_dtype()
    if dtype.kind not in "uif" or dtype.itemsize > 8:
        raise DataError(
            "A NIfTI image must hold real numbers of up to 64 bits.",
            received=f"numbers of the kind {header.get_value_label('datatype')}",
            file=path,
            remedy="Convert the numbers: magnitudes of complex ones, a channel a colour.",
        )
    slope, intercept = header.get_slope_inter()
    scaling = None
    if slope is not None and (slope, intercept) != (1.0, 0.0):
        scaling = float(slope), float(intercept or 0.0)
    # Without a unit, millimetres are what everybody writes.
    scale = _MM.get(header.get_xyzt_units()[0], 1.0)
    zooms = [float(zoom) * scale for zoom in (*header.get_zooms(), 1.0)[:3]]
    affine = np.array(header.get_best_affine(), np.float64)
    affine[:3] *= scale
    read = NiftiHeader(
        shape=shape,
        dtype=dtype,
        offset=int(header.get_data_offset()),
        scaling=scaling,
        affine=affine,
        is_oriented=bool(header["sform_code"] or header["qform_code"]),
        zooms=(zooms[0], zooms[1], zooms[2]),
    )
    _check_extent(read, kind.sizeof_hdr, path)
    return read


def _four_axes(sizes: list[int], path: str | Path) -> tuple[int, int, int, int]:
    # Sizes of 1 at the end say nothing.
    while len(sizes) > 2 and sizes[-1] == 1:
        del sizes[-1]
    if len(sizes) == 5 and sizes[3] == 1:
        del sizes[3]
    if not 2 <= len(sizes) <= 4:
        raise DataError(
            "A NIfTI image must have 2 or 3 axes, and may have one more for its channels.",
            received=f"{len(sizes)} axes, {' x '.join(map(str, sizes))}",
            file=path,
            remedy="Save the part of the file that is the image.",
        )
    num_x, num_y, num_z, num_channels = [*sizes, 1, 1][:4]
    return num_x, num_y, num_z, num_channels


def _check_extent(header: NiftiHeader, num_header_bytes: int, path: str | Path) -> None:
    sides = [size for axis, size in enumerate(header.shape[:3]) if axis != header.slice_axis]
    check_size(sides[1], sides[0], header.shape[3], path)
    num_bytes = header.end - header.offset
    if header.num_slices < 1 or num_bytes > MAXIMUM_VOLUME_BYTES:
        raise DataError(
            f"A volume must have at least one slice and at most {MAXIMUM_VOLUME_BYTES:,} bytes.",
            received=f"{header.num_slices:,} slices, {num_bytes:,} bytes",
            file=path,
            remedy="Crop or split the volume; if it is not that large, its header is damaged.",
        )
    if not num_header_bytes <= header.offset <= _LARGEST_OFFSET:
        raise ValueError(
            f"an image that begins at byte {header.offset:,}, within or far after the header"
        )


def align_headers(
    mask: NiftiHeader, image: NiftiHeader, path: str | Path
) -> tuple[NiftiHeader, str | None]:
    """Compares where a mask, or a further channel, and its image lie by their headers.

    Files that were stored with other axes, but in the same place, agree. A file without an
    orientation gets that of the other. Files of one orientation that are told apart by their
    spacing or position are paired voxel by voxel, and this is said. Sizes are compared elsewhere.

    Args:
        mask, image: Both headers.
        path: The mask, for messages.

    Returns:
        header: The mask's, with the orientation to use.
        remark: What was amiss, if anything.

    Raises:
        HeaderMismatch: The axes point in other directions, and the places differ too.
    """
    if sorted(mask.shape[:3]) != sorted(image.shape[:3]):
        return mask, None
    same_shape = mask.shape[:3] == image.shape[:3]
    if not (mask.is_oriented and image.is_oriented):
        if mask.is_oriented == image.is_oriented or not same_shape:
            return mask, None
        lacking = "image" if mask.is_oriented else "mask or channel"
        remark = f"no orientation in the header of the {lacking}: paired voxel by voxel"
        return dataclasses.replace(mask, affine=image.affine), remark
    if _lie_together(mask, image):
        return mask, None
    difference = _difference(mask, image)
    if same_shape and mask.directions == image.directions:
        return mask, f"NIfTI headers of one case disagree in {difference}: paired voxel by voxel"
    raise HeaderMismatch(
        "The NIfTI headers of an image and its mask must put both in the same place.",
        received=f"{difference} (of the image, and of this file)",
        file=path,
        remedy="Save this file with the header of its image if their voxels belong together; "
        "otherwise resample it to the image.",
    )


def _lie_together(mask: NiftiHeader, image: NiftiHeader) -> bool:
    """Whether both grids have the same corners in the patient, however they are stored."""
    to_image = np.linalg.inv(image.affine) @ mask.affine
    partners = np.abs(to_image[:3, :3]).argmax(axis=0)
    sizes_of_partners = tuple(image.shape[partner] for partner in partners)
    if sorted(partners) != [0, 1, 2] or sizes_of_partners != mask.shape[:3]:
        return False
    for chosen in product((0, 1), repeat=3):
        corner = np.array(chosen) * (np.array(mask.shape[:3]) - 1)
        expected = np.zeros(3)
        for axis, partner in enumerate(partners):
            runs_against = to_image[partner, axis] < 0
            last = image.shape[partner] - 1
            expected[partner] = last - corner[axis] if runs_against else corner[axis]
        reached = to_image[:3, :3] @ corner + to_image[:3, 3]
        if np.abs(reached - expected).max() >= _FARTHEST:
            return False
    return True


def _difference(mask: NiftiHeader, image: NiftiHeader) -> str:
    """What differs, with the values of the image first."""
    if mask.directions != image.directions:
        return f"directions of the axes, {image.directions} and {mask.directions}"
    axes, mask_axes = image.affine[:3, :3], mask.affine[:3, :3]
    spacing, mask_spacing = (np.linalg.norm(columns, axis=0) for columns in (axes, mask_axes))
    if not np.allclose(spacing, mask_spacing, rtol=1e-3):
        shown = (" x ".join(f"{mm:.3g}" for mm in lengths) for lengths in (spacing, mask_spacing))
        return "spacing, {} and {} mm".format(*shown)
    if not np.allclose(axes / spacing, mask_axes / mask_spacing, atol=1e-2):
        return "rotation"
    return "position"
