"""Your own images, in one of two plain layouts.

A mask a class:

    images/<case>.<ending>
    masks/<class>/<case>.<ending>

A mask for all classes, with 0 for the background and 1, 2, ... for the classes in the order in
which `--classes` names them:

    images/<case>.<ending>
    labels/<case>.<ending>

An image and its masks may have different endings. Classes may be absent from a case, and overlap:
then the later one wins. Folders within these are not looked into. NIfTI volumes are cut into
slices.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from darts_adv_tf.data.collection import Case, Collection, cases_or_error
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.formats.reading import IMAGE_SUFFIXES
from darts_adv_tf.data.sources.description import MAXIMUM_CLASSES
from darts_adv_tf.data.sources.folder import (
    files_by_stem,
    left_out,
    list_data_folder,
    name_like_a_mask,
    require_folders,
)
from darts_adv_tf.data.sources.index_mask import IndexMeaning
from darts_adv_tf.data.sources.mask_folders import find_cases
from darts_adv_tf.data.sources.planes import find_planes, read_plane
from darts_adv_tf.system.errors import ConfigurationError, DataError
from darts_adv_tf.system.folders import is_folder
from darts_adv_tf.system.text_files import composed

_RULE = "The folder must hold images/, and either masks/<class>/ or labels/."
_REMEDY = "Let --data_dir name such a folder; docs/datasets.md shows both layouts."


def find_folders(data_dir: Path, classes: Sequence[str] | None = None) -> Collection:
    """Finds the cases of a folder in either layout, sorted by name.

    Args:
        data_dir: The folder.
        classes: The classes without the background. With masks/, those to use, in this order; all
            sorted by name if None. With labels/, the names of the values 1, 2, ...

    Raises:
        DataError: If a folder is missing or holds no image.
        ConfigurationError: If the classes do not fit the layout.
    """
    require_folders((data_dir, data_dir / "images"), _RULE, _REMEDY)
    has_masks, has_labels = (is_folder(data_dir / name) for name in ("masks", "labels"))
    if has_masks == has_labels:
        raise DataError(
            _RULE,
            received="both masks/ and labels/" if has_masks else "neither masks/ nor labels/",
            file=data_dir,
            remedy=_REMEDY,
        )
    return _find_masks(data_dir, classes) if has_masks else _find_labels(data_dir, classes)


def _find_masks(data_dir: Path, classes: Sequence[str] | None) -> Collection:
    mask_dirs = {
        composed(path.name): path
        for path in list_data_folder(data_dir / "masks")
        if is_folder(path)
    }
    if not mask_dirs or "background" in mask_dirs or len(mask_dirs) >= MAXIMUM_CLASSES:
        raise DataError(
            f"masks/ must hold 1 to {MAXIMUM_CLASSES - 1} folders, one per class, without the "
            "background.",
            received=", ".join(mask_dirs)[:200] or "no folder",
            file=data_dir / "masks",
            remedy=_REMEDY,
        )
    if classes is not None:
        classes = [composed(name) for name in classes]
        if set(classes) - set(mask_dirs) or len(set(classes)) != len(classes) or not classes:
            raise ConfigurationError(
                "--classes must name folders of masks/, each once.",
                received=f"--classes={','.join(classes)}",
                file=data_dir / "masks",
                remedy=f"Choose from {', '.join(mask_dirs)}.",
            )
        mask_dirs = {name: mask_dirs[name] for name in classes}
    cases, issues = find_cases(data_dir / "images", mask_dirs, IMAGE_SUFFIXES, _REMEDY)
    return Collection("folders", ("background", *mask_dirs), cases, issues=issues)


def _find_labels(data_dir: Path, classes: Sequence[str] | None) -> Collection:
    if not classes or len({"background", *classes}) != len(classes) + 1:
        raise ConfigurationError(
            "--classes must name the values 1, 2, ... of the masks in labels/, each once.",
            received="no --classes" if not classes else f"--classes={','.join(classes)}",
            file=data_dir / "labels",
            remedy="Name each class once, and the background not at all."
            if classes
            else "Add --classes=<name of value 1>,<name of value 2>,...",
        )
    if len(classes) >= MAXIMUM_CLASSES:
        raise ConfigurationError(
            f"There must be at most {MAXIMUM_CLASSES} classes, including the background.",
            received=f"--classes with {len(classes)} names",
            remedy="Name fewer classes.",
        )
    images = files_by_stem(data_dir / "images", IMAGE_SUFFIXES)
    labels = files_by_stem(data_dir / "labels", IMAGE_SUFFIXES)
    if not images:
        raise DataError(
            "A data set must hold at least one image.",
            received="no image",
            file=data_dir / "images",
            remedy=_REMEDY,
        )
    meaning = IndexMeaning.in_order(classes)
    cases: list[Case] = []
    for name, image in images.items():
        arguments = (name, image, labels.get(name), meaning, name_like_a_mask(name, labels))
        cases += cases_or_error(name, _make_cases, *arguments)
    without_image = [name for name in labels if name not in images]
    return Collection(
        "folders",
        meaning.class_names,
        tuple(cases),
        issues=left_out(without_image, "a mask without an image"),
    )


def _make_cases(
    name: str, image: Path, label: Path | None, meaning: IndexMeaning, similar: str | None
) -> list[Case]:
    if label is None:
        raise DataError(
            "Each image must have a mask of the same name in labels/.",
            received="no mask of this image" + (f", but {similar}" if similar else ""),
            file=image,
            remedy="Rename the mask as its image."
            if similar
            else "Add the mask, or remove the image from images/.",
        )
    return [
        Case(plane_name, name, partial(_read, image, label, plane, meaning), (image, label))
        for plane_name, plane in find_planes(name, [image, label])
    ]


def _read(
    image: Path, label: Path, plane: int, meaning: IndexMeaning
) -> tuple[DecodedImage, np.ndarray]:
    return meaning.read(label, plane, image, read_plane(image, plane))
