import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from darts_adv_tf.data.ratio_table import RATIOS_FILE, read_ratios
from darts_adv_tf.evaluation.metrics.cardiothoracic_ratio import (
    cardiothoracic_ratio,
    compare_ratios,
    has_cardiothoracic_ratio,
)

CLASS_NAMES = ("background", "left_lung", "right_lung", "heart")
REAL_FOLDER = Path(__file__).parents[4] / "shared" / "data" / "cx_seg"


def chest():
    """Lungs from column 1 to 10, in different rows; a heart from column 4 to 7."""
    labels = np.zeros((6, 12), np.uint8)
    labels[1, 1:4] = labels[2, 2:4] = 2
    labels[3, 9:11] = labels[2, 9] = 1
    labels[3, 4:6] = labels[4, 5:8] = 3
    return labels


def test_the_ratio_by_hand():
    assert cardiothoracic_ratio(chest(), CLASS_NAMES) == 4 / 10


def test_the_thorax_ends_where_the_lungs_do():
    labels = chest()
    labels[5, 0:12] = 3
    assert cardiothoracic_ratio(labels, CLASS_NAMES) == 12 / 10


def test_classes_go_by_name_and_others_do_not_count():
    labels = chest()
    labels[0] = 4
    names = ("background", "heart", "clavicle", "right_lung", "left_lung")
    renumbered = np.array([0, 4, 3, 1, 2])[labels]
    assert cardiothoracic_ratio(renumbered, names) == 4 / 10


def test_the_ratio_knows_no_pixel_size():
    assert cardiothoracic_ratio(chest().repeat(3, axis=0), CLASS_NAMES) == 4 / 10
    assert cardiothoracic_ratio(chest().repeat(5, axis=1), CLASS_NAMES) == 4 / 10
    padded = np.pad(chest(), ((0, 6), (0, 9)))
    assert cardiothoracic_ratio(padded, CLASS_NAMES) == 4 / 10


@pytest.mark.parametrize("organ", [1, 2, 3])
def test_without_one_of_the_organs_there_is_no_ratio(organ):
    labels = chest()
    labels[labels == organ] = 0
    assert np.isnan(cardiothoracic_ratio(labels, CLASS_NAMES))


@pytest.mark.parametrize(
    ("class_names", "expected"),
    [
        (CLASS_NAMES, True),
        ((*CLASS_NAMES, "left_clavicle"), True),
        (("background", "lung", "heart"), False),
        (CLASS_NAMES[:3], False),
    ],
)
def test_classes_without_lungs_and_heart_have_no_ratio(class_names, expected):
    assert has_cardiothoracic_ratio(class_names) is expected


@pytest.mark.filterwarnings("error")
def test_ratios_are_compared_by_hand():
    nan = np.nan
    agreement = compare_ratios(
        np.array([0.5, 0.6, 0.4, nan, 0.9, nan]), np.array([0.4, 0.6, 0.5, 0.7, nan, nan])
    )
    # Deviations from the means 0.5, 0.5: (0, .1, -.1) and (-.1, .1, 0).
    assert agreement == {
        "mean_absolute_error": pytest.approx(0.2 / 3),
        "correlation": pytest.approx(0.5),
        "num_cases": 3,
        "num_missing": 1,
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("ratios", "references", "error", "num_cases", "num_missing"),
    [
        ([np.nan, np.nan], [0.5, 0.6], None, 0, 2),
        ([0.5, 0.6], [np.nan, np.nan], None, 0, 0),
        ([0.5], [0.6], 0.1, 1, 0),
        ([0.5, 0.5], [0.6, 0.4], 0.1, 2, 0),
    ],
)
def test_what_is_not_defined_is_none(ratios, references, error, num_cases, num_missing):
    agreement = compare_ratios(np.array(ratios), np.array(references))
    assert agreement == {
        "mean_absolute_error": pytest.approx(error),
        "correlation": None,
        "num_cases": num_cases,
        "num_missing": num_missing,
    }
    json.dumps(agreement, allow_nan=False)


@pytest.mark.skipif(
    not REAL_FOLDER.is_dir(), reason="the CX-SEG radiographs are not at ../shared/data/cx_seg"
)
def test_the_masks_of_cx_seg_give_the_ratios_that_come_with_them():
    listed = read_ratios(REAL_FOLDER / RATIOS_FILE)
    assert len(listed) == 139
    ratios = []
    for case in listed:
        labels = np.zeros((512, 512), np.uint8)
        for index, organ in enumerate(CLASS_NAMES[1:], start=1):
            path = REAL_FOLDER / "mask" / organ / f"{case}.png"
            labels[cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) >= 128] = index
        ratios.append(cardiothoracic_ratio(labels, CLASS_NAMES))
    agreement = compare_ratios(np.array(ratios), np.array(list(listed.values())))
    # The docstring's figures.
    errors = np.abs(np.array(ratios) - list(listed.values()))
    assert agreement["mean_absolute_error"] == pytest.approx(0.0013, abs=0.00005)
    assert errors.max() == pytest.approx(0.0050, abs=0.00005)
    assert agreement["correlation"] > 0.999
    assert agreement["num_missing"] == 0
