"""JSRT chest radiographs with the masks of SCR.

As their owners give them out, anywhere below the folder:

    JPCLN001.IMG ... JPCLN154.IMG, JPCNN001.IMG ... JPCNN093.IMG
    fold1/masks/<organ>/JPC*.gif
    fold2/masks/<organ>/JPC*.gif

where an organ is left lung, right lung, heart, left clavicle or right clavicle, with spaces or
underscores. Images are 2048x2048, masks 1024x1024 and doubled. fold1 holds the odd-numbered cases,
124 of the 247, fold2 the even-numbered.

Or as 512x512 PNG files in the layout of CX-SEG, without clavicles. Left and right are the
patient's.

References: J. Shiraishi et al., "Development of a digital image database for chest radiographs with
and without a lung nodule", American Journal of Roentgenology 174, 2000. B. van Ginneken et al.,
"Segmentation of anatomical structures in chest radiographs using supervised methods", Medical
Image Analysis 10, 2006.
"""

import dataclasses
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from darts_adv_tf.data import chest
from darts_adv_tf.data.collection import Case, Collection, cases_or_error
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.formats.jsrt_raw import read_jsrt_raw
from darts_adv_tf.data.sources.cx_seg import find_cx_seg
from darts_adv_tf.data.sources.folder import files_below, left_out, require_folders
from darts_adv_tf.data.sources.planes import read_masks
from darts_adv_tf.system.errors import ConfigurationError, DataError
from darts_adv_tf.system.folders import is_folder

CLAVICLES = ("left_clavicle", "right_clavicle")
ALL_ORGANS = (*chest.ORGANS, *CLAVICLES)

_NAME = re.compile(r"JPC[LN]N(\d{3})")
_REMEDY = (
    "Let --data_dir name a folder with the .IMG files of JSRT and the folders fold1/ and fold2/ of "
    "SCR below it, or one in the layout of CX-SEG."
)


def find_jsrt(data_dir: Path, classes: Sequence[str] | None = None) -> Collection:
    """Finds the cases of a folder, sorted by name.

    Args:
        data_dir: The folder.
        classes: The organs, in their order; both lungs and the heart if None. Clavicles go over
            lungs, which they cross.

    Raises:
        DataError: If there is no image, or a case has two images or two masks of an organ.
        ConfigurationError: If a class is unknown or named twice.
    """
    require_folders((data_dir,), "--data_dir must name a folder.", _REMEDY)
    if is_folder(data_dir / "png"):
        collection = find_cx_seg(data_dir, name="jsrt")
        if classes is not None:
            collection = collection.with_classes(classes)
        folds = tuple(filter(None, (fold_of(case.name) for case in collection.cases)))
        are_known = len(folds) == len(collection.cases)
        return dataclasses.replace(collection, folds=folds if are_known else ())
    return _find_raw(data_dir, tuple(chest.ORGANS if classes is None else classes))


def fold_of(name: str) -> str | None:
    """The fold in which SCR has a case: fold1 if its number is odd; None of other names."""
    match = _NAME.match(name.upper())
    return None if match is None else _fold_of_number(int(match[1]))


def _fold_of_number(number: int) -> str:
    return "fold1" if number % 2 else "fold2"


def _find_raw(data_dir: Path, organs: tuple[str, ...]) -> Collection:
    if not organs or set(organs) - set(ALL_ORGANS) or len(set(organs)) != len(organs):
        raise ConfigurationError(
            "--classes must name classes of jsrt, each once, without the background.",
            received=f"--classes={','.join(organs)}",
            remedy=f"Choose from {', '.join(ALL_ORGANS)}.",
        )
    images: dict[str, Path] = {}
    for path in files_below(data_dir, (".img",)):
        name = path.stem.upper()
        if _NAME.fullmatch(name) and images.setdefault(name, path) != path:
            raise DataError(
                "Each case must have only one image.",
                received=f"a second image; the first is {images[name]}",
                file=path,
                remedy="Keep only one copy of the images in the folder.",
            )
    if not images:
        raise DataError(
            "A JSRT folder must hold at least one image JPC[LN]N<number>.IMG, or png/.",
            received="neither",
            file=data_dir,
            remedy=_REMEDY,
        )
    masks, folds = _find_masks(data_dir)
    cases: list[Case] = []
    for name, image in sorted(images.items()):
        of_case = {organ: masks.get((name, organ)) for organ in organs}
        cases += cases_or_error(name, _make_case, name, image, of_case)
    without_image = sorted({name for name, _ in masks} - set(images))
    return Collection(
        name="jsrt",
        class_names=("background", *organs),
        cases=tuple(cases),
        priority=tuple(organ for organ in (*CLAVICLES, *chest.PRIORITY) if organ in organs),
        has_whole_organs=True,
        folds=tuple(folds.get(case.name) or _fold_of_number(int(case.name[-3:])) for case in cases),
        issues=left_out(without_image, "masks without an image"),
    )


def _find_masks(data_dir: Path) -> tuple[dict[tuple[str, str], Path], dict[str, str]]:
    """The masks by case and organ, and the fold of each case."""
    masks: dict[tuple[str, str], Path] = {}
    folds: dict[str, str] = {}
    for path in files_below(data_dir, (".gif", ".png")):
        folders = [part.lower().replace(" ", "_") for part in path.parent.parts[-3:]]
        if len(folders) < 3:
            continue
        fold, inner, organ = folders
        if fold not in ("fold1", "fold2") or inner != "masks" or organ not in ALL_ORGANS:
            continue
        name = path.stem.upper()
        if (name, organ) in masks or folds.setdefault(name, fold) != fold:
            raise DataError(
                "Each case must have one mask per organ, all in one fold.",
                received=f"a second mask, or fold, of {name}",
                file=path,
                remedy="Keep only one copy of the masks in the folder.",
            )
        masks[name, organ] = path
    return masks, folds


def _make_case(name: str, image: Path, masks: dict[str, Path | None]) -> list[Case]:
    missing = [organ for organ, path in masks.items() if path is None]
    if missing:
        raise DataError(
            "Each image must have one mask per organ, fold<n>/masks/<organ>/<image's name>.gif.",
            received=f"no mask of {', '.join(missing)}",
            file=image,
            remedy="Add the masks of SCR, or remove the image from the folder.",
        )
    paths = [path for path in masks.values() if path is not None]
    return [Case(name, name, partial(_read_raw, image, paths), (image, *paths))]


def _read_raw(image: Path, paths: list[Path]) -> tuple[DecodedImage, np.ndarray]:
    decoded = read_jsrt_raw(image)
    remarks: list[str] = []
    masks = read_masks(paths, plane=0, report=remarks.append)
    height, width = decoded.pixels.shape[:2]
    if masks.shape[1:] == (height // 2, width // 2):
        masks = masks.repeat(2, axis=1).repeat(2, axis=2)
    return decoded.with_remarks(remarks), masks
