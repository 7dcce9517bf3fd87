"""The example of docs/own_segmenter.md, as a user runs it: search, retraining, export, --resume."""

import json
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.training.checkpoint import folder_of
from darts_adv_tf.training.checkpoint_store import CheckpointStore
from tests.command_line import (
    REPOSITORY,
    TINY,
    TINY_SEARCH,
    CommandLine,
    RunningCommand,
    run_command,
)

MODULE = "own_segmenter_example"
BACKBONE = f"--backbone={MODULE}:make_segmenter"
SEARCH = (*TINY_SEARCH, "--discriminator_cells=N", "--search_epochs=1", BACKBONE)
TRAIN = (
    *(*TINY, "--discriminator=none", BACKBONE),
    *("--retrain_epochs=60", "--checkpoint_every=8"),
)
NUM_STEPS = 120


def stop_and_resume(folder):
    with RunningCommand(folder, "train", *TRAIN, "--workdir=stopped") as running:
        store = CheckpointStore(folder_of(folder / "stopped", "retrain"))
        running.wait_until(store.steps)
        running.process.send_signal(signal.SIGTERM)
        stopped = running.end()
    return stopped, run_command(folder, "train", "--resume", "--workdir=stopped")


def evaluate_again(folder):
    metrics = folder / "searched" / "metrics.json"
    metrics.rename(metrics.with_name("metrics_of_the_run.json"))
    return run_command(folder, "evaluate", "--workdir=searched")


SOFTMAXED = """
import keras

def make(image_shape, num_classes, width, seed):
    images = keras.Input(image_shape)
    return keras.Model(images, keras.layers.Conv2D(num_classes, 1, activation="softmax")(images))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own_segmenter")
    shutil.copy(REPOSITORY / "docs" / f"{MODULE}.py", folder)
    (folder / "softmaxed.py").write_text(SOFTMAXED)
    return folder


@pytest.fixture(scope="module")
def runs(folder):
    """How the commands ended, by name."""
    commands = CommandLine(folder)
    searched = commands.start("search", *SEARCH, "--workdir=searched")
    stopped = commands.call(stop_and_resume, folder)
    started = {
        "searched": searched,
        "trained": commands.start("train", *TRAIN, "--workdir=trained"),
        "missing": commands.start("train", *TRAIN, "--backbone=no_such:net", "--workdir=missing"),
        "refused": commands.start(
            "train", *TRAIN, "--backbone=softmaxed:make", "--workdir=refused"
        ),
        "evaluated": commands.start_after(searched, lambda: evaluate_again(folder)),
    }
    ends = {name: command.result() for name, command in started.items()}
    ends["stopped"], ends["resumed"] = stopped.result()
    commands.close()
    return ends


def test_the_example_is_searched_retrained_evaluated_and_exported(runs, folder):
    assert runs["searched"].returncode == 0, runs["searched"].stderr
    config = json.loads((folder / "searched" / "config.json").read_text())
    assert f"{MODULE}:make_segmenter" in json.dumps(config)
    metrics = json.loads((folder / "searched" / "metrics_of_the_run.json").read_text())
    assert 0 <= metrics["mean_iou"] <= 1


def test_what_is_exported_needs_no_module(runs, folder):
    assert runs["searched"].returncode == 0, runs["searched"].stderr
    served = tf.saved_model.load(str(folder / "searched" / "segmenter" / "1"))
    images = tf.random.stateless_uniform((1, 40, 50, 1), (0, 1), maxval=255)
    answer = served.signatures["serving_default"](images=images)
    assert answer["labels"].shape == (1, 40, 50)
    np.testing.assert_allclose(np.sum(answer["probabilities"], axis=-1), 1, atol=1e-5)


def test_what_is_evaluated_again_is_the_same(runs, folder):
    assert runs["evaluated"].returncode == 0, runs["evaluated"].stderr
    again = json.loads((folder / "searched" / "metrics.json").read_text())
    assert again == json.loads((folder / "searched" / "metrics_of_the_run.json").read_text())


def test_a_resumed_run_ends_as_one_that_was_never_stopped(runs, folder):
    assert runs["trained"].returncode == 0, runs["trained"].stderr
    assert runs["stopped"].returncode == 143, runs["stopped"].stderr
    assert runs["resumed"].returncode == 0, runs["resumed"].stderr
    one, other = (
        CheckpointStore(folder_of(folder / name, "retrain")).read(NUM_STEPS).arrays
        for name in ("trained", "stopped")
    )
    assert set(one) == set(other)
    assert any("seed_generator" in name for name in one)
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)
    (moving_mean,) = (
        array for name, array in one.items() if name.endswith("/batch_normalization/moving_mean")
    )
    assert np.abs(moving_mean).max() > 1e-4


def test_a_module_that_is_not_there_is_told(runs):
    assert runs["missing"].returncode == 2
    assert "no module named no_such" in runs["missing"].stderr
    assert "PYTHONPATH" in runs["missing"].stderr


def test_a_refused_segmenter_leaves_no_work_directory(runs, folder):
    assert runs["refused"].returncode == 2
    assert "must return logits" in runs["refused"].stderr
    assert not (folder / "refused").exists()
