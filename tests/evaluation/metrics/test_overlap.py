import json

import numpy as np
import pytest

from darts_adv_tf.evaluation.metrics import (
    confusion_matrix,
    dice,
    iou,
    mean_over_present,
    summarize,
)

# Truth in rows. Class 1: 3 true, 4 predicted, 2 shared; class 2 is absent from both.
CONFUSION = np.array([[4, 2, 0], [1, 2, 0], [0, 0, 0]])


def test_confusion_matrix_has_truth_in_rows():
    labels = np.array([[0, 0, 1], [1, 2, 2]], np.uint8)
    predictions = np.array([[0, 1, 1], [1, 0, 2]], np.uint8)

    confusion = confusion_matrix(labels, predictions, num_classes=4)

    assert confusion.dtype == np.int64
    assert confusion.tolist() == [[1, 1, 0, 0], [0, 2, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


def test_confusion_matrix_of_many_classes_does_not_wrap_around():
    labels = np.array([199, 3], np.uint8)

    confusion = confusion_matrix(labels, labels, num_classes=200)

    assert confusion[199, 199] == confusion[3, 3] == 1
    assert confusion.sum() == 2


@pytest.mark.parametrize(
    ("labels", "predictions"),
    [([0, 1], [0, 3]), ([0, -1], [0, 1]), ([0, 1], [0]), ([0, 255], [0, 1])],
)
def test_confusion_matrix_refuses_what_it_cannot_count(labels, predictions):
    with pytest.raises(ValueError, match="Received"):
        confusion_matrix(np.array(labels), np.array(predictions), num_classes=3)


def test_iou_by_hand():
    np.testing.assert_allclose(iou(CONFUSION), [4 / 7, 2 / 5, np.nan])


def test_dice_by_hand():
    np.testing.assert_allclose(dice(CONFUSION), [8 / 11, 4 / 7, np.nan])


def test_a_class_in_only_one_of_truth_and_prediction_scores_zero():
    confusion = np.array([[5, 1, 0], [0, 0, 0], [2, 0, 0]])

    np.testing.assert_allclose(iou(confusion), [5 / 8, 0, 0])
    np.testing.assert_allclose(dice(confusion), [10 / 13, 0, 0])


@pytest.mark.filterwarnings("error")
def test_means_leave_absent_classes_out():
    scores = np.array([[0.2, np.nan, 0.4], [np.nan, np.nan, np.nan]])

    np.testing.assert_allclose(mean_over_present(scores), [0.3, np.nan])


@pytest.mark.filterwarnings("error")
def test_summary_pools_pixels_over_cases():
    other = np.array([[2, 0, 0], [0, 6, 0], [0, 0, 0]])

    summary = summarize(np.stack([CONFUSION, other]), ["background", "lung", "heart"])

    # Pooled: [[6, 2], [1, 8]], with lung 8 / 11 and background 6 / 9; the second case is perfect.
    assert summary == {
        "num_cases": 2,
        "mean_iou": pytest.approx((6 / 9 + 8 / 11) / 2),
        "mean_iou_organs": pytest.approx(8 / 11),
        "iou": {
            "background": pytest.approx(6 / 9),
            "lung": pytest.approx(8 / 11),
            "heart": None,
        },
        "dice": {
            "background": pytest.approx(12 / 15),
            "lung": pytest.approx(16 / 19),
            "heart": None,
        },
        "mean_iou_per_case": pytest.approx(((4 / 7 + 2 / 5) / 2 + 1) / 2),
        "num_missing": {"lung": 0, "heart": 0},
        "num_absent": {"lung": 0, "heart": 2},
    }
    json.dumps(summary, allow_nan=False)


@pytest.mark.filterwarnings("error")
def test_summary_without_any_organ_has_no_organ_mean():
    summary = summarize(np.array([[[9, 0], [0, 0]]]), ["background", "lung"])

    assert summary["mean_iou"] == 1
    assert summary["mean_iou_organs"] is None


def test_summary_counts_the_cases_in_which_an_organ_is_missed_or_invented_or_absent():
    missed = np.array([[5, 0, 0], [3, 0, 0], [0, 0, 1]])
    invented = np.array([[5, 3, 0], [0, 0, 0], [0, 0, 1]])
    apart = np.array([[5, 3, 0], [3, 0, 0], [0, 0, 0]])

    summary = summarize(np.stack([missed, invented, apart]), ["background", "lung", "heart"])

    # Where both are there, they are not missing, however far apart they lie.
    assert summary["num_missing"] == {"lung": 2, "heart": 0}
    assert summary["num_absent"] == {"lung": 0, "heart": 1}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("num_classes", [2, 3, 5, 12, 256])
def test_any_number_of_classes_is_summed_up(num_classes):
    labels = np.arange(2 * num_classes, dtype=np.int64).reshape(2, -1) % num_classes
    confusion = confusion_matrix(labels.astype(np.uint8), labels.astype(np.uint8), num_classes)
    names = [f"class_{index}" for index in range(num_classes)]

    summary = summarize(confusion[np.newaxis], names)

    assert summary["mean_iou"] == summary["mean_iou_organs"] == 1
    assert summary["iou"] == summary["dice"] == dict.fromkeys(names, 1.0)
    assert summary["num_missing"] == dict.fromkeys(names[1:], 0)
    json.dumps(summary, allow_nan=False)


def test_summary_refuses_names_that_do_not_fit():
    with pytest.raises(ValueError, match=r"shape \(1, 3, 3\)"):
        summarize(CONFUSION[np.newaxis], ["background", "lung"])
