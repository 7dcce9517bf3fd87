"""The memory that this process may use, and what it has used."""

import os
from pathlib import Path

# Limits of a container or a batch system: Linux control groups, version 2 and version 1.
_LIMIT_FILES = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_bytes() -> int:
    """The machine's memory, or less where a container limits the process."""
    sizes = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for path in _LIMIT_FILES:
        # Without a limit, version 2 says "max" and version 1 a number beyond any memory.
        if path.exists() and (limit := path.read_text().strip()).isdecimal():
            sizes.append(int(limit))
    return min(sizes)


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
