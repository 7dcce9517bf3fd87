"""A user's own data from start to export: nnU-Net's layout, five classes, three channels."""

import csv
import json

import cv2
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.data.phantom import draw_case
from darts_adv_tf.serving.model_description import ModelDescription
from tests.command_line import run_command

ORGANS = ("left_lung_above", "left_lung_below", "right_lung", "heart")
NUM_CASES = 8
FLAGS = (
    "--dataset=nnunet",
    "--data_dir=own",
    "--image_size=32",
    "--train_cases=4",
    "--batch_size=2",
    "--segmenter_width=8",
    "--discriminator_channels=2",
    "--discriminator_cells=NR",
    "--discriminator_input=images_and_masks",
    "--search_epochs=2",
    "--retrain_epochs=60",
    "--learning_rate=5e-3",
    "--normalization=percentile",
    "--augment_rotation=5",
    "--augment_noise=0.02",
    "--keep_aspect",
)


def phantom(index: int) -> tuple[np.ndarray, np.ndarray]:
    """A phantom in three channels, wider than high, its left lung cut in two: (48, 64, 3)."""
    image, chest = draw_case(64, seed=5, case_index=index)
    left, right, heart = (chest == index for index in (1, 2, 3))
    below = np.arange(64)[:, np.newaxis] >= np.nonzero(left)[0].mean()
    labels = np.select([left & ~below, left & below, right, heart], [1, 2, 3, 4], 0)
    channels = [image, 255 - image, cv2.GaussianBlur(image, (0, 0), 2)]
    return np.stack(channels, axis=-1)[8:56], labels.astype(np.uint8)[8:56]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The data, and a finished search on it."""
    folder = tmp_path_factory.mktemp("own")
    for part in ("imagesTr", "labelsTr"):
        (folder / "own" / part).mkdir(parents=True)
    for index in range(NUM_CASES):
        image, labels = phantom(index)
        cv2.imwrite(str(folder / "own" / "imagesTr" / f"chest_{index}_0000.png"), image[..., ::-1])
        cv2.imwrite(str(folder / "own" / "labelsTr" / f"chest_{index}.png"), labels)
    description = {
        "channel_names": {"0": "film", "1": "negative", "2": "blurred"},
        "labels": {"background": 0, **{name: i for i, name in enumerate(ORGANS, start=1)}},
        "numTraining": NUM_CASES,
        "file_ending": ".png",
    }
    (folder / "own" / "dataset.json").write_text(json.dumps(description))
    finished = run_command(folder, "search", *FLAGS, "--workdir=run")
    assert finished.returncode == 0, finished.stderr
    return folder


def test_the_run_measures_every_class(folder):
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    assert list(metrics["iou"]) == ["background", *ORGANS]
    assert metrics["num_cases"] == NUM_CASES - 4
    # It has learned something: every background scores 0 here.
    assert metrics["mean_iou_organs"] > metrics["baselines"]["all_background"]["mean_iou_organs"]
    assert metrics["mean_iou_organs"] > 0.2
    with open(folder / "run" / "cases.csv", newline="") as file:
        cases = {row["case"] for row in csv.DictReader(file)}
    assert cases == {f"chest_{index}" for index in range(NUM_CASES)}


def test_the_exported_segmenter_takes_the_images_as_they_are_stored(folder):
    model = folder / "run" / "segmenter" / "1"
    assert ModelDescription.read(model) == ModelDescription(("background", *ORGANS), 3, 255.0)
    serve = tf.saved_model.load(str(model)).signatures["serving_default"]
    image, labels = phantom(0)
    answer = serve(images=tf.constant(image[np.newaxis], tf.float32))
    assert answer["labels"].shape == (1, *labels.shape)
    assert answer["probabilities"].shape == (1, *labels.shape, 5)
    assert np.mean(answer["labels"][0] == labels) > 0.5


def test_an_evaluation_repeats_the_figures(folder):
    before = (folder / "run" / "metrics.json").read_bytes()
    finished = run_command(folder, "evaluate", "--workdir=run")
    assert finished.returncode == 0, finished.stderr
    assert (folder / "run" / "metrics.json").read_bytes() == before


def test_new_images_are_predicted(folder):
    finished = run_command(
        folder, "predict", "--workdir=run", "--inputs=own/imagesTr", "--output_dir=predicted"
    )
    assert finished.returncode == 0, finished.stderr
    labels = sorted((folder / "predicted" / "labels").iterdir())
    assert len(labels) == NUM_CASES
    assert cv2.imread(str(labels[0]), cv2.IMREAD_UNCHANGED).shape[:2] == (48, 64)
