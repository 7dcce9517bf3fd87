import os
import shutil
import socket
import time

import nibabel
import numpy as np
import pytest

from darts_adv_tf.data.formats.dicom import read_dicom
from darts_adv_tf.data.formats.jsrt_raw import read_jsrt_raw
from darts_adv_tf.data.formats.nifti import read_nifti
from darts_adv_tf.data.formats.raster import read_raster
from darts_adv_tf.data.formats.reading import (
    IMAGE_SUFFIXES,
    is_image_name,
    read_image,
)
from darts_adv_tf.system.errors import DataError
from tests.data.formats.example_files import write_example_files


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    return {path.name: path for path in write_example_files(folder)}


@pytest.mark.parametrize(
    "name, decoder",
    [
        ("grey.png", read_raster),
        ("colour.jpg", read_raster),
        ("deep.tif", read_raster),
        ("grey.bmp", read_raster),
        ("palette.gif", read_raster),
        ("deep_0.dcm", read_dicom),
        ("flat.nii", read_nifti),
        ("flat.nii.gz", read_nifti),
    ],
)
def test_each_format_goes_to_its_decoder(examples, name, decoder):
    assert is_image_name(name)
    decoded, expected = read_image(examples[name]), decoder(examples[name])
    np.testing.assert_array_equal(decoded.pixels, expected.pixels)
    assert decoded.intensity_maximum == expected.intensity_maximum
    assert decoded.spacing == expected.spacing


@pytest.mark.parametrize("name", ["grey.png", "colour.jpg", "deep.tif", "grey.bmp", "deep_0.dcm"])
@pytest.mark.parametrize("suffix", ["", ".txt", ".png", ".dcm", ".nii.gz", ".img"])
def test_a_wrong_suffix_does_not_matter(examples, tmp_path, name, suffix):
    path = shutil.copy(examples[name], tmp_path / f"image{suffix}")
    np.testing.assert_array_equal(read_image(path).pixels, read_image(examples[name]).pixels)


@pytest.mark.parametrize("name", ["JPCLN001.IMG", "jpcln001.img"])
@pytest.mark.parametrize("density", [0, 0x424D])
def test_raw_images_are_known_by_suffix_and_size(tmp_path, name, density):
    # The second density would begin the file as a BMP begins.
    (tmp_path / name).write_bytes(np.full((2048, 2048), density, ">u2").tobytes())
    expected = read_jsrt_raw(tmp_path / name)
    np.testing.assert_array_equal(read_image(tmp_path / name).pixels, expected.pixels)
    (tmp_path / name).write_bytes(bytes(1000))
    with pytest.raises(DataError, match="8,388,608"):
        read_image(tmp_path / name)


def test_a_dicom_file_without_preamble_is_known_by_its_first_element(examples, tmp_path):
    (tmp_path / "IM0001").write_bytes(examples["deep_0.dcm"].read_bytes()[132:])
    expected = read_image(examples["deep_0.dcm"])
    np.testing.assert_array_equal(read_image(tmp_path / "IM0001").pixels, expected.pixels)


def test_a_dicom_file_may_begin_as_a_tiff(examples, tmp_path):
    content = examples["deep_0.dcm"].read_bytes()
    (tmp_path / "slide.tif").write_bytes(b"II*\x00" + content[4:])
    expected = read_image(examples["deep_0.dcm"])
    np.testing.assert_array_equal(read_image(tmp_path / "slide.tif").pixels, expected.pixels)


def test_a_volume_is_no_image(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4))
    nibabel.save(image, tmp_path / "volume.nii.gz")
    with pytest.raises(DataError, match="a volume of 6 slices"):
        read_image(tmp_path / "volume.nii.gz")


@pytest.mark.parametrize("content", [b"no image", b"%PDF-1.7", b"RIFF\0\0\0\0WEBP", b"\0" * 500])
def test_an_unknown_format_lists_those_that_are_read(tmp_path, content):
    (tmp_path / "file.webp").write_bytes(content)
    with pytest.raises(DataError, match="PNG, JPEG, TIFF, BMP, GIF, DICOM or NIfTI") as caught:
        read_image(tmp_path / "file.webp")
    assert repr(content[:8]) in caught.value.received
    assert caught.value.file == tmp_path / "file.webp"


def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        # The path of a socket has at most about 100 bytes.
        os.chdir(path.parent)
        try:
            listening.bind(path.name)
        finally:
            os.chdir(here)


def make_loop(path):
    path.symlink_to(path)


def make_unreadable(path):
    path.write_bytes(b"content")
    path.chmod(0)


@pytest.mark.parametrize("suffix", [".png", ".dcm", ".nii.gz", ".img", ""])
@pytest.mark.parametrize(
    "make, told",
    [
        (lambda path: path.mkdir(), "a directory"),
        (make_pipe, "a pipe"),
        (make_socket, "a socket"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (make_loop, "symbolic links"),
        (lambda path: path.symlink_to("nowhere"), "No such file"),
        (lambda path: path.touch(), "0 bytes"),
        (lambda path: None, "No such file"),
    ],
)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, suffix, make, told):
    path = tmp_path / f"image{suffix}"
    make(path)
    start = time.perf_counter()
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert time.perf_counter() - start < 5
    assert told in str(caught.value.received)
    assert caught.value.file == path
    assert caught.value.remedy


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_refused(tmp_path):
    make_unreadable(tmp_path / "image.png")
    with pytest.raises(DataError, match="Permission denied"):
        read_image(tmp_path / "image.png")


def test_a_name_that_no_file_can_have_is_refused():
    for name in ("a\0b.png", "a" * 300 + ".png"):
        with pytest.raises(DataError) as caught:
            read_image(name)
        assert caught.value.file == name


@pytest.mark.parametrize(
    "name", ["Bild ä 胸.png", "two\nlines.png", "a" * 251 + ".png", os.fsdecode(b"\xff\xfe.png")]
)
def test_unusual_names_are_read_and_told(examples, tmp_path, name):
    path = tmp_path / name
    shutil.copy(examples["grey.png"], path)
    assert read_image(path).pixels.shape == (24, 32, 1)
    path.write_bytes(b"no image")
    with pytest.raises(DataError) as caught:
        read_image(path)
    assert str(path) in str(caught.value)


def test_a_file_above_the_limit_is_refused_unread(tmp_path):
    # A file with a hole takes no room.
    with open(tmp_path / "large.png", "wb") as stream:
        stream.write(b"\x89PNG\r\n\x1a\n")
        stream.truncate(2**29 + 1)
    with pytest.raises(DataError, match="536,870,913 bytes"):
        read_image(tmp_path / "large.png")


def test_suffixes_are_found_in_any_case():
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in IMAGE_SUFFIXES)
    for name in ("a.PNG", "b.Jpeg", "c.NII.GZ", "d.IMG", "e.dcm"):
        assert is_image_name(name)
    for name in ("a.txt", "png", "b.gz", "c.zip", ".csv"):
        assert not is_image_name(name)
