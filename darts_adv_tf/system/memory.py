"""The memory that this process may use, and what it has used."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_GROUPS_FILE = Path("/proc/self/cgroup")
_GROUPS_FOLDER = Path("/sys/fs/cgroup")


def memory_bytes() -> int:
    """The machine's memory, or less where a container or a batch system limits the process."""
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in _limit_files():
        # Without a limit, version 2 says "max" and version 1 a number beyond any memory.
        with contextlib.suppress(OSError, ValueError):
            sizes.append(int(path.read_text()))
    return min(sizes)


def _limit_files() -> Iterator[Path]:
    """Where Linux may keep a limit: in the control group of the process and in all above it.

    Inside a container the file of the process names groups that only the host sees; the container's
    own limit is then that of the topmost folder.
    """
    try:
        lines = _GROUPS_FILE.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers == "":
            folder, name = _GROUPS_FOLDER, "memory.max"
        elif "memory" in controllers.split(","):
            folder, name = _GROUPS_FOLDER / "memory", "memory.limit_in_bytes"
        else:
            continue
        path = PurePosixPath(group.lstrip("/"))
        yield from (folder / above / name for above in (path, *path.parents))


def peak_memory_bytes() -> int:
    """The most memory that this process has held so far."""
    # Not getrusage: what it reports outlasts exec, and so may be the peak of the parent process.
    lines = Path("/proc/self/status").read_text().splitlines()
    (kibibytes,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kibibytes) * 1024


def format_gibibytes(size: int) -> str:
    """Example:

    >>> format_gibibytes(3 * 2**29)
    '1.5 GiB'
    """
    return f"{size / 2**30:.1f} GiB"
