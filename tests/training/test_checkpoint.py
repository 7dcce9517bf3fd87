"""Checkpoints: what comes back, and which files are refused."""

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.errors import CheckpointError, StorageError
from darts_adv_tf.models.architecture import Architecture
from darts_adv_tf.models.fcn32s import build_fcn32s
from darts_adv_tf.models.unet import build_unet
from darts_adv_tf.training.checkpoint import Checkpoints, restore_segmenter
from darts_adv_tf.training.trainer import make_optimizer


def unet(seed, width=2):
    return build_unet((16, 16, 1), num_classes=3, width=width, seed=seed)


def arrays(model):
    return [variable.numpy() for variable in model.variables]


def assert_equal(received, expected):
    for one, other in zip(received, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_segmenter_of_the_newest_state_comes_back(tmp_path):
    trained = unet(seed=1)
    optimizer = make_optimizer(1e-3)
    optimizer.build(trained.trainable_variables)
    checkpoints = Checkpoints(tmp_path, "retrain", segmenter=trained, segmenter_optimizer=optimizer)
    checkpoints.save(5)
    for variable in trained.trainable_variables:
        variable.assign_add(tf.ones_like(variable.value))
    checkpoints.save(10)
    restored = unet(seed=2)
    restore_segmenter(tmp_path, restored, 10)
    assert_equal(arrays(restored), arrays(trained))


def test_a_phase_keeps_its_newest_state_alone(tmp_path):
    checkpoints = Checkpoints(tmp_path, "retrain", segmenter=unet(seed=1))
    for step in (5, 10):
        checkpoints.save(step)
    found = [path.name for path in (tmp_path / "checkpoints").rglob("*.index")]
    assert found == ["retrain-10.index"]


def test_retraining_leaves_the_searchs_state(tmp_path):
    architecture = Architecture()
    Checkpoints(tmp_path, "search", architecture=architecture).save(3)
    Checkpoints(tmp_path, "retrain", segmenter=unet(seed=1)).save(7)
    (path,) = (tmp_path / "checkpoints").rglob("search-3.index")
    other = Architecture()
    tf.train.Checkpoint(architecture=other).restore(str(path.with_suffix(""))).expect_partial()
    assert_equal(arrays(other), arrays(architecture))


def test_a_search_leaves_no_trained_segmenter(tmp_path):
    Checkpoints(tmp_path, "search", segmenter=unet(seed=1)).save(3)
    with pytest.raises(CheckpointError, match="no checkpoint of retraining") as caught:
        restore_segmenter(tmp_path, unet(seed=1), 3)
    assert caught.value.file == tmp_path / "checkpoints" / "retrain"


def test_an_unfinished_retraining_leaves_no_trained_segmenter(tmp_path):
    Checkpoints(tmp_path, "retrain", segmenter=unet(seed=1)).save(3)
    with pytest.raises(CheckpointError, match="Received: retrain-3") as caught:
        restore_segmenter(tmp_path, unet(seed=1), 4)
    assert "retrain-4" in caught.value.rule


@pytest.mark.parametrize("kind", ["wider", "narrower", "fcn32s"])
def test_the_state_of_another_model_is_refused(kind, tmp_path):
    Checkpoints(tmp_path, "retrain", segmenter=unet(seed=1, width=4)).save(3)
    other = {
        "wider": lambda: unet(seed=1, width=8),
        "narrower": lambda: unet(seed=1, width=2),
        "fcn32s": lambda: build_fcn32s((16, 16, 1), num_classes=3, width=4),
    }[kind]()
    with pytest.raises(CheckpointError) as caught:
        restore_segmenter(tmp_path, other, 3)
    assert caught.value.exit_status == 5
    assert "Remedy: Use the config.json and the checkpoints of one" in str(caught.value)
    assert "retrain-3" in str(caught.value.file)


@pytest.mark.parametrize("damage", ["truncated index", "truncated data", "no data"])
def test_a_damaged_file_is_refused(damage, tmp_path):
    Checkpoints(tmp_path, "retrain", segmenter=unet(seed=1)).save(3)
    (index,) = (tmp_path / "checkpoints").rglob("*.index")
    (data,) = (tmp_path / "checkpoints").rglob("*.data-*")
    if damage == "truncated index":
        index.write_bytes(index.read_bytes()[:-40])
    elif damage == "truncated data":
        data.write_bytes(data.read_bytes()[:100])
    else:
        data.unlink()
    with pytest.raises(CheckpointError):
        restore_segmenter(tmp_path, unet(seed=2), 3)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    checkpoints = Checkpoints(tmp_path, "retrain", segmenter=unet(seed=1))
    folder = tmp_path / "checkpoints"
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir()
    if folder.exists():
        folder.rmdir()
    folder.write_text("a file where the folder should be")
    with pytest.raises(StorageError) as caught:
        checkpoints.save(1)
    assert str(folder) in str(caught.value) and "--workdir" in str(caught.value)
