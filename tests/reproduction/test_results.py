"""What a run's files hold is what the report reads of them."""

import json
from functools import partial

import numpy as np
import pytest

from darts_adv_tf.config import RunConfig
from darts_adv_tf.config.config_file import save_config, versions
from darts_adv_tf.reproduction.results import read_result
from darts_adv_tf.search_space.genotype import random_genotype, save_genotype
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE
from darts_adv_tf.training.callbacks import Report
from darts_adv_tf.training.callbacks.epoch_log import AlphaLog, EpochLog
from tests.search_space.op_weights import random_op_weights

METRICS = {"mean_iou": 0.7, "mean_iou_organs": 0.6, "baselines": {}}


@pytest.fixture
def workdir(tmp_path):
    """A run without a discriminator that measured no epoch."""
    (tmp_path / "metrics.json").write_text(json.dumps(METRICS))
    cases = "case,mean_iou_organs,mean_iou\nb,0.1,0.5\na,0.2,0.75\n"
    (tmp_path / "per_case.csv").write_text(cases)
    (tmp_path / "cases.csv").write_text("case,split\na,test\nb,test\nc,train\n")
    save_config(RunConfig(), tmp_path)
    return tmp_path


def test_what_a_search_left_is_read_as_it_was_written(workdir):
    op_weights = np.stack([random_op_weights(epoch) for epoch in range(3)])
    for phase, start in (("search", 0.0), ("retrain", 10.0)):
        log = EpochLog(workdir, phase)
        for epoch, weights in enumerate(op_weights, start=1):
            log.on_step(Report(epoch, {"loss/segmentation": start + epoch}))
            is_tested = (phase, epoch) == ("retrain", 2)
            log.on_epoch(epoch, Report(epoch, {"test/mean_iou": 0.5} if is_tested else {}))
            if phase == "search":
                alpha_log = AlphaLog(workdir, partial(tuple, weights), SPACE)
                alpha_log.on_epoch(epoch, Report(epoch))
    save_genotype(random_genotype(4), workdir / "genotype.json")

    found = read_result("unet", "nas", 5, None, workdir)

    assert (found.backbone, found.arm, found.seed, found.draw) == ("unet", "nas", 5, None)
    assert (found.workdir, found.metrics, found.cases) == (workdir, METRICS, {"a": 0.75, "b": 0.5})
    assert found.search_epochs.keys() == {"epoch", "seconds", "loss/segmentation"}
    assert list(found.search_epochs["loss/segmentation"]) == [1, 2, 3]
    assert list(found.retrain_epochs["loss/segmentation"]) == [11, 12, 13]
    assert list(found.retrain_epochs["epoch"]) == [1, 2, 3]
    np.testing.assert_array_equal(found.retrain_epochs["test/mean_iou"], [np.nan, 0.5, np.nan])
    np.testing.assert_allclose(found.alpha, op_weights, rtol=1e-5)
    assert found.genotype == random_genotype(4)
    assert found.split == {"a": "test", "b": "test", "c": "train"}
    assert found.versions == versions()


def test_what_a_run_does_not_have_is_none_or_empty(workdir):
    found = read_result("unet", "none", 0, None, workdir)
    assert found.search_epochs == {} and found.retrain_epochs == {}
    assert found.alpha is None and found.genotype is None and found.mean_mask_cases == {}
    assert found.seconds == {"search": 0, "retrain": 0}


def test_what_the_mean_mask_has_in_each_case_is_read_too(workdir):
    cases = "case,mean_iou,mean_iou_of_mean_shape\nb,0.5,0.25\na,0.75,0.125\n"
    (workdir / "per_case.csv").write_text(cases)
    found = read_result("unet", "none", 0, None, workdir)
    assert (found.cases, found.mean_mask_cases) == ({"a": 0.75, "b": 0.5}, {"a": 0.125, "b": 0.25})
