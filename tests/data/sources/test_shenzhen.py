import pytest

from darts_adv_tf.data.sources.shenzhen import find_shenzhen
from tests.data.sources.expectations import assert_holds, assert_refused
from tests.data.sources.fixtures import write_shenzhen


@pytest.mark.parametrize("mask_dir", ["mask", "masks", "mask/mask"])
def test_both_lungs_are_one_class(tmp_path, mask_dir):
    written = write_shenzhen(tmp_path, mask_dir=mask_dir)
    dataset = assert_holds(find_shenzhen(tmp_path), written, (1,))
    assert dataset.class_names == ("background", "lungs")
    assert dataset.cases == dataset.patients == tuple(written)
    # Stored as RGB with equal channels.
    assert dataset.images.shape[-1] == 1
    assert not dataset.has_whole_organs
    assert dataset.issues == ()


def test_images_without_a_mask_are_left_out_and_reported_in_one_issue(tmp_path):
    written = write_shenzhen(tmp_path, 6)
    for number in (2, 4, 6):
        (tmp_path / "mask" / f"CHNCXR_{number:04}_1_mask.png").unlink()
    (tmp_path / "CXR_png" / "CHNCXR_0005_0.png").unlink()
    collection = find_shenzhen(tmp_path)
    assert [str(issue) for issue in collection.issues] == [
        "CHNCXR_0002_1: an image without a mask, left out, as are 2 more",
        "CHNCXR_0005_0: a mask without an image, left out",
    ]
    left = {name: written[name] for name in ("CHNCXR_0001_0", "CHNCXR_0003_0")}
    assert_holds(collection, left, (1,))


def test_what_is_missing_is_named(tmp_path):
    write_shenzhen(tmp_path)
    (tmp_path / "mask").rename(tmp_path / "aside")
    assert_refused(lambda: find_shenzhen(tmp_path), tmp_path / "mask", "no such folder")
    (tmp_path / "mask").mkdir()
    assert_refused(lambda: find_shenzhen(tmp_path), tmp_path / "mask", "3 image(s) and 0 mask(s)")
