"""One replica against two on the same global batch, in a process with two logical CPUs."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    path = tmp_path_factory.mktemp("replicas") / "results.npz"
    process = subprocess.run(
        [sys.executable, "-m", "tests.training.two_replicas", path],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert process.returncode == 0, process.stderr
    return np.load(path)


def distance(received, expected):
    return np.abs(received - expected).max() / np.abs(expected).max()


def test_alpha_gradient_is_the_same_where_no_statistics_cross_the_cases(results):
    assert distance(results["group_2"], results["group_1"]) <= 1e-9


def test_alpha_gradient_of_the_segmentation_loss_is_the_same_on_two_replicas(results):
    assert distance(results["segmentation_2"], results["segmentation_1"]) <= 1e-9
    assert np.abs(results["segmentation_1"]).max() > 0


@pytest.mark.parametrize("part", ["theta", "phi"])
def test_two_replicas_step_against_a_resnet_as_one_does(part, results):
    """With shared statistics; otherwise each replica has its own."""
    one, shared, apart = (
        results[f"resnet_{name}_{part}"] for name in ("batch_1", "sync_batch_2", "batch_2")
    )
    np.testing.assert_array_equal(shared[0], shared[1])
    assert distance(shared[0], one[0]) <= 1e-7
    assert distance(apart[0], one[0]) > 1e-4


def test_two_replicas_report_of_a_resnet_what_one_does(results):
    one, shared, apart = (
        results[f"resnet_{name}_figures"] for name in ("batch_1", "sync_batch_2", "batch_2")
    )
    np.testing.assert_allclose(shared, one, rtol=1e-5)
    assert np.abs(apart / one - 1).max() > 1e-3


def test_shared_statistics_make_two_replicas_one(results):
    assert distance(results["sync_batch_2"], results["batch_1"]) <= 1e-9


def test_statistics_of_each_replica_are_its_own(results):
    # Otherwise the two tests above could not fail for want of a difference.
    assert distance(results["batch_2"], results["batch_1"]) > 1e-3


@pytest.mark.parametrize("name", ["alpha", "theta", "phi"])
def test_every_replica_holds_the_same_weights_after_steps(name, results):
    before, after = results[f"{name}_before"], results[name]
    assert after.shape[0] == 2
    np.testing.assert_array_equal(after[0], after[1])
    assert np.abs(after - before).max() > 1e-3


@pytest.mark.parametrize("name", ["alpha", "theta", "phi"])
def test_two_replicas_step_as_one_does(name, results):
    assert distance(results[f"{name}_of_2"], results[f"{name}_of_1"]) <= 1e-9


def test_two_replicas_report_what_one_does(results):
    # Losses, accuracies and gradient norms; a wrong scale would hide behind Adam in the weights.
    np.testing.assert_allclose(results["figures_2"], results["figures_1"], rtol=1e-5)


def test_a_nan_that_one_replica_sees_leaves_no_trace_on_any(results):
    before, after = results["state_before_nan"], results["state_after_nan"]
    assert before.shape[0] == 2
    np.testing.assert_array_equal(after, before)
    assert np.isnan(results["figures_of_nan"]).any(axis=1).all()


def test_replicas_agree_on_whether_a_step_is_finite(results):
    # Of a loss, of which each replica knows its own share; gradients all know alike.
    assert results["judged_finite_where_both_are"].tolist() == [True, True]
    assert results["judged_finite_where_one_is"].tolist() == [False, False]


@pytest.mark.parametrize("name", ["batch_2", "sync_2", "batch_1"])
def test_moving_statistics_are_the_mean_of_those_of_the_replicas(name, results):
    features, statistics = results[f"features_{name}"], results[f"statistics_{name}"]
    shares = 2 if name == "batch_2" else 1
    parts = np.split(features, shares)
    mean = 0.25 * np.mean([part.mean(axis=(0, 1, 2)) for part in parts], axis=0)
    variance = 0.75 + 0.25 * np.mean([part.var(axis=(0, 1, 2)) for part in parts], axis=0)
    for of_replica in statistics:
        np.testing.assert_allclose(of_replica, [*mean, *variance], rtol=1e-9)
    # What one replica alone has seen is something else.
    alone = features[:2].mean(axis=(0, 1, 2))
    assert np.abs(alone - 4 * mean).max() > 1e-4


def test_a_segmenter_with_shared_statistics_steps_on_two_replicas_as_on_one(results):
    assert distance(results["own_theta_sync_2"], results["own_theta_batch_1"]) <= 1e-9
    assert distance(results["own_theta_batch_2"], results["own_theta_batch_1"]) > 1e-6


def test_every_replica_holds_the_same_state_of_a_segmenter(results):
    seeds, state = results["own_seeds"], results["own_state_after_nan"]
    np.testing.assert_array_equal(seeds, [[1, 1], [1, 1]])
    np.testing.assert_array_equal(state[0], state[1])


def test_a_nan_leaves_no_trace_in_the_state_of_a_segmenter(results):
    before, after = results["own_state_before_nan"], results["own_state_after_nan"]
    np.testing.assert_array_equal(after, before)


def test_shared_statistics_of_a_segmenter_are_refused_in_the_exact_mode(results):
    assert "--architecture_gradient=finite_difference" in str(results["refused"])
