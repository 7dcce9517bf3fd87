"""Files that are as they were before or complete, and on the disk."""

import errno
import os
import stat

import pytest

from darts_adv_tf.system.errors import StorageError
from darts_adv_tf.system.files import sync_folder, write_bytes, write_synced, write_text


@pytest.fixture
def calls(monkeypatch):
    """What is asked of the system: `("sync", path, size)` and `("replace", target)`, in order."""
    calls = []
    fsync, replace = os.fsync, os.replace

    def recorded_fsync(descriptor):
        status = os.fstat(descriptor)
        size = None if stat.S_ISDIR(status.st_mode) else status.st_size
        calls.append(("sync", os.readlink(f"/proc/self/fd/{descriptor}"), size))
        fsync(descriptor)

    def recorded_replace(source, target):
        calls.append(("replace", str(target)))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(os, "replace", recorded_replace)
    return calls


def open_descriptors():
    return len(os.listdir("/proc/self/fd"))


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


def test_the_content_is_on_the_disk_before_its_name_is(tmp_path, calls):
    path = tmp_path / "result.txt"

    write_bytes(path, b"12345")

    (first, temporary, size), *others = calls
    assert (first, os.path.dirname(temporary), size) == ("sync", str(tmp_path), 5)
    assert others == [("replace", str(path)), ("sync", str(tmp_path), None)]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError])
def test_nothing_is_left_beside_a_file_that_was_not_finished(tmp_path, monkeypatch, stop):
    path = tmp_path / "result.txt"
    write_text(path, "old")

    def stopped(source, target):
        raise stop

    monkeypatch.setattr(os, "replace", stopped)
    with pytest.raises(stop):
        write_text(path, "new")

    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["result.txt"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EDQUOT, errno.EACCES, errno.EIO])
def test_the_reason_of_a_failure_is_told(tmp_path, monkeypatch, number):
    def refused(*arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(StorageError) as caught:
        write_text(tmp_path / "result.txt", "new")

    assert caught.value.received == os.strerror(number)
    assert caught.value.file == tmp_path / "result.txt"
    assert caught.value.exit_status == 6
    assert os.listdir(tmp_path) == []


def test_an_existing_file_is_not_opened_as_new(tmp_path):
    (tmp_path / "state").write_text("old")

    with pytest.raises(FileExistsError), write_synced(tmp_path / "state"):
        pass

    assert (tmp_path / "state").read_text() == "old"


def test_what_was_written_is_synced_at_the_end(tmp_path, calls):
    with write_synced(tmp_path / "state") as stream:
        stream.write(b"12345")
        assert calls == []

    assert calls == [("sync", str(tmp_path / "state"), 5)]
    assert stream.closed


def test_what_failed_is_not_synced(tmp_path, calls):
    with pytest.raises(KeyError), write_synced(tmp_path / "state") as stream:
        raise KeyError

    assert calls == []
    assert stream.closed


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_syncs_no_folders_is_put_up_with(tmp_path, monkeypatch, number):
    def refused(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refused)
    before = open_descriptors()
    sync_folder(tmp_path)

    assert open_descriptors() == before


def test_a_folder_that_cannot_be_synced_is_told(tmp_path, monkeypatch):
    def refused(descriptor):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refused)
    before = open_descriptors()
    with pytest.raises(OSError, match="Input/output error"):
        sync_folder(tmp_path)

    assert open_descriptors() == before
