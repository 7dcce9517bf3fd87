"""Lists folders, whatever is in them."""

from collections.abc import Iterator
from pathlib import Path

from darts_adv_tf.system.errors import DataError

_SYSTEM_NAMES = frozenset(
    {
        "__macosx",  # archives made on a Mac
        "icon\r",
        "thumbs.db",  # Windows
        "ehthumbs.db",
        "desktop.ini",
        "$recycle.bin",
        "system volume information",
        "lost+found",  # Linux
        "@eadir",  # network storage by Synology and QNAP
        "#recycle",
        "#snapshot",
        "@recycle",
        "@recently-snapshot",
    }
)
"""Files and folders that systems add to those of their users, in small letters."""


def is_system_name(name: str) -> bool:
    """Whether a file or folder is hidden, or an operating system's own.

    Example:
        >>> is_system_name("._scan.png"), is_system_name("Thumbs.db"), is_system_name("scan.png")
        (True, True, False)
    """
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


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
    Hidden folders and those of operating systems are skipped.

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
            if is_folder(child) and not is_system_name(child.name)
        ]


def _unreadable(folder: Path, error: Exception) -> DataError:
    return DataError(
        "The folder must be readable.",
        received=getattr(error, "strerror", None) or error,
        file=folder,
        remedy="Name an existing folder that you have permission to read.",
    )
