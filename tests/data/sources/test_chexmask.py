import csv
import pickle

import numpy as np
import pytest

from darts_adv_tf.data.loading import load
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.sources.chexmask import find_chexmask
from tests.data.sources.expectations import assert_broken, assert_holds, assert_refused
from tests.data.sources.fixtures import (
    SIZE,
    chest_case,
    run_lengths,
    write_chexmask,
    write_dicom,
    write_png,
    write_table,
)

TABLE = "OriginalResolution/ChestX-Ray8.csv"


def read_rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def change_row(folder, index, **values):
    rows = read_rows(folder / TABLE)
    rows[index] |= {key.replace("_", " "): value for key, value in values.items()}
    write_table(folder / TABLE, rows)


def row_of(index, **identity):
    masks = chest_case(index)[1]
    return {
        **identity,
        "Left Lung": run_lengths(masks[0]),
        "Right Lung": run_lengths(masks[1]),
        "Heart": run_lengths(masks[2]),
        "Height": SIZE,
        "Width": SIZE,
    }


@pytest.fixture
def folder(tmp_path):
    write_chexmask(tmp_path, 4)
    return tmp_path


def test_rows_come_back_as_written_with_patients_by_name(tmp_path):
    written = write_chexmask(tmp_path)
    # What the public set brings along.
    (tmp_path / "Data_Entry_2017.csv").write_text("Image Index,Finding Labels\na.png,Mass\n")
    dataset = assert_holds(find_chexmask(tmp_path), written, (3, 1, 2))
    assert dataset.class_names == ("background", "left_lung", "right_lung", "heart")
    assert dataset.cases == ("00000000_000", "00000001_001", "00000002_002")
    assert dataset.patients == ("00000000", "00000001", "00000002")
    assert dataset.issues == ()


def test_run_lengths_are_counted_from_one_row_by_row(tmp_path):
    write_png(tmp_path / "a.png", np.arange(12, dtype=np.uint8).reshape(3, 4))
    row = {"image_id": "a", "Left Lung": "1 2", "Right Lung": "4 2 12 1", "Heart": "6 1"}
    write_table(tmp_path / "VinDr-CXR.csv", [{**row, "Height": 3.0, "Width": 4}])
    _, masks = find_chexmask(tmp_path).cases[0].read()
    expected = np.zeros((3, 3, 4), bool)
    expected[0, 0, :2] = True
    expected[1, 0, 3] = expected[1, 1, 0] = expected[1, 2, 3] = True
    expected[2, 1, 1] = True
    np.testing.assert_array_equal(masks, expected)


def test_images_of_one_patient_stay_together(tmp_path):
    for index, name in enumerate(["00000007_000", "00000007_001", "00000008_000"]):
        write_png(tmp_path / f"{name}.png", chest_case(index)[0])
    names = ("00000007_000.png", "00000007_001.png", "00000008_000.png")
    rows = [row_of(i, **{"Image Index": name}) for i, name in enumerate(names)]
    write_table(tmp_path / "a.csv", rows)
    assert [case.patient for case in find_chexmask(tmp_path).cases] == ["00000007"] * 2 + [
        "00000008"
    ]
    rows = [{**row, "patient_id": p} for row, p in zip(rows, "xyx", strict=True)]
    write_table(tmp_path / "a.csv", rows)
    assert [case.patient for case in find_chexmask(tmp_path).cases] == ["x", "y", "x"]


def test_names_that_recur_are_told_apart_by_their_folders(tmp_path):
    """As in CheXpert, where each study has a view1_frontal.jpg."""
    root, rows = "CheXpert-v1.0/train", []
    for index, (patient, study) in enumerate([(1, 1), (1, 2), (2, 1)]):
        place = f"patient{patient:05}/study{study}/view1_frontal"
        write_png(tmp_path / "elsewhere" / f"{place}.png", chest_case(index)[0])
        rows.append(row_of(index, Path=f"{root}/{place}.png"))
    rows.append(row_of(3, Path=f"{root}/patient00003/study1/view1_frontal.png"))
    write_table(tmp_path / "CheXpert.csv", rows)
    collection = find_chexmask(tmp_path)
    assert [case.patient for case in collection.cases] == ["patient00001"] * 2 + ["patient00002"]
    assert collection.cases[2].name == "CheXpert-v1.0_train_patient00002_study1_view1_frontal"
    assert [str(issue) for issue in collection.issues] == [
        "CheXpert-v1.0_train_patient00003_study1_view1_frontal: a row of the table without an "
        "image, left out"
    ]
    for index, case in enumerate(collection.cases):
        decoded, masks = case.read()
        image, expected = chest_case(index)
        np.testing.assert_array_equal(decoded.pixels[:, :, 0], image)
        np.testing.assert_array_equal(masks, expected)


def test_one_remaining_image_of_a_recurring_name_is_not_given_to_another_patient(tmp_path):
    place = "patient00002/study1/view1_frontal.png"
    write_png(tmp_path / place, chest_case(0)[0])
    rows = [row_of(0, Path=f"train/patient0000{p}/study1/view1_frontal.png") for p in (1, 2)]
    write_table(tmp_path / "CheXpert.csv", rows)
    assert [case.patient for case in find_chexmask(tmp_path).cases] == ["patient00002"]


def test_dicom_images_and_folders_of_patients_are_found(tmp_path):
    """As in MIMIC-CXR, with other files of the same set beside them."""
    path = tmp_path / "p10" / "p10000032" / "s5" / "02aa-1b.dcm"
    path.parent.mkdir(parents=True)
    write_dicom(path, chest_case(0)[0])
    write_table(tmp_path / "MIMIC.csv", [row_of(0, dicom_id="02aa-1b")])
    # What the folder itself is called says nothing about the patients in it.
    tmp_path = tmp_path.rename(tmp_path.with_name("patient1"))
    (case,) = find_chexmask(tmp_path).cases
    assert (case.name, case.patient) == ("02aa-1b", "p10000032")
    assert case.read()[0].pixels.shape == (SIZE, SIZE, 1)


def test_two_images_of_one_name_are_refused(folder):
    write_png(folder / "copy" / "00000002_002.png", chest_case(0)[0])
    assert_refused(lambda: find_chexmask(folder), folder / TABLE, "00000002_002.png")


def test_rows_without_images_and_unreliable_rows_are_left_out(folder):
    (folder / "images_001" / "images" / "00000001_001.png").unlink()
    change_row(folder, 2, **{"Dice RCA (Mean)": 0.69})
    write_png(folder / "images_001" / "images" / "00000009_000.png", chest_case(0)[0])
    collection = find_chexmask(folder)
    assert [case.name for case in collection.cases] == ["00000000_000", "00000003_003"]
    assert [str(issue) for issue in collection.issues] == [
        "00000009_000: an image that no table names, left out",
        "00000001_001: a row of the table without an image, left out",
        "00000002_002: a row with a Dice RCA (Mean) below 0.7, left out",
    ]


def test_only_the_place_of_a_row_is_kept(folder):
    """Tables have gigabytes: what a case holds must not grow with its row."""
    change_row(folder, 1, Landmarks="1," * 10_000)
    sizes = [len(pickle.dumps(case)) for case in find_chexmask(folder).cases]
    assert max(sizes) < 2000


def test_a_mask_of_another_size_than_the_image_is_refused(folder):
    write_png(folder / "images_001" / "images" / "00000001_001.png", np.eye(32, dtype=np.uint8))
    assert_refused(
        lambda: load(find_chexmask(folder), Preparation(SIZE)),
        folder / TABLE,
        "mask 64x64, image 32x32",
    )


@pytest.mark.parametrize(
    "column, value, told",
    [
        ("Height", "-3", "Height and Width -3, 64"),
        ("Width", "", "Height and Width 64, "),
        ("Heart", "1 2 3", "odd number"),
        ("Heart", "1 x", "'x'"),
        ("Left Lung", "4096 2", "a run of 2 from pixel 4096"),
        ("Height", "99999999", ""),
    ],
)
def test_a_row_that_makes_no_sense_is_refused_when_read(folder, column, value, told):
    change_row(folder, 1, **{column: value})
    case = find_chexmask(folder).cases[1]
    assert_refused(case.read, folder / TABLE, told)


@pytest.mark.parametrize("value", ["", "good", "nan"])
def test_a_quality_that_is_no_number_is_no_good(folder, value):
    change_row(folder, 1, **{"Dice RCA (Mean)": value})
    if value == "nan":
        assert len(find_chexmask(folder).cases) == 3
    else:
        collection = find_chexmask(folder)
        assert len(collection.cases) == 4
        assert_broken(collection, "00000001_001", folder / TABLE, "Dice RCA (Mean)")


def test_a_damaged_table_is_refused(folder):
    path = folder / TABLE
    content = path.read_bytes()
    for damaged, told in (
        (content.replace(b"64", b"6\x004", 1), "a byte 0"),
        (content.replace(b"64,64", b"64", 1), "fields in"),
        (content.replace(b"64", b"\xff", 1), "utf-8"),
        (content + b'"', "end of data"),
        (content + b"x" * (2**24 + 5), "a line of"),
        (b"", "0 bytes"),
    ):
        path.write_bytes(damaged)
        assert_refused(lambda: find_chexmask(folder), path, told)


def test_a_long_field_is_read(folder):
    change_row(folder, 0, Landmarks="1," * 100_000)
    assert len(find_chexmask(folder).cases) == 4


def test_a_folder_without_a_table_or_images_is_refused(folder):
    (folder / TABLE).rename(folder / "table.txt")
    assert_refused(lambda: find_chexmask(folder), folder, "0 table(s), 0 of them")
    (folder / "table.txt").rename(folder / TABLE)
    (folder / "images_001").rename(folder / ".hidden")
    assert_refused(lambda: find_chexmask(folder), folder, "1 table(s), 1 of them")
    assert_refused(lambda: find_chexmask(folder / "x"), folder / "x", "no such folder")
