import os

import pytest

from darts_adv_tf.errors import StorageError
from darts_adv_tf.files import write_bytes, write_text


def test_writes_into_new_folders_and_replaces(tmp_path):
    path = tmp_path / "run" / "result.txt"

    write_text(path, "first, which is longer")
    write_text(path, "μ")

    assert path.read_bytes() == b"\xce\xbc"
    assert os.listdir(path.parent) == ["result.txt"]


def test_a_failure_keeps_the_old_file_and_leaves_nothing_beside_it(tmp_path, monkeypatch):
    path = tmp_path / "result.txt"
    write_text(path, "old")

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(StorageError, match="No space left on device") as caught:
        write_text(path, "new")

    assert str(path) in str(caught.value)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.txt"]


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match=r"result\.txt"):
        write_bytes(tmp_path / "file" / "result.txt", b"")


def test_others_may_read_what_the_umask_lets_them(tmp_path):
    write_text(tmp_path / "result.txt", "")
    (tmp_path / "plain.txt").write_text("")

    assert (tmp_path / "result.txt").stat().st_mode == (tmp_path / "plain.txt").stat().st_mode
