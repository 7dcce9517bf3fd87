"""Atomic writing (a file is either unchanged or complete) and strict reading of JSON."""

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
    """Writes a file through a temporary one in the same folder; creates missing folders.

    Raises:
        StorageError: The system refused to write; the file is unchanged.
    """
    path = Path(path)
    # Not by tempfile, whose files no other user may read.
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
            remedy="Free space, give yourself permission to write there, or choose another folder.",
        ) from error
    finally:
        # It no longer exists after os.replace; anything else, such as Ctrl-C, leaves it.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def remove_leftovers(path: str | os.PathLike) -> None:
    """Removes the temporary files of processes that were killed while they wrote a file."""
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
    """Opens a new file; at the end its content is synced to the disk."""
    with open(path, "xb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


def sync_folder(path: str | os.PathLike) -> None:
    """Syncs the names in a folder to the disk: syncing a file does not include its name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems, such as network file systems, cannot sync folders.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An `object_pairs_hook` that refuses a repeated key; the decoder would keep the last one.

    Raises:
        ValueError: A key is repeated.
    """
    document = dict(pairs)
    if len(document) != len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {repeated!r} is repeated")
    return document
