"""Runs as processes of this machine."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from darts_adv_tf.reproduction.executors import bound_process
from darts_adv_tf.reproduction.executors.attempt import Attempt
from darts_adv_tf.reproduction.executors.shares import Share, make_shares

LOG_ENVIRONMENT = {"PYTHONUNBUFFERED": "1"}
"""Otherwise what a run writes to stdout would be in its log after what it wrote to stderr."""


@dataclasses.dataclass(frozen=True)
class _Running:
    process: subprocess.Popen
    share: Share
    start: float


class LocalExecutor:
    """Makes `parallel` runs at a time, each in a session of its own, with its share of the cores.

    A session of its own: Ctrl-C reaches this program alone, which then asks for the end of its
    runs once. No threads: the processes are asked whether they have ended.

    Args:
        parallel: Number of runs at a time.
    """

    def __init__(self, parallel: int):
        self.capacity = parallel
        self._shares = make_shares(parallel)
        self._running: dict[str, _Running] = {}

    def start(self, name: str, command: list[str], log: Path) -> None:
        """Starts a run's process.

        Raises:
            OSError: The log cannot be written, or there is no room for a process.
        """
        assert len(self._running) < self.capacity, "asked for no more than the capacity"
        share = self._shares.pop(0)
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as stream:
            process = subprocess.Popen(
                bound(command, share.cores),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=os.environ | LOG_ENVIRONMENT | dict(share.environment),
                start_new_session=True,
            )
        self._running[name] = _Running(process, share, time.monotonic())

    def ended(self) -> list[Attempt]:
        """The runs whose processes have ended since it was asked last."""
        attempts = []
        for name, running in list(self._running.items()):
            status = running.process.poll()
            if status is not None:
                del self._running[name]
                self._shares.append(running.share)
                attempts.append(Attempt(name, status, time.monotonic() - running.start))
        return attempts

    def stop(self) -> None:
        """Asks the runs to save and end."""
        for running in self._running.values():
            # Not to one that has ended, whose number may be another's by now.
            if running.process.poll() is None:
                running.process.send_signal(signal.SIGTERM)

    def close(self) -> None:
        """Stops what still runs and waits for it."""
        self.stop()
        for running in self._running.values():
            running.process.wait()
        self._running.clear()


def bound(command: list[str], cores: tuple[int, ...]) -> list[str]:
    """The command, bound to this process and to the cores."""
    numbers = ",".join(map(str, cores))
    return [sys.executable, "-m", bound_process.__name__, str(os.getpid()), numbers, *command]
