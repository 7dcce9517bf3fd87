import shutil

import numpy as np
import pytest

from darts_adv_tf.data.loading import load
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.sources.jsrt import find_jsrt, fold_of
from darts_adv_tf.system.errors import ConfigurationError
from tests.data.sources.expectations import assert_broken, assert_holds, assert_refused
from tests.data.sources.fixtures import JSRT_CASES, SIZE, write_cx_seg, write_jsrt, write_mask

ALL_NAMES = [f"JPCLN{number:03}" for number in range(1, 155)] + [
    f"JPCNN{number:03}" for number in range(1, 94)
]


def test_the_folds_have_the_124_odd_and_the_123_even_cases():
    folds = [fold_of(name) for name in ALL_NAMES]
    assert len(ALL_NAMES) == 247
    assert folds.count("fold1") == 124
    assert folds.count("fold2") == 123
    assert fold_of("JPCLN001") == fold_of("jpcnn093.png") == "fold1"
    assert fold_of("JPCNN002") == "fold2"
    assert fold_of("other") is None


def test_raw_images_and_masks_come_back_pixel_by_pixel(tmp_path):
    written = write_jsrt(tmp_path)
    collection = find_jsrt(tmp_path)
    assert collection.name == "jsrt"
    assert collection.class_names == ("background", "left_lung", "right_lung", "heart")
    assert collection.priority == ("heart", "left_lung", "right_lung")
    assert collection.folds == ("fold1", "fold2", "fold1")
    assert collection.has_whole_organs
    for case, (name, (shown, stored)) in zip(collection.cases, written.items(), strict=True):
        assert case.name == case.patient == name
        decoded, masks = case.read()
        np.testing.assert_array_equal(decoded.pixels[:, :, 0], shown)
        assert masks.shape == (3, 2048, 2048)
        # A pixel of a mask covers two by two of the image.
        for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
            assert (masks[:, row::2, column::2] == stored[:3]).all()


def test_raw_images_are_loaded_with_labels_and_pixel_sizes(tmp_path):
    written = write_jsrt(tmp_path, JSRT_CASES[:1])
    dataset = load(find_jsrt(tmp_path), Preparation(SIZE))
    shown, stored = next(iter(written.values()))
    expected = np.zeros((SIZE, SIZE), np.uint8)
    for organ in (2, 1, 3):
        expected[stored[organ - 1, ::16, ::16]] = organ
    np.testing.assert_array_equal(dataset.labels[0], expected)
    np.testing.assert_allclose(dataset.images[0, :, :, 0], shown[::32, ::32] / 4095, atol=0.35)
    # 2048 pixels of 0.175 mm become 64.
    np.testing.assert_allclose(dataset.pixel_sizes, 0.175 * 32)
    assert dataset.issues == ()


@pytest.mark.parametrize(
    "layout",
    [
        {"mask_dir": ".", "separator": "_"},
        {"mask_dir": "scr/scratch", "image_dir": "."},
        {"suffix": ".img", "separator": "_"},
    ],
)
def test_all_known_layouts_are_found(tmp_path, layout):
    write_jsrt(tmp_path, JSRT_CASES[:2], **layout)
    collection = find_jsrt(tmp_path)
    assert [case.name for case in collection.cases] == ["JPCLN001", "JPCLN002"]
    assert collection.folds == ("fold1", "fold2")


def test_clavicles_are_found_when_chosen_and_go_over_the_lungs(tmp_path):
    written = write_jsrt(tmp_path, JSRT_CASES[:1])
    collection = find_jsrt(tmp_path, ("left_clavicle", "right_lung", "left_lung"))
    assert collection.class_names == ("background", "left_clavicle", "right_lung", "left_lung")
    assert collection.class_priority == (1, 3, 2)
    _, stored = next(iter(written.values()))
    _, masks = collection.cases[0].read()
    np.testing.assert_array_equal(masks[:, ::2, ::2], stored[[3, 1, 0]])


@pytest.mark.parametrize("classes", [("ribs",), ("heart", "heart"), ()])
def test_other_classes_are_refused(tmp_path, classes):
    with pytest.raises(ConfigurationError, match="clavicle"):
        find_jsrt(tmp_path, classes)


def test_the_small_release_in_the_layout_of_cx_seg_is_found_with_its_folds(tmp_path):
    written = write_cx_seg(tmp_path, names=JSRT_CASES)
    collection = find_jsrt(tmp_path)
    assert collection.folds == ("fold1", "fold2", "fold1")
    assert assert_holds(collection, written, (3, 1, 2)).name == "jsrt"
    only_heart = find_jsrt(tmp_path, ("heart",))
    assert only_heart.class_names == ("background", "heart")
    _, masks = only_heart.cases[1].read()
    np.testing.assert_array_equal(masks[0], written["JPCLN002"][1][2])


def test_names_that_are_not_those_of_jsrt_have_no_folds(tmp_path):
    write_cx_seg(tmp_path)
    assert find_jsrt(tmp_path).folds == ()


def test_what_is_missing_is_named(tmp_path):
    assert_refused(lambda: find_jsrt(tmp_path / "absent"), tmp_path / "absent", "no such folder")
    assert_refused(lambda: find_jsrt(tmp_path), tmp_path, "neither")
    write_jsrt(tmp_path, JSRT_CASES[:2])
    mask = tmp_path / "scratch" / "fold2" / "masks" / "heart" / "JPCLN002.gif"
    mask.unlink()
    image = tmp_path / "All247images" / "JPCLN002.IMG"
    assert_broken(find_jsrt(tmp_path), "JPCLN002", image, "no mask of heart")
    shutil.rmtree(tmp_path / "scratch" / "fold2")
    collection = find_jsrt(tmp_path)
    assert_broken(collection, "JPCLN002", image, "no mask of left_lung, right_lung, heart")
    assert collection.folds == ("fold1", "fold2")


def test_masks_without_an_image_are_told(tmp_path):
    write_jsrt(tmp_path, JSRT_CASES[:2])
    image = tmp_path / "All247images" / "JPCLN002.IMG"
    image.unlink()
    collection = find_jsrt(tmp_path)
    assert [str(issue) for issue in collection.issues] == [
        "JPCLN002: masks without an image, left out"
    ]


def test_copies_are_refused(tmp_path):
    write_jsrt(tmp_path, JSRT_CASES[:1])
    path = tmp_path / "scratch" / "fold1" / "masks" / "heart" / "JPCLN001.gif"
    copy = tmp_path / "scratch" / "fold2" / "masks" / "heart" / "JPCLN001.gif"
    copy.parent.mkdir(parents=True)
    copy.write_bytes(path.read_bytes())
    assert_refused(lambda: find_jsrt(tmp_path), copy, "a second mask, or fold, of JPCLN001")
    # A case lies in one of the folds.
    path.replace(copy)
    assert_refused(lambda: find_jsrt(tmp_path), None, "a second mask, or fold, of JPCLN001")
    copy.replace(path)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "jpcln001.img").write_bytes(b"x")
    assert_refused(lambda: find_jsrt(tmp_path), tmp_path / "copy" / "jpcln001.img", "JPCLN001.IMG")


def test_a_mask_of_another_size_is_refused(tmp_path):
    write_jsrt(tmp_path, JSRT_CASES[:1])
    for organ in ("left lung", "right lung", "heart"):
        path = tmp_path / "scratch" / "fold1" / "masks" / organ / "JPCLN001.gif"
        write_mask(path, np.ones((512, 512), bool))
    collection = find_jsrt(tmp_path)
    assert_refused(
        lambda: load(collection, Preparation(SIZE)), path, "mask 512x512, image 2048x2048"
    )
