import csv
import dataclasses
import json

import cv2
import numpy as np
import pytest

from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.split import Split
from darts_adv_tf.evaluation import evaluator as evaluation
from darts_adv_tf.evaluation.evaluator import evaluate_segmenter, mean_shape, predict_labels
from darts_adv_tf.system.errors import DataError, NonFiniteError

CLASS_NAMES = ("background", "lung", "heart")


def one_hot(labels, num_classes=3):
    return np.eye(num_classes, dtype=np.float32)[labels]


def read_table(workdir):
    with open(workdir / "per_case.csv", newline="") as stream:
        return list(csv.DictReader(stream))


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
        preparation=Preparation(image_size=4),
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
            # Per case: right; pixel 0 is one away from the shape; pixel 2 of the shape likewise.
            "mean_hd95_organs": pytest.approx((0 + 0.9 + 0.95) / 3),
            "mean_assd_organs": pytest.approx((0 + 1 / 5 + 1 / 3) / 3),
        },
        "all_background": {
            "mean_iou": pytest.approx((6 / 12 + 0) / 2),
            "mean_iou_organs": pytest.approx(0),
            "mean_hd95_organs": pytest.approx(np.hypot(1, 4)),
            "mean_assd_organs": pytest.approx(np.hypot(1, 4)),
        },
    }


def test_surface_distances_by_hand(dataset, split, tmp_path):
    metrics = evaluate_segmenter(by_intensity, dataset, split, tmp_path)

    # Cases d and e are right; in f the pixel before the lung is taken for lung.
    assert metrics["hd95"] == {"lung": pytest.approx(0.95 / 3), "heart": None}
    assert metrics["assd"] == {"lung": pytest.approx(1 / 3 / 3), "heart": None}
    assert metrics["mean_hd95_organs"] == pytest.approx(0.95 / 3)
    assert metrics["mean_assd_organs"] == pytest.approx(1 / 9)
    assert metrics["num_missing"] == {"lung": 0, "heart": 0}
    assert metrics["num_absent"] == {"lung": 0, "heart": 3}
    assert "hd95_mm" not in metrics and "assd_mm" not in metrics


def test_a_missed_organ_counts_as_the_diagonal(dataset, tmp_path):
    # Case c has a heart, which is never predicted here.
    metrics = evaluate_segmenter(
        lambda images: one_hot(np.ones(images.shape[:3], int)),
        dataset,
        Split(train=(0,), val=(1,), test=(2, 3)),
        tmp_path,
    )

    assert metrics["num_missing"] == {"lung": 0, "heart": 1}
    assert metrics["hd95"]["heart"] == metrics["assd"]["heart"] == pytest.approx(np.hypot(1, 4))


def test_distances_in_millimetres_need_every_test_cases_pixel_size(dataset, split, tmp_path):
    sizes = np.array([[9.0, 9.0]] * 3 + [[9.0, 1.0], [9.0, 1.0], [9.0, 0.5]])
    dataset = dataclasses.replace(dataset, pixel_sizes=sizes)
    metrics = evaluate_segmenter(by_intensity, dataset, split, tmp_path)

    assert metrics["hd95"]["lung"] == pytest.approx(0.95 / 3)
    assert metrics["hd95_mm"] == {"lung": pytest.approx(0.5 * 0.95 / 3), "heart": None}
    assert metrics["assd_mm"] == {"lung": pytest.approx(0.5 / 3 / 3), "heart": None}
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics

    sizes[3] = np.nan
    metrics = evaluate_segmenter(by_intensity, dataset, split, tmp_path)
    assert "hd95_mm" not in metrics and "assd_mm" not in metrics
    rows = read_table(tmp_path)
    assert [row["hd95_mm_lung"] for row in rows] == ["", "0.000000", "0.475000"]
    assert [row["assd_mm_lung"] for row in rows] == ["", "0.000000", "0.166667"]


@pytest.fixture
def chests(dataset):
    """The cases as chests, whose right lung at times lies on the right; f's heart is not shown."""
    class_names = ("background", "left_lung", "right_lung", "heart")
    rows = ["1320", "1332", "1032", "1332", "0132", "1320"]
    labels = np.array([[[int(pixel) for pixel in row]] for row in rows], np.uint8)
    shown = labels.copy()
    shown[3, 0] = 1, 0, 3, 2
    shown[5, 0] = 1, 0, 0, 2
    return dataclasses.replace(
        dataset,
        class_names=class_names,
        images=(shown[..., np.newaxis] / 10).astype(np.float32),
        labels=labels,
    )


def four_classes(images):
    return one_hot(np.rint(images[..., 0] * 10).astype(int), 4)


def test_cardiothoracic_ratios_against_the_masks_and_the_list(chests, split, tmp_path):
    listed = {"d": 0.45, "f": 0.3, "of another data set": 0.9}
    metrics = evaluate_segmenter(four_classes, chests, split, tmp_path, ratios=listed)

    # True 2/4, 1/3, 1/3; predicted 1/4, 1/3 and none, as the heart is missed in f.
    assert metrics["cardiothoracic_ratio"] == {
        "masks": {
            "mean_absolute_error": pytest.approx(0.125),
            "correlation": pytest.approx(-1),
            "num_cases": 2,
            "num_missing": 1,
        },
        "ctr_ground_truth.csv": {
            "mean_absolute_error": pytest.approx(0.2),
            "correlation": None,
            "num_cases": 1,
            "num_missing": 1,
        },
    }
    rows = read_table(tmp_path)
    assert [row["ctr"] for row in rows] == ["0.250000", "0.333333", ""]
    assert [row["ctr_true"] for row in rows] == ["0.500000", "0.333333", "0.333333"]
    assert [row["ctr_listed"] for row in rows] == ["0.450000", "", "0.300000"]
    # The mean shape is 1332, whose ratio is 2/4.
    assert metrics["baselines"]["mean_shape"]["cardiothoracic_ratio"]["masks"] == {
        "mean_absolute_error": pytest.approx((0 + 1 / 6 + 1 / 6) / 3),
        "correlation": None,
        "num_cases": 3,
        "num_missing": 0,
    }
    blind = metrics["baselines"]["all_background"]["cardiothoracic_ratio"]["masks"]
    assert (blind["num_cases"], blind["num_missing"]) == (0, 3)
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics


def test_without_a_list_ratios_are_held_against_the_masks_alone(chests, split, tmp_path):
    metrics = evaluate_segmenter(four_classes, chests, split, tmp_path)

    assert set(metrics["cardiothoracic_ratio"]) == {"masks"}
    assert "ctr_listed" not in read_table(tmp_path)[0]


def test_other_organs_have_no_cardiothoracic_ratio(dataset, split, tmp_path):
    metrics = evaluate_segmenter(by_intensity, dataset, split, tmp_path, ratios={"d": 0.5})

    assert "cardiothoracic_ratio" not in metrics
    assert "ctr" not in read_table(tmp_path)[0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("num_classes", [2, 12])
@pytest.mark.parametrize("num_channels", [1, 2, 3, 5])
def test_any_number_of_classes_and_channels_is_measured(num_classes, num_channels, tmp_path):
    labels = np.arange(6 * 4 * 8, dtype=np.uint8).reshape(6, 4, 8) % num_classes
    names = ("background", *(f"organ_{index}" for index in range(1, num_classes)))
    shape = (*labels.shape, num_channels)
    dataset = Dataset(
        name="many",
        class_names=names,
        cases=tuple("abcdef"),
        images=np.random.default_rng(0).random(shape, np.float32),
        labels=labels,
        preparation=Preparation(image_size=8),
    )

    def by_truth(images):
        # Any image is taken for the first, which only some of the cases look like.
        return one_hot(np.repeat(labels[:1], len(images), axis=0), num_classes)

    metrics = evaluate_segmenter(
        by_truth, dataset, Split(train=(0,), val=(1,), test=(2, 3, 4, 5)), tmp_path
    )

    assert tuple(metrics["iou"]) == names
    assert tuple(metrics["hd95"]) == tuple(metrics["num_missing"]) == names[1:]
    assert metrics["baselines"]["mean_shape"]["mean_iou"] is not None
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics


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
        "num_missing",
        "num_absent",
        "mean_hd95_organs",
        "mean_assd_organs",
        "hd95",
        "assd",
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
        *("hd95_lung", "hd95_heart"),
        *("assd_lung", "assd_heart"),
        "mean_iou_of_mean_shape",
    ]
    assert [row[0] for row in rows] == ["d", "e,e", "f"]
    assert rows[0][1:8] == ["1.000000", "1.000000", "1.000000", "", "1.000000", "1.000000", ""]
    assert rows[2][1:8] == ["0.583333", "0.666667", "0.500000", "", "0.800000", "0.666667", ""]
    assert rows[0][8:-1] == ["0.000000", "", "0.000000", ""]
    assert rows[2][8:-1] == ["0.950000", "", "0.333333", ""]
    # The mean shape is 0 1 1 0; of e and f one pixel is wrong, of lung and of background.
    assert [row[-1] for row in rows] == ["1.000000", "0.583333", "0.583333"]


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
