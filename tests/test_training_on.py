"""A finished run that is resumed with more epochs ends as one that had them from the start."""

import json

import numpy as np
import pytest

from darts_adv_tf import run_search, run_train
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.training.checkpoint import folder_of
from darts_adv_tf.training.checkpoint_store import CheckpointStore

TINY = {
    "phantom_cases": 8,
    "train_cases": 4,
    "image_size": 32,
    "batch_size": 2,
    "segmenter_width": 2,
}


def last_state(workdir):
    store = CheckpointStore(folder_of(workdir, "retrain"))
    return store.read(store.steps()[-1])


def test_more_epochs_give_what_they_give_from_the_start(tmp_path):
    settings = TINY | {"discriminator": "none"}
    whole = run_train(workdir=tmp_path / "whole", retrain_epochs=3, **settings)
    grown = run_train(workdir=tmp_path / "grown", retrain_epochs=1, **settings)
    before = (grown / "metrics.json").read_text()
    run_train(workdir=grown, resume=True, retrain_epochs=3)
    one, other = last_state(whole), last_state(grown)
    assert one.step == other.step == 6
    assert one.arrays.keys() == other.arrays.keys()
    for name, array in one.arrays.items():
        np.testing.assert_array_equal(array, other.arrays[name], err_msg=name)
    for name in ("metrics.json", "per_case.csv"):
        assert (whole / name).read_text() == (grown / name).read_text()
    assert (grown / "metrics.json").read_text() != before
    assert json.loads((grown / "config.json").read_text())["training"]["retrain_epochs"] == 3
    assert len((grown / "epochs_retrain.csv").read_text().splitlines()) == 1 + 3
    with pytest.raises(ConfigurationError, match="--retrain_epochs=2, started with 3") as caught:
        run_train(workdir=grown, resume=True, retrain_epochs=2)
    assert "--retrain_epochs may only be raised" in caught.value.remedy


def test_a_search_that_ended_with_its_genotype_can_be_retrained(tmp_path):
    search = TINY | {
        "discriminator_channels": 2,
        "discriminator_cells": "R",
        "architecture_gradient": "first_order",
        "search_epochs": 1,
    }
    workdir = run_search(workdir=tmp_path, retrain_epochs=0, **search)
    genotype = (workdir / "genotype.json").read_text()
    assert not (workdir / "metrics.json").exists()
    run_search(workdir=workdir, resume=True, retrain_epochs=1)
    assert (workdir / "genotype.json").read_text() == genotype
    assert (workdir / "metrics.json").exists()
