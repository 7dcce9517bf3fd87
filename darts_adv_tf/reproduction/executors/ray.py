"""Runs as tasks of a Ray cluster, on machines that share a file system.

The cluster is that of the variable RAY_ADDRESS, or this machine alone. A task is the same command
line that this machine would run, started in the same folder, so that every machine has the same
Python environment, and the folder of the matrix and the data under the same paths. A run asks for
the cores, and the GPUs, of this machine divided by --parallel; Ray looks for the room. It gives a
run GPUs of its own (CUDA_VISIBLE_DEVICES), but binds it to no cores.
"""

import importlib
import os
import secrets
import signal
import subprocess
import time
from pathlib import Path
from types import ModuleType

from darts_adv_tf.reproduction.executors.attempt import Attempt
from darts_adv_tf.reproduction.executors.local import LOG_ENVIRONMENT, bound
from darts_adv_tf.reproduction.executors.shares import list_gpus
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.system.interruption import SIGNALS

_ADDRESS = "RAY_ADDRESS"
_POLL_SECONDS = 0.5
_NOT_SHARED = 200
"""Where a machine does not see the folder of the matrix; beyond the statuses of commands."""
_STOPPED = 128 + signal.SIGTERM
"""Of a run that was stopped before it began."""


class RayExecutor:
    """Makes runs on a Ray cluster, as many at a time as it has room for.

    Args:
        parallel: Number of runs at a time on a machine like this one.
        folder: Of the matrix. By a marker file in it tasks see that they share the folder; once
            it is gone, they must stop: each sends SIGTERM to its run, and waits. Each task that
            has begun makes another file, so that the others, which wait for room and would never
            look at the marker, can be cancelled.

    Raises:
        ConfigurationError: Ray is not installed, or there is no cluster at RAY_ADDRESS.
    """

    def __init__(self, parallel: int, folder: Path):
        self._ray = _import_ray()
        # It takes SIGTERM for itself.
        handlers = [(number, signal.getsignal(number)) for number in SIGNALS]
        address = os.environ.get(_ADDRESS) or "local"
        try:
            self._ray.init(
                address=address, log_to_driver=False, runtime_env={"env_vars": _environment()}
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ConfigurationError(
                f"{_ADDRESS} must be unset, or name a Ray cluster that answers.",
                received=f"{address}: {error}",
                remedy="Start it by: ray start --head, or use --executor=local.",
            ) from error
        finally:
            for number, handler in handlers:
                signal.signal(number, handler)
        cores, gpus = len(os.sched_getaffinity(0)), len(list_gpus())
        needs = {"CPU": max(1, cores // parallel), "GPU": gpus / parallel}
        # Ray cannot give a whole GPU and a part of another.
        needs["GPU"] = float(int(needs["GPU"])) if needs["GPU"] > 1 else needs["GPU"]
        available = self._ray.cluster_resources()
        rooms = [available.get(name, 0) // amount for name, amount in needs.items() if amount]
        self.capacity = max(1, int(min(rooms)))
        if min(rooms) < 1:
            print(
                f"ray: no room in the cluster for a run of {needs['CPU']} cores and {needs['GPU']} "
                "GPUs, as this machine has for one; waiting for a machine that has",
                flush=True,
            )
        # A run that was cut short is for the matrix to start again, not for Ray.
        self._task = self._ray.remote(num_cpus=needs["CPU"], num_gpus=needs["GPU"], max_retries=0)(
            run_command
        )
        self._marker = folder.resolve() / f".ray_{secrets.token_hex(4)}"
        self._marker.touch()
        self._tasks: dict[str, object] = {}
        self._begun: dict[str, Path] = {}

    def start(self, name: str, command: list[str], log: Path) -> None:
        """Hands a run to the cluster."""
        begun = self._begun[name] = self._marker.with_name(
            f"{self._marker.name}_{secrets.token_hex(4)}"
        )
        self._tasks[name] = self._task.remote(
            command, str(log.resolve()), str(self._marker), str(begun), os.getcwd()
        )

    def ended(self) -> list[Attempt]:
        """The runs whose tasks have ended since it was asked last.

        Raises:
            ConfigurationError: A machine of the cluster does not see the folder of the matrix.
        """
        attempts = []
        for name, task in list(self._tasks.items()):
            if not self._ray.wait([task], timeout=0)[0]:
                continue
            del self._tasks[name]
            try:
                status, seconds, machine = self._ray.get(task)
            except self._ray.exceptions.TaskCancelledError:
                status, seconds, machine = _STOPPED, 0.0, ""
            except self._ray.exceptions.RayError as error:
                # Its machine is gone, or was out of memory.
                print(f"{name}: {error}", flush=True)
                status, seconds, machine = 1, 0.0, ""
            if status == _NOT_SHARED:
                raise ConfigurationError(
                    "All machines of the cluster must see --workdir.",
                    received=f"{machine}, which does not see it",
                    file=self._marker.parent,
                    remedy="Name a --workdir on a shared file system, by the same path everywhere.",
                )
            self._begun.pop(name).unlink(missing_ok=True)
            attempts.append(Attempt(name, status, seconds))
        return attempts

    def stop(self) -> None:
        """Asks all runs to save and end, and takes back those that have not begun."""
        # In this order: a task first makes its file, then looks for the marker.
        self._marker.unlink(missing_ok=True)
        for name, task in self._tasks.items():
            if not self._begun[name].exists():
                self._ray.cancel(task, force=False)

    def close(self) -> None:
        """Stops what still runs, waits for it, and leaves the cluster."""
        self.stop()
        if self._tasks:
            self._ray.wait(list(self._tasks.values()), num_returns=len(self._tasks))
        self._tasks.clear()
        for begun in self._begun.values():
            begun.unlink(missing_ok=True)
        self._ray.shutdown()


def run_command(
    command: list[str], log: str, marker: str, begun: str, folder: str
) -> tuple[int, float, str]:
    """Runs a command on a machine of the cluster, until its end or until the marker is gone.

    Args:
        command: The program and its arguments.
        log: File to which its stdout and stderr are added.
        marker: File that is there as long as the run is wanted.
        begun: File that is made when it begins.
        folder: The current folder of the command.

    Returns:
        The exit status, the seconds that it took, and the machine's name.
    """
    start, machine = time.monotonic(), os.uname().nodename
    if not Path(marker).parent.is_dir():
        return _NOT_SHARED, 0.0, machine
    Path(begun).touch()
    if not Path(marker).exists():
        return _STOPPED, 0.0, machine
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    cores = tuple(sorted(os.sched_getaffinity(0)))
    with open(log, "ab") as stream:
        process = subprocess.Popen(
            bound(command, cores),
            cwd=folder,
            env=os.environ | LOG_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    is_stopping = False
    while process.poll() is None:
        if not is_stopping and not Path(marker).exists():
            is_stopping = True
            process.send_signal(signal.SIGTERM)
        time.sleep(_POLL_SECONDS)
    return process.returncode, time.monotonic() - start, machine


def _import_ray() -> ModuleType:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise ConfigurationError(
            "Ray must be installed for --executor=ray.",
            received=error,
            remedy="pip install -r requirements-ray.txt, or use --executor=local.",
        ) from error


def _environment() -> dict[str, str]:
    """What a run finds this program and the user's own modules by, on every machine."""
    root = str(Path(__file__).parents[3])
    return {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}
