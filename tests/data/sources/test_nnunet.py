import json

import numpy as np
import pytest

from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.loading import load
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.sources.nnunet import find_nnunet, join_channels
from tests.data.sources.expectations import assert_broken, assert_holds, assert_refused
from tests.data.sources.fixtures import (
    SHAPES,
    SIZE,
    shapes_case,
    to_values,
    write_json,
    write_nifti,
    write_nnunet,
    write_png,
)

GOOD = {"channel_names": {"0": "x"}, "labels": {"background": 0, "a": 1}, "file_ending": ".png"}


def describe(folder, **parts):
    document = json.loads((folder / "dataset.json").read_text())
    write_json(folder / "dataset.json", document | parts)


@pytest.mark.parametrize("ending", [".png", ".bmp", ".tif", ".nii", ".nii.gz"])
def test_five_classes_and_three_channels_come_back_as_written(tmp_path, ending):
    written = write_nnunet(tmp_path, 2, ending=ending)
    dataset = assert_holds(find_nnunet(tmp_path), written, (4, 3, 2, 1))
    assert dataset.name == "nnunet"
    assert dataset.class_names == ("background", *SHAPES)
    assert dataset.images.shape == (2, SIZE, SIZE, 3)
    assert dataset.cases == dataset.patients == ("case_000", "case_001")
    assert not dataset.has_whole_organs


def test_colours_may_lie_in_one_file(tmp_path):
    written = write_nnunet(tmp_path, 2, in_one_file=True)
    # A grey image in a colour data set.
    grey = np.stack([written["case_001"][0][:, :, 0]] * 3, axis=-1)
    write_png(tmp_path / "imagesTr" / "case_001_0000.png", grey)
    written["case_001"] = grey, written["case_001"][1]
    assert_holds(find_nnunet(tmp_path), written, (4, 3, 2, 1))


def test_one_channel_of_other_names_and_values_out_of_order(tmp_path):
    written = write_nnunet(tmp_path, 1, channels=("MRI",), organs=("one", "two"))
    describe(tmp_path, labels={"zwei": 7, "background": 0, "eins": 3})
    values = np.array([0, 3, 7], np.uint8)[to_values(written["case_000"][1])]
    write_png(tmp_path / "labelsTr" / "case_000.png", values)
    collection = find_nnunet(tmp_path)
    assert collection.class_names == ("background", "zwei", "eins")
    image, masks = written["case_000"]
    assert_holds(collection, {"case_000": (image, masks[::-1])}, (2, 1))


def test_regions_share_values_and_the_later_one_wins(tmp_path):
    write_nnunet(tmp_path, 1, channels=("CT",))
    labels = {"background": 0, "kidney": [1, 2, 3], "masses": [2, 3], "tumor": 2}
    describe(tmp_path, labels=labels, regions_class_order=[1, 3, 2])
    values = np.array([[0, 1], [2, 3]], np.uint8).repeat(32, axis=0).repeat(32, axis=1)
    write_png(tmp_path / "labelsTr" / "case_000.png", values)
    collection = find_nnunet(tmp_path)
    _, masks = collection.cases[0].read()
    corners = masks[:, ::32, ::32]
    np.testing.assert_array_equal(corners[0], [[0, 1], [1, 1]])
    np.testing.assert_array_equal(corners[1], [[0, 0], [1, 1]])
    np.testing.assert_array_equal(corners[2], [[0, 0], [1, 0]])
    labels = load(collection, Preparation(2)).labels[0]
    np.testing.assert_array_equal(labels, [[0, 1], [3, 2]])


def test_volumes_become_slices_of_one_patient(tmp_path):
    slices = [shapes_case(z, num_channels=1, num_organs=2) for z in range(4)]
    write_json(
        tmp_path / "dataset.json",
        {
            "channel_names": {"0": "CT"},
            "labels": {"background": 0, "liver": 1, "tumour": 2},
            "file_ending": ".nii.gz",
        },
    )
    write_nifti(
        tmp_path / "imagesTr" / "liver_1_0000.nii.gz",
        np.stack([image[:, :, 0] for image, _ in slices]),
    )
    values = np.stack([to_values(masks) for _, masks in slices])
    write_nifti(tmp_path / "labelsTr" / "liver_1.nii.gz", values)
    collection = find_nnunet(tmp_path)
    written = {f"liver_1_slice{z:03}": case for z, case in enumerate(slices)}
    dataset = assert_holds(collection, written, (2, 1))
    assert dataset.patients == ("liver_1",) * 4
    write_nifti(tmp_path / "labelsTr" / "liver_1.nii.gz", values[:3])
    path = tmp_path / "labelsTr" / "liver_1.nii.gz"
    assert_broken(find_nnunet(tmp_path), "liver_1", path, "3 slices, 4 in ")


def test_images_without_labels_are_left_out_and_test_images_are_not_looked_at(tmp_path):
    write_nnunet(tmp_path, 4)
    for index in (1, 2):
        (tmp_path / "labelsTr" / f"case_00{index}.png").unlink()
    write_png(tmp_path / "imagesTs" / "case_009_0000.png", np.eye(4, dtype=np.uint8))
    collection = find_nnunet(tmp_path)
    assert [case.name for case in collection.cases] == ["case_000", "case_003"]
    assert [str(issue) for issue in collection.issues] == [
        "case_001: an image without labels, left out, as are 1 more"
    ]


def test_a_value_without_a_name_is_named(tmp_path):
    write_nnunet(tmp_path, 1)
    path = tmp_path / "labelsTr" / "case_000.png"
    values = np.zeros((SIZE, SIZE), np.uint8)
    values[3, 4], values[5, 6] = 9, 255
    write_png(path, values)
    error = assert_refused(find_nnunet(tmp_path).cases[0].read, path, "the value 9, 255")
    assert "0, 1, 2, 3, 4." in error.rule


def test_missing_channels_and_images_are_named(tmp_path):
    write_nnunet(tmp_path, 2)
    (tmp_path / "imagesTr" / "case_001_0001.png").unlink()
    expected = tmp_path / "imagesTr" / "case_001_0000.png"
    assert_broken(find_nnunet(tmp_path), "case_001", expected, "no case_001_0001.png")
    expected.unlink()
    assert_broken(find_nnunet(tmp_path), "case_001", expected, "no case_001_0000.png")


def test_other_numbers_of_channels_are_refused(tmp_path):
    write_nnunet(tmp_path, 1, channels=("a", "b"), in_one_file=False)
    path = tmp_path / "imagesTr" / "case_000_0000.png"
    write_png(path, shapes_case(0)[0])
    assert_refused(find_nnunet(tmp_path).cases[0].read, path, "4 in 2 file(s)")
    (tmp_path / "imagesTr" / "case_000_0001.png").unlink()
    assert_refused(find_nnunet(tmp_path).cases[0].read, path, "3 in 1 file(s)")


def test_channels_of_two_sizes_are_refused(tmp_path):
    write_nnunet(tmp_path, 1)
    path = tmp_path / "imagesTr" / "case_000_0002.png"
    write_png(path, np.zeros((32, 16), np.uint8))
    assert_refused(find_nnunet(tmp_path).cases[0].read, path, "16x32 and 64x64")


@pytest.mark.parametrize(
    "maxima, expected, bound",
    [
        ((255.0, 255.0), (51, 51), 255.0),
        ((255.0, 510.0), (102, 51), 510.0),
        ((255.0, None), (51, 51), None),
        ((None, None), (51, 51), None),
    ],
)
def test_channels_of_formats_with_other_bounds_are_brought_to_one(maxima, expected, bound):
    pixels = np.full((2, 3, 1), 51, np.uint8)
    joined = join_channels([DecodedImage(pixels, maximum) for maximum in maxima], ("a", "b"))
    assert joined.intensity_maximum == bound
    np.testing.assert_allclose(joined.pixels[1, 2], expected)


@pytest.mark.parametrize("part", ["imagesTr", "labelsTr", "dataset.json"])
def test_what_is_missing_is_named(tmp_path, part):
    write_nnunet(tmp_path, 1)
    (tmp_path / part).rename(tmp_path / "aside")
    assert_refused(lambda: find_nnunet(tmp_path), tmp_path / part, "o such f")


def test_a_folder_without_labels_is_refused(tmp_path):
    write_nnunet(tmp_path, 1)
    describe(tmp_path, file_ending=".tif")
    assert_refused(lambda: find_nnunet(tmp_path), tmp_path / "labelsTr", "no .tif file")


@pytest.mark.parametrize(
    "text, told",
    [
        ("", "0 bytes"),
        ("{", "Expecting"),
        ("[1]", "[1]"),
        ("null", "None"),
        ("[" * 100_000, "RecursionError"),
        ('{"labels": 1, "labels": 2}', "the key 'labels' is repeated"),
        ('{"labels": {"a": NaN}}', "NaN"),
        ('{"labels": {"a": ' + "9" * 5000 + "}}", "digits"),
        ('{"labels": "\\ud800"}', "surrogates"),
        ('{"labels": "\xff"}', "utf-8"),
    ],
)
def test_what_is_no_json_object_is_refused(tmp_path, text, told):
    write_nnunet(tmp_path, 1)
    path = tmp_path / "dataset.json"
    path.write_bytes(text.encode("latin-1"))
    assert_refused(lambda: find_nnunet(tmp_path), path, told)


def test_a_description_of_many_megabytes_is_refused(tmp_path):
    write_nnunet(tmp_path, 1)
    with open(tmp_path / "dataset.json", "ab") as file:
        file.truncate(100 * 2**20)
    assert_refused(lambda: find_nnunet(tmp_path), tmp_path / "dataset.json", "104,857,600 bytes")


@pytest.mark.parametrize(
    "parts, told",
    [
        ({"channel_names": None}, "None"),
        ({"channel_names": {}}, "{}"),
        ({"channel_names": ["a"]}, "['a']"),
        ({"channel_names": {"1": "a"}}, "['1']"),
        ({"channel_names": {"0": "a", "00": "b"}}, "'00'"),
        ({"labels": []}, "[]"),
        ({"labels": {"a": 1}}, "'a': 1"),
        ({"labels": {"background": 1, "a": 0}}, "'background': 1"),
        ({"labels": {"background": 0}}, "{'background': 0}"),
        ({"labels": {"background": 0, "a": "1"}}, "{'a': '1'}"),
        ({"labels": {"background": 0, "a": True}}, "{'a': True}"),
        ({"labels": {"background": 0, "a": 1.0}}, "{'a': 1.0}"),
        ({"labels": {"background": 0, "a": -1}}, "{'a': -1}"),
        ({"labels": {"background": 0, "a": 1e400}}, "inf"),
        ({"labels": {"background": 0, "a": []}}, "{'a': []}"),
        ({"labels": {"background": 0, "a": [[1]]}}, "[[1]]"),
        ({"labels": {"background": 0, "a": [0, 1]}}, "[0, 1]"),
        ({"labels": {"background": 0, "a": 1, "b": 1}}, "'b': 1"),
        ({"labels": {"background": 0, " ": 1}}, "' ': 1"),
        ({"labels": {"background": 0, "a": 1, "ignore": 2}}, "ignore"),
        ({"labels": {"background": 0, **{str(i): i for i in range(1, 300)}}}, "..."),
        ({"file_ending": ".nrrd"}, ".nrrd"),
        ({"file_ending": 3}, "3"),
        ({"file_ending": "../x"}, "../x"),
    ],
)
def test_a_description_with_wrong_parts_is_refused(tmp_path, parts, told):
    write_nnunet(tmp_path, 1)
    text = json.dumps(GOOD | parts).replace("Infinity", "1e400")
    (tmp_path / "dataset.json").write_text(text)
    assert_refused(lambda: find_nnunet(tmp_path), tmp_path / "dataset.json", told)


@pytest.mark.parametrize("part", GOOD)
def test_a_description_without_one_of_its_parts_is_refused(tmp_path, part):
    write_nnunet(tmp_path, 1)
    document = {key: value for key, value in GOOD.items() if key != part}
    write_json(tmp_path / "dataset.json", document)
    error = assert_refused(lambda: find_nnunet(tmp_path), tmp_path / "dataset.json", "[")
    assert repr(part) in error.rule
