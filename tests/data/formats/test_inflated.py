import gzip
import os
from concurrent.futures import ThreadPoolExecutor

import nibabel
import numpy as np
import pytest

from darts_adv_tf.data.formats import inflated, nifti
from darts_adv_tf.data.formats.inflated import InflatedFiles
from darts_adv_tf.data.formats.nifti import INFLATED_FILES, read_nifti, read_nifti_mask
from darts_adv_tf.system.errors import DataError


@pytest.fixture
def path(tmp_path):
    INFLATED_FILES.forget()
    values = np.random.default_rng(0).integers(0, 9, (6, 5, 8), np.uint8)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([-1.0, -1.0, 1.0, 1.0])), tmp_path / "v.nii")
    compressed = tmp_path / "v.nii.gz"
    compressed.write_bytes(gzip.compress((tmp_path / "v.nii").read_bytes()))
    return compressed


def count_inflations(monkeypatch):
    done = []
    inflate = nifti._inflate
    monkeypatch.setattr(nifti, "_inflate", lambda *given: done.append(1) or inflate(*given))
    return done


def test_a_volume_is_inflated_once_for_all_slices_and_threads(path, monkeypatch):
    done = count_inflations(monkeypatch)
    plain = path.with_name("v.nii")
    with ThreadPoolExecutor(4) as threads:
        slices = list(threads.map(lambda index: read_nifti_mask(path, index), range(8)))
    assert len(done) == 1
    for index, received in enumerate(slices):
        np.testing.assert_array_equal(received, read_nifti_mask(plain, index))
    INFLATED_FILES.forget()
    read_nifti(path, 3)
    assert len(done) == 2


def test_a_file_that_was_written_anew_is_read_anew(path):
    before = read_nifti(path, 0).pixels
    values = np.zeros((6, 5, 8), np.uint8)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), path)
    assert before.any() and not read_nifti(path, 0).pixels.any()


def test_damage_is_told_each_time(path):
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # the checksum
    path.write_bytes(content)
    for _ in range(2):
        with pytest.raises(DataError, match="CRC"):
            read_nifti(path, 0)


def test_a_large_volume_is_not_kept(path, monkeypatch):
    done = count_inflations(monkeypatch)
    monkeypatch.setattr(nifti, "LARGEST_KEPT_BYTES", 100)
    expected = read_nifti(path.with_name("v.nii"), 5).pixels
    np.testing.assert_array_equal(read_nifti(path, 5).pixels, expected)
    assert not done


def test_the_oldest_are_forgotten(tmp_path, monkeypatch):
    monkeypatch.setattr(inflated, "KEPT_BYTES", 25)
    files, asked = InflatedFiles(), []
    for name in "abc":
        (tmp_path / name).touch()

    def content(name):
        return files.content(tmp_path / name, lambda: asked.append(name) or name.encode() * 10)

    assert [content(name)[:1] for name in "abacb"] == [b"a", b"b", b"a", b"c", b"b"]
    assert asked == ["a", "b", "c", "b"]
    assert os.listdir(tmp_path)
