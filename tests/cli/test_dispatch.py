"""One program for all commands: `python -m darts_adv_tf <command>` and `darts-adv-tf <command>`."""

import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from darts_adv_tf import __main__, __version__, search
from darts_adv_tf.cli import DESCRIPTIONS, help_text
from darts_adv_tf.cli.dispatch import dispatch
from darts_adv_tf.cli.shipped_files import with_installed_paths
from darts_adv_tf.system import interruption

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    yield
    interruption.uninstall()


def status_of(*argv: str) -> int:
    with pytest.raises(SystemExit) as caught:
        dispatch(argv)
    return caught.value.code


@pytest.mark.parametrize("argv", [(), ("--help",), ("-h",), ("help",), ("--helpfull",)])
def test_without_a_command_the_commands_are_listed(argv, capsys):
    assert status_of(*argv) == 0
    out, err = capsys.readouterr()
    listed = re.findall(r"^  (\w+) +[A-Z].+\.$", out, re.MULTILINE)
    assert listed == list(DESCRIPTIONS) and not err
    assert "<command> --help" in out
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("command", DESCRIPTIONS)
def test_every_command_has_a_module_and_its_help(command, capsys):
    for argv in ([command, "--help"], ["help", command]):
        assert status_of(*argv) == 0
        assert capsys.readouterr().out == with_installed_paths(help_text(command)) + "\n"


def test_a_command_gets_the_other_arguments(monkeypatch):
    given = []
    monkeypatch.setattr(search, "main", given.append)
    assert status_of("search", "--seed=4", "--workdir=here") == 0
    assert (given[0].command, given[0].seed, given[0].workdir) == ("search", 4, "here")


def test_the_processs_own_arguments_are_taken(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["darts-adv-tf", "--version"])
    with pytest.raises(SystemExit) as caught:
        __main__.main()
    assert caught.value.code == 0 and capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("serch", "Did you mean search?"), ("fly", "darts_adv_tf --help"), ("--seed=1", "--help")],
)
def test_another_command_is_refused(name, remedy, capsys):
    assert status_of(name) == 2
    err = capsys.readouterr().err
    assert f"Received: {name}\n" in err and remedy in err
    assert "The first argument must be a command: search, train" in err


def test_it_is_a_module_that_needs_no_tensorflow_to_list_the_commands(tmp_path):
    (tmp_path / "tensorflow.py").write_text("raise AssertionError('imported')")
    path = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
    for argv in ([], ["search", "--help"]):
        process = subprocess.run(
            [sys.executable, "-m", "darts_adv_tf", *argv],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert process.returncode == 0, process.stderr
        assert "python -m darts_adv_tf" in process.stdout


def test_the_console_script_is_this_program():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    entry = EntryPoint("darts-adv-tf", project["scripts"]["darts-adv-tf"], "console_scripts")
    assert entry.load() is __main__.main
