"""A small matrix by real commands: killed in the middle, gone on with, never repeated."""

import csv
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from tests.command_line import REPOSITORY, TINY, RunningCommand, run_command

MATRIX = (
    *TINY,
    "--retrain_epochs=30",
    "--discriminator_channels=2",
    "--discriminator_cells=R",
    "--backbones=unet",
    "--seeds=0",
    "--arms=none,resnet10",
    "--workdir=matrix",
)
FIRST_STEP = "retrain: first step after"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("reproduce")


@pytest.fixture(scope="module")
def calls(folder):
    """The calls of one matrix, in their order: each with how it ended and the record after it."""
    made = {}

    def record_of(process):
        return process, json.loads((folder / "matrix" / "matrix.json").read_text())["runs"]

    # In the first arm's place there is something else, so that its run fails at once.
    (folder / "matrix/unet/seed_0/none").mkdir(parents=True)
    (folder / "matrix/unet/seed_0/none/notes.txt").write_text("mine")
    with RunningCommand(folder, "reproduce", *MATRIX) as running:
        running.wait_until(lambda: FIRST_STEP in log_of(folder, "resnet10"))
        running.process.send_signal(signal.SIGTERM)
        made["stopped"] = record_of(running.end())
    with RunningCommand(folder, "reproduce", *MATRIX) as running:
        running.wait_until(lambda: log_of(folder, "resnet10").count(FIRST_STEP) == 2)
        running.process.kill()
        made["killed"] = record_of(running.end())
    # Its run has to be gone before the next call can go on with it, which waits for that.
    made["failed"] = record_of(run_command(folder, "reproduce", *MATRIX))
    made["identity"] = identity_of(folder)
    shutil.rmtree(folder / "matrix/unet/seed_0/none")
    made["finished"] = record_of(run_command(folder, "reproduce", *MATRIX))
    return made


def log_of(folder, arm):
    log = folder / "matrix" / "logs" / f"unet_seed_0_{arm}.log"
    return log.read_text(errors="replace") if log.exists() else ""


def identity_of(folder):
    found = (folder / "matrix/unet/seed_0/resnet10/metrics.json").stat()
    return found.st_ino, found.st_mtime_ns


def test_a_signal_stops_the_runs_after_a_checkpoint_and_says_how_to_go_on(calls):
    process, runs = calls["stopped"]
    assert process.returncode == 143, process.stderr
    assert runs["unet/seed_0/resnet10"]["state"] == "planned"
    assert runs["unet/seed_0/resnet10"]["attempts"] == 1
    command = process.stderr.splitlines()[-1].partition("Resume with: ")[2]
    *start, module = shlex.split(command)[:3]
    assert start == ["python", "-m"] and module == "darts_adv_tf.reproduce"
    given = {*shlex.split(command)[3:]} - {"--test_every=1", "--seeds=0"}
    # A flag that is given twice counts once, with its later value.
    assert given == {*MATRIX} - {"--seeds=0", "--retrain_epochs=2"} | {"--retrain_epochs=30"}


def test_a_run_that_fails_is_marked_and_the_others_are_made(calls, folder):
    process, runs = calls["failed"]
    assert process.returncode == 2, process.stderr
    assert runs["unet/seed_0/none"]["state"] == "failed"
    assert "holds other files" in runs["unet/seed_0/none"]["message"]
    assert runs["unet/seed_0/none"]["attempts"] == 3
    assert runs["unet/seed_0/resnet10"]["state"] == "done"
    assert "holds other files" in process.stderr


def test_a_killed_matrix_leaves_no_run_behind_and_goes_on_from_its_checkpoint(calls, folder):
    assert calls["killed"][0].returncode == -signal.SIGKILL
    assert calls["killed"][1]["unet/seed_0/resnet10"]["state"] == "running"
    log = log_of(folder, "resnet10")
    # Asked to stop by the matrix, then by the system at the death of the matrix.
    assert log.count("train: stopped by SIGTERM") == 2
    assert log.count(FIRST_STEP) == 3
    assert log.count("retrain: restored the state after step") == 2
    _, runs = calls["failed"]
    assert runs["unet/seed_0/resnet10"]["attempts"] == 3


def test_a_finished_run_is_not_repeated(calls, folder):
    process, runs = calls["finished"]
    assert process.returncode == 0, process.stderr
    assert {run["state"] for run in runs.values()} == {"done"}
    assert "2 runs, 1 of them finished before" in process.stderr
    assert identity_of(folder) == calls["identity"]
    assert runs["unet/seed_0/resnet10"]["attempts"] == 3


def test_the_report_is_there_and_its_claims_are_told(calls, folder):
    process, _ = calls["finished"]
    assert process.stdout.splitlines()[-1] == "report: matrix/report.html"
    claim = "Adversarial training against ResNet10 beats training without a discriminator."
    assert claim in process.stdout
    assert "2 of 2 runs" in (folder / "matrix" / "report.html").read_text()
    with open(folder / "matrix" / "differences.csv", newline="") as file:
        pairs = [(row["first"], row["second"]) for row in csv.DictReader(file)]
    blind = [(arm, "mean_shape") for arm in ("none", "resnet10")]
    assert pairs == [("resnet10", "none"), *blind]


def test_arms_share_split_and_settings(calls, folder):
    runs = [folder / "matrix/unet/seed_0" / arm for arm in ("none", "resnet10")]
    assert len({(run / "cases.csv").read_text() for run in runs}) == 1
    first, second = (json.loads((run / "config.json").read_text()) for run in runs)
    assert first["model"].pop("discriminator") == "none"
    assert second["model"].pop("discriminator") == "resnet10"
    assert first.pop("workdir") != second.pop("workdir") and first == second
    assert first["training"]["test_every"] == 1


def test_the_command_needs_no_tensorflow_of_its_own(tmp_path):
    # A module of that name that fails shows any import of it.
    (tmp_path / "tensorflow.py").write_text("raise AssertionError('imported')")
    # Of a matrix with a single run, which cannot even begin.
    (tmp_path / "matrix/unet/seed_0/none").mkdir(parents=True)
    (tmp_path / "matrix/unet/seed_0/none/notes.txt").write_text("mine")
    flags = [*MATRIX, "--arms=none"]
    path = os.pathsep.join([str(tmp_path), str(REPOSITORY)])
    finished = subprocess.run(
        [sys.executable, "-m", "darts_adv_tf.reproduce", *flags],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
    )
    # Its run has no place to begin, and would import it only after that.
    assert finished.returncode == 2, finished.stderr
    assert "imported" not in finished.stderr
    assert (tmp_path / "matrix" / "report.html").exists()
