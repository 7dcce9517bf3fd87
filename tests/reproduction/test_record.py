"""The record of a matrix: written, read, added to, and refused."""

import dataclasses
import json

import pytest

from darts_adv_tf.config import DataConfig, RunConfig, TrainingConfig
from darts_adv_tf.config.reproduce import ReproduceConfig
from darts_adv_tf.reproduction.matrix import plan
from darts_adv_tf.reproduction.record import RunState, load_record, open_record
from darts_adv_tf.system.errors import ConfigurationError

BASE = RunConfig(training=TrainingConfig(batch_size=2, test_every=1))


def make_record(folder, base=BASE, **settings):
    record = open_record(folder, base)
    settings = {"arms": "none", "backbones": "unet", "seeds": "0"} | settings
    record.add(plan(ReproduceConfig(workdir=str(folder), base=base, **settings)))
    return record


def test_where_there_is_none_none_is_read(tmp_path):
    assert load_record(tmp_path) is None
    assert make_record(tmp_path).states == {"unet/seed_0/none": RunState()}


def test_it_is_read_as_it_was_written(tmp_path):
    record = make_record(tmp_path, arms="none,random", random_draws=2)
    state = RunState("failed", 3, 1.5, 2, "No image.")
    record.states["unet/seed_0/random_1"] = state
    record.save()
    again = load_record(tmp_path)
    assert (again.base, again.runs) == (BASE, record.runs)
    assert again.states["unet/seed_0/random_1"] == state
    assert [run.draw for run in again.runs.values()] == [None, 0, 1]


def test_what_was_running_is_planned_again(tmp_path):
    record = make_record(tmp_path, seeds="0,1")
    record.states["unet/seed_1/none"] = RunState("running", attempts=1)
    record.save()
    assert load_record(tmp_path).states["unet/seed_1/none"] == RunState("planned", attempts=1)


def test_another_experiment_adds_its_runs_and_keeps_what_was(tmp_path):
    record = make_record(tmp_path)
    record.states["unet/seed_0/none"].state = "done"
    record.save()
    again = make_record(tmp_path, arms="none,resnet10", seeds="0,1")
    assert {name: state.state for name, state in again.states.items()} == {
        "unet/seed_0/none": "done",
        "unet/seed_0/resnet10": "planned",
        "unet/seed_1/none": "planned",
        "unet/seed_1/resnet10": "planned",
    }


def test_other_settings_are_refused_by_name(tmp_path):
    make_record(tmp_path).save()
    training = dataclasses.replace(BASE.training, batch_size=4, search_epochs=3)
    with pytest.raises(ConfigurationError) as caught:
        make_record(tmp_path, dataclasses.replace(BASE, training=training))
    assert caught.value.received == "--batch_size=4, recorded 2; --search_epochs=3, recorded 10"
    assert caught.value.file == tmp_path / "matrix.json"


def test_the_data_may_have_moved(tmp_path):
    bases = [
        dataclasses.replace(BASE, data=DataConfig(dataset="cx_seg", data_dir=folder))
        for folder in ("before", "after")
    ]
    make_record(tmp_path, bases[0]).save()
    (run,) = make_record(tmp_path, bases[1]).runs.values()
    assert run.config.data.data_dir == "after"


def _set(key, value):
    return lambda content: content.__setitem__(key, value)


@pytest.mark.parametrize(
    "edit",
    [
        _set("format", "another"),
        _set("version", 2),
        _set("settings", {"batch_size": "four"}),
        _set("runs", []),
        _set(
            "runs", {"../elsewhere": {"backbone": "unet", "arm": "none", "seed": 0, "draw": None}}
        ),
        lambda content: content["runs"]["unet/seed_0/none"].update(arm="unknown"),
        lambda content: content["runs"]["unet/seed_0/none"].update(state="perhaps"),
        lambda content: content["runs"]["unet/seed_0/none"].pop("draw"),
        lambda content: content.pop("runs"),
    ],
)
def test_a_record_of_another_kind_is_refused(tmp_path, edit):
    make_record(tmp_path).save()
    path = tmp_path / "matrix.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError):
        load_record(tmp_path)


def test_a_record_that_is_no_json_is_refused(tmp_path):
    (tmp_path / "matrix.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"matrix\.json must be as") as caught:
        load_record(tmp_path)
    assert caught.value.file == tmp_path / "matrix.json"


def test_the_log_of_a_run_lies_beside_the_others(tmp_path):
    record = make_record(tmp_path)
    assert record.log("unet/seed_0/none") == tmp_path / "logs" / "unet_seed_0_none.log"
