import os

import pytest

from darts_adv_tf.system.errors import DataError
from darts_adv_tf.system.folders import folders_below, is_file, is_folder, list_folder


def test_each_folder_is_visited_once_parents_first(tmp_path):
    for name in ("b/d", "b/c", "a", ".hidden", "__MACOSX"):
        (tmp_path / name).mkdir(parents=True)
    os.symlink(tmp_path, tmp_path / "b" / "c" / "up")
    os.symlink("round", tmp_path / "round")
    (tmp_path / "file").write_bytes(b"x")
    expected = [tmp_path / name for name in ("", "a", "b", "b/c", "b/d")]
    assert list(folders_below(tmp_path)) == expected


def test_a_listing_is_sorted_and_keeps_names_of_any_bytes(tmp_path):
    for name in (b"b", b"\xff", b"a", b".c"):
        with open(os.path.join(os.fsencode(tmp_path), name), "wb"):
            pass
    assert [os.fsencode(path.name) for path in list_folder(tmp_path)] == [
        b".c",
        b"a",
        b"b",
        b"\xff",
    ]


@pytest.mark.parametrize("find", [list_folder, lambda path: list(folders_below(path))])
def test_a_folder_that_cannot_be_read_is_refused(tmp_path, find):
    with pytest.raises(DataError, match="No such file") as caught:
        find(tmp_path / "absent")
    assert caught.value.file == tmp_path / "absent"


def test_names_that_the_system_does_not_take_are_no_files(tmp_path):
    for path in (tmp_path / ("x" * 5000), tmp_path / "a\0b"):
        assert not is_file(path) and not is_folder(path)
