"""Labels as people really store them, in the layouts folders, nnunet and decathlon."""

import dataclasses

import nibabel
import numpy as np
import pytest
from PIL import Image

from darts_adv_tf.data.loading import load
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.sources.registry import find_collection
from darts_adv_tf.system.errors import DataError
from tests.data.sources.fixtures import write_json, write_nifti, write_png

SIZE = 16
DISC = np.hypot(*(np.mgrid[:SIZE, :SIZE] - 7.5)) < 5
IMAGE = (np.random.default_rng(0).integers(0, 100, (SIZE, SIZE)) + 100 * DISC).astype(np.uint8)
COLOUR_ON_BLACK = np.where(DISC[..., None], [128, 0, 0], 0).astype(np.uint8)


def read_one(folder, dataset, classes=None):
    collection = find_collection(dataset, folder, classes)
    (case,) = collection.cases
    return case.read()


@pytest.mark.parametrize(
    ("name", "stored", "remark"),
    [
        ("c.png", DISC * np.uint8(255), None),
        ("c.png", DISC * np.uint8(1), "masks of 0 and 1: 1 is the class"),
        ("c.bmp", DISC * np.uint8(1), "masks of 0 and 1: 1 is the class"),
        ("c.gif", DISC * np.uint8(2), "masks of 0 and 2: 2 is the class"),
        ("c.tif", DISC * np.uint16(1), "masks of 0 and 1: 1 is the class"),
        ("c.tif", DISC * np.float32(1), "masks of 0 and 1: 1 is the class"),
        ("c.png", COLOUR_ON_BLACK, "masks of one colour on black: the colour is the class"),
        ("c.nii", DISC * np.uint8(1), None),
        (
            "c.nii.gz",
            DISC * np.float32(0.99999),
            "labels that differ from whole numbers by a float's rounding: rounded",
        ),
    ],
)
def test_a_mask_of_a_class_is_read_whatever_its_white(tmp_path, name, stored, remark):
    write_png(tmp_path / "images" / "c.png", IMAGE)
    path = tmp_path / "masks" / "disc" / name
    (write_nifti if ".nii" in name else write_png)(path, stored)
    decoded, masks = read_one(tmp_path, "folders")
    np.testing.assert_array_equal(masks, [DISC])
    assert decoded.remarks == (() if remark is None else (remark,))


def test_black_and_white_in_labels_is_told_with_its_remedy(tmp_path):
    write_png(tmp_path / "images" / "c.png", IMAGE)
    write_png(tmp_path / "labels" / "c.png", DISC * np.uint8(255))
    with pytest.raises(DataError, match="index of a class") as caught:
        read_one(tmp_path, "folders", ["disc"])
    assert "0 and 1" in caught.value.remedy and "masks/<class>/" in caught.value.remedy


def write_layout(folder, dataset, image, label):
    """One case, image and label written by `write_nifti` or as they are given."""
    stem = "c_0000" if dataset == "nnunet" else "c"
    labels = (
        {"background": 0, "disc": 1} if dataset == "nnunet" else {"0": "background", "1": "disc"}
    )
    document = {"labels": labels, "file_ending": ".nii.gz"}
    document["channel_names" if dataset == "nnunet" else "modality"] = {"0": "CT"}
    if dataset == "decathlon":
        document["training"] = [{"image": "imagesTr/c.nii.gz", "label": "labelsTr/c.nii.gz"}]
    folders = ("images", "labels") if dataset == "folders" else ("imagesTr", "labelsTr")
    if dataset != "folders":
        write_json(folder / "dataset.json", document)
    for name, content in zip(
        (f"{folders[0]}/{stem}", f"{folders[1]}/c"), (image, label), strict=True
    ):
        path = folder / f"{name}.nii.gz"
        if isinstance(content, np.ndarray):
            write_nifti(path, content)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(content, path)
    return find_collection(dataset, folder, ["disc"])


LAYOUTS = pytest.mark.parametrize("dataset", ["folders", "nnunet", "decathlon"])
PREPARATION = Preparation(4, None, normalization="percentile")


@LAYOUTS
def test_an_organ_that_vanishes_is_named_in_every_layout(tmp_path, dataset):
    """One pixel of 16 in a training pixel is not most of it."""
    speck = np.zeros((SIZE, SIZE), np.uint8)
    speck[5, 6] = 1
    collection = write_layout(tmp_path, dataset, IMAGE, speck)
    (issue,) = load(collection, PREPARATION).issues
    assert (issue.case, issue.kind) == ("c", "vanished")
    assert issue.message == "no pixel of disc is left at 4x4"


@LAYOUTS
def test_headers_that_disagree_are_told_in_every_layout(tmp_path, dataset):
    image, label = (
        nibabel.Nifti1Image(values.T[:, :, None], np.diag([sign, sign, 1.0, 1.0]))
        for values, sign in ((IMAGE, -1.0), (DISC.astype(np.uint8), 1.0))
    )
    collection = write_layout(tmp_path, dataset, image, label)
    with pytest.raises(DataError, match="same place") as caught:
        load(collection, PREPARATION)
    assert "LPS and RAS" in str(caught.value)


@LAYOUTS
def test_labels_between_whole_numbers_are_refused_in_every_layout(tmp_path, dataset):
    collection = write_layout(tmp_path, dataset, IMAGE, DISC * np.float32(0.99))
    with pytest.raises(DataError, match="between whole ones"):
        load(collection, PREPARATION)


def test_the_description_of_the_other_layout_is_named(tmp_path):
    write_layout(tmp_path / "old", "decathlon", IMAGE, DISC.astype(np.uint8))
    with pytest.raises(DataError, match="version 1") as caught:
        find_collection("nnunet", tmp_path / "old", None)
    assert "nnUNetv2_convert_old_nnUNet_dataset" in caught.value.remedy
    write_layout(tmp_path / "new", "nnunet", IMAGE, DISC.astype(np.uint8))
    with pytest.raises(DataError, match="channel_names") as caught:
        find_collection("decathlon", tmp_path / "new", None)
    assert "--dataset=nnunet" in caught.value.remedy


def test_the_images_of_version_1_are_named_where_the_decathlon_is_expected(tmp_path):
    collection = write_layout(tmp_path, "decathlon", IMAGE, DISC.astype(np.uint8))
    image = tmp_path / "imagesTr" / "c.nii.gz"
    image.rename(image.with_name("c_0000.nii.gz"))
    (case,) = find_collection("decathlon", tmp_path, None).cases
    assert collection.cases[0].error is None
    assert "c_0000.nii.gz, as nnU-Net version 1" in case.error.received


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (2, lambda pixels: pixels[:, ::-1]),
        (3, lambda pixels: pixels[::-1, ::-1]),
        (6, lambda pixels: np.rot90(pixels, -1)),
        (8, lambda pixels: np.rot90(pixels)),
    ],
)
def test_an_image_turned_by_exif_is_told(tmp_path, orientation, turn):
    stored = IMAGE[:12]
    exif = Image.Exif()
    exif[274] = orientation
    (tmp_path / "images").mkdir()
    Image.fromarray(stored).save(tmp_path / "images" / "c.png", exif=exif)
    write_png(tmp_path / "masks" / "disc" / "c.png", turn(DISC[:12]) * np.uint8(255))
    decoded, masks = read_one(tmp_path, "folders")
    np.testing.assert_array_equal(decoded.pixels[:, :, 0], turn(stored))
    np.testing.assert_array_equal(masks[0], turn(DISC[:12]))
    (remark,) = decoded.remarks
    assert f"EXIF orientation {orientation}" in remark


def test_a_mask_drawn_on_the_image_as_stored_is_refused_with_the_orientation(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    (tmp_path / "images").mkdir()
    Image.fromarray(IMAGE[:12]).save(tmp_path / "images" / "c.png", exif=exif)
    write_png(tmp_path / "masks" / "disc" / "c.png", DISC[:12] * np.uint8(255))
    with pytest.raises(DataError) as caught:
        read_one(tmp_path, "folders")
    assert "mask 16x12, image 12x16" in caught.value.received
    assert "EXIF orientation 6" in caught.value.received


def test_a_grey_image_in_a_colour_data_set_is_taken(tmp_path):
    for name, pixels in (("a", IMAGE), ("b", np.dstack([IMAGE, IMAGE // 2, IMAGE // 3]))):
        write_png(tmp_path / "images" / f"{name}.png", pixels)
        write_png(tmp_path / "labels" / f"{name}.png", DISC.astype(np.uint8))
    collection = find_collection("folders", tmp_path, ["disc"])
    for cases in (collection.cases, collection.cases[::-1]):
        dataset = load(dataclasses.replace(collection, cases=cases), Preparation(SIZE, None))
        assert dataset.images.shape == (2, SIZE, SIZE, 3)
        (issue,) = dataset.issues
        assert (issue.case, issue.kind) == ("a", "interpreted")
