"""Images and masks of any format, volumes plane by plane.

A file holds one plane, or many if it is a volume; each plane becomes a case of its own, and all
planes of a volume belong to one patient.

Shapes: H, W pixels.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from darts_adv_tf.data.collection import SizeMismatch
from darts_adv_tf.data.formats.decoded_image import DecodedImage
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
        DataError: A header cannot be read, or the files have different numbers of planes.
    """
    counts = [num_slices(path) if _is_volume(path) else 1 for path in files]
    for path, count in zip(files, counts, strict=True):
        if count != counts[0]:
            raise DataError(
                "The channels and masks of a volume must have the same number of slices.",
                received=f"{count} slices, {counts[0]} in {files[0].name}",
                file=path,
                remedy="Correct the file, or remove the case from the data set.",
            )
    if counts[0] == 1:
        return [(name, 0)]
    digits = max(3, len(str(counts[0] - 1)))
    return [(f"{name}_slice{index:0{digits}}", index) for index in range(counts[0])]


def read_plane(path: Path, plane: int) -> DecodedImage:
    """Reads one plane of an image.

    Raises:
        DataError: The file cannot be read, or has no such plane.
    """
    return read_nifti(path, plane) if _is_volume(path) else read_image(path)


def read_masks(
    paths: Sequence[Path], plane: int, shape: tuple[int, int] | None = None
) -> np.ndarray:
    """Reads a plane of masks, one file per class: bool (K - 1, H, W).

    Args:
        paths: The files.
        plane: Of volumes.
        shape: H and W, those of the image; those of the first mask if None.

    Raises:
        DataError: A file cannot be read; SizeMismatch if a mask has another size.
    """
    masks = [
        read_nifti_mask(path, plane) != 0 if _is_volume(path) else read_mask(path) for path in paths
    ]
    shape = shape or masks[0].shape
    for mask, path in zip(masks, paths, strict=True):
        if mask.shape != shape:
            raise SizeMismatch(
                "A mask must be as large as its image.",
                received="{1}x{0}, expected {3}x{2} (width x height)".format(*mask.shape, *shape),
                file=path,
                remedy="Resize the mask to its image, or remove the case from the data set.",
            )
    return np.stack(masks)


def read_values(path: Path, plane: int) -> np.ndarray:
    """Reads a plane of an index mask: integers (H, W).

    Raises:
        DataError: The file cannot be read, or has no such plane.
    """
    return read_nifti_mask(path, plane) if _is_volume(path) else read_index_mask(path)


def _is_volume(path: Path) -> bool:
    return path.name.lower().endswith(NIFTI_SUFFIXES)
