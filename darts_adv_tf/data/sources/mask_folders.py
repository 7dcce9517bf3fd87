"""Images beside masks of the same name, a folder of masks an organ.

Shapes: K classes, of which class 0 is the background, H and W pixels.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from darts_adv_tf.data.collection import Case, cases_or_error
from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.sources.folder import files_by_stem, left_out
from darts_adv_tf.data.sources.planes import find_planes, read_masks, read_plane
from darts_adv_tf.system.errors import DataError


def find_cases(
    image_dir: Path, mask_dirs: dict[str, Path], suffixes: Sequence[str], remedy: str
) -> tuple[tuple[Case, ...], tuple[DataIssue, ...]]:
    """Finds a case an image, or one a slice where the images are volumes, sorted by name.

    Args:
        image_dir: The folder of the images.
        mask_dirs: The folder of the masks of each organ, in the order of the classes.
        suffixes: Of images and masks.
        remedy: What to do about a folder without images.

    Returns:
        cases: Whose masks come in the order of `mask_dirs`; broken where one is missing.
        issues: Masks without an image.

    Raises:
        DataError: There is no image.
    """
    images = files_by_stem(image_dir, suffixes)
    masks = {organ: files_by_stem(folder, suffixes) for organ, folder in mask_dirs.items()}
    if not images:
        raise DataError(
            "A data set must hold at least one image.",
            received=f"no {' or '.join(suffixes)} file",
            file=image_dir,
            remedy=remedy,
        )
    issues = tuple(
        issue
        for organ, found in masks.items()
        for issue in left_out(
            [stem for stem in found if stem not in images], f"a mask of {organ} without an image"
        )
    )
    cases: list[Case] = []
    for stem, image in images.items():
        present = [found[stem] for found in masks.values() if stem in found]
        missing = {
            organ: mask_dirs[organ] / image.name
            for organ, found in masks.items()
            if stem not in found
        }
        cases += make_cases(stem, image, present, missing)
    return tuple(cases), issues


def make_cases(
    name: str, image: Path, masks: Sequence[Path], missing: Mapping[str, Path] | None = None
) -> Sequence[Case]:
    """A case a plane of the image, or a broken one if they cannot be made.

    Args:
        name: The image's, and its patient's.
        image: The image.
        masks: A file an organ, in the order of the classes.
        missing: Where masks were looked for in vain, by organ.
    """
    return cases_or_error(name, _make_cases, name, image, masks, missing or {})


def _make_cases(
    name: str, image: Path, masks: Sequence[Path], missing: Mapping[str, Path]
) -> list[Case]:
    if missing:
        raise DataError(
            "Each image must have one mask per class.",
            received=f"no mask of {', '.join(missing)}",
            file=next(iter(missing.values())),
            remedy="Add the mask, or remove the image from the data set.",
        )
    return [
        Case(plane_name, name, partial(_read, image, masks, plane), (image, *masks))
        for plane_name, plane in find_planes(name, [image, *masks])
    ]


def _read(image: Path, masks: Sequence[Path], plane: int) -> tuple[DecodedImage, np.ndarray]:
    decoded = read_plane(image, plane)
    return decoded, read_masks(masks, plane, decoded.pixels.shape[:2])
