"""Which runs of a matrix a summary reads, and what it tells of them in the terminal."""

import json

import pytest

from darts_adv_tf.config.config_file import save_config
from darts_adv_tf.config.reproduce import ReproduceConfig
from darts_adv_tf.reproduction import summary
from darts_adv_tf.reproduction.matrix import plan
from darts_adv_tf.reproduction.record import MatrixRecord
from darts_adv_tf.reproduction.summary import Summary

IOUS = {("none", 0): 0.5, ("none", 1): 0.5, ("resnet10", 0): 0.6, ("resnet10", 1): 0.602}


@pytest.fixture
def record(tmp_path):
    """Two seeds of three arms, each with its results, and all of them done."""
    config = ReproduceConfig(
        arms="none,random,resnet10",
        backbones="unet",
        seeds="0,1",
        random_draws=2,
        workdir=str(tmp_path),
    )
    record = MatrixRecord(tmp_path, config.base)
    record.add(plan(config))
    for name, run in record.runs.items():
        iou = IOUS.get((run.arm, run.seed), 0.4)
        run.workdir.mkdir(parents=True)
        metrics = {"mean_iou": iou, "mean_iou_organs": iou, "baselines": {}}
        (run.workdir / "metrics.json").write_text(json.dumps(metrics))
        (run.workdir / "per_case.csv").write_text(f"case,mean_iou\none,{iou}\n")
        (run.workdir / "cases.csv").write_text("case,split\none,test\n")
        save_config(run.config, run.workdir)
        record.states[name].state = "done"
    return record


@pytest.fixture
def written(monkeypatch, tmp_path):
    """The arguments of each report: folder, results, failed, settings, planned."""
    calls = []
    monkeypatch.setattr(summary, "write_report", lambda *arguments: calls.append(arguments))
    return calls


def test_only_what_is_done_has_results(record, written):
    # Failed, for all that its folder holds.
    failed, running, planned = list(record.states)[:3]
    record.states[failed].state, record.states[failed].message = "failed", "No image."
    record.states[running].state, record.states[planned].state = "running", "planned"
    Summary(record).write()
    ((_, results, (told,), settings, number),) = written
    assert [(run.arm, run.seed, run.draw) for run in results] == [
        ("none", 1, None),
        ("random", 1, 1),
        ("resnet10", 1, None),
    ]
    assert (told.name, told.message, told.log) == (failed, "No image.", str(record.log(failed)))
    assert (settings["arms"], settings["seeds"], number) == ("none,random,resnet10", "0,1", 6)


def test_claims_are_told_with_their_metrics(record, written):
    summary = Summary(record)
    summary.write()
    # The differences are 10.0 and 10.2 points, and t of 1 degree of freedom 12.7.
    lines = summary.claims().splitlines()
    assert lines[0] == (
        "unet        held          Adversarial training against ResNet10 beats training without a "
        "discriminator. +10.1 points, 95 % interval +8.8 to +11.4"
    )
    assert lines[1] == (
        "unet        not run       Adversarial training against the searched discriminator beats "
        "training without a discriminator."
    )
