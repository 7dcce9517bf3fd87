"""The interface of executors, and what they report."""

import dataclasses
import signal
from pathlib import Path
from typing import Protocol

_LONGEST_MESSAGE = 2000


@dataclasses.dataclass(frozen=True)
class Attempt:
    """A run's process that has ended.

    Attributes:
        name: Of the run.
        status: Its exit status; negative, a signal's number, where one ended it.
        seconds: How long it took.
    """

    name: str
    status: int
    seconds: float


class Executor(Protocol):
    """Makes runs, several at a time. All its methods return at once, but for `close`."""

    capacity: int
    """Number of runs at a time."""

    def start(self, name: str, command: list[str], log: Path) -> None:
        """Starts the process of a run, whose stdout and stderr are added to `log`."""

    def ended(self) -> list[Attempt]:
        """The processes that have ended since it was asked last."""

    def stop(self) -> None:
        """Asks all processes to save and end, by SIGTERM."""

    def close(self) -> None:
        """Stops what still runs and waits for it."""


def failure_message(status: int, log: Path, start: int, command: str) -> str:
    """Why an attempt failed: the message that it ended with, or what ended it.

    Args:
        status: As in `Attempt`.
        log: What it wrote.
        start: Where in `log` it begins, in bytes.
        command: Such as `train`, by which messages begin.
    """
    try:
        with open(log, "rb") as file:
            file.seek(start)
            text = file.read().decode(errors="replace")
    except OSError:
        text = ""
    lines = [line.rpartition("\r")[2].rstrip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    # A message is a line that names the command, and indented ones below it.
    first = max(
        (index for index, line in enumerate(lines) if line.startswith(f"{command}: ")),
        default=len(lines) - 1,
    )
    if not all(line.startswith("  ") for line in lines[first + 1 :]):
        first = len(lines) - 1
    message = "\n".join(lines[max(first, 0) :])[-_LONGEST_MESSAGE:]
    if status < 0:
        ended = f"ended by {signal.Signals(-status).name}"
        hint = ", perhaps for lack of memory" if -status == signal.SIGKILL else ""
        message = "\n".join(filter(None, [ended + hint, message]))
    return message or f"exit status {status}"
