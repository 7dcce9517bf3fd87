"""Runs of other data than the rest are found, each by what tells."""

import dataclasses

import pytest

from darts_adv_tf.reproduction.same_data import find_other_data
from darts_adv_tf.system.errors import DataError
from tests.reproduction.results import make_results


@pytest.fixture
def results(tmp_path):
    runs = make_results(tmp_path, ("unet", "fcn32s"), ("none", "nas"), (0, 1))
    return {f"{run.backbone}/{run.seed}/{run.arm}": run for run in runs}


def changed(results, name, **changes):
    return results | {name: dataclasses.replace(results[name], **changes)}


def with_mean_mask(run, **metrics):
    baselines = run.metrics["baselines"]
    shape = baselines["mean_shape"] | metrics
    return run.metrics | {"baselines": baselines | {"mean_shape": shape}}


def test_runs_of_the_same_data_are_left_alone(results):
    assert find_other_data(results) == {}
    assert find_other_data({}) == {}


def test_more_cases_than_in_the_first_run_are_other_data_in_whichever_seed(results):
    name = "fcn32s/1/nas"
    split = {**results[name].split, "new": "test"}
    found = find_other_data(changed(results, name, split=split))
    assert list(found) == [name] and isinstance(found[name], DataError)
    assert "14 cases, 1 of them other ones, than in" in found[name].received
    assert str(results["unet/0/none"].workdir) in found[name].received
    assert found[name].file == results[name].workdir and "Remove" in found[name].remedy


def test_a_case_in_another_part_is_another_split_within_a_seed_alone(results):
    name = "fcn32s/1/none"
    moved = {**results[name].split, "case_003": "train"}
    found = find_other_data(changed(results, name, split=moved))
    assert list(found) == [name]
    assert "1 cases in another part, such as case_003" in found[name].received
    # Other seeds have other splits.
    seed = {key: run for key, run in results.items() if run.seed == 1}
    of_seed = {key: dataclasses.replace(run, split=moved) for key, run in seed.items()}
    assert find_other_data(results | of_seed) == {}


def test_other_test_cases_than_the_split_says_are_found(results):
    cases = dict(list(results["unet/1/nas"].cases.items())[1:])
    found = find_other_data(changed(results, "unet/1/nas", cases=cases))
    assert "other test cases" in found["unet/1/nas"].received


@pytest.mark.parametrize("mean_iou", [0.5, None])
def test_other_masks_show_in_the_baselines(results, mean_iou):
    name = "unet/0/nas"
    metrics = with_mean_mask(results[name], mean_iou=mean_iou)
    found = find_other_data(changed(results, name, metrics=metrics))
    assert list(found) == [name]
    assert f"another mean_iou of the baseline mean_shape, {mean_iou}," in found[name].received
    # Other machines may round otherwise.
    near = with_mean_mask(
        results[name], mean_iou=results[name].metrics["baselines"]["mean_shape"]["mean_iou"] + 1e-8
    )
    assert find_other_data(changed(results, name, metrics=near)) == {}
