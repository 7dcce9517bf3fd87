from pathlib import Path

import cv2
import numpy as np
import pytest

from darts_adv_tf.data.loading import load
from darts_adv_tf.data.phantom import draw_case
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.sources import mask_folders
from darts_adv_tf.data.sources.cx_seg import find_cx_seg
from darts_adv_tf.system.errors import DataError
from tests.data.sources.expectations import assert_broken, assert_holds
from tests.data.sources.fixtures import (
    CHEST_ORGANS,
    SIZE,
    write_cx_seg,
    write_cx_seg_full,
    write_mask,
    write_png,
)

REAL_FOLDER = Path(__file__).parents[4] / "shared" / "data" / "cx_seg"


def load_folder(folder, size=SIZE, progress=None):
    return load(find_cx_seg(folder), Preparation(size), progress)


def write_case(folder, name, image, masks):
    write_png(folder / "png" / f"{name}.png", image)
    for organ, mask in zip(CHEST_ORGANS, masks, strict=True):
        write_mask(folder / "mask" / organ / f"{name}.png", mask)


def make_masks(labels):
    return np.array([labels == index for index in (1, 2, 3)])


def lines(dataset):
    return [str(issue) for issue in dataset.issues]


@pytest.fixture
def folder(tmp_path):
    """A folder with three good cases, a, b and c, of the phantom."""
    write_cx_seg(tmp_path)
    return tmp_path


def assert_refused(folder, file, received):
    with pytest.raises(DataError) as caught:
        load_folder(folder)
    assert caught.value.exit_status == 3
    assert Path(caught.value.file) == file
    assert received in str(caught.value.received)
    assert caught.value.rule and caught.value.remedy


def test_good_cases_come_back_as_they_were_stored(folder):
    dataset = load_folder(folder)
    assert dataset.name == "cx_seg"
    assert dataset.class_names == ("background", "left_lung", "right_lung", "heart")
    assert dataset.cases == dataset.patients == ("a", "b", "c")
    assert dataset.issues == ()
    assert dataset.preparation.intensity_maximum == 255.0
    for index in range(3):
        image, labels = draw_case(SIZE, seed=0, case_index=index)
        np.testing.assert_array_equal(dataset.labels[index], labels)
        np.testing.assert_allclose(dataset.images[index, :, :, 0], image / 255.0, rtol=1e-6)


def test_the_full_release_is_found_too(tmp_path):
    written = write_cx_seg_full(tmp_path)
    (tmp_path / "notes").mkdir()
    assert_holds(find_cx_seg(tmp_path), written, (3, 1, 2))
    (tmp_path / "1.2.0" / "original.dcm").unlink()
    assert [str(issue) for issue in find_cx_seg(tmp_path).issues] == [
        "1.2.0: a folder without original.dcm, left out"
    ]
    path = tmp_path / "1.2.1" / "heart.png"
    path.unlink()
    collection = find_cx_seg(tmp_path)
    assert [case.name for case in collection.cases] == ["1.2.1", "1.2.2"]
    assert_broken(collection, "1.2.1", path, "no mask of heart")


def test_the_release_goes_before_patients_folders_beside_it(folder):
    write_cx_seg_full(folder, 1)
    assert [case.name for case in find_cx_seg(folder).cases] == ["a", "b", "c"]


def test_images_are_resized_whatever_their_size(folder):
    image, labels = draw_case(100, seed=0, case_index=3)
    write_case(folder, "d", image, make_masks(labels))
    dataset = load_folder(folder, 32)
    assert dataset.images.shape == (4, 32, 32, 1)
    assert dataset.labels.shape == (4, 32, 32)
    assert set(np.unique(dataset.labels[3])) == {0, 1, 2, 3}


@pytest.mark.parametrize("lung", [0, 1])
def test_a_heart_swapped_with_a_lung_is_put_right_and_told(folder, lung):
    expected = load_folder(folder).labels
    image, labels = draw_case(SIZE, 0, 1)
    masks = make_masks(labels)
    masks[[lung, 2]] = masks[[2, lung]]
    write_case(folder, "b", image, masks)
    dataset = load_folder(folder)
    np.testing.assert_array_equal(dataset.labels, expected)
    organ = CHEST_ORGANS[lung]
    assert lines(dataset) == [f"b: the masks of {organ} and heart were swapped, corrected"]


def test_a_mirrored_image_is_told_and_left_alone(folder):
    image, labels = draw_case(SIZE, seed=0, case_index=0)
    mirrored = labels[:, ::-1]
    write_case(folder, "a", image[:, ::-1], make_masks(mirrored))
    dataset = load_folder(folder)
    np.testing.assert_array_equal(dataset.labels[0], mirrored)
    (line,) = lines(dataset)
    assert "a: left_lung is on the viewer's left" in line


def test_organs_in_an_unusual_place_are_told_and_left_alone(folder):
    labels = np.rot90(draw_case(SIZE, seed=0, case_index=0)[1])
    write_case(folder, "a", draw_case(SIZE, 0, 0)[0], make_masks(labels))
    dataset = load_folder(folder)
    np.testing.assert_array_equal(dataset.labels[0], labels)
    assert "a: the organs are not placed as" in lines(dataset)[0]


def test_an_overlap_goes_to_the_heart_and_is_told(folder):
    expected = load_folder(folder).labels
    image, labels = draw_case(SIZE, 0, 2)
    left, right, heart = make_masks(labels)
    middle = np.median(np.nonzero(heart)[1])
    drawn_through = heart & (np.arange(SIZE) > middle)
    write_case(folder, "c", image, [left | drawn_through, right, heart])
    dataset = load_folder(folder)
    np.testing.assert_array_equal(dataset.labels, expected)
    (line,) = lines(dataset)
    assert line.startswith(f"c: {drawn_through.sum()} pixels in more than one mask")


def test_a_narrow_seam_between_organs_is_not_told(folder):
    image, labels = draw_case(SIZE, 0, 2)
    left, right, heart = make_masks(labels)
    beside = cv2.dilate(left.astype(np.uint8), np.ones((3, 3))) & heart
    assert heart.sum() > 100 and beside.any()
    left[tuple(np.argwhere(beside)[0])] = True
    write_case(folder, "c", image, [left, right, heart])
    assert load_folder(folder).issues == ()


def test_masks_without_an_image_are_told(folder):
    for name in "bc":
        (folder / "png" / f"{name}.png").unlink()
    dataset = load_folder(folder)
    assert dataset.cases == ("a",)
    assert lines(dataset) == [
        f"b: a mask of {organ} without an image, left out, as are 1 more" for organ in CHEST_ORGANS
    ]
    assert {issue.kind for issue in dataset.issues} == {"unlisted"}


def test_other_files_are_passed_over(folder):
    (folder / "png" / "notes.txt").write_text("text")
    (folder / "png" / "._a.png").write_bytes(b"left by another system")
    assert load_folder(folder).cases == ("a", "b", "c")


def test_progress_is_told(folder):
    told = []
    load_folder(folder, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


def test_a_missing_folder_is_refused(tmp_path):
    assert_refused(tmp_path / "absent", tmp_path / "absent", "no such folder")


@pytest.mark.parametrize("part", ["png", "mask/left_lung", "mask/right_lung", "mask/heart"])
def test_a_folder_without_one_of_its_parts_is_refused(folder, part):
    (folder / part).rename(folder / "elsewhere")
    assert_refused(folder, folder / part, "no such folder")


def test_a_folder_without_images_is_refused(folder):
    for path in (folder / "png").iterdir():
        path.unlink()
    assert_refused(folder, folder / "png", "no .png file")


@pytest.mark.parametrize("organ", CHEST_ORGANS)
def test_an_image_without_its_mask_is_refused(folder, organ):
    path = folder / "mask" / organ / "b.png"
    path.unlink()
    assert_broken(find_cx_seg(folder), "b", path, f"no mask of {organ}")


def test_all_images_without_masks_are_named_before_any_is_read(folder, monkeypatch):
    for organ, name in (("left_lung", "a"), ("heart", "a"), ("heart", "c")):
        (folder / "mask" / organ / f"{name}.png").unlink()
    monkeypatch.setattr(mask_folders, "read_plane", None)
    with pytest.raises(DataError, match="2 of 3 cases") as caught:
        load_folder(folder)
    first, second = caught.value.received.splitlines()[1:]
    assert "a: " in first and "no mask of left_lung, heart; " in first
    assert "c: " in second and "no mask of heart; " in second
    assert caught.value.file == folder / "mask" / "left_lung" / "a.png"


def test_masks_of_two_sizes_are_refused(folder):
    path = folder / "mask" / "heart" / "b.png"
    write_png(path, np.zeros((32, 48), np.uint8))
    assert_refused(folder, path, "mask 48x32, image 64x64")


def test_masks_of_another_size_than_the_image_are_refused(folder):
    write_png(folder / "png" / "b.png", np.zeros((32, 48), np.uint8))
    first = folder / "mask" / "left_lung" / "b.png"
    assert_refused(folder, first, "mask 64x64, image 48x32")


def test_an_empty_mask_is_refused(folder):
    write_png(folder / "mask" / "heart" / "b.png", np.full((SIZE, SIZE), 127, np.uint8))
    assert_refused(folder, folder / "png" / "b.png", "b: no pixel of heart")


@pytest.mark.parametrize("part", ["png", "mask/heart"])
def test_a_damaged_file_is_refused(folder, part):
    path = folder / part / "b.png"
    path.write_bytes(path.read_bytes()[:100])
    assert_refused(folder, path, "")


@pytest.mark.skipif(
    not REAL_FOLDER.is_dir(), reason="the CX-SEG radiographs are not at ../shared/data/cx_seg"
)
def test_the_release_of_cx_seg_loads_with_its_known_faults():
    dataset = load_folder(REAL_FOLDER)
    assert len(dataset.cases) == 160
    swaps = [str(issue) for issue in dataset.issues if issue.kind == "swapped"]
    assert swaps == [
        "1.2.410.200048.10757.20170517111459: the masks of left_lung and heart were swapped, "
        "corrected"
    ]
    overlaps = [issue for issue in dataset.issues if issue.kind == "overlap"]
    assert len(overlaps) == len(dataset.issues) - len(swaps) == 10
    # The shares that the release's description states, overlaps given to the heart.
    shares = np.bincount(dataset.labels.ravel()) / dataset.labels.size
    np.testing.assert_allclose(shares, [0.670, 0.104, 0.129, 0.096], atol=0.003)
    assert dataset.images.mean() * 255.0 == pytest.approx(82, abs=1)
    # Read by another decoder, and reduced by another rule.
    for index in (0, 80, 159):
        name = dataset.cases[index]
        image = cv2.imread(str(REAL_FOLDER / "png" / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
        small = cv2.resize(image, (SIZE, SIZE), interpolation=cv2.INTER_AREA) / 255.0
        assert np.abs(dataset.images[index, :, :, 0] - small).mean() < 0.01
