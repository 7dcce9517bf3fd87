"""A cache of inflated volumes, so that each is inflated once for all of its slices."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

KEPT_BYTES = 2**30
"""Of all volumes in the cache: six chest CTs of 300 slices in 16 bits."""
LARGEST_KEPT_BYTES = 2**29


class InflatedFiles:
    """The contents of the most recently read files, up to `KEPT_BYTES`.

    A slice can only be read from a whole inflated file, including its checksum, so a volume read
    slice by slice would be inflated once per slice. Files are identified by path, size and time of
    change.
    """

    def __init__(self):
        self._contents: OrderedDict[tuple, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def content(self, path: str | Path, inflate: Callable[[], bytes]) -> bytes:
        """Returns the content of a file, calling `inflate` if it is not cached."""
        status = os.stat(path)
        key = (str(path), status.st_ino, status.st_size, status.st_mtime_ns)
        # Locked: threads that read slices of one volume would otherwise all inflate it.
        with self._lock:
            if key not in self._contents:
                self._contents[key] = inflate()
            self._contents.move_to_end(key)
            content = self._contents[key]
            while sum(map(len, self._contents.values())) > KEPT_BYTES:
                self._contents.popitem(last=False)
            return content

    def forget(self) -> None:
        """Frees the memory."""
        with self._lock:
            self._contents.clear()
