import base64
import struct

import imagecodecs
import numpy as np
import pytest

from darts_adv_tf.data.formats.dicom_jpeg import check_codestream, decode_jpeg
from tests.data.formats.jpeg_lossless_encoder import encode_jpeg_lossless

# Written by GDCM 3.2.6 from the image in the test, 12 bits stored of 16.
BY_GDCM = base64.b64decode(
    "/9j/wwALEAAGAAgBAREA/8QAGgAAAQUBAAAAAAAAAAAAAAAACQMGBwgKEP/aAAgBAQABAADlXHL9uSYnH09uVVxy/bkm"
    "Jx9Pc3quOX7ckxOPp7tyq45ftyTE4+nsgarjl+3JMTj6eymquOX7ckxOPp7/AP/ZAA=="
)


def test_an_image_that_gdcm_wrote_keeps_its_values():
    expected = np.add.outer(np.arange(6) ** 2 * 37, np.arange(8) ** 3 * 5) % 4096
    decoded = decode_jpeg(BY_GDCM)
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded, expected)


# GDCM 3.2.6 decodes what the encoder of the tests writes to the same values, for each of these.
@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("precision", [8, 12, 16])
@pytest.mark.parametrize("rows_per_restart", [0, 3])
def test_all_predictors_keep_the_values(predictor, precision, rows_per_restart):
    pixels = np.random.default_rng(predictor).integers(0, 2**precision, (10, 14))
    frame = encode_jpeg_lossless(pixels, precision, predictor, rows_per_restart)
    np.testing.assert_array_equal(decode_jpeg(frame), pixels)


@pytest.mark.parametrize("precision", [2, 7, 9, 10, 11, 13, 14, 15])
def test_all_precisions_keep_the_values(precision):
    pixels = np.random.default_rng(precision).integers(0, 2**precision, (10, 14))
    np.testing.assert_array_equal(decode_jpeg(encode_jpeg_lossless(pixels, precision)), pixels)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
@pytest.mark.parametrize("predictor", [1, 4, 7])
def test_images_of_one_row_or_column(shape, predictor):
    pixels = np.random.default_rng(0).integers(0, 4096, shape)
    frame = encode_jpeg_lossless(pixels, 12, predictor)
    np.testing.assert_array_equal(decode_jpeg(frame), pixels)


def test_the_point_transform_is_undone():
    pixels = np.random.default_rng(0).integers(0, 4096, (5, 6))
    frame = encode_jpeg_lossless(pixels, 12, shift=3)
    np.testing.assert_array_equal(decode_jpeg(frame), pixels // 8 * 8)


def test_a_difference_of_half_the_range_has_no_bits():
    pixels = np.array([[0, 32768, 0], [32768, 0, 32768]])
    np.testing.assert_array_equal(decode_jpeg(encode_jpeg_lossless(pixels, 16)), pixels)


@pytest.mark.parametrize("precision", [8, 12])
def test_lossy_images_are_close(precision):
    pixels = np.add.outer(np.arange(48), np.arange(64)) * 2 ** (precision - 7)
    dtype = np.uint8 if precision == 8 else np.uint16
    frame = imagecodecs.jpeg8_encode(pixels.astype(dtype), bitspersample=precision, level=98)
    # SOF0, baseline, and SOF1, extended.
    assert (b"\xff\xc0" if precision == 8 else b"\xff\xc1") in frame
    assert np.abs(decode_jpeg(frame) - pixels).max() <= 2 ** (precision - 8)


def test_every_cut_is_found():
    pixels = np.random.default_rng(0).integers(0, 4096, (5, 6))
    frame = encode_jpeg_lossless(pixels, 12)
    for size in range(len(frame)):
        with pytest.raises((ValueError, struct.error)):
            check_codestream(frame[:size], (5, 6))
            decode_jpeg(frame[:size])


def test_what_fills_the_last_item_after_the_image_is_passed_over():
    pixels = np.random.default_rng(0).integers(0, 4096, (5, 6))
    frame = encode_jpeg_lossless(pixels, 12)
    np.testing.assert_array_equal(decode_jpeg(frame + bytes(3)), pixels)


@pytest.mark.parametrize(
    "old, new, told",
    [
        (b"\xff\xc3", b"\xff\xcb", "omitted at compile time"),
        (b"\xff\xda\x00\x08\x01\x01\x00\x01", b"\xff\xda\x00\x08\x01\x01\x00\x00", "lossless"),
        (b"\xff\xda\x00\x08\x01\x01\x00", b"\xff\xda\x00\x08\x01\x01\x20", "Huffman table"),
        (b"\xff\xc3\x00\x0b\x0c", b"\xff\xc3\x00\x0b\x20", "precision 32"),
        (b"\xff\xd8", b"\x00\xd8", "Not a JPEG file"),
        (b"\xff\xd9", b"\xff\x00", "end before the image does"),
    ],
)
def test_what_is_no_such_image_is_refused(old, new, told):
    frame = encode_jpeg_lossless(np.zeros((2, 3), int), 12)
    assert frame.count(old) == 1
    with pytest.raises((ValueError, imagecodecs.Jpeg8Error), match=told):
        decode_jpeg(frame.replace(old, new))


def test_scans_without_end_are_refused():
    frame = encode_jpeg_lossless(np.zeros((2, 3), int), 12)
    scan = frame[frame.index(b"\xff\xda") : -2]
    with pytest.raises(ValueError, match="more than 20 scans"):
        decode_jpeg(frame[:-2] + scan * 20 + b"\xff\xd9")


@pytest.mark.parametrize(
    "frame, size",
    [
        (BY_GDCM, (6, 8)),
        # Fill bytes before the frame's marker.
        (b"\xff\xd8\xff\xff\xff\xc0\x00\x0b\x08\x00\x05\x00\x07\x01", (5, 7)),
        # JPEG-LS.
        (b"\xff\xd8\xff\xf7\x00\x0b\x10\x01\x00\x00\x03\x01\x01\x11\x00", (256, 3)),
        # JPEG 2000: the size is that from the image's offset on.
        (b"\xff\x4f\xff\x51\x00\x29\x00\x00" + struct.pack(">4L", 12, 9, 2, 1), (8, 10)),
    ],
)
def test_the_size_is_read_from_the_codestream(frame, size):
    check_codestream(frame, size)
    with pytest.raises(ValueError, match=rf"the size \({size[0]}, {size[1]}\)"):
        check_codestream(frame, (size[0] + 1, size[1]))
