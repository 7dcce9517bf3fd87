"""Runs as processes: how many at a time, on which cores, and how they end. With a fake child."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from darts_adv_tf.reproduction.executors.attempt import failure_message
from darts_adv_tf.reproduction.executors.local import LocalExecutor
from darts_adv_tf.reproduction.executors.shares import list_gpus, make_shares, split

REPOSITORY = Path(__file__).parents[2]
TIMEOUT_SECONDS = 30
# Ends as a run does at SIGTERM: it says so, and with 143.
PATIENT = """
import signal, sys, time
def end(number, frame):
    print("saved", flush=True)
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(60)
"""
PARENT = f"""
import sys, time
from pathlib import Path
from darts_adv_tf.reproduction.executors.local import LocalExecutor

executor = LocalExecutor(1)
executor.start("a", [sys.executable, "-c", '''{PATIENT}'''], Path(sys.argv[1]))
time.sleep(60)
"""


def python(source: str) -> list[str]:
    return [sys.executable, "-c", source]


def wait_until(is_true):
    end = time.monotonic() + TIMEOUT_SECONDS
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.02)


def text_of(log: Path) -> str:
    return log.read_text() if log.exists() else ""


def all_ended(executor, number):
    attempts = {}

    def are_all():
        attempts.update((attempt.name, attempt) for attempt in executor.ended())
        return len(attempts) == number

    wait_until(are_all)
    return attempts


@pytest.fixture
def make_executor(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    made = []

    def make(parallel):
        made.append(LocalExecutor(parallel))
        return made[-1]

    yield make
    for executor in made:
        executor.close()


def test_each_process_ends_with_its_status_and_its_words_in_its_log(make_executor, tmp_path):
    executor = make_executor(2)
    logs = [tmp_path / "logs" / f"{name}.log" for name in "ab"]
    logs[0].parent.mkdir()
    logs[0].write_text("before\n")
    executor.start("a", python("import sys; print('out'); sys.exit('err')"), logs[0])
    executor.start("b", python("import time; time.sleep(0.3)"), logs[1])
    attempts = all_ended(executor, 2)
    assert (attempts["a"].status, attempts["b"].status) == (1, 0)
    assert attempts["b"].seconds >= 0.3
    assert logs[0].read_text() in ("before\nerr\nout\n", "before\nout\nerr\n")
    assert logs[1].read_text() == "" and executor.ended() == []


def test_each_process_has_its_share_of_the_cores_and_a_session_of_its_own(make_executor, tmp_path):
    executor = make_executor(2)
    tell = "import os; print(*sorted(os.sched_getaffinity(0)), os.getsid(0) == os.getpid())"
    for name in "ab":
        executor.start(name, python(tell), tmp_path / name)
    all_ended(executor, 2)
    told = [text_of(tmp_path / name).split() for name in "ab"]
    cores = sorted(os.sched_getaffinity(0))
    half = (len(cores) + 1) // 2
    expected = [cores[:half], cores[half:] or cores[:1]]
    assert told == [[*map(str, part), "True"] for part in expected]
    # The share of one that has ended is another's.
    executor.start("c", python(tell), tmp_path / "c")
    all_ended(executor, 1)
    assert text_of(tmp_path / "c").split() in told


def test_a_stop_lets_the_processes_save(make_executor, tmp_path):
    executor = make_executor(2)
    for name in "ab":
        executor.start(name, python(PATIENT), tmp_path / name)
    wait_until(lambda: all("ready" in text_of(tmp_path / name) for name in "ab"))
    executor.stop()
    attempts = all_ended(executor, 2)
    assert {attempt.status for attempt in attempts.values()} == {143}
    assert text_of(tmp_path / "a") == "ready\nsaved\n"


def test_closing_waits_for_the_processes(make_executor, tmp_path):
    executor = make_executor(1)
    executor.start("a", python(PATIENT), tmp_path / "a")
    wait_until(lambda: "ready" in text_of(tmp_path / "a"))
    executor.close()
    assert text_of(tmp_path / "a") == "ready\nsaved\n"


def test_a_signal_that_ended_a_process_is_told(make_executor, tmp_path):
    executor = make_executor(1)
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    executor.start("a", python(kill), tmp_path / "a")
    status = all_ended(executor, 1)["a"].status
    assert status == -signal.SIGKILL
    assert "SIGKILL" in failure_message(status, tmp_path / "a", 0, "train")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of such a death")
def test_a_process_saves_when_its_parent_is_killed(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    log = tmp_path / "log"
    parent = subprocess.Popen([*python(PARENT), str(log)])
    try:
        wait_until(lambda: "ready" in text_of(log))
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: "saved" in text_of(log))


def test_cores_are_shared_out_evenly_and_in_turn_where_they_are_few():
    assert split(range(8), 3) == [[0, 1, 2], [3, 4, 5], [6, 7]]
    assert split(range(2), 2) == [[0], [1]]
    assert split(range(2), 5) == [[0], [1], [0], [1], [0]]


def test_each_run_has_as_many_gpus(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,GPU-1,7,0")
    shares = [share.environment for share in make_shares(2)]
    assert shares == [{"CUDA_VISIBLE_DEVICES": "3,5"}, {"CUDA_VISIBLE_DEVICES": "GPU-1,7"}]
    assert make_shares(1)[0].environment == {}
    # None of two runs on one GPU may take all of its memory.
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    growing = {"CUDA_VISIBLE_DEVICES": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
    assert [share.environment for share in make_shares(2)] == [growing, growing]


def test_gpus_are_found_as_the_driver_lists_them(monkeypatch, tmp_path):
    program = tmp_path / "nvidia-smi"
    listed = "GPU 0: H (UUID: GPU-a)\\n  MIG 1g: 0\\nGPU 1: H (UUID: GPU-b)"
    program.write_text(f"#!/bin/sh\nprintf '{listed}\\n'\n")
    program.chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert list_gpus() == ["0", "1"]
    program.write_text("#!/bin/sh\nexit 9\n")
    assert list_gpus() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert list_gpus() == []
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert list_gpus() == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "devices: CPU:0\ntrain: No image.\n  Received: none\n  Remedy: Add one.\n",
            "train: No image.\n  Received: none\n  Remedy: Add one.",
        ),
        ("Traceback:\n  File x\nValueError: odd\n", "ValueError: odd"),
        # What is before it is of another attempt, or of its progress.
        ("train: Old.\n\nretrain 1/2\rretrain 2/2\nZeroDivisionError\n", "ZeroDivisionError"),
        ("", "exit status 3"),
    ],
)
def test_the_failure_message_are_the_message(tmp_path, text, expected):
    log = tmp_path / "log"
    log.write_text("train: Of an earlier attempt.\n" + text)
    assert failure_message(3, log, len("train: Of an earlier attempt.\n"), "train") == expected
