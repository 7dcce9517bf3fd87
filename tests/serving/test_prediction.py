"""What predict writes about images, within the process."""

import csv
import os
import signal
from pathlib import Path

import cv2
import nibabel
import numpy as np
import pytest

from darts_adv_tf.config.predict import PredictConfig
from darts_adv_tf.serving import prediction as prediction
from darts_adv_tf.serving.prediction import predict
from darts_adv_tf.system import interruption
from darts_adv_tf.system.errors import ConfigurationError, DataError, StorageError
from tests.serving.models import (
    AREAS,
    CLASS_NAMES,
    RATIO,
    STEP,
    bright_or_dark,
    scene,
    write_foreign,
    write_run,
)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return str(write_run(tmp_path_factory.mktemp("run")))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_png(path: str, labels: np.ndarray) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(path, labels * np.uint8(STEP))


def configured(workdir: str, *inputs: str, **settings) -> PredictConfig:
    return PredictConfig(workdir=workdir, inputs=inputs, output_dir="out", **settings)


def table() -> list[dict[str, str]]:
    with open("out/predictions.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def labels_of(name: str) -> np.ndarray:
    return cv2.imread(f"out/labels/{name}.png", cv2.IMREAD_UNCHANGED)


def test_labels_overlays_and_table(workdir, capsys):
    write_png("a/x.png", scene())
    predict(configured(workdir, "a"))

    np.testing.assert_array_equal(labels_of("x"), scene())
    assert labels_of("x").dtype == np.uint8
    assert cv2.imread("out/overlays/x.png").ndim == 3
    assert sorted(os.listdir("out")) == ["labels", "overlays", "predictions.csv"]
    (row,) = table()
    assert (row["file"], row["name"], row["slice"]) == ("a/x.png", "x", "")
    assert (row["width"], row["height"], row["problem"]) == ("32", "32", "")
    assert tuple(int(row[f"pixels_{name}"]) for name in CLASS_NAMES) == AREAS
    assert all(row[f"mm2_{name}"] == "" for name in CLASS_NAMES)
    for name, area in zip(CLASS_NAMES, AREAS, strict=True):
        assert float(row[f"fraction_{name}"]) == pytest.approx(area / 1024, abs=1e-6)
    assert float(row["cardiothoracic_ratio"]) == pytest.approx(RATIO, abs=1e-6)
    out, err = capsys.readouterr()
    assert out.startswith("1 of 1 images predicted\nout/predictions.csv")
    assert err == "predict 1/1\n"


def test_areas_in_mm2_where_a_dicom_file_knows_its_spacing(workdir):
    from tests.data.formats.dicom_files import make_dataset, write_dicom

    stored = scene().astype(np.uint16) * np.uint16(100)
    write_dicom("x.dcm", make_dataset(stored, PixelSpacing=[0.5, 0.25]))
    predict(configured(workdir, "x.dcm"))
    (row,) = table()
    assert (row["pixel_height_mm"], row["pixel_width_mm"]) == ("0.5", "0.25")
    # 128 and 80 pixels of 0.125 mm².
    assert [row[f"mm2_{name}"] for name in CLASS_NAMES[1:]] == ["16", "16", "10"]
    assert row["mm2_background"] == "86"
    np.testing.assert_array_equal(labels_of("x"), scene())


def test_every_slice_of_a_volume(workdir):
    # Stored x to the left and y to the back: as shown, with the first axis across.
    volume = np.stack([np.full((20, 30), STEP * index, np.uint8) for index in range(3)], axis=2)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([-2.0, -0.5, 4.0, 1.0])), "ct.nii.gz")
    predict(configured(workdir, "ct.nii.gz"))
    rows = table()
    assert [(row["slice"], row["name"]) for row in rows] == [
        (str(index), f"ct_slice{index:03}") for index in range(3)
    ]
    for index, row in enumerate(rows):
        np.testing.assert_array_equal(labels_of(row["name"]), np.full((30, 20), index))
        assert row[f"pixels_{CLASS_NAMES[index]}"] == "600"
        # A pixel is 2 mm wide and 0.5 mm high.
        assert (row["pixel_width_mm"], row["pixel_height_mm"]) == ("2", "0.5")
        assert row[f"mm2_{CLASS_NAMES[index]}"] == "600"
        assert row["cardiothoracic_ratio"] == ""


def test_a_narrow_picture_and_names_of_any_language(workdir):
    write_png("Röntgen 1.png", np.full((300, 1), 2, np.uint8))
    write_png("снимок.png", np.full((1, 1), 3, np.uint8))
    predict(configured(workdir, "*.png"))
    # Read by bytes, as OpenCV does not open such names everywhere.
    for name, expected in (("Röntgen 1", np.full((300, 1), 2)), ("снимок", [[3]])):
        content = np.frombuffer(Path(f"out/labels/{name}.png").read_bytes(), np.uint8)
        np.testing.assert_array_equal(cv2.imdecode(content, cv2.IMREAD_UNCHANGED), expected)
        assert Path(f"out/overlays/{name}.png").exists()


def test_a_broken_file_is_named_and_the_rest_goes_on(workdir, capsys):
    write_png("1.png", scene())
    Path("2.png").write_bytes(Path("1.png").read_bytes()[:80])
    write_png("3.png", scene())
    cv2.imwrite("4.png", np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8))
    with pytest.raises(DataError, match="3 of 5 with a problem") as caught:
        predict(configured(workdir, ".,5.png"))
    assert all(f"{index}.png" in caught.value.received for index in (2, 4, 5))
    rows = {row["file"]: row for row in table()}
    assert {file for file, row in rows.items() if row["problem"]} == {"2.png", "4.png", "5.png"}
    assert "channels" in rows["4.png"]["problem"] and rows["4.png"]["name"] == ""
    assert rows["4.png"]["pixels_heart"] == rows["4.png"]["fraction_heart"] == ""
    assert sorted(os.listdir("out/labels")) == sorted(os.listdir("out/overlays"))
    assert sorted(os.listdir("out/labels")) == ["1.png", "3.png"]
    assert "skipped 2.png: The file must be readable" in capsys.readouterr().err


def test_the_largest_piece_is_what_is_measured(workdir):
    labels = scene()
    labels[28:30, 0:2] = 3
    write_png("x.png", labels)
    predict(configured(workdir, "x.png"))
    assert table()[0]["pixels_heart"] == "84"
    assert float(table()[0]["cardiothoracic_ratio"]) == pytest.approx(20 / 24, abs=1e-6)
    kept = PredictConfig(
        workdir=workdir, inputs=("x.png",), output_dir="kept", keep_largest_component=True
    )
    predict(kept)
    os.rename("out", "before")
    os.rename("kept", "out")
    assert table()[0]["pixels_heart"] == "80"
    assert float(table()[0]["cardiothoracic_ratio"]) == pytest.approx(RATIO, abs=1e-6)
    np.testing.assert_array_equal(labels_of("x"), scene())


def test_a_foreign_model_names_its_classes(tmp_path):
    folder = write_foreign(tmp_path / "model", bright_or_dark)
    write_png("x.png", scene())
    predict(
        PredictConfig(
            model=str(folder),
            trust_model=True,
            classes="bright",
            inputs=("x.png",),
            output_dir="out",
        )
    )
    # 170 and 255 are nearer to 255 than to 0.
    np.testing.assert_array_equal(labels_of("x"), scene() >= 2)
    assert table()[0]["pixels_bright"] == "208"
    # Only chests have one.
    assert "cardiothoracic_ratio" not in table()[0]


def test_a_model_that_never_answers_ends_the_run_at_once(tmp_path):
    def whole(images):
        return {"scores": images[:, :1, :1] + np.zeros((1, 1, 1, 2), np.float32)}

    folder = write_foreign(tmp_path / "model", whole)
    for name in "abc":
        write_png(f"{name}.png", scene())
    config = PredictConfig(model=str(folder), trust_model=True, inputs=("*.png",), output_dir="out")
    with pytest.raises(ConfigurationError, match="A model that predicts"):
        predict(config)
    assert not Path("out").exists()


def test_the_output_folder_has_to_be_free(workdir):
    write_png("x.png", scene())
    Path("out").mkdir()
    predict(configured(workdir, "x.png"))
    with pytest.raises(ConfigurationError, match="a folder that holds other files"):
        predict(configured(workdir, "x.png"))
    Path("file").touch()
    with pytest.raises(ConfigurationError, match="a file"):
        predict(PredictConfig(workdir=workdir, inputs=("x.png",), output_dir="file"))


def test_without_a_picture_or_a_model_nothing_begins(workdir, tmp_path):
    with pytest.raises(DataError, match="An input must be an image"):
        predict(configured(workdir, "*.png"))
    write_png("x.png", scene())
    with pytest.raises(ConfigurationError, match=r"with its config\.json"):
        predict(configured("nowhere", "x.png"))
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun/config.json").write_text(Path(workdir, "config.json").read_text())
    with pytest.raises(ConfigurationError, match=r"darts_adv_tf\.export --workdir=begun"):
        predict(configured("begun", "x.png"))
    assert not Path("out").exists()


def test_a_missing_package_is_told_before_the_work(workdir, monkeypatch):
    write_png("x.png", scene())

    def refuse(name):
        raise ConfigurationError("Needs it.", received=name, remedy="pip install")

    monkeypatch.setattr(prediction, "import_medical", refuse)
    predict(configured(workdir, "x.png"))
    Path("out").rename("before")
    with pytest.raises(ConfigurationError, match="pydicom"):
        predict(configured(workdir, "x.png", "y.dcm"))
    with pytest.raises(ConfigurationError, match="highdicom"):
        predict(configured(workdir, "x.png", dicom_segmentation=True))


def test_a_full_disk_ends_the_run(workdir, monkeypatch):
    write_png("x.png", scene())

    def fail(path, content):
        raise StorageError("A result must be written.", file=path)

    monkeypatch.setattr(prediction, "write_bytes", fail)
    with pytest.raises(StorageError):
        predict(configured(workdir, "x.png"))


def test_a_signal_ends_it_after_the_picture_with_the_table_of_what_was_done(workdir, monkeypatch):
    for name in "abc":
        write_png(f"{name}.png", scene())
    draw = prediction.draw_prediction

    def draw_and_stop(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        return draw(*arguments)

    monkeypatch.setattr(prediction, "draw_prediction", draw_and_stop)
    interruption.install()
    try:
        with pytest.raises(interruption.Interrupted):
            predict(configured(workdir, "*.png"))
    finally:
        interruption.uninstall()
    assert [row["name"] for row in table()] == ["a"]
    assert os.listdir("out/overlays") == ["a.png"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputs": ()}, "no --inputs"),
        ({}, "neither"),
        ({"workdir": "a", "model": "b", "trust_model": True}, "--workdir and --model"),
        ({"model": "b"}, "--trust_model"),
        ({"workdir": "a", "trust_model": True}, "--trust_model with --workdir"),
        ({"workdir": "a", "classes": "heart"}, "--classes with --workdir"),
        ({"model": "b", "trust_model": True, "classes": "a,,b"}, "--classes=a,,b"),
        ({"model": "b", "trust_model": True, "classes": "a,a"}, "--classes=a,a"),
        ({"model": "b", "trust_model": True, "classes": "background"}, "--classes=background"),
    ],
)
def test_settings_that_contradict_each_other(settings, message):
    with pytest.raises(ConfigurationError) as caught:
        PredictConfig(**{"inputs": ("x.png",), **settings})
    assert message in caught.value.received
