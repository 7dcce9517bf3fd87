"""Finds the files of a data set, and says what is wrong with its folders.

All readers of data sets find their files with these functions, so that hidden files, those of
operating systems, circular links and unreadable folders are handled in one place.
"""

import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path

from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.system.errors import DataError
from darts_adv_tf.system.folders import (
    folders_below,
    is_file,
    is_folder,
    is_system_name,
    list_folder,
)
from darts_adv_tf.system.text_files import composed

_MASK_WORDS = ("mask", "masks", "Mask", "seg", "segmentation", "label", "labels", "gt")


def require_folders(folders: Sequence[Path], rule: str, remedy: str) -> None:
    """Rejects a data set that lacks one of its folders.

    Raises:
        DataError: One is missing.
    """
    for folder in folders:
        if not is_folder(folder):
            raise DataError(rule, received="no such folder", file=folder, remedy=remedy)


def files_by_stem(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """The files of a folder with one of the suffixes, by name without it, sorted by name.

    Hidden files, and those of operating systems, are ignored.

    Args:
        folder: Looked into without its subfolders.
        suffixes: In small letters, with the dot; `.nii.gz` counts as one.

    Raises:
        DataError: The folder cannot be read, a name is no text, or two files differ in nothing
            but their suffix.
    """
    found: dict[str, Path] = {}
    for path in list_data_folder(folder):
        stem = stem_of(path.name, suffixes)
        if stem is None:
            continue
        if stem in found:
            names = f"{found[stem].name} and {path.name}"
            if composed(found[stem].name) == composed(path.name):
                names += ", which differ only in how accented letters are encoded (NFC, NFD)"
            raise DataError(
                "Each case must have a unique name.",
                received=names,
                file=folder,
                remedy="Remove one of the two files.",
            )
        found[stem] = path
    return found


def files_below(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """The files with one of the suffixes in a folder and in all folders below it, sorted.

    Hidden files are ignored.

    Raises:
        DataError: A folder cannot be read, or a name is not valid UTF-8.
    """
    return sorted(
        path
        for current in folders_below(folder)
        for path in list_data_folder(current)
        if not is_folder(path) and stem_of(path.name, suffixes) is not None
    )


def stem_of(name: str, suffixes: Sequence[str]) -> str | None:
    """Returns a file name without its suffix; None for hidden files and other suffixes.

    Accented letters are composed, so that the names of an image and of its mask agree even if only
    one of the two has passed through a Mac.
    """
    small = name.lower()
    suffix = next((suffix for suffix in suffixes if small.endswith(suffix)), None)
    if suffix is None or is_system_name(name):
        return None
    return composed(name[: len(name) - len(suffix)])


def name_like_a_mask(stem: str, masks: Mapping[str, Path]) -> str | None:
    """The file that is probably meant as the mask of an image, as `scan_mask.png` is of `scan`.

    Args:
        stem: Of the image.
        masks: By stem.
    """
    likely = (masks.get(f"{stem}{sign}{word}") for sign in "_-. " for word in _MASK_WORDS)
    return next((path.name for path in likely if path is not None), None)


def find_file(path: Path) -> Path:
    """A file that a text names, even if its accented letters are encoded otherwise on the disk.

    Returns:
        The path of the file; the one that was given if there is none.
    """
    forms = (path, *(Path(unicodedata.normalize(form, str(path))) for form in ("NFC", "NFD")))
    return next(filter(is_file, forms), path)


def list_data_folder(folder: Path) -> list[Path]:
    """The entries of a folder of a data set, sorted, without those of operating systems.

    Raises:
        DataError: The folder cannot be read, or a name in it is not valid UTF-8.
    """
    entries = [path for path in list_folder(folder) if not is_system_name(path.name)]
    for path in entries:
        try:
            path.name.encode()
        except UnicodeEncodeError as error:
            # Such a name could be neither printed nor written into cases.csv.
            raise DataError(
                "File names of a data set must be valid UTF-8.",
                received=os.fsencode(path.name),
                file=folder,
                remedy="Rename the file.",
            ) from error
    return entries


def left_out(names: Sequence[str], what: str) -> tuple[DataIssue, ...]:
    """One issue for all cases that are left out for the same reason; none if there is no such case.

    Args:
        names: The cases; the message names the first.
        what: What is left out, such as `an image without a mask`.
    """
    if not names:
        return ()
    others = f", as are {len(names) - 1} more" if len(names) > 1 else ""
    return (DataIssue(names[0], "unlisted", f"{what}, left out{others}"),)
