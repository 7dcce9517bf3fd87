"""Runs the commands as a user does: each in a process of its own, in an empty folder."""

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np

from darts_adv_tf.data.phantom import load_phantom

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


def run_command(folder: Path, command: str, *flags: str) -> subprocess.CompletedProcess:
    """Runs `python -m darts_adv_tf.<command>` in a folder and waits for its end.

    With the user's usual environment, in which nobody set TensorFlow's log level.
    """
    usual = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-m", f"darts_adv_tf.{command}", *flags],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**usual, "PYTHONPATH": str(REPOSITORY)},
    )


class CommandLine:
    """Two commands at a time in one folder: tracing a graph keeps only one core busy."""

    def __init__(self, folder: Path):
        self.folder = folder
        self._pool = ThreadPoolExecutor(max_workers=2)

    def start(self, command: str, *flags: str) -> Future:
        """Starts a command; the result is its `CompletedProcess`."""
        return self._pool.submit(run_command, self.folder, command, *flags)

    def start_after(self, earlier: Future, then: Callable[[], object]) -> Future:
        """Starts a function once an earlier start has ended."""

        def wait_and_run():
            earlier.result()
            return then()

        return self._pool.submit(wait_and_run)

    def close(self):
        """Waits for what runs and drops what does not run yet."""
        self._pool.shutdown(cancel_futures=True)


def write_cx_seg(folder: Path, num_cases: int = 6) -> None:
    """Writes phantoms in the folder layout of CX-SEG, 64x64 pixels."""
    dataset = load_phantom(64, num_cases, seed=3)
    for part in ("png", *(f"mask/{organ}" for organ in dataset.class_names[1:])):
        (folder / part).mkdir(parents=True)
    for case, image, labels in zip(dataset.cases, dataset.images, dataset.labels, strict=True):
        picture = np.round(image[:, :, 0] * 255).astype(np.uint8)
        cv2.imwrite(str(folder / "png" / f"{case}.png"), picture)
        for index, organ in enumerate(dataset.class_names[1:], start=1):
            mask = (labels == index).astype(np.uint8) * 255
            cv2.imwrite(str(folder / "mask" / organ / f"{case}.png"), mask)
