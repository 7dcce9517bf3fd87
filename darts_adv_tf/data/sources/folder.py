"""Looks into folders, and says what is wrong with them.

Every source finds its files by these functions, so that hidden files, links that run in circles
and folders that cannot be read are met in one place.
"""

import os
from collections.abc import Sequence
from pathlib import Path

from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.system.errors import DataError


def is_folder(path: Path) -> bool:
    """Whether there is a folder; a name that the system does not take names none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether there is a file; a name that the system does not take names none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def require_folders(folders: Sequence[Path], rule: str, remedy: str) -> None:
    """Refuses a data set that lacks one of its folders.

    Raises:
        DataError: One is missing.
    """
    for folder in folders:
        if not is_folder(folder):
            raise DataError(rule, received="no such folder", file=folder, remedy=remedy)


def files_by_stem(folder: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    """The files of a folder with one of the suffixes, by name without it, sorted by name.

    Hidden files are passed over, such as macOS leaves beside each file of an archive.

    Args:
        folder: Looked into without its subfolders.
        suffixes: In small letters, with the dot; `.nii.gz` counts as one.

    Raises:
        DataError: The folder cannot be read, a name is no text, or two files differ in nothing
            but their suffix.
    """
    found: dict[str, Path] = {}
    for path in sorted(list_folder(folder)):
        stem = stem_of(path.name, suffixes)
        if stem is None:
            continue
        if stem in found:
            raise DataError(
                "Each case must have a unique name.",
                received=f"{found[stem].name} and {path.name}",
                file=folder,
                remedy="Remove one of the two files.",
            )
        found[stem] = path
    return found


def files_below(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    """The files with one of the suffixes in a folder and in all folders below it, sorted.

    Links to folders are followed, but no folder is entered twice, so that links in circles end.
    Hidden files and folders are passed over.

    Raises:
        DataError: A folder cannot be read, or a name is no text.
    """
    found, folders, entered = [], [folder], set()
    while folders:
        current = folders.pop()
        try:
            status = os.stat(current)
        except OSError as error:
            raise _unreadable(current, error) from error
        if (status.st_dev, status.st_ino) in entered:
            continue
        entered.add((status.st_dev, status.st_ino))
        for path in list_folder(current):
            if is_folder(path):
                # What macOS leaves beside the folder of an archive holds hidden files alone.
                if not path.name.startswith(".") and path.name != "__MACOSX":
                    folders.append(path)
            elif stem_of(path.name, suffixes) is not None:
                found.append(path)
    return sorted(found)


def stem_of(name: str, suffixes: Sequence[str]) -> str | None:
    """A file's name without its suffix; None of a hidden file, or one with another suffix."""
    small = name.lower()
    suffix = next((suffix for suffix in suffixes if small.endswith(suffix)), None)
    if suffix is None or name.startswith("."):
        return None
    return name[: len(name) - len(suffix)]


def list_folder(folder: Path) -> list[Path]:
    """The entries of a folder.

    Raises:
        DataError: The folder cannot be read, or a name in it is no text.
    """
    try:
        entries = list(folder.iterdir())
    except (OSError, ValueError) as error:
        raise _unreadable(folder, error) from error
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
        names: The cases, the first of which is told by name.
        what: What is left out, such as `an image without a mask`.
    """
    if not names:
        return ()
    others = f", as are {len(names) - 1} more" if len(names) > 1 else ""
    return (DataIssue(names[0], "unlisted", f"{what}, left out{others}"),)


def _unreadable(folder: Path, error: Exception) -> DataError:
    return DataError(
        "The folders of a data set must be readable.",
        received=getattr(error, "strerror", None) or error,
        file=folder,
        remedy="Name an existing folder that you have permission to read.",
    )
