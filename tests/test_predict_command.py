"""The predict command as a user runs it."""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from darts_adv_tf.cli import config_from_flags, help_text
from darts_adv_tf.system.errors import ConfigurationError
from tests.command_line import CommandLine
from tests.serving.models import STEP, bright_or_dark, scene, write_foreign, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("predict")
    write_run(folder / "run")
    write_foreign(folder / "foreign", bright_or_dark, marker=folder / "loaded")
    assert not (folder / "loaded").exists()
    for name in ("good", "inner/deep", "inner/deeper/deepest"):
        path = folder / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), scene() * np.uint8(STEP))
    (folder / "images/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    # 16 bits, another size.
    deep = np.full((7, 40), 2 * 21845, np.uint16)
    cv2.imwrite(str(folder / "deep.png"), deep)
    return folder


@pytest.fixture(scope="module")
def finished(folder):
    """What the commands said, started at once; by name."""
    commands = CommandLine(folder)
    image = "--inputs=images/good.png"
    started = {
        "run": commands.start(
            "predict",
            "--workdir=run",
            "--inputs=images,images/inner/**/*.png",
            "--inputs=deep.png",
            "--output_dir=of_run",
        ),
        "not_trusted": commands.start(
            "predict", "--model=foreign", image, "--output_dir=not_trusted"
        ),
    }
    not_trusted = started["not_trusted"].result()
    was_loaded = (folder / "loaded").exists()
    started["trusted"] = commands.start(
        "predict", "--model=foreign", "--trust_model", "--classes=bright", image
    )
    results = {name: future.result() for name, future in started.items()}
    commands.close()
    return {**results, "not_trusted": not_trusted, "was_loaded": was_loaded}


def test_a_run_predicts_folders_and_globs_past_a_broken_file(folder, finished):
    told = finished["run"]
    assert told.returncode == 3, told.stderr
    assert told.stdout.startswith("4 of 5 images predicted\n")
    assert "skipped images/broken.png: " in told.stderr
    assert "predict: All inputs must be images that can be predicted." in told.stderr
    assert "Traceback" not in told.stderr
    output = folder / "of_run"
    for kind in ("labels", "overlays"):
        written = {path.stem for path in (output / kind).iterdir()}
        # Two are called deep, and named after their folders too.
        assert written == {"good", "deepest", "inner_deep", f"{folder.name}_deep"}
    with open(output / "predictions.csv", newline="", encoding="utf-8") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert rows["images/broken.png"]["problem"] and rows["deep.png"]["problem"] == ""
    labels = cv2.imread(str(output / "labels/good.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(labels, scene())
    assert rows["deep.png"]["name"] == f"{folder.name}_deep"
    deep = output / "labels" / f"{folder.name}_deep.png"
    np.testing.assert_array_equal(cv2.imread(str(deep), cv2.IMREAD_UNCHANGED), np.full((7, 40), 2))


def test_a_foreign_model_is_not_loaded_unless_it_is_trusted(folder, finished):
    told = finished["not_trusted"]
    assert told.returncode == 2 and not told.stdout
    assert "runs its author's code with all your permissions" in told.stderr
    assert not finished["was_loaded"] and not (folder / "not_trusted").exists()

    told = finished["trusted"]
    assert told.returncode == 0, told.stderr
    # The code that would have run before.
    assert (folder / "loaded").read_text() == "here I am"
    (output,) = (folder / "runs").glob("predict-*")
    labels = cv2.imread(str(output / "labels/good.png"), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(labels, scene() >= 2)
    assert f"{output.relative_to(folder)}/predictions.csv" in told.stdout


def test_flags_become_the_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("more.flags").write_text("--inputs=c.png\n--dicom_segmentation\n")
    config = config_from_flags(
        "predict",
        ["--workdir=run", "--inputs=a.png,b", "--keep_largest_component", "--flagfile=more.flags"],
    )
    assert config.inputs == ("a.png,b", "c.png")
    assert config.keep_largest_component and config.dicom_segmentation
    assert not config.trust_model and config.model is None and config.classes is None
    assert config.output_dir.startswith("runs/predict-")


@pytest.mark.parametrize(
    ("argv", "received"),
    [
        (["a.png"], "a.png"),
        (["--workdir=run"], "no --inputs"),
        (["--inputs=a.png"], "neither"),
        (["--workdir=run", "--inputs=a.png", "--seed=1"], "unknown flag --seed"),
        (["--model=m", "--inputs=a.png"], "without --trust_model"),
    ],
)
def test_wrong_flags_are_refused(argv, received):
    with pytest.raises(ConfigurationError) as caught:
        config_from_flags("predict", argv)
    assert received in caught.value.received


def test_an_occupied_output_folder_is_refused_before_tensorflow_is_loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    flags = ["--workdir=run", "--inputs=a.png", "--output_dir=out"]
    Path("out").mkdir()
    assert config_from_flags("predict", flags).output_dir == "out"
    Path("out/file").touch()
    with pytest.raises(ConfigurationError, match="new or empty"):
        config_from_flags("predict", flags)


def test_help_names_every_flag():
    text = help_text("predict")
    assert "--inputs=<text>,<text>,...  (required)" in text
    for flag in ("workdir", "model", "trust_model", "classes", "output_dir"):
        assert f"  --{flag}" in text
