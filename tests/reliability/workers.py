"""Several workers of one run on this machine: starts them, signals them, and lets none outlive."""

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from darts_adv_tf.system.cluster import VARIABLE
from darts_adv_tf.training.checkpoint import folder_of
from darts_adv_tf.training.checkpoint_store import CheckpointStore
from tests.command_line import REPOSITORY
from tests.reliability.killed_run import PHASES
from tests.reliability.test_kills import curves

COMMAND = ("darts_adv_tf.search",)
PROGRAM = "tests.reliability.worker_program"
# See assert_close. At most 4e-6 and 5e-6 were seen, by two and four workers; the gradient of first
# order in place of the exact one makes 2e-4.
FIGURE_TOLERANCE = 1e-5
WEIGHT_TOLERANCE = 2e-5
METRICS_TOLERANCE = 1e-2
POLL_SECONDS = 0.02
LIMIT_SECONDS = 400
"""That no worker takes longer than, on two cores that others use too."""


@dataclasses.dataclass(frozen=True)
class Ended:
    """A process that has ended.

    Attributes:
        status: Its exit status; minus the signal's number if one has killed it.
        out, err: All that it has written.
        time: When it was seen to have ended, in seconds of `time.monotonic`.
    """

    status: int
    out: str
    err: str
    time: float


class Workers:
    """Processes of one run, each in a process group of its own, with its output in files.

    To be used by `with`, which kills whatever is left of them.

    Args:
        folder: Where they run, and their outputs lie.
        num_workers: How many addresses TF_CONFIG has; None for one process without TF_CONFIG.
        flags: Of all of them.
        program: The module to run, and its arguments before the flags.
        flags_of: More flags of some, by index.
        only: The indices of those to start, all of them unless given.
        ports: Of their addresses; free ones unless given.
        has_own_folders: Whether each runs in a folder of its own, named by its index.
    """

    def __init__(
        self,
        folder: Path,
        num_workers: int | None,
        *flags: str,
        program: Sequence[str] = COMMAND,
        flags_of: dict[int, Sequence[str]] | None = None,
        only: Sequence[int] | None = None,
        ports: Sequence[int] | None = None,
        has_own_folders: bool = False,
    ):
        self.folder = folder
        self.begin = time.monotonic()
        self.processes: dict[int, subprocess.Popen] = {}
        self._outputs: dict[int, tuple[Path, Path]] = {}
        self._ended: dict[int, Ended] = {}
        addresses = [f"localhost:{port}" for port in ports or free_ports(num_workers or 0)]
        if addresses:
            flags = ("--strategy=multi_worker", *flags)
        for index in range(num_workers or 1) if only is None else only:
            environment = {
                **os.environ,
                "PYTHONPATH": str(REPOSITORY),
                # Several workers cannot share one GPU, which a machine with workers has each.
                "CUDA_VISIBLE_DEVICES": "-1",
            }
            environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
            environment.pop(VARIABLE, None)
            if addresses:
                task = {"type": "worker", "index": index}
                content = {"cluster": {"worker": addresses}, "task": task}
                environment[VARIABLE] = json.dumps(content)
            place = folder / str(index) if has_own_folders else folder
            place.mkdir(parents=True, exist_ok=True)
            # A resumed run has outputs of its own.
            outputs = tuple(folder / f"{time.time_ns()}-{index}.{kind}" for kind in ("out", "err"))
            self._outputs[index] = outputs
            own_flags = (flags_of or {}).get(index, ())
            with open(outputs[0], "w") as out, open(outputs[1], "w") as err:
                self.processes[index] = subprocess.Popen(
                    [sys.executable, "-m", *program, *flags, *own_flags],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=err,
                    cwd=place,
                    env=environment,
                    start_new_session=True,
                )

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *exception) -> None:
        for process in self.processes.values():
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def wait_until(self, is_reached: Callable[[], bool]) -> None:
        """Returns once it is; none of the workers may end before."""
        while not is_reached():
            self._look()
            assert not self._ended, f"ended too early: {self._ended}"
            time.sleep(POLL_SECONDS)

    def output(self, index: int) -> str:
        """What a worker has written to stdout so far."""
        return self._outputs[index][0].read_text()

    def send(self, index: int, number: int) -> float:
        """Sends a worker a signal; returns when."""
        os.kill(self.processes[index].pid, number)
        return time.monotonic()

    def wait(self, seconds: float = LIMIT_SECONDS) -> list[Ended]:
        """Waits so long for the end of all; in the order of their indices."""
        begin = time.monotonic()
        while len(self._ended) < len(self.processes):
            self._look()
            assert time.monotonic() - begin < seconds, f"not ended after {seconds} s"
            time.sleep(POLL_SECONDS)
        return [self._ended[index] for index in sorted(self._ended)]

    def finish(self) -> list[Ended]:
        """Waits for the end of all, each of which must have succeeded."""
        ended = self.wait()
        for worker in ended:
            assert worker.status == 0, f"status {worker.status}: {worker.out[-500:]}{worker.err}"
        return ended

    def _look(self):
        for index, process in self.processes.items():
            if index not in self._ended and process.poll() is not None:
                texts = [path.read_text() for path in self._outputs[index]]
                self._ended[index] = Ended(process.returncode, *texts, time.monotonic())
        assert time.monotonic() - self.begin < LIMIT_SECONDS, (
            f"not ended after {LIMIT_SECONDS} s: {set(self.processes) - set(self._ended)}"
        )


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens at now, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("localhost", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def saved_steps(workdir: Path, phase: str) -> list[int]:
    """Of the checkpoints that are there."""
    return CheckpointStore(folder_of(workdir, phase)).steps()


def last_states(workdir: Path) -> dict[str, np.ndarray]:
    """Every array of the last checkpoint of each phase, by name."""
    arrays = {}
    for phase in PHASES:
        store = CheckpointStore(folder_of(workdir, phase))
        checkpoint = store.read(store.steps()[-1])
        arrays |= {f"{phase}/{name}": array for name, array in checkpoint.arrays.items()}
    return arrays


def assert_close(workdir: Path, expected_workdir: Path) -> None:
    """Two finished runs of one global batch have the same results but for rounding.

    A sum over replicas adds the same float32 numbers in another order, which changes the last of
    their 24 bits (6e-8): the figures of a step differ by a few of those. Of the weights, Adam moves
    each by the sign of its gradient at first, however small: where it is zero but for rounding, the
    weight may go the other way, so that no tolerance holds for a single one. What few such weights
    there are hardly counts in the norm of all of a part.

    A batch that counted twice, or for half, would change figures and moments by a factor.
    """
    found, expected = last_states(workdir), last_states(expected_workdir)
    assert found.keys() == expected.keys()
    parts = {}
    for name, array in expected.items():
        if array.ndim == 0 or array.dtype.kind != "f":
            # Numbers of steps and learning rates.
            assert found[name] == array, name
        else:
            part = "/".join(name.split("/")[:2])
            parts.setdefault(part, []).append((found[name].ravel(), array.ravel()))
    for part, pairs in parts.items():
        values, expected_values = map(np.concatenate, zip(*pairs, strict=True))
        distance = np.linalg.norm(values - expected_values) / np.linalg.norm(expected_values)
        assert distance <= WEIGHT_TOLERANCE, f"{part}: {distance}"
    for phase in PHASES:
        folders = (each / "tensorboard" / phase for each in (workdir, expected_workdir))
        figures, expected_figures = map(scalar_curves, folders)
        assert figures.keys() == expected_figures.keys()
        assert len(figures) >= 7
        for name, curve in expected_figures.items():
            np.testing.assert_allclose(
                figures[name], curve, rtol=FIGURE_TOLERANCE, err_msg=f"{phase} {name}"
            )
    # Whole numbers of pixels, unless the two most likely classes are as likely but for rounding.
    metrics, expected_metrics = (
        json.loads((each / "metrics.json").read_text())["iou"]
        for each in (workdir, expected_workdir)
    )
    assert metrics == pytest.approx(expected_metrics, abs=METRICS_TOLERANCE)
    names = ("genotype.json", "cases.csv")
    assert [(workdir / name).read_text() for name in names] == [
        (expected_workdir / name).read_text() for name in names
    ]


def scalar_curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of each figure, but for the pace."""
    return {
        tag: points
        for tag, points in curves(folder).items()
        if tag != "seconds/step" and isinstance(points[0][1], float)
    }
