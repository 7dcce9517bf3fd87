"""The last lines of a command."""

import pytest

from darts_adv_tf.terminal.closing_table import (
    CONTENTS,
    files_table,
    metrics_table,
    warnings_table,
)

METRICS = {
    "num_cases": 48,
    "mean_iou": 0.91236,
    "mean_iou_organs": 0.875,
    "mean_iou_per_case": 0.8125,
    "iou": {"background": 0.99, "heart": 0.75},
    "dice": {"background": 0.995, "heart": None},
    "num_missing": {"heart": 0},
    "num_absent": {"heart": 0},
    "mean_hd95_organs": 4.256,
    "mean_assd_organs": 1.5,
    "hd95": {"heart": 4.256, "liver": None},
    "assd": {"heart": 1.5, "liver": None},
    "baselines": {
        "mean_shape": {
            "mean_iou": 0.5,
            "mean_iou_organs": 0.4,
            "mean_hd95_organs": 12.5,
            "mean_assd_organs": 8.25,
        },
        "all_background": {
            "mean_iou": 0.25,
            "mean_iou_organs": 0.0,
            "mean_hd95_organs": 362.04,
            "mean_assd_organs": 362.04,
        },
    },
}
RATIO = {"mean_absolute_error": 0.01234, "correlation": 0.9876, "num_cases": 46, "num_missing": 2}


def rows_of(metrics):
    """The texts after the names, which take up twenty places."""
    return {
        line[:20].strip(): " ".join(line[20:].split())
        for line in metrics_table(metrics).splitlines()
    }


def test_the_segmenter_stands_beside_the_baselines():
    lines = metrics_table(METRICS).splitlines()
    columns = ["mean", "IoU", "of", "organs", "HD95,", "px", "ASSD,", "px"]
    assert lines[0].split() == ["48", "test", "cases", *columns]
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:4]}
    assert rows == {
        "segmenter": ["0.9124", "0.8750", "4.26", "1.50"],
        "mean_shape": ["0.5000", "0.4000", "12.50", "8.25"],
        "all_background": ["0.2500", "0.0000", "362.04", "362.04"],
    }
    assert lines[4].split() == ["mean", "over", "cases", "0.8125"]
    # Figures stand below each other, and end where the names of their columns do.
    assert len({line.index("0.") for line in lines[1:4]}) == 1
    assert len({len(line) for line in lines[:4]}) == 1


def test_classes_follow_by_name():
    rows = rows_of(METRICS | {"dice": {"background": 0.995, "heart": 0.6}})
    assert rows["IoU by class"] == "background 0.9900 heart 0.7500"
    assert rows["Dice by class"] == "background 0.9950 heart 0.6000"


def test_distances_follow_in_pixels_and_where_known_in_millimetres():
    rows = rows_of(METRICS)
    assert rows["HD95 by organ"] == "heart 4.26 px liver absent"
    assert rows["ASSD by organ"] == "heart 1.50 px liver absent"
    known = {"hd95_mm": {"heart": 2.5, "liver": None}, "assd_mm": {"heart": 0.75, "liver": None}}
    rows = rows_of(METRICS | known)
    assert rows["HD95 by organ"] == "heart 4.26 px, 2.50 mm liver absent"
    assert rows["ASSD by organ"] == "heart 1.50 px, 0.75 mm liver absent"


def test_organs_that_were_missed_or_invented_are_counted():
    assert "missed or invented" not in rows_of(METRICS)
    missing = {"num_missing": {"left_lung": 1, "heart": 0, "liver": 12}}
    assert rows_of(METRICS | missing)["missed or invented"] == "left_lung 1 liver 12"


def test_the_cardiothoracic_ratio_follows_for_each_reference():
    single = {"mean_absolute_error": 0.1, "correlation": None, "num_cases": 1, "num_missing": 0}
    none = {"mean_absolute_error": None, "correlation": None, "num_cases": 0, "num_missing": 3}
    ratios = {"masks": RATIO, "ctr_ground_truth.csv": single, "others": none}
    lines = metrics_table(METRICS | {"cardiothoracic_ratio": ratios}).splitlines()
    assert [line.split(maxsplit=3)[3] for line in lines[-3:]] == [
        "46 cases against masks, mean error 0.0123, correlation 0.988, 2 without a prediction",
        "1 cases against ctr_ground_truth.csv, mean error 0.1000",
        "0 cases against others, 3 without a prediction",
    ]


@pytest.mark.parametrize("key", ["mean_iou_organs", "mean_hd95_organs", "mean_assd_organs"])
def test_a_figure_that_no_case_defines_is_shown_as_such(key):
    text = metrics_table(METRICS | {key: None})
    assert "None" not in text and "nan" not in text
    lines = text.splitlines()
    assert len(lines[1]) == len(lines[2])


def test_warnings_follow_with_their_phase_a_line_each():
    warnings = {"search": ["step 3: it wins", "step 9: it guesses"], "retrain": ["step 1: none"]}
    assert warnings_table(warnings).splitlines() == [
        "warning: search, step 3: it wins",
        "warning: search, step 9: it guesses",
        "warning: retrain, step 1: none",
    ]
    assert warnings_table(warnings).endswith("\n")


@pytest.mark.parametrize("warnings", [{}, {"search": [], "retrain": []}])
def test_without_warnings_there_is_not_even_a_line(warnings):
    assert warnings_table(warnings) == ""


def test_only_what_is_there_is_listed(tmp_path):
    for name in ("metrics.json", "config.json"):
        (tmp_path / name).touch()
    (tmp_path / "segmenter" / "1").mkdir(parents=True)
    lines = files_table(tmp_path).splitlines()
    assert [line.split()[0] for line in lines] == [
        str(tmp_path / name) for name in ("config.json", "metrics.json", "segmenter/1")
    ]
    assert all(len(line.split()) > 1 for line in lines)


@pytest.mark.parametrize("name", CONTENTS)
def test_every_file_has_its_line(name, tmp_path):
    (tmp_path / name).mkdir(parents=True)
    assert str(tmp_path / name) in files_table(tmp_path)
    assert CONTENTS[name] in files_table(tmp_path)
