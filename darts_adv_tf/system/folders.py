"""Lists folders, whatever is in them."""

from collections.abc import Iterator
from pathlib import Path

from darts_adv_tf.system.errors import DataError


def is_folder(path: Path) -> bool:
    """Whether this is a folder; False for names that the system does not accept."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_file(path: Path) -> bool:
    """Whether this is a file; False for names that the system does not accept."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def list_folder(folder: Path) -> list[Path]:
    """Returns the entries of a folder, sorted.

    Raises:
        DataError: The folder cannot be read.
    """
    try:
        return sorted(folder.iterdir())
    except (OSError, ValueError) as error:
        raise _unreadable(folder, error) from error


def folders_below(folder: Path) -> Iterator[Path]:
    """Yields a folder and all folders inside it, parents first, otherwise sorted.

    Links to folders are followed, but each folder is visited once, so that circular links end.
    Hidden folders and __MACOSX, which macOS adds to archives, are skipped.

    Raises:
        DataError: A folder cannot be read.
    """
    visited: set[tuple[int, int]] = set()
    pending = [folder]
    while pending:
        current = pending.pop()
        try:
            status = current.stat()
        except OSError as error:
            raise _unreadable(current, error) from error
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        yield current
        pending += [
            child
            for child in reversed(list_folder(current))
            if is_folder(child) and not child.name.startswith(".") and child.name != "__MACOSX"
        ]


def _unreadable(folder: Path, error: Exception) -> DataError:
    return DataError(
        "The folder must be readable.",
        received=getattr(error, "strerror", None) or error,
        file=folder,
        remedy="Name an existing folder that you have permission to read.",
    )
