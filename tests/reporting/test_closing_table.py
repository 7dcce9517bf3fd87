"""The last lines of a command."""

import pytest

from darts_adv_tf.reporting.closing_table import (
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
    "baselines": {
        "mean_shape": {"mean_iou": 0.5, "mean_iou_organs": 0.4},
        "all_background": {"mean_iou": 0.25, "mean_iou_organs": 0.0},
    },
}


def test_the_segmenter_stands_beside_the_baselines():
    lines = metrics_table(METRICS).splitlines()
    assert lines[0].split() == ["48", "test", "cases", "mean", "IoU", "of", "organs"]
    rows = {line.split()[0]: line.split()[1:] for line in lines[1:4]}
    assert rows == {
        "segmenter": ["0.9124", "0.8750"],
        "mean_shape": ["0.5000", "0.4000"],
        "all_background": ["0.2500", "0.0000"],
    }
    assert lines[4].split() == ["mean", "over", "cases", "0.8125"]
    # Figures stand below each other.
    assert len({line.index("0.") for line in lines[1:4]}) == 1


def test_classes_follow_by_name():
    lines = metrics_table(METRICS | {"dice": {"background": 0.995, "heart": 0.6}}).splitlines()
    assert lines[5].split() == ["IoU", "by", "class", "background", "0.9900", "heart", "0.7500"]
    assert lines[6].split() == ["Dice", "by", "class", "background", "0.9950", "heart", "0.6000"]


def test_a_figure_that_no_case_defines_is_shown_as_such():
    text = metrics_table(METRICS | {"mean_iou_organs": None})
    assert "None" not in text and "nan" not in text


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
