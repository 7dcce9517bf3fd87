from pathlib import Path

import cv2
import numpy as np
import pytest

from darts_adv_tf.data import cx_seg
from darts_adv_tf.data.cx_seg import load_cx_seg
from darts_adv_tf.data.phantom import draw_case
from darts_adv_tf.errors import DataError

REAL_FOLDER = Path(__file__).parents[3] / "shared" / "data" / "cx_seg"
ORGANS = ("left_lung", "right_lung", "heart")
SIZE = 64


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), pixels)


def write_case(folder, name, image, masks):
    write(folder / "png" / f"{name}.png", image)
    for organ, mask in zip(ORGANS, masks, strict=True):
        write(folder / "mask" / organ / f"{name}.png", mask)


def make_masks(labels):
    return [np.where(labels == index, 255, 0).astype(np.uint8) for index in (1, 2, 3)]


@pytest.fixture
def folder(tmp_path):
    """A folder with three good cases, a, b and c, of the phantom."""
    for index, name in enumerate("abc"):
        image, labels = draw_case(SIZE, seed=0, case_index=index)
        write_case(tmp_path, name, image, make_masks(labels))
    return tmp_path


def masks_of(folder, name):
    return [
        cv2.imread(str(folder / "mask" / organ / f"{name}.png"), cv2.IMREAD_GRAYSCALE)
        for organ in ORGANS
    ]


def assert_refused(folder, file, received):
    with pytest.raises(DataError) as caught:
        load_cx_seg(folder, SIZE)
    assert caught.value.exit_status == 3
    assert Path(caught.value.file) == file
    assert received in str(caught.value.received)
    assert caught.value.rule and caught.value.remedy


def test_good_cases_come_back_as_they_were_stored(folder):
    dataset = load_cx_seg(folder, SIZE)
    assert dataset.name == "cx_seg"
    assert dataset.cases == ("a", "b", "c")
    assert dataset.repairs == ()
    assert dataset.intensity_maximum == 255.0
    for index in range(3):
        image, labels = draw_case(SIZE, seed=0, case_index=index)
        np.testing.assert_array_equal(dataset.labels[index], labels)
        np.testing.assert_allclose(dataset.images[index, :, :, 0], image / 255.0, rtol=1e-6)


def test_images_are_resized_whatever_their_size(folder):
    image, labels = draw_case(100, seed=0, case_index=3)
    write_case(folder, "d", image, make_masks(labels))
    dataset = load_cx_seg(folder, 32)
    assert dataset.images.shape == (4, 32, 32, 1)
    assert dataset.labels.shape == (4, 32, 32)
    assert set(np.unique(dataset.labels[3])) == {0, 1, 2, 3}


@pytest.mark.parametrize("lung", [0, 1])
def test_a_heart_swapped_with_a_lung_is_put_right_and_told(folder, lung):
    expected = load_cx_seg(folder, SIZE).labels
    masks = masks_of(folder, "b")
    masks[lung], masks[2] = masks[2], masks[lung]
    write_case(folder, "b", draw_case(SIZE, 0, 1)[0], masks)
    dataset = load_cx_seg(folder, SIZE)
    np.testing.assert_array_equal(dataset.labels, expected)
    assert dataset.repairs == (f"b: the masks of {ORGANS[lung]} and heart were swapped, put right",)


def test_no_swap_is_seen_in_many_shapes_and_every_swap_is_found():
    for index in range(60):
        masks = np.array(make_masks(draw_case(SIZE, seed=2, case_index=index)[1])) > 0
        repaired, report = cx_seg.repair_swap(masks)
        assert report is None
        for order in ([2, 1, 0], [0, 2, 1]):
            repaired, report = cx_seg.repair_swap(masks[order])
            assert "swapped" in report
            np.testing.assert_array_equal(repaired, masks)


def test_a_mirrored_picture_is_told_and_left_alone(folder):
    image, labels = draw_case(SIZE, seed=0, case_index=0)
    mirrored = labels[:, ::-1]
    write_case(folder, "a", image[:, ::-1], make_masks(mirrored))
    dataset = load_cx_seg(folder, SIZE)
    np.testing.assert_array_equal(dataset.labels[0], mirrored)
    assert len(dataset.repairs) == 1
    assert "a: left_lung lies on the viewer's left" in dataset.repairs[0]


def test_organs_in_an_unusual_place_are_told_and_left_alone(folder):
    labels = np.rot90(draw_case(SIZE, seed=0, case_index=0)[1])
    write_case(folder, "a", draw_case(SIZE, 0, 0)[0], make_masks(labels))
    dataset = load_cx_seg(folder, SIZE)
    np.testing.assert_array_equal(dataset.labels[0], labels)
    assert "a: the organs lie unlike" in dataset.repairs[0]


def test_an_overlap_goes_to_the_heart_and_is_told(folder):
    expected = load_cx_seg(folder, SIZE).labels
    left, right, heart = masks_of(folder, "c")
    middle = np.median(np.nonzero(heart)[1])
    drawn_through = (heart > 0) & (np.arange(SIZE) > middle)
    left[drawn_through] = 255
    write_case(folder, "c", draw_case(SIZE, 0, 2)[0], [left, right, heart])
    dataset = load_cx_seg(folder, SIZE)
    np.testing.assert_array_equal(dataset.labels, expected)
    (line,) = dataset.repairs
    assert line.startswith(f"c: {drawn_through.sum()} pixels in more than one organ")


def test_a_narrow_seam_between_organs_is_not_told(folder):
    left, right, heart = masks_of(folder, "c")
    rows, columns = np.nonzero(heart)
    assert len(rows) > 100
    left[rows[0], columns[0]] = 255
    write_case(folder, "c", draw_case(SIZE, 0, 2)[0], [left, right, heart])
    assert load_cx_seg(folder, SIZE).repairs == ()


def test_a_mask_without_an_image_is_told(folder):
    (folder / "png" / "b.png").unlink()
    dataset = load_cx_seg(folder, SIZE)
    assert dataset.cases == ("a", "c")
    assert dataset.repairs == tuple(
        f"b: a mask of {organ} without an image, left out" for organ in ORGANS
    )


def test_other_files_are_passed_over(folder):
    (folder / "png" / "notes.txt").write_text("text")
    (folder / "png" / "._a.png").write_bytes(b"left by another system")
    assert load_cx_seg(folder, SIZE).cases == ("a", "b", "c")


def test_progress_is_told(folder):
    told = []
    load_cx_seg(folder, SIZE, progress=lambda done, total: told.append((done, total)))
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


@pytest.mark.parametrize("organ", ORGANS)
def test_an_image_without_its_mask_is_refused(folder, organ):
    path = folder / "mask" / organ / "b.png"
    path.unlink()
    assert_refused(folder, path, "1 missing mask")


def test_a_mask_of_another_size_is_refused(folder):
    path = folder / "mask" / "heart" / "b.png"
    write(path, np.zeros((32, 48), np.uint8))
    assert_refused(folder, path, "mask 48x32, image 64x64")


def test_an_empty_mask_is_refused(folder):
    path = folder / "mask" / "heart" / "b.png"
    write(path, np.full((SIZE, SIZE), 127, np.uint8))
    assert_refused(folder, path, "no pixel of 128")


@pytest.mark.parametrize("part", ["png", "mask/heart"])
def test_a_damaged_file_is_refused(folder, part):
    path = folder / part / "b.png"
    path.write_bytes(path.read_bytes()[:100])
    assert_refused(folder, path, "100 bytes")


@pytest.mark.skipif(
    not REAL_FOLDER.is_dir(), reason="the CX-SEG radiographs are not at ../shared/data/cx_seg"
)
def test_the_release_of_cx_seg_loads_with_its_known_faults():
    dataset = load_cx_seg(REAL_FOLDER, SIZE)
    assert len(dataset.cases) == 160
    swaps = [line for line in dataset.repairs if "swapped" in line]
    assert swaps == [
        "1.2.410.200048.10757.20170517111459: the masks of left_lung and heart were swapped, "
        "put right"
    ]
    overlaps = [line for line in dataset.repairs if "more than one organ" in line]
    assert len(overlaps) == len(dataset.repairs) - len(swaps) == 10
    # The shares that the release's description states, overlaps given to the heart.
    shares = np.bincount(dataset.labels.ravel()) / dataset.labels.size
    np.testing.assert_allclose(shares, [0.670, 0.104, 0.129, 0.096], atol=0.003)
    assert dataset.images.mean() * 255.0 == pytest.approx(82, abs=1)
