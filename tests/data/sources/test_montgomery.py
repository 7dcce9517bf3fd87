import pytest

from darts_adv_tf.data.sources.montgomery import find_montgomery
from tests.data.sources.expectations import assert_broken, assert_holds, assert_refused
from tests.data.sources.fixtures import write_montgomery


def test_both_lungs_come_back_as_written(tmp_path):
    written = write_montgomery(tmp_path)
    (tmp_path / "ClinicalReadings").mkdir()
    dataset = assert_holds(find_montgomery(tmp_path), written, (2, 1))
    assert dataset.name == "montgomery"
    assert dataset.class_names == ("background", "left_lung", "right_lung")
    assert dataset.cases == ("MCUCXR_0001_0", "MCUCXR_0002_1", "MCUCXR_0003_0")
    assert dataset.patients == dataset.cases
    assert dataset.has_whole_organs
    assert dataset.issues == ()


def test_the_left_lung_is_on_the_viewers_right(tmp_path):
    write_montgomery(tmp_path, 1)
    _, masks = find_montgomery(tmp_path).cases[0].read()
    left, right = (mask.any(axis=0).nonzero()[0].mean() for mask in masks)
    assert left > right


@pytest.mark.parametrize("part", ["CXR_png", "ManualMask/leftMask", "ManualMask/rightMask"])
def test_what_is_missing_is_named(tmp_path, part):
    write_montgomery(tmp_path)
    (tmp_path / part).rename(tmp_path / "aside")
    assert_refused(lambda: find_montgomery(tmp_path), tmp_path / part, "no such folder")


def test_an_image_without_a_mask_is_refused(tmp_path):
    write_montgomery(tmp_path)
    path = tmp_path / "ManualMask" / "rightMask" / "MCUCXR_0002_1.png"
    path.unlink()
    assert_broken(find_montgomery(tmp_path), "MCUCXR_0002_1", path, "no mask of right_lung")
