"""The contents of compressed volumes, inflated once for all of their slices."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

KEPT_BYTES = 2**30
"""All kept volumes together: six chest CTs of 300 slices in 16 bits."""
LARGEST_KEPT_BYTES = 2**29


class InflatedFiles:
    """The contents of the files read last, up to `KEPT_BYTES`.

    A slice can be read only from a whole inflated file, checksum included; a volume read slice by
    slice would be inflated once for each. Files are known by path, size and time of change.
    """

    def __init__(self):
        self._contents: OrderedDict[tuple, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def content(self, path: str | Path, inflate: Callable[[], bytes]) -> bytes:
        """What a file holds, by `inflate` where it is not kept; whatever that raises passes."""
        status = os.stat(path)
        key = (str(path), status.st_ino, status.st_size, status.st_mtime_ns)
        # One at a time: threads that read slices of one volume would all inflate it.
        with self._lock:
            if key not in self._contents:
                self._contents[key] = inflate()
            self._contents.move_to_end(key)
            content = self._contents[key]
            while sum(map(len, self._contents.values())) > KEPT_BYTES:
                self._contents.popitem(last=False)
            return content

    def forget(self) -> None:
        """Gives the memory back."""
        with self._lock:
            self._contents.clear()
