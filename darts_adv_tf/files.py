"""Atomic writing: a file is either as it was before or complete, never half written."""

import contextlib
import os
import secrets
from pathlib import Path

from darts_adv_tf.errors import StorageError


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
        with open(temporary, "xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
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


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes UTF-8 text as `write_bytes` does."""
    write_bytes(path, text.encode("utf-8"))
