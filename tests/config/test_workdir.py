"""The folder of a run: one process at a time, and none that begins over what is there."""

import errno
import fcntl
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from darts_adv_tf.config import workdir
from darts_adv_tf.system.errors import ConfigurationError

REPOSITORY = Path(__file__).parents[2]
HOLD = """
import sys, time
from darts_adv_tf.config import workdir

workdir.lock(sys.argv[1])
print("locked", flush=True)
time.sleep(600)
"""
TRY = """
import sys
from darts_adv_tf.config import workdir
from darts_adv_tf.system.errors import UserError

try:
    workdir.lock(sys.argv[1])
except UserError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""
# As begin() does it: the lock, then config.json, in the writing of which the process is killed.
KILLED_BEFORE_CONFIG = """
import os, sys
from darts_adv_tf.config import workdir
from darts_adv_tf.config import RunConfig
from darts_adv_tf.config.config_file import save_config

workdir.lock(sys.argv[1])
os.replace = lambda *arguments: os._exit(9)
save_config(RunConfig(workdir=sys.argv[1]), sys.argv[1])
"""


def python(source, folder):
    return subprocess.run(
        [sys.executable, "-c", source, str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def holder(tmp_path):
    """A process that has locked `tmp_path / "run"`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_and_told_by_whom(tmp_path, holder):
    refused = python(TRY, tmp_path / "run")
    assert refused.returncode == 1
    name = f"process {holder.pid} on {socket.gethostname()}"
    assert refused.stderr.startswith(
        "ConfigurationError: A work directory must be used by one process"
    )
    assert f"Received: --workdir={tmp_path / 'run'}, in use by {name}\n" in refused.stderr
    assert f"File: {tmp_path / 'run' / 'checkpoints' / 'lock'}\n" in refused.stderr
    # Being refused takes nothing from the holder.
    assert (tmp_path / "run" / "checkpoints" / "lock").read_text() == name
    assert python(TRY, tmp_path / "run").returncode == 1


def test_another_folder_is_free(tmp_path, holder):
    assert python(TRY, tmp_path / "other").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_lock_is_free_when_its_holder_is_gone(tmp_path, holder, number):
    holder.send_signal(number)
    holder.wait()
    taken = python(TRY, tmp_path / "run")
    assert taken.returncode == 0, taken.stderr


def test_the_name_of_the_last_holder_is_replaced_whole(tmp_path):
    path = tmp_path / "checkpoints" / "lock"
    path.parent.mkdir()
    path.write_text("process 12345678901234567890 on a host with a very long name" * 5)
    assert python(TRY, tmp_path).returncode == 0
    assert path.read_text().startswith("process ")
    assert path.read_text().endswith(f" on {socket.gethostname()}")
    assert len(path.read_text()) < 100


def test_a_process_may_not_lock_over_itself(tmp_path):
    twice = python(f"{TRY}\nworkdir.lock(sys.argv[1])", tmp_path)
    assert twice.returncode == 1
    assert "in use by process" in twice.stderr


def test_a_process_that_goes_on_gives_its_locks_back(tmp_path):
    with workdir.returning_locks():
        workdir.lock(tmp_path)
        assert python(TRY, tmp_path).returncode == 1
    assert python(TRY, tmp_path).returncode == 0


def test_a_child_does_not_keep_the_lock(tmp_path):
    # It inherits no descriptor, so that it may outlive the run.
    source = "\n".join(
        (
            TRY,
            "import subprocess",
            "child = subprocess.Popen([sys.executable, '-c', 'input()'], close_fds=False,",
            "    stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)",
            "import os; print(child.pid, flush=True); sys.stdin.read()",
        )
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", source, str(tmp_path)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(parent.stdout.readline())
    assert python(TRY, tmp_path).returncode == 1
    # Stopped, so that the end of its input does not end it first.
    os.kill(child, signal.SIGSTOP)
    parent.kill()
    parent.wait()
    try:
        taken = python(TRY, tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)
        parent.stdin.close()
        parent.stdout.close()
    assert taken.returncode == 0, taken.stderr


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_a_file_system_without_locks_is_put_up_with(tmp_path, monkeypatch, capsys, number):
    monkeypatch.setattr(fcntl, "flock", raising(number))
    workdir.lock(tmp_path)
    assert f"warning: the file system of {tmp_path} has no locks" in capsys.readouterr().err
    assert f"process {os.getpid()} on" in (tmp_path / "checkpoints" / "lock").read_text()


def test_any_other_error_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", raising(errno.EIO))
    with pytest.raises(OSError, match="Input/output error"):
        workdir.lock(tmp_path)


def raising(number):
    def raise_error(*arguments):
        raise OSError(number, os.strerror(number))

    return raise_error


def test_a_folder_below_a_file_cannot_be_locked(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        workdir.lock(tmp_path / "file" / "run")


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


FREE = {
    "new": lambda folder: None,
    "new, in a new one": lambda folder: None,
    "empty": lambda folder: folder.mkdir(),
    "locked": lambda folder: write(folder / "checkpoints" / "lock", "process 1 on host"),
    "not locked any more": lambda folder: (folder / "checkpoints").mkdir(parents=True),
    "config.json half written": lambda folder: write(folder / ".config.json.0123abcd"),
}
OCCUPIED = {
    "a file": (lambda folder: write(folder), "a file"),
    "a run": (lambda folder: write(folder / "config.json"), "a folder that holds a run"),
    "other files": (lambda folder: write(folder / "notes.txt"), "a folder that holds other files"),
    "an empty folder": (
        lambda folder: (folder / "pictures").mkdir(parents=True),
        "a folder that holds other files",
    ),
    "another hidden file": (
        lambda folder: write(folder / ".config.json.swp"),
        "a folder that holds other files",
    ),
    "a run without config.json": (
        lambda folder: write(folder / "checkpoints" / "search" / "step-00000003" / "state.npz"),
        "a folder that holds other files",
    ),
    "a file named checkpoints": (
        lambda folder: write(folder / "checkpoints"),
        "a folder that holds other files",
    ),
}


@pytest.mark.parametrize("kind", FREE)
def test_a_free_folder_is_not_refused(tmp_path, kind):
    folder = tmp_path / "new" / "run" if kind == "new, in a new one" else tmp_path / "run"
    FREE[kind](folder)
    before = sorted(tmp_path.rglob("*"))
    workdir.refuse_occupied(folder)
    assert not workdir.holds_run(folder)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("beside", [None, "locked", "config.json half written"])
@pytest.mark.parametrize("kind", OCCUPIED)
def test_an_occupied_folder_is_refused(tmp_path, kind, beside):
    folder = tmp_path / "run"
    make, received = OCCUPIED[kind]
    if beside is not None and "a file" not in kind:
        FREE[beside](folder)
    make(folder)
    with pytest.raises(ConfigurationError) as caught:
        workdir.refuse_occupied(str(folder))
    assert caught.value.received == f"--workdir={folder}, {received}"
    assert caught.value.file == folder
    assert caught.value.exit_status == 2
    assert ("--resume" in caught.value.remedy) == (kind == "a run")
    assert workdir.holds_run(folder) == (kind == "a run")


def test_a_run_may_begin_where_one_was_killed_before_it_was_one(tmp_path):
    folder = tmp_path / "run"
    killed = python(KILLED_BEFORE_CONFIG, folder)
    assert killed.returncode == 9, killed.stderr
    left = sorted(path.name for path in folder.iterdir())
    assert len(left) == 2 and left[0].startswith(".config.json.") and left[1] == "checkpoints"
    workdir.refuse_occupied(folder)
    write(folder / "notes.txt")
    with pytest.raises(ConfigurationError, match="other files"):
        workdir.refuse_occupied(folder)
