"""Images and masks of any format, volumes plane by plane.

A file holds one plane, or many if it is a volume; each plane becomes a case of its own, and all
planes of a volume belong to one patient.

Shapes: H, W pixels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from darts_adv_tf.data.collection import size_mismatch
from darts_adv_tf.data.formats.decoded_image import DecodedImage, Report, unreported
from darts_adv_tf.data.formats.nifti import NIFTI_SUFFIXES, num_slices, read_nifti, read_nifti_mask
from darts_adv_tf.data.formats.raster import read_index_mask, read_mask
from darts_adv_tf.data.formats.reading import read_image
from darts_adv_tf.system.errors import DataError


def find_planes(name: str, files: Sequence[Path]) -> list[tuple[str, int]]:
    """The name and the index of each plane of an image.

    Args:
        name: The name of the image, which is the plane's where there is but one.
        files: The image, or its channels, and its masks; only headers of volumes are read.

    Raises:
        DataError: A header cannot be read, or the files have different numbers of planes;
            HeaderMismatch if they lie in different places.
    """
    image = files[0]
    counts = [num_slices(path, _like(image)) if _is_volume(path) else 1 for path in files]
    for path, count in zip(files, counts, strict=True):
        if count != counts[0]:
            raise DataError(
                "The channels and masks of a volume must have the same number of slices.",
                received=f"{count} slices, {counts[0]} in {image.name}",
                file=path,
                remedy="Correct the file, or remove the case from the data set.",
            )
    if counts[0] == 1:
        return [(name, 0)]
    digits = max(3, len(str(counts[0] - 1)))
    return [(f"{name}_slice{index:0{digits}}", index) for index in range(counts[0])]


def read_plane(path: Path, plane: int, image: Path | None = None) -> DecodedImage:
    """Reads one plane of an image.

    Args:
        path: The file.
        plane: Of volumes.
        image: The file of the first channel, if this is a further one.

    Raises:
        DataError: The file cannot be read, or has no such plane.
    """
    return read_nifti(path, plane, _like(image)) if _is_volume(path) else read_image(path)


def read_masks(
    paths: Sequence[Path],
    plane: int,
    image: Path | None = None,
    decoded: DecodedImage | None = None,
    report: Report = unreported,
) -> np.ndarray:
    """Reads a plane of masks, one file per class: bool (K - 1, H, W).

    Args:
        paths: The files.
        plane: Of volumes.
        image: The image that they belong to.
        decoded: That image, whose size they must have; if None, they must have one size.
        report: Called with what had to be interpreted.

    Raises:
        DataError: A file cannot be read; SizeMismatch if a mask has another size.
    """
    masks = [_read_mask(path, plane, image, report) for path in paths]
    shape = masks[0].shape if decoded is None else decoded.pixels.shape[:2]
    for mask, path in zip(masks, paths, strict=True):
        if mask.shape != shape:
            raise size_mismatch(mask.shape, shape, path, decoded)
    return np.stack(masks)


def read_values(
    path: Path, plane: int, image: Path | None = None, report: Report = unreported
) -> np.ndarray:
    """Reads a plane of an index mask: integers (H, W).

    Args:
        path, plane, image, report: As for `read_masks`.

    Raises:
        DataError: The file cannot be read, or has no such plane.
    """
    if _is_volume(path):
        return read_nifti_mask(path, plane, _like(image), report)
    return read_index_mask(path, report)


def _read_mask(path: Path, plane: int, image: Path | None, report: Report) -> np.ndarray:
    if not _is_volume(path):
        return read_mask(path, report)
    values = read_values(path, plane, image, report)
    inside = values != 0
    if len(np.unique(values[inside])) > 1:
        report("NIfTI masks of one class with several values: all but 0 are the class")
    return inside


def _like(image: Path | None) -> Path | None:
    """The file whose header says where the others lie, if it has one."""
    return image if image is not None and _is_volume(image) else None


def _is_volume(path: Path) -> bool:
    return path.name.lower().endswith(NIFTI_SUFFIXES)
