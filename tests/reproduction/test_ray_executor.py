"""Runs on a Ray cluster, played by a module that makes its tasks as threads of this process."""

import signal
import sys
import threading
import time
import types
from pathlib import Path

import pytest

from darts_adv_tf.reproduction.executors.ray import RayExecutor, run_command
from darts_adv_tf.system.errors import ConfigurationError

REPOSITORY = Path(__file__).parents[2]
TIMEOUT_SECONDS = 30
PATIENT = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
print("ready", flush=True)
time.sleep(60)
"""


class FakeRay(types.ModuleType):
    """What of Ray is used, as Ray 2 has it."""

    class exceptions:
        class RayError(Exception):
            pass

        class TaskCancelledError(RayError):
            pass

    def __init__(self, resources):
        super().__init__("ray")
        self.has_room = True
        self.resources = resources
        self.calls = []
        self.is_up = False

    def init(self, **arguments):
        self.is_up = True
        self.calls.append(("init", arguments))
        signal.signal(signal.SIGTERM, lambda *_: None)

    def cluster_resources(self):
        return self.resources

    def remote(self, **needs):
        self.calls.append(("remote", needs))
        return lambda function: types.SimpleNamespace(
            remote=lambda *arguments: _Task(function, arguments, self.has_room)
        )

    def cancel(self, task, force):
        assert not force, "which would end a run without saving"
        task.cancel()

    def wait(self, tasks, num_returns=1, timeout=None):
        if timeout is None:
            for task in tasks:
                task.join()
        done = [task for task in tasks if not task.is_alive()]
        return done, [task for task in tasks if task not in done]

    def get(self, task):
        if task.error is not None:
            raise task.error
        return task.result

    def shutdown(self):
        self.is_up = False


class _Task(threading.Thread):
    def __init__(self, function, arguments, has_room):
        super().__init__(daemon=True)
        self.function, self.arguments = function, arguments
        self.result = self.error = None
        self.waiting = threading.Event()
        if has_room:
            self.waiting.set()
        self.start()

    def cancel(self):
        self.error = FakeRay.exceptions.TaskCancelledError()
        self.waiting.set()

    def run(self):
        self.waiting.wait()
        if self.error is not None:
            return
        try:
            self.result = self.function(*self.arguments)
        except Exception as error:
            self.error = error


@pytest.fixture
def make_executor(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1, 2, 3})
    monkeypatch.setattr("darts_adv_tf.reproduction.executors.ray._POLL_SECONDS", 0.02)
    made = []

    def make(parallel=1, resources=None):
        ray = FakeRay({"CPU": 16.0} if resources is None else resources)
        monkeypatch.setitem(sys.modules, "ray", ray)
        made.append((RayExecutor(parallel, tmp_path), ray))
        return made[-1]

    yield make
    for executor, _ in made:
        executor.close()


def all_ended(executor, number):
    end, attempts = time.monotonic() + TIMEOUT_SECONDS, []
    while len(attempts) < number:
        assert time.monotonic() < end
        attempts += executor.ended()
        time.sleep(0.02)
    return {attempt.name: attempt for attempt in attempts}


def python(source):
    return [sys.executable, "-c", source]


def test_without_ray_it_is_told_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigurationError) as caught:
        RayExecutor(1, tmp_path)
    assert "pip install -r requirements-ray.txt" in caught.value.remedy
    assert (REPOSITORY / "requirements-ray.txt").exists()


def test_the_cluster_is_this_machine_unless_it_has_an_address(make_executor, monkeypatch):
    assert make_executor()[1].calls[0][1]["address"] == "local"
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    assert make_executor()[1].calls[0][1]["address"] == "10.0.0.1:6379"


def test_a_cluster_that_does_not_answer_is_told(make_executor, monkeypatch):
    def refuse(self, **arguments):
        raise ConnectionError("nobody there")

    monkeypatch.setattr(FakeRay, "init", refuse)
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")
    with pytest.raises(ConfigurationError, match=r"10\.0\.0\.1:6379: nobody there"):
        make_executor()


@pytest.mark.parametrize(
    ("parallel", "gpus", "resources", "needs", "capacity"),
    [
        # Four machines of four cores.
        (1, "", {"CPU": 16.0}, {"num_cpus": 4, "num_gpus": 0.0}, 4),
        (2, "", {"CPU": 16.0}, {"num_cpus": 2, "num_gpus": 0.0}, 8),
        (8, "", {"CPU": 16.0}, {"num_cpus": 1, "num_gpus": 0.0}, 16),
        # Three of them with two GPUs each.
        (1, "0,1", {"CPU": 16.0, "GPU": 6.0}, {"num_cpus": 4, "num_gpus": 2.0}, 3),
        (2, "0,1", {"CPU": 16.0, "GPU": 6.0}, {"num_cpus": 2, "num_gpus": 1.0}, 6),
        (4, "0,1", {"CPU": 16.0, "GPU": 6.0}, {"num_cpus": 1, "num_gpus": 0.5}, 12),
        # Room for less than one: it waits for a larger machine.
        (1, "", {"CPU": 2.0}, {"num_cpus": 4, "num_gpus": 0.0}, 1),
    ],
)
def test_a_run_asks_for_its_part_of_a_machine(
    make_executor, monkeypatch, parallel, gpus, resources, needs, capacity
):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
    executor, ray = make_executor(parallel, resources)
    assert ray.calls[1] == ("remote", needs | {"max_retries": 0})
    assert executor.capacity == capacity


def test_runs_end_with_their_status_and_their_words_in_their_logs(make_executor, tmp_path):
    executor, _ = make_executor()
    executor.start(
        "a", python("import os; print(os.getcwd()); raise SystemExit(3)"), tmp_path / "a"
    )
    executor.start("b", python("import time; time.sleep(0.3)"), tmp_path / "b")
    attempts = all_ended(executor, 2)
    assert (attempts["a"].status, attempts["b"].status) == (3, 0)
    assert attempts["b"].seconds >= 0.3
    assert (tmp_path / "a").read_text() == f"{Path.cwd()}\n"


def test_a_stop_reaches_the_runs(make_executor, tmp_path):
    executor, _ = make_executor()
    executor.start("a", python(PATIENT), tmp_path / "a")
    end = time.monotonic() + TIMEOUT_SECONDS
    while not (tmp_path / "a").exists() or "ready" not in (tmp_path / "a").read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    executor.stop()
    assert all_ended(executor, 1)["a"].status == 143
    # One that the cluster begins only now.
    executor.start("b", python("raise SystemExit(1)"), tmp_path / "b")
    assert all_ended(executor, 1)["b"].status == 143 and not (tmp_path / "b").exists()


def test_a_stop_takes_back_what_waits_for_room(make_executor, tmp_path):
    executor, ray = make_executor()
    ray.has_room = False
    executor.start("a", python("raise SystemExit(1)"), tmp_path / "a")
    executor.stop()
    assert all_ended(executor, 1)["a"].status == 143 and not (tmp_path / "a").exists()
    # Nor does closing wait for room.
    executor.start("b", python("raise SystemExit(1)"), tmp_path / "b")
    executor.close()
    assert not any(tmp_path.iterdir())


def test_closing_leaves_the_cluster_and_no_marker(make_executor, tmp_path):
    executor, ray = make_executor()
    assert len(list(tmp_path.glob(".ray_*"))) == 1
    executor.close()
    assert not ray.is_up and not list(tmp_path.glob(".ray_*"))


def test_a_machine_that_does_not_see_the_folder_is_told(make_executor, tmp_path, monkeypatch):
    executor, _ = make_executor()
    hidden = tmp_path.rename(tmp_path.with_name("hidden"))
    try:
        executor.start("a", python(""), tmp_path / "a")
        with pytest.raises(ConfigurationError, match="shared file system"):
            all_ended(executor, 1)
    finally:
        hidden.rename(tmp_path)


def test_a_machine_that_is_lost_fails_its_run(make_executor, tmp_path, monkeypatch):
    def lose(*arguments):
        raise FakeRay.exceptions.RayError("node died")

    monkeypatch.setattr("darts_adv_tf.reproduction.executors.ray.run_command", lose)
    executor, _ = make_executor()
    executor.start("a", python(""), tmp_path / "a")
    assert all_ended(executor, 1)["a"].status == 1


def test_signals_stay_with_the_program(make_executor):
    before = signal.getsignal(signal.SIGTERM)
    make_executor()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_command_is_run_as_on_this_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    (tmp_path / "marker").touch()
    log, marker, begun = (str(tmp_path / name) for name in ("log", "marker", "begun"))
    status, seconds, machine = run_command(
        python("import os; print(os.getcwd())"), log, marker, begun, str(tmp_path)
    )
    assert status == 0 and seconds > 0 and machine
    assert Path(log).read_text() == f"{tmp_path}\n"
