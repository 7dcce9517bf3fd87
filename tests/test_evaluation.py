import csv
import json

import cv2
import numpy as np
import pytest

from darts_adv_tf import evaluation
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.split import Split
from darts_adv_tf.errors import DataError, NonFiniteError
from darts_adv_tf.evaluation import evaluate_segmenter, mean_shape, predict_labels

CLASS_NAMES = ("background", "lung", "heart")


def one_hot(labels, num_classes=3):
    return np.eye(num_classes, dtype=np.float32)[labels]


def by_intensity(images):
    """A segmenter for images whose grey values are their classes, divided by 10."""
    return one_hot(np.rint(images[..., 0] * 10).astype(int))


@pytest.fixture
def dataset():
    """Six cases of 1 x 4 pixels; the image shows the truth but in the last case's first pixel."""
    labels = np.array(
        [
            [[0, 1, 1, 0]],
            [[0, 1, 0, 0]],
            [[0, 1, 1, 2]],
            [[0, 1, 1, 0]],
            [[1, 1, 1, 0]],
            [[0, 1, 0, 0]],
        ],
        np.uint8,
    )
    shown = labels.copy()
    shown[5, 0, 0] = 1
    return Dataset(
        name="tiny",
        class_names=CLASS_NAMES,
        cases=("a", "b", "c", "d", "e,e", "f"),
        images=(shown[..., np.newaxis] / 10).astype(np.float32),
        labels=labels,
        intensity_maximum=255.0,
    )


@pytest.fixture
def split():
    return Split(train=(0, 2), val=(1,), test=(3, 4, 5))


def test_predicts_the_likeliest_class_in_batches():
    labels = np.arange(30).reshape(5, 2, 3) % 3
    seen = []

    def segmenter(images):
        seen.append(len(images))
        return by_intensity(images)

    predictions = predict_labels(segmenter, (labels[..., np.newaxis] / 10).astype("f"), 2)

    assert predictions.dtype == np.uint8
    np.testing.assert_array_equal(predictions, labels)
    assert seen == [2, 2, 1]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_refuses_predictions_that_are_not_finite(bad):
    with pytest.raises(NonFiniteError, match="images 0 to 1"):
        predict_labels(lambda images: np.full((2, 4, 4, 3), bad), np.zeros((2, 4, 4, 1), "f"))


def test_refuses_predictions_of_another_size():
    with pytest.raises(ValueError, match=r"\(2, 2, 2, 3\)"):
        predict_labels(lambda images: np.zeros((2, 2, 2, 3)), np.zeros((2, 4, 4, 1), "f"))


def test_mean_shape_takes_each_pixels_most_frequent_class():
    labels = np.array([[[0, 1, 2, 2]], [[0, 1, 2, 1]], [[1, 1, 0, 2]], [[1, 0, 1, 1]]])

    # The last pixel and the first are ties, which the lower class wins.
    assert mean_shape(labels, 3).tolist() == [[0, 1, 2, 1]]


def test_metrics_and_baselines_by_hand(dataset, split, tmp_path):
    metrics = evaluate_segmenter(by_intensity, dataset, split, tmp_path, batch_size=2)

    # Twelve test pixels, one background pixel taken for lung; no heart anywhere.
    assert metrics["num_cases"] == 3
    assert metrics["iou"] == {
        "background": pytest.approx(5 / 6),
        "lung": pytest.approx(6 / 7),
        "heart": None,
    }
    assert metrics["mean_iou"] == pytest.approx((5 / 6 + 6 / 7) / 2)
    assert metrics["mean_iou_organs"] == pytest.approx(6 / 7)
    assert metrics["mean_iou_per_case"] == pytest.approx((1 + 1 + (2 / 3 + 1 / 2) / 2) / 3)
    # The mean shape of the training cases a, b, c is 0 1 1 0: pixels 0 of e and 2 of f are wrong.
    assert metrics["baselines"] == {
        "mean_shape": {
            "mean_iou": pytest.approx((5 / 7 + 5 / 7) / 2),
            "mean_iou_organs": pytest.approx(5 / 7),
        },
        "all_background": {
            "mean_iou": pytest.approx((6 / 12 + 0) / 2),
            "mean_iou_organs": pytest.approx(0),
        },
    }


def test_baselines_know_nothing_of_the_test_cases(dataset, split, tmp_path):
    first = evaluate_segmenter(by_intensity, dataset, split, tmp_path)
    leaky = Split(train=split.train, val=split.val, test=(5, 4, 3))

    assert evaluate_segmenter(by_intensity, dataset, leaky, tmp_path) == first


def test_writes_exactly_the_files_of_the_contract(dataset, split, tmp_path):
    metrics = evaluate_segmenter(by_intensity, dataset, split, tmp_path / "run")

    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files == {"metrics.json", "per_case.csv", "overlays.png"}
    assert json.loads((tmp_path / "run" / "metrics.json").read_text()) == metrics
    assert list(metrics) == [
        "num_cases",
        "mean_iou",
        "mean_iou_organs",
        "iou",
        "dice",
        "mean_iou_per_case",
        "baselines",
    ]


def test_per_case_table_by_hand(dataset, split, tmp_path):
    evaluate_segmenter(by_intensity, dataset, split, tmp_path)

    with open(tmp_path / "per_case.csv", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert header == [
        "case",
        "mean_iou",
        *("iou_background", "iou_lung", "iou_heart"),
        *("dice_background", "dice_lung", "dice_heart"),
    ]
    assert [row[0] for row in rows] == ["d", "e,e", "f"]
    assert rows[0][1:] == ["1.000000", "1.000000", "1.000000", "", "1.000000", "1.000000", ""]
    assert rows[2][1:] == ["0.583333", "0.666667", "0.500000", "", "0.800000", "0.666667", ""]


def test_overlays_show_best_median_and_worst(dataset, split, tmp_path, monkeypatch):
    # Case d is made worse than f: half of its pixels are wrong.
    dataset.images[3, 0, :2, 0] = (0.1, 0.0)
    drawn = {}

    def record(images, labels, predictions, titles, class_names):
        drawn.update(labels=labels, predictions=predictions, titles=titles)
        return np.zeros((2, 2, 3), np.uint8)

    monkeypatch.setattr(evaluation, "draw_overlays", record)
    evaluate_segmenter(by_intensity, dataset, split, tmp_path)

    assert drawn["titles"] == [
        "Best of 3: e,e, mean IoU 1.000",
        "Median of 3: f, mean IoU 0.583",
        "Worst of 3: d, mean IoU 0.333",
    ]
    np.testing.assert_array_equal(drawn["labels"], dataset.labels[[4, 5, 3]])
    assert drawn["predictions"][2].tolist() == [[1, 0, 1, 0]]


@pytest.mark.parametrize("test", [(3,), (3, 5)])
def test_fewer_than_three_test_cases_are_drawn_once_each(test, dataset, tmp_path):
    split = Split(train=(0,), val=(1,), test=test)

    evaluate_segmenter(by_intensity, dataset, split, tmp_path)

    assert cv2.imread(str(tmp_path / "overlays.png"), cv2.IMREAD_COLOR) is not None


@pytest.mark.parametrize(
    ("split", "received"),
    [
        (Split(train=(0,), val=(1,), test=()), "no test case"),
        (Split(train=(), val=(), test=(0, 1)), "no training case"),
    ],
)
def test_an_empty_part_of_the_split_is_named(split, received, dataset, tmp_path):
    with pytest.raises(DataError, match=received):
        evaluate_segmenter(by_intensity, dataset, split, tmp_path)

    assert not list(tmp_path.iterdir())
