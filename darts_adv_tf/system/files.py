"""Atomic writing: a file is either as it was before or complete, never half written.

And strict reading of JSON.
"""

import contextlib
import errno
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from darts_adv_tf.system.errors import StorageError


def write_bytes(path: str | os.PathLike, content: bytes) -> None:
    """Writes a file through a temporary one beside it; makes missing folders.

    Raises:
        StorageError: The system refused to write; the file is as it was before.
    """
    path = Path(path)
    # Made by open() and not by tempfile, whose files nobody else may read.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with write_synced(temporary) as stream:
            stream.write(content)
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise StorageError(
            "A result must be written.",
            received=error.strerror or error,
            file=path,
            remedy="Free space or permit writing there, or choose another folder.",
        ) from error
    finally:
        # Gone already after os.replace; left over after anything else, Ctrl-C included.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_leftovers(path: str | os.PathLike) -> None:
    """Removes what processes left beside a file that were killed while they wrote it."""
    path = Path(path)
    pattern = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}")
    if path.parent.is_dir():
        for entry in path.parent.iterdir():
            if pattern.fullmatch(entry.name):
                entry.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes UTF-8 text as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))


@contextlib.contextmanager
def write_synced(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Opens a new file; what was written is on the disk, and not only on its way, at the end."""
    with open(path, "xb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(path: str | os.PathLike) -> None:
    """Puts the names in a folder on the disk: a file's own sync does not include its name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems, such as those of other machines, have no such thing for folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An `object_pairs_hook` that refuses a key given twice; the decoder would keep the last.

    Raises:
        ValueError: A key is repeated.
    """
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {repeated!r} stands there twice")
    return document
