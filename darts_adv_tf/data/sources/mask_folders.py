"""Images, and masks of the same name in one folder per class.

Shapes: K classes, of which class 0 is the background, H and W pixels.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from darts_adv_tf.data.collection import Case, cases_or_error
from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.sources.folder import files_by_stem, left_out, name_like_a_mask
from darts_adv_tf.data.sources.planes import find_planes, read_masks, read_plane
from darts_adv_tf.system.errors import DataError


def find_cases(
    image_dir: Path, mask_dirs: dict[str, Path], suffixes: Sequence[str], remedy: str
) -> tuple[tuple[Case, ...], tuple[DataIssue, ...]]:
    """Finds one case per image, or one per slice of a volume, sorted by name.

    Args:
        image_dir: The folder of the images.
        mask_dirs: The folder of the masks of each class, in the order of the classes.
        suffixes: Of images and masks.
        remedy: What to do about a folder without images.

    Returns:
        cases: Cases with masks in the order of `mask_dirs`; with an error if one is missing.
        issues: Masks without an image.

    Raises:
        DataError: There is no image.
    """
    images = files_by_stem(image_dir, suffixes)
    masks = {name: files_by_stem(folder, suffixes) for name, folder in mask_dirs.items()}
    if not images:
        raise DataError(
            "A data set must hold at least one image.",
            received=f"no {' or '.join(suffixes)} file",
            file=image_dir,
            remedy=remedy,
        )
    issues = tuple(
        issue
        for name, found in masks.items()
        for issue in left_out(
            [stem for stem in found if stem not in images], f"a mask of {name} without an image"
        )
    )
    cases: list[Case] = []
    for stem, image in images.items():
        present = [found[stem] for found in masks.values() if stem in found]
        missing = {
            name: mask_dirs[name] / image.name for name, found in masks.items() if stem not in found
        }
        similar = [name_like_a_mask(stem, found) for found in masks.values()]
        cases += make_cases(stem, image, present, missing, [name for name in similar if name])
    return tuple(cases), issues


def make_cases(
    name: str,
    image: Path,
    masks: Sequence[Path],
    missing: Mapping[str, Path] | None = None,
    similar: Sequence[str] = (),
) -> Sequence[Case]:
    """Returns one case per plane of the image, or one with the error.

    Args:
        name: The name of the image and of its patient.
        image: The image.
        masks: One file per class, in the order of the classes.
        missing: Where masks were expected but not found, by class.
        similar: Names of files that are probably meant as the missing masks.
    """
    return cases_or_error(name, _make_cases, name, image, masks, missing or {}, similar)


def _make_cases(
    name: str,
    image: Path,
    masks: Sequence[Path],
    missing: Mapping[str, Path],
    similar: Sequence[str],
) -> list[Case]:
    if missing:
        raise DataError(
            "Each image must have one mask per class.",
            received=f"no mask of {', '.join(missing)}"
            + (f", but {similar[0]}" if similar else ""),
            file=next(iter(missing.values())),
            remedy="Rename the mask as its image."
            if similar
            else "Add the mask, or remove the image from the data set.",
        )
    return [
        Case(plane_name, name, partial(_read, image, masks, plane), (image, *masks))
        for plane_name, plane in find_planes(name, [image, *masks])
    ]


def _read(image: Path, masks: Sequence[Path], plane: int) -> tuple[DecodedImage, np.ndarray]:
    decoded = read_plane(image, plane)
    remarks: list[str] = []
    read = read_masks(masks, plane, image, decoded, remarks.append)
    return decoded.with_remarks(remarks), read
