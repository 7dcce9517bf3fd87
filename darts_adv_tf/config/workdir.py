"""The folder of a run: whether it is free, and that one process at a time writes to it."""

import contextlib
import errno
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

from filelock import lock_descriptor

from darts_adv_tf.config.config_file import FILE_NAME
from darts_adv_tf.system.errors import ConfigurationError

LOCK = Path("checkpoints") / "lock"
# What a run leaves that was killed before its configuration was written.
_TEMPORARY = re.compile(rf"\.{re.escape(FILE_NAME)}\.[0-9a-f]{{8}}")
_OF_AN_UNBEGUN_RUN = (
    FILE_NAME,
    "cases.csv",
    "genotype.json",
    "genotype_normal.png",
    "genotype_reduction.png",
)
_ERRORS_OF_SYSTEMS_WITHOUT_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


def holds_run(workdir: str | os.PathLike) -> bool:
    """Whether a run has begun there."""
    return (Path(workdir) / FILE_NAME).exists()


def refuse_occupied(workdir: str | os.PathLike) -> None:
    """Checks that a run may begin there.

    Raises:
        ConfigurationError: The folder holds a run or other files, or is a file.
    """
    path = Path(workdir)
    remedy = "Name another --workdir, or leave it out for runs/<command>-<time>."
    if not path.exists():
        return
    if not path.is_dir():
        received = "a file"
    elif holds_run(path):
        received = "a folder that holds a run"
        remedy = f"Resume that run with --resume. {remedy}"
    elif any(not _is_of_an_unbegun_run(path, entry) for entry in path.iterdir()):
        received = "a folder that holds other files"
    else:
        return
    raise ConfigurationError(
        "--workdir must be a new or empty folder.",
        received=f"--workdir={workdir}, {received}",
        file=path,
        remedy=remedy,
    )


_descriptors: list[int] = []
"""The locks that this process holds, oldest first."""


@contextlib.contextmanager
def returning_locks() -> Iterator[None]:
    """Gives back at its end the locks taken within it, where the process itself goes on."""
    num_before = len(_descriptors)
    try:
        yield
    finally:
        while len(_descriptors) > num_before:
            os.close(_descriptors.pop())


def lock(workdir: str | os.PathLike, file: Path = LOCK) -> None:
    """Keeps every other process from the work directory until this one ends, however it does.

    Args:
        workdir: The folder.
        file: In it, by which processes of one kind keep each other away.

    Raises:
        ConfigurationError: Another process has it.
        OSError: The folder cannot be made or written.
    """
    path = Path(workdir) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    # Open to the end: the system gives the lock back when the process is gone, killed or not.
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    is_ours = _lock_if_free(descriptor)
    if is_ours is False:
        holder = _name_in(descriptor)
        os.close(descriptor)
        raise ConfigurationError(
            "A work directory must be used by one process at a time.",
            received=f"--workdir={workdir}, in use by {holder}",
            file=path,
            remedy="Wait until it ends or stop it, or name another --workdir.",
        )
    if is_ours is None:
        print(
            f"warning: the file system of {workdir} has no locks. Make sure that no other process "
            "works there.",
            file=sys.stderr,
        )
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
    _descriptors.append(descriptor)


def remove_unbegun(workdir: str | os.PathLike) -> None:
    """Removes what a run that has made no step has written, and the folder if it is empty then.

    Call it only while this process holds the lock.
    """
    path = Path(workdir)
    for entry in _OF_AN_UNBEGUN_RUN:
        (path / entry).unlink(missing_ok=True)
    for folder in (path / "tensorboard", path / LOCK.parent):
        shutil.rmtree(folder, ignore_errors=True)
    # Not empty where others keep files of theirs there.
    with contextlib.suppress(OSError):
        path.rmdir()


def lock_holder(workdir: str | os.PathLike) -> str | None:
    """The process that works there, in words; None where there is none.

    Raises:
        OSError: The lock cannot be opened.
    """
    try:
        descriptor = os.open(Path(workdir) / LOCK, os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return _name_in(descriptor) if _lock_if_free(descriptor) is False else None
    finally:
        os.close(descriptor)


def _lock_if_free(descriptor: int) -> bool | None:
    """Whether the lock is ours now; None where the file system has no locks."""
    try:
        return lock_descriptor(descriptor, blocking=False)
    except OSError as error:
        if error.errno not in _ERRORS_OF_SYSTEMS_WITHOUT_LOCKS:
            raise
        return None


def _name_in(descriptor: int) -> str:
    """The process that wrote its name into a lock."""
    return os.pread(descriptor, 200, 0).decode(errors="replace") or "another process"


def _is_of_an_unbegun_run(workdir: Path, entry: Path) -> bool:
    if entry.name == LOCK.parent.name and entry.is_dir():
        return {child.name for child in entry.iterdir()} <= {LOCK.name}
    return _TEMPORARY.fullmatch(entry.name) is not None
