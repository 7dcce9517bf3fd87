"""Means over runs by epoch, and their bands, with numbers worked out by hand."""

import dataclasses

import numpy as np
import pytest

from darts_adv_tf.reproduction.report.bands import band
from darts_adv_tf.reproduction.report.tables import mean_entropy
from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE
from tests.reproduction.results import make_result

NAN = float("nan")


@pytest.fixture
def make_runs(tmp_path):
    base = make_result(tmp_path, "unet", "none", 0)

    def make(*columns):
        return [
            dataclasses.replace(
                base, retrain_epochs={"epoch": np.arange(1.0, len(each) + 1), "f": np.array(each)}
            )
            for each in columns
        ]

    return make


def test_three_runs_have_students_interval(make_runs):
    found = band(make_runs([1.0], [2.0], [3.0]), "retrain", "f")
    # 2 ± 4.302653 · 1 / √3.
    assert (found.mean[0], found.num_runs[0]) == (2, 3)
    assert (found.low[0], found.high[0]) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-5)


def test_two_runs_have_their_range_and_one_its_value(make_runs):
    found = band(make_runs([1.0, 5.0], [2.0]), "retrain", "f")
    assert [list(column) for column in found] == [[1, 2], [2, 1], [1.5, 5], [1, 5], [2, 5]]


def test_epochs_without_a_measurement_are_left_out(make_runs):
    found = band(make_runs([NAN, 1.0, NAN, 2.0], [NAN, 3.0, NAN, NAN]), "retrain", "f")
    assert list(found.epochs) == [2, 4] and list(found.mean) == [2, 2]
    assert list(found.num_runs) == [2, 1]


def test_what_nobody_measured_has_no_band(make_runs):
    runs = make_runs([NAN, NAN])
    assert band(runs, "retrain", "f") is None
    assert band(runs, "retrain", "other") is None
    assert band(runs, "search", "f") is None


def test_entropy_goes_from_one_where_all_weigh_the_same_to_zero():
    same = np.full(SPACE.alpha_shape, 1 / len(PUBLISHED_OPERATIONS))
    one = np.eye(len(PUBLISHED_OPERATIONS))[np.arange(len(SPACE.edges)) % len(PUBLISHED_OPERATIONS)]
    # Two of equal weight: ln 2 as a share of the largest.
    two = np.zeros(SPACE.alpha_shape)
    two[:, :2] = 0.5
    assert mean_entropy(np.stack([same, one, two])) == pytest.approx(
        [1, 0, np.log(2) / SPACE.largest_entropy]
    )
