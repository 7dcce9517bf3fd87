"""The frame around every command: help, messages and exit status."""

import dataclasses
import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import tensorflow as tf

from darts_adv_tf import cli
from darts_adv_tf.cli.main import run
from darts_adv_tf.config import RunConfig
from darts_adv_tf.config.config_file import save_config
from darts_adv_tf.system import interruption
from darts_adv_tf.system.errors import CheckpointError, DataError, NonFiniteError

REPOSITORY = str(Path(__file__).parents[2])


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # What a command sets for its own process goes with the test.
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    yield
    interruption.uninstall()


def status_of(main, argv=(), command: str = "search") -> int:
    with pytest.raises(SystemExit) as caught:
        run(main, command, list(argv))
    return caught.value.code


def raising(error: BaseException):
    def main(config):
        raise error

    return main


def test_main_is_given_the_configuration():
    given = []
    assert status_of(given.append, ["--seed=4"]) == 0
    assert given[0].seed == 4


def test_arguments_are_the_processs_own_unless_given(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["search.py", "--seed=6"])
    given = []
    with pytest.raises(SystemExit):
        run(given.append, "search")
    assert given[0].seed == 6


@pytest.mark.parametrize("flag", ["--help", "--helpfull"])
def test_help_prints_to_stdout_and_runs_nothing(flag, capsys):
    assert status_of(raising(AssertionError()), ["--seed=1", flag]) == 0
    out, err = capsys.readouterr()
    assert "--batch_size=<integer>  (default: 4)" in out and not err
    assert ("--collapse_window=" in out) == (flag == "--helpfull")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--batchsize=3"], "Did you mean --batch_size?"),
        (["here"], "Received: here"),
        (["--batch_size=0"], "--batch_size must be 1 or more."),
    ],
)
def test_wrong_flags_end_with_2_before_main(argv, message, capsys):
    assert status_of(raising(AssertionError()), argv) == 2
    out, err = capsys.readouterr()
    assert message in err and "Traceback" not in err and not out


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DataError("An image has a mask.", received="none", file="x.png", remedy="Draw it."), 3),
        (NonFiniteError("A loss is finite.", received="nan", file="x.png", remedy="Draw it."), 4),
        (CheckpointError("It is whole.", received="half", file="x.png", remedy="Draw it."), 5),
    ],
)
def test_a_users_mistake_is_told_without_a_traceback(error, status, capsys):
    assert status_of(raising(error)) == status
    err = capsys.readouterr().err
    assert err == (
        f"search: {error.rule}\n  Received: {error.received}\n  File: x.png\n  Remedy: Draw it.\n"
    )


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "run/metrics.json"), "Free space"),
        (PermissionError(errno.EACCES, "Permission denied", "run/metrics.json"), "permission"),
        (OSError(errno.EIO, "Input/output error", "run/metrics.json"), "run/metrics.json"),
        (
            tf.errors.ResourceExhaustedError(None, None, "x.tmp; No space left on device"),
            "Free space",
        ),
        (tf.errors.PermissionDeniedError(None, None, "x.tmp; Permission denied"), "permission"),
    ],
)
def test_failed_reading_or_writing_ends_with_6(error, message, capsys):
    assert status_of(raising(error)) == 6
    err = capsys.readouterr().err
    assert message in err and "Traceback" not in err


@pytest.mark.parametrize(
    "error",
    [
        ZeroDivisionError("our own bug"),
        ValueError("our own bug"),
        tf.errors.InternalError(None, None, "our own bug"),
    ],
)
def test_our_own_bug_ends_with_1_and_a_traceback(error, capsys):
    assert status_of(raising(error)) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err and "our own bug" in err


@pytest.mark.parametrize(
    "error",
    [MemoryError(), tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")],
)
def test_lack_of_memory_ends_with_2_and_what_to_lower(error, capsys):
    assert status_of(raising(error)) == 2
    err = capsys.readouterr().err
    assert "--batch_size" in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"]
)
@pytest.mark.parametrize("is_begun", [False, True])
def test_a_signal_ends_with_its_status_and_says_how_to_go_on(number, status, is_begun, capsys):
    def main(config):
        if is_begun:
            save_config(config, config.workdir)
        os.kill(os.getpid(), number)

    assert status_of(main, ["--workdir=here"]) == status
    remedy = "Resume with: python -m darts_adv_tf.search --resume --workdir=here"
    rest = remedy if is_begun else "Nothing was written."
    assert capsys.readouterr().err == f"search: stopped by {signal.Signals(number).name}. {rest}\n"


def test_a_signal_before_the_flags_are_read_wrote_nothing(monkeypatch, capsys):
    def parse(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(cli, "config_from_flags", parse)
    assert status_of(raising(AssertionError())) == 143
    assert capsys.readouterr().err == "search: stopped by SIGTERM. Nothing was written.\n"


def test_a_resumed_run_is_given_its_own_configuration():
    begun = RunConfig(seed=3)
    save_config(begun, "here")
    given = []
    assert status_of(given.append, ["--resume", "--workdir=here"]) == 0
    assert given == [dataclasses.replace(begun, workdir="here")]
    assert status_of(given.append, ["--workdir=here"]) == 2


def test_a_status_that_main_chose_is_kept():
    assert status_of(raising(SystemExit(143))) == 143


def in_a_process(main: str, argv: list[str], **environment) -> subprocess.CompletedProcess:
    """Runs a command whose main has the given body."""
    code = "import sys\nfrom darts_adv_tf.cli.main import run\ndef main(config):\n"
    code += textwrap.indent(main, "    ") + f"\nrun(main, 'search', {argv!r})"
    clean = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**clean, "PYTHONPATH": REPOSITORY, **environment},
    )


def test_help_and_wrong_flags_need_no_tensorflow(tmp_path):
    # A module of that name that fails shows any import of it.
    (tmp_path / "tensorflow.py").write_text("raise AssertionError('imported')")
    path = os.pathsep.join([str(tmp_path), REPOSITORY])
    assert in_a_process("pass", ["--help"], PYTHONPATH=path).returncode == 0
    assert in_a_process("pass", ["--batch_size=0"], PYTHONPATH=path).returncode == 2
    broken = in_a_process("pass", [], PYTHONPATH=path)
    assert broken.returncode == 1 and "imported" in broken.stderr


def test_a_run_is_not_preceded_by_the_libraries_notes():
    main = "import tensorflow as tf\ntf.zeros(2) + 1\nprint('done')\nprint('told', file=sys.stderr)"
    finished = in_a_process(main, [])
    assert finished.returncode == 0, finished.stderr
    assert (finished.stdout, finished.stderr) == ("done\n", "told\n")


def test_a_reader_that_has_seen_enough_of_the_help_is_no_error():
    command = f"{sys.executable} -m darts_adv_tf.search --help | head -n 1"
    process = subprocess.run(
        command, shell=True, capture_output=True, text=True, check=False, cwd=REPOSITORY
    )
    assert process.stdout.startswith("python -m darts_adv_tf.search") and process.stderr == ""


def test_a_closed_pipe_during_the_work_does_not_pass_for_done():
    assert status_of(raising(BrokenPipeError(errno.EPIPE, "Broken pipe"))) == 6
