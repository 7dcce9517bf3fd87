"""Runs the commands as a user does: each in a process of its own, in an empty folder."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from tests.phantoms import load_phantoms

REPOSITORY = Path(__file__).parents[1]
TINY = (
    "--image_size=32",
    "--phantom_cases=8",
    "--train_cases=4",
    "--batch_size=2",
    "--segmenter_width=2",
    "--retrain_epochs=2",
)
TINY_SEARCH = (*TINY, "--discriminator_channels=2", "--search_epochs=2")


TIMEOUT_SECONDS = 300


class RunningCommand:
    """`python -m darts_adv_tf.<command>` in a folder, which may be sent signals.

    With the user's usual environment, in which nobody set TensorFlow's log level.

    Example:
        >>> with RunningCommand(folder, "search", "--workdir=run") as running:
        ...     running.wait_for("search: first step after")
        ...     running.process.send_signal(signal.SIGTERM)
        ...     running.end().returncode
        143
    """

    def __init__(self, folder: Path, command: str, *flags: str):
        usual = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
        # Files and not pipes, which would have to be emptied all the time.
        self._streams = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, "-m", f"darts_adv_tf.{command}", *flags],
            stdout=self._streams[0],
            stderr=self._streams[1],
            cwd=folder,
            env={**usual, "PYTHONPATH": str(REPOSITORY)},
        )

    def __enter__(self) -> "RunningCommand":
        return self

    def __exit__(self, *exception) -> None:
        self.process.kill()
        self.process.wait()
        for stream in self._streams:
            stream.close()

    def wait_for(self, text: str) -> None:
        """Returns once `text` has been written to stdout or stderr."""
        self.wait_until(lambda: any(text in told for told in self._told()))

    def wait_until(self, is_true: Callable[[], bool]) -> None:
        """Returns once a condition is true, which it has to become while the command runs."""
        end = time.monotonic() + TIMEOUT_SECONDS
        while not is_true():
            assert self.process.poll() is None and time.monotonic() < end, "\n".join(self._told())
            time.sleep(0.01)

    def end(self) -> subprocess.CompletedProcess:
        """Waits for the end."""
        status = self.process.wait(TIMEOUT_SECONDS)
        return subprocess.CompletedProcess(self.process.args, status, *self._told())

    def _told(self) -> list[str]:
        told = []
        for stream in self._streams:
            # Not by seek, which would move the place where the command writes too.
            size = os.fstat(stream.fileno()).st_size
            told.append(os.pread(stream.fileno(), size, 0).decode(errors="replace"))
        return told


def run_command(folder: Path, command: str, *flags: str) -> subprocess.CompletedProcess:
    """Runs a command in a folder and waits for its end."""
    with RunningCommand(folder, command, *flags) as running:
        return running.end()


class CommandLine:
    """Two commands at a time in one folder: tracing a graph keeps only one core busy."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._pool = ThreadPoolExecutor(max_workers=2)

    def start(self, command: str, *flags: str) -> Future:
        """Starts a command; the result is its `CompletedProcess`."""
        return self.call(run_command, self.folder, command, *flags)

    def call(self, function: Callable[..., object], *arguments: object) -> Future:
        """Starts a function that runs commands, one at a time."""
        return self._pool.submit(function, *arguments)

    def start_after(self, earlier: Future, then: Callable[[], object]) -> Future:
        """Starts a function once an earlier start has ended."""

        def wait_and_run():
            earlier.result()
            return then()

        return self.call(wait_and_run)

    def close(self):
        """Waits for what runs and drops what does not run yet."""
        self._pool.shutdown(cancel_futures=True)


def write_cx_seg(folder: Path, num_cases: int = 6) -> None:
    """Writes phantoms in the folder layout of CX-SEG, 64x64 pixels."""
    dataset = load_phantoms(64, num_cases, seed=3)
    for part in ("png", *(f"mask/{organ}" for organ in dataset.class_names[1:])):
        (folder / part).mkdir(parents=True)
    for case, image, labels in zip(dataset.cases, dataset.images, dataset.labels, strict=True):
        picture = np.round(image[:, :, 0] * 255).astype(np.uint8)
        cv2.imwrite(str(folder / "png" / f"{case}.png"), picture)
        for index, organ in enumerate(dataset.class_names[1:], start=1):
            mask = (labels == index).astype(np.uint8) * 255
            cv2.imwrite(str(folder / "mask" / organ / f"{case}.png"), mask)
