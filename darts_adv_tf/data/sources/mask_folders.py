"""Images beside masks of the same name, a folder of masks an organ.

Shapes: K classes, of which class 0 is the background, H and W pixels.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from darts_adv_tf.data.collection import Case
from darts_adv_tf.data.decoding.picture import Picture
from darts_adv_tf.data.finding import Finding
from darts_adv_tf.data.sources.folder import files_by_stem, left_out
from darts_adv_tf.data.sources.planes import find_planes, read_masks, read_plane
from darts_adv_tf.errors import DataError


def find_cases(
    image_dir: Path, mask_dirs: dict[str, Path], suffixes: Sequence[str], remedy: str
) -> tuple[tuple[Case, ...], tuple[Finding, ...]]:
    """Finds a case an image, or one a slice where the images are volumes, sorted by name.

    Args:
        image_dir: The folder of the images.
        mask_dirs: The folder of the masks of each organ, in the order of the classes.
        suffixes: Of images and masks.
        remedy: What to do about a folder without images.

    Returns:
        cases: Whose masks come in the order of `mask_dirs`.
        findings: Masks without an image.

    Raises:
        DataError: There is no image, or one lacks a mask.
    """
    images = files_by_stem(image_dir, suffixes)
    masks = {organ: files_by_stem(folder, suffixes) for organ, folder in mask_dirs.items()}
    if not images:
        raise DataError(
            "A data set holds at least one image.",
            received=f"no {' or '.join(suffixes)} file",
            file=image_dir,
            remedy=remedy,
        )
    missing = [
        mask_dirs[organ] / path.name
        for stem, path in images.items()
        for organ, found in masks.items()
        if stem not in found
    ]
    if missing:
        raise DataError(
            "Each image has one mask for each organ, of the same name.",
            received=f"{len(missing)} missing mask(s), the first of them named below",
            file=missing[0],
            remedy=f"Add the masks, or take their images out of {image_dir.name}/.",
        )
    findings = tuple(
        finding
        for organ, found in masks.items()
        for finding in left_out(
            [stem for stem in found if stem not in images], f"a mask of {organ} without an image"
        )
    )
    cases = tuple(
        case
        for stem, image in images.items()
        for case in make_cases(stem, image, [found[stem] for found in masks.values()])
    )
    return cases, findings


def make_cases(name: str, image: Path, masks: Sequence[Path]) -> list[Case]:
    """A case a plane of the image, with a mask a file; its patient has the image's name."""
    return [
        Case(plane_name, name, partial(_read, image, masks, plane), (image, *masks))
        for plane_name, plane in find_planes(name, [image, *masks])
    ]


def _read(image: Path, masks: Sequence[Path], plane: int) -> tuple[Picture, np.ndarray]:
    return read_plane(image, plane), read_masks(masks, plane)
