"""Opens files of any content, and turns every failure to decode one into a DataError."""

import contextlib
import io
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from darts_adv_tf.system.errors import DataError, UserError

MAXIMUM_BYTES = 2**29
"""Half a GiB: above any single image of `decoded_image.MAXIMUM_VALUES` values in 8 or 16 bits.

A decoder reads an image's file whole; volumes, which it reads slice by slice, may be larger.
"""

_LONGEST_CAUSE = 300


@contextlib.contextmanager
def open_to_decode(
    path: str | Path, kind: str, maximum_bytes: int = MAXIMUM_BYTES
) -> Iterator[io.BufferedReader]:
    """Opens a file; any error up to the end of the block becomes a `DataError`.

    Libraries that decode images raise nearly every kind of exception on damaged files, including
    struct.error, KeyError, RecursionError and MemoryError. All of them are caught here and kept as
    the cause of the `DataError`. A `UserError` passes.

    Args:
        path: The file.
        kind: What the file is decoded as, such as "a PNG image".
        maximum_bytes: The largest file to open.

    Raises:
        DataError: The file cannot be opened, is not a regular one (a folder, a pipe, a device, and
            so on), is empty or too large, or the block raised an exception that is no `UserError`.
    """
    try:
        # Checked before opening: opening a pipe blocks until somebody writes into it.
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise DataError(
                "An image or mask must be a regular file.",
                received=_kind_of(status.st_mode),
                file=path,
                remedy="Name a file, or remove this from the folder.",
            )
        if not 1 <= status.st_size <= maximum_bytes:
            raise DataError(
                f"A file to decode must have 1 to {maximum_bytes:,} bytes.",
                received=f"{status.st_size:,} bytes",
                file=path,
                remedy="Use a smaller file." if status.st_size else "Copy the file again.",
            )
        stream = open(path, "rb")  # noqa: SIM115 - closed by the block below
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise DataError(
            "All images and masks must be readable.",
            received=getattr(error, "strerror", None) or error,
            file=path,
            remedy="Restore the file or its permissions, or remove the case from the data set.",
        ) from error
    with stream:
        try:
            yield stream
        except UserError:
            raise
        except Exception as error:
            raise DataError(
                f"The file must be readable as {kind}.",
                received=_cause(error),
                file=path,
                remedy="If the file is damaged, copy it again from its source; otherwise save it "
                f"again as {kind}.",
            ) from error


def _kind_of(mode: int) -> str:
    kinds = {
        stat.S_IFDIR: "a directory",
        stat.S_IFIFO: "a pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFCHR: "a device",
        stat.S_IFBLK: "a device",
    }
    return kinds.get(stat.S_IFMT(mode), "something that is no file")


def _cause(error: Exception) -> str:
    """Returns one short line, however long the library's message is."""
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    message = " ".join(message.split())
    if len(message) > _LONGEST_CAUSE:
        message = message[:_LONGEST_CAUSE] + " ..."
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
