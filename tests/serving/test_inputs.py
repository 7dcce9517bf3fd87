"""Which images --inputs means, and what their results are called."""

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from darts_adv_tf.serving.inputs import LONGEST_NAME, find_inputs, printable, unique_names


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def touch(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"x")


def found(*values: str) -> list[str]:
    inputs, errors = find_inputs(values)
    assert errors == []
    return [str(each.file) for each in inputs]


def test_a_folder_stands_for_the_pictures_directly_in_it():
    touch("a/2.png", "a/1.DCM", "a/3.jpeg", "a/notes.txt", "a/.hidden.png", "a/inner/4.png")
    Path("a/folder.png").mkdir()
    assert found("a") == ["a/1.DCM", "a/2.png", "a/3.jpeg"]


def test_a_glob_and_a_named_file_are_taken_whatever_their_suffix():
    touch("a/IM0001", "a/IM0002", "a/x.png", "b.txt", "a/.IM0003")
    assert found("a/IM*") == ["a/IM0001", "a/IM0002"]
    assert found("b.txt") == ["b.txt"]
    assert found("a/.IM*") == ["a/.IM0003"]
    assert found("a/[x]*.???", "*/IM0002") == ["a/IM0002", "a/x.png"]


def test_what_systems_add_is_not_predicted():
    touch("a/1.png", "a/Thumbs.db", "a/desktop.ini", "a/._1.png", "a/@eaDir/1.png")
    assert found("a/*") == found("a/**") == found("a") == ["a/1.png"]


def test_a_glob_matches_accents_whichever_way_they_are_encoded():
    touch("a/Mu\u0308ller.png")
    assert found("a/M\u00fc*.png") == ["a/Mu\u0308ller.png"]


def test_two_stars_stand_for_any_number_of_folders():
    touch("a/1.png", "a/b/2.png", "a/b/c/3.png", "a/b/c/4.jpg", "a/.git/5.png")
    assert found("a/**/*.png") == ["a/1.png", "a/b/2.png", "a/b/c/3.png"]
    assert found("a/**/**/c/*") == ["a/b/c/3.png", "a/b/c/4.jpg"]
    assert found("**") == ["a/1.png", "a/b/2.png", "a/b/c/3.png", "a/b/c/4.jpg"]
    assert found(f"{os.getcwd()}/**/2.png") == [f"{os.getcwd()}/a/b/2.png"]


def test_links_in_circles_come_to_an_end():
    touch("a/b/1.png")
    # With several of them each level doubles what a search without memory looks through.
    for index in range(8):
        os.symlink("..", f"a/b/up{index}")
        os.symlink(".", f"a/same{index}")
    os.symlink("self.png", "a/b/self.png")
    assert found("a/**/*.png") == ["a/b/1.png"]
    assert found("a/b") == ["a/b/1.png"]


def test_values_are_split_at_commas_unless_they_exist_as_they_are():
    touch("a.png", "b.png", "c,d.png", "e[1].png", "e1.png")
    assert found("b.png,a.png,") == ["a.png", "b.png"]
    assert found("c,d.png", "a.png") == ["a.png", "c,d.png"]
    assert found("e[1].png") == ["e[1].png"]


def test_no_path_comes_twice():
    touch("a/1.png", "a/2.png")
    assert found("a/2.png", "a", "./a/../a/1.png", "a/*.png") == ["a/1.png", "a/2.png"]


def test_what_holds_no_picture_is_named_and_the_rest_stays():
    touch("a/1.png", "b/notes.txt")
    inputs, errors = find_inputs(["a,b,c/*.png"])
    assert [str(each.file) for each in inputs] == ["a/1.png"]
    assert [error.file for error in errors] == ["b", "c/*.png"]
    # A file that is not there is told where it is read.
    (missing,), errors = find_inputs(["gone.png"])
    assert errors == [] and missing.name == "gone"


def test_a_volume_stands_for_its_slices_and_a_broken_one_is_named():
    volume = nibabel.Nifti1Image(np.zeros((4, 5, 3), np.uint8), np.eye(4))
    nibabel.save(volume, "ct.nii.gz")
    touch("broken.nii", "x.png")
    inputs, errors = find_inputs(["."])
    assert [(each.name, each.slice_index) for each in inputs] == [
        ("ct_slice000", 0),
        ("ct_slice001", 1),
        ("ct_slice002", 2),
        ("x", None),
    ]
    assert [str(error.file) for error in errors] == ["broken.nii"]


def names_of(*paths: str) -> list[str]:
    return unique_names([(Path(path), "") for path in paths])


def test_results_are_named_after_their_file():
    assert names_of("a/x.png", "b/y.nii.gz", "c/IM0001", "d/v1.2.DCM", "e/.png") == [
        "x",
        "y",
        "IM0001",
        "v1.2",
        ".png",
    ]


def test_files_of_one_name_get_their_folders_then_numbers():
    assert names_of("p1/x.png", "p2/x.png", "p2/y.png") == ["p1_x", "p2_x", "y"]
    assert names_of("p/x.jpg", "p/x.png", "p_x.png") == ["p_x", "p_x-2", "p_x-3"]
    assert names_of("p/X.png", "q/x.png") == ["p_X", "q_x"]
    # The same letter, composed and not.
    assert len({name.casefold() for name in names_of("p/\u00e9.png", "p/e\u0301.png")}) == 2


def test_names_fit_any_file_system():
    long = "ä" * 120
    names = names_of(f"a/{long}.png", "a/тест снимок.png", "a/new\nline.png", 'a/a:b"c.png')
    assert names[1:] == ["тест снимок", "new_line", "a_b_c"]
    assert names[0].startswith("ää") and len(names[0].encode()) <= LONGEST_NAME
    first, second = names_of(f"a/{long}1.png", f"a/{long}2.png")
    assert first != second


def test_names_that_are_no_text_are_found_named_and_printed():
    name = os.fsdecode(b"r\xf6ntgen.png")
    touch(name)
    ((image,), errors) = find_inputs(["*.png"])
    assert os.fspath(image.file) == name and errors == []
    assert image.name == "r\ufffdntgen"
    assert printable(image.file) == r"r\xf6ntgen.png"
    assert printable("two\nlines") == r"two\nlines"
