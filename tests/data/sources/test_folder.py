import os

import pytest

from darts_adv_tf.data.sources.folder import (
    files_below,
    files_by_stem,
    find_file,
    left_out,
    list_data_folder,
    stem_of,
)
from darts_adv_tf.system.errors import DataError
from tests.data.sources.expectations import assert_refused

LONGEST = "é" * 125 + ".png"
"""254 bytes of the 255 that a name may have."""


def test_a_suffix_of_two_parts_counts_as_one_and_hidden_files_have_no_stem():
    assert stem_of("case.1.NII.GZ", (".nii", ".nii.gz")) == "case.1"
    assert stem_of("case.nii", (".nii", ".nii.gz")) == "case"
    assert stem_of("._case.nii", (".nii",)) is None
    assert stem_of("case.txt", (".nii",)) is None
    assert stem_of("a_mask.png", ("_mask.png",)) == "a"


def test_files_are_sorted_by_name_whatever_the_alphabet(tmp_path):
    for name in ("b.png", "ä.PNG", "a b,c.png", LONGEST, ".hidden.png", "c.txt"):
        (tmp_path / name).write_bytes(b"x")
    assert list(files_by_stem(tmp_path, (".png",))) == ["a b,c", "b", "ä", LONGEST[:-4]]


@pytest.mark.parametrize(
    "name", ["Thumbs.db", "desktop.ini", "__MACOSX", "@eaDir", "lost+found", "$RECYCLE.BIN", "._x"]
)
def test_what_systems_add_is_no_part_of_a_data_set(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "a.png").write_bytes(b"x")
    (tmp_path / "b.png").write_bytes(b"x")
    assert list_data_folder(tmp_path) == [tmp_path / "b.png"]
    assert files_below(tmp_path, (".png",)) == [tmp_path / "b.png"]


def test_accents_are_part_of_their_letters_however_a_system_writes_them(tmp_path):
    (tmp_path / "Mu\u0308ller.png").write_bytes(b"x")
    assert files_by_stem(tmp_path, (".png",)) == {"M\u00fcller": tmp_path / "Mu\u0308ller.png"}
    for asked in ("M\u00fcller.png", "Mu\u0308ller.png"):
        assert find_file(tmp_path / asked) == tmp_path / "Mu\u0308ller.png"
    assert find_file(tmp_path / "absent.png") == tmp_path / "absent.png"
    (tmp_path / "M\u00fcller.png").write_bytes(b"x")
    assert_refused(lambda: files_by_stem(tmp_path, (".png",)), tmp_path, "(NFC, NFD)")


def test_two_files_of_one_name_are_refused(tmp_path):
    for name in ("a.png", "a.PNG"):
        (tmp_path / name).write_bytes(b"x")
    assert_refused(lambda: files_by_stem(tmp_path, (".png",)), tmp_path, "a.PNG and a.png")


def test_files_are_found_at_any_depth_and_links_in_circles_end(tmp_path):
    deep = tmp_path / "one" / "two"
    deep.mkdir(parents=True)
    (deep / "a.img").write_bytes(b"x")
    (tmp_path / "b.IMG").write_bytes(b"x")
    (tmp_path / "__MACOSX").mkdir()
    (tmp_path / "__MACOSX" / "c.img").write_bytes(b"x")
    os.symlink(tmp_path, deep / "up")
    os.symlink("round", tmp_path / "round")
    found = files_below(tmp_path, (".img",))
    assert found == [tmp_path / "b.IMG", deep / "a.img"]


def test_a_linked_folder_is_entered(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.png").write_bytes(b"x")
    (tmp_path / "data").mkdir()
    os.symlink(tmp_path / "elsewhere", tmp_path / "data" / "link")
    assert files_below(tmp_path / "data", (".png",)) == [tmp_path / "data" / "link" / "a.png"]


def test_a_name_that_is_no_text_is_refused(tmp_path):
    with open(os.path.join(os.fsencode(tmp_path), b"\xff.png"), "wb"):
        pass
    assert_refused(lambda: files_by_stem(tmp_path, (".png",)), tmp_path, "\\xff.png")


@pytest.mark.parametrize("find", [list_data_folder, lambda path: files_below(path, (".png",))])
def test_a_folder_that_cannot_be_read_is_refused(tmp_path, find, monkeypatch):
    file = tmp_path / "file"
    file.write_bytes(b"x")
    assert_refused(lambda: find(file), file, "Not a directory")
    assert_refused(lambda: find(tmp_path / "absent"), tmp_path / "absent", "No such file")

    def denied(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", denied)
    monkeypatch.setattr(os, "listdir", denied)
    with pytest.raises(DataError, match="Permission denied"):
        find(tmp_path)


def test_cases_left_out_for_one_reason_are_one_issue():
    assert left_out([], "an image") == ()
    (one,) = left_out(["a"], "an image without a mask")
    assert str(one) == "a: an image without a mask, left out"
    (many,) = left_out(["a", "b", "c"], "an image without a mask")
    assert str(many) == "a: an image without a mask, left out, as are 2 more"
    assert many.kind == "unlisted" and not many.is_fatal
