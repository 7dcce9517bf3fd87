import json
import os

import numpy as np
import pytest

from darts_adv_tf.data.sources.decathlon import find_decathlon
from tests.data.sources.expectations import assert_broken, assert_holds, assert_refused
from tests.data.sources.fixtures import write_decathlon, write_json, write_nifti

IMAGE, LABEL = "imagesTr/BRATS_000.nii.gz", "labelsTr/BRATS_000.nii.gz"


def describe(folder, **parts):
    document = json.loads((folder / "dataset.json").read_text())
    write_json(folder / "dataset.json", document | parts)


def entry(image=IMAGE, label=LABEL):
    return {"training": [{"image": image, "label": label}]}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "Task01_BrainTumour"
    write_decathlon(folder)
    return folder


def test_volumes_of_two_channels_come_back_slice_by_slice(tmp_path):
    written = write_decathlon(tmp_path)
    (tmp_path / "imagesTr" / "._BRATS_000.nii.gz").write_bytes(b"left by another system")
    dataset = assert_holds(find_decathlon(tmp_path), written, (2, 1))
    assert dataset.name == "decathlon"
    assert dataset.class_names == ("background", "edema", "tumour")
    assert dataset.cases[:2] == ("BRATS_000_slice000", "BRATS_000_slice001")
    assert dataset.patients == ("BRATS_000",) * 3 + ("BRATS_001",) * 3
    assert dataset.images.shape[-1] == 2


def test_values_are_classes_in_their_own_order(folder):
    describe(folder, labels={"2": "tumour", "0": "nothing", "1": "edema", "10": "other"})
    collection = find_decathlon(folder)
    assert collection.class_names == ("background", "edema", "tumour", "other")


def test_a_value_without_a_name_is_named(folder):
    describe(folder, labels={"0": "background", "1": "edema"})
    assert_refused(find_decathlon(folder).cases[0].read, folder / LABEL, "the value 2")


def test_other_numbers_of_channels_are_refused(folder):
    describe(folder, modality={"0": "CT"})
    assert_refused(find_decathlon(folder).cases[0].read, folder / IMAGE, "2 channel(s)")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../outside.nii.gz",
        "imagesTr/../../outside.nii.gz",
        "imagesTr/../imagesTr/BRATS_000.nii.gz",
        "link.nii.gz",
        "links/BRATS_000.nii.gz",
        "round/x.nii.gz",
        "imagesTr\\BRATS_000.nii.gz",
        "a\0b.nii.gz",
        "",
        3,
        None,
        ["imagesTr/BRATS_000.nii.gz"],
    ],
)
def test_paths_that_leave_the_folder_are_refused(folder, path):
    write_nifti(folder.parent / "outside.nii.gz", np.zeros((8, 8), np.uint8))
    os.symlink(folder.parent / "outside.nii.gz", folder / "link.nii.gz")
    os.symlink(folder.parent, folder / "links")
    os.symlink("round", folder / "round")
    for parts in (entry(image=path), entry(label=path)):
        describe(folder, **parts)
        assert_refused(lambda: find_decathlon(folder), folder / "dataset.json", repr(path))


def test_a_folder_that_is_a_link_itself_is_read(folder, tmp_path):
    os.symlink(folder, tmp_path / "link")
    assert len(find_decathlon(tmp_path / "link").cases) == 6


def test_an_accent_in_a_path_may_be_encoded_otherwise_on_the_disk(folder):
    os.rename(folder / IMAGE, folder / "imagesTr" / "te\u0302te.nii.gz")
    describe(folder, **entry(image="imagesTr/t\u00eate.nii.gz"))
    collection = find_decathlon(folder)
    assert collection.cases[0].name == "t\u00eate_slice000"
    collection.cases[0].read()
    write_nifti(folder.parent / "outside.nii.gz", np.zeros((8, 8), np.uint8))
    os.symlink(folder.parent / "outside.nii.gz", folder / "Mu\u0308ller.nii.gz")
    describe(folder, **entry(image="M\u00fcller.nii.gz"))
    assert_refused(lambda: find_decathlon(folder), folder / "dataset.json", "ller")


@pytest.mark.parametrize("name", ["imagesTr/none.nii.gz", "x.nii", "y" * 300 + ".nii"])
def test_a_missing_file_is_named(folder, name):
    (folder / "x.nii").mkdir()
    other = {"image": "imagesTr/BRATS_001.nii.gz", "label": "labelsTr/BRATS_001.nii.gz"}
    describe(folder, training=[*entry(image=name)["training"], other])
    collection = find_decathlon(folder)
    assert len(collection.cases) == 4
    stem = name.removeprefix("imagesTr/").split(".")[0]
    assert_broken(collection, stem, folder / name, "no such file")
    describe(folder, **entry(label=name))
    assert_broken(find_decathlon(folder), "BRATS_000", folder / name, "no such file")


def test_a_case_that_is_listed_twice_is_refused(folder):
    describe(folder, training=entry()["training"] * 2)
    assert_refused(lambda: find_decathlon(folder), folder / IMAGE, "BRATS_000_slice000")


@pytest.mark.parametrize(
    "parts, told",
    [
        ({"labels": ["background", "a"]}, "['background', 'a']"),
        ({"labels": {"0": "background"}}, "{'0': 'background'}"),
        ({"labels": {"1": "a", "2": "b"}}, "{'1': 'a'"),
        ({"labels": {"0": "background", "-1": "a"}}, "'-1'"),
        ({"labels": {"0": "background", "1": 5}}, "5"),
        ({"labels": {"0": "background", "1": "a", "01": "b"}}, "'01'"),
        ({"labels": {"0": "x", "1": "a", "2": "a"}}, "'2': 'a'"),
        ({"labels": {"0": "x", "1": "background"}}, "'1': 'background'"),
        ({"labels": {"0": "background", "²": "a"}}, "²"),
        ({"labels": {"0": "background", "9" * 9: "a"}}, "9" * 9),
        ({"modality": {}}, "{}"),
        ({"modality": {"a": "CT"}}, "['a']"),
        ({"training": {}}, "{}"),
        ({"training": []}, "[]"),
        ({"training": ["imagesTr/x.nii.gz"]}, "x.nii.gz"),
        ({"training": [{"image": IMAGE}]}, IMAGE),
        ({"training": [{"image": "dataset.json", "label": LABEL}]}, "dataset.json"),
        ({"training": [{"image": "imagesTr", "label": LABEL}]}, "imagesTr"),
    ],
)
def test_a_description_with_wrong_parts_is_refused(folder, parts, told):
    describe(folder, **parts)
    assert_refused(lambda: find_decathlon(folder), folder / "dataset.json", told)


def test_what_is_missing_is_named(folder):
    (folder / "dataset.json").unlink()
    assert_refused(lambda: find_decathlon(folder), folder / "dataset.json", "No such file")
    assert_refused(lambda: find_decathlon(folder / "x"), folder / "x", "no such folder")
