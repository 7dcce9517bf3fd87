import base64
import struct

import numpy as np
import pytest

from darts_adv_tf.data.formats.jpeg_lossless import decode_jpeg_lossless
from tests.data.formats.jpeg_lossless_encoder import encode_jpeg_lossless

# Written by GDCM 3.2.6 from the image in the test, 12 bits stored of 16.
BY_GDCM = base64.b64decode(
    "/9j/wwALEAAGAAgBAREA/8QAGgAAAQUBAAAAAAAAAAAAAAAACQMGBwgKEP/aAAgBAQABAADlXHL9uSYnH09uVVxy/bkm"
    "Jx9Pc3quOX7ckxOPp7tyq45ftyTE4+nsgarjl+3JMTj6eymquOX7ckxOPp7/AP/ZAA=="
)


def test_an_image_that_gdcm_wrote_keeps_its_values():
    expected = np.add.outer(np.arange(6) ** 2 * 37, np.arange(8) ** 3 * 5) % 4096
    decoded = decode_jpeg_lossless(BY_GDCM)
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded, expected)


# GDCM 3.2.6 decodes what the encoder of the tests writes to the same values, for each of these.
@pytest.mark.parametrize("predictor", range(1, 8))
@pytest.mark.parametrize("precision", [8, 12, 16])
@pytest.mark.parametrize("rows_per_restart", [0, 3])
def test_all_predictors_keep_the_values(predictor, precision, rows_per_restart):
    pixels = np.random.default_rng(predictor).integers(0, 2**precision, (10, 14))
    frame = encode_jpeg_lossless(pixels, precision, predictor, rows_per_restart)
    np.testing.assert_array_equal(decode_jpeg_lossless(frame), pixels)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2)])
@pytest.mark.parametrize("predictor", [1, 4, 7])
def test_images_of_one_row_or_column(shape, predictor):
    pixels = np.random.default_rng(0).integers(0, 4096, shape)
    frame = encode_jpeg_lossless(pixels, 12, predictor)
    np.testing.assert_array_equal(decode_jpeg_lossless(frame), pixels)


def test_an_image_of_several_chunks_keeps_its_values():
    # 150,000 bytes, where 65,536 are decoded at a time.
    pixels = np.random.default_rng(0).integers(0, 65536, (200, 300))
    frame = encode_jpeg_lossless(pixels, 16, 1)
    assert len(frame) > 2 * 65536
    np.testing.assert_array_equal(decode_jpeg_lossless(frame), pixels)


def test_the_point_transform_is_undone():
    pixels = np.random.default_rng(0).integers(0, 4096, (5, 6))
    frame = encode_jpeg_lossless(pixels, 12, shift=3)
    np.testing.assert_array_equal(decode_jpeg_lossless(frame), pixels // 8 * 8)


def test_a_difference_of_half_the_range_has_no_bits():
    pixels = np.array([[0, 32768, 0], [32768, 0, 32768]])
    np.testing.assert_array_equal(decode_jpeg_lossless(encode_jpeg_lossless(pixels, 16)), pixels)


def test_every_cut_is_found():
    pixels = np.random.default_rng(0).integers(0, 4096, (5, 6))
    frame = encode_jpeg_lossless(pixels, 12)
    # The end marker itself, and bits that only fill the last byte, are not needed.
    for size in range(len(frame) - 3):
        with pytest.raises((ValueError, struct.error)):
            decode_jpeg_lossless(frame[:size])


@pytest.mark.parametrize(
    "old, new, told",
    [
        (b"\xff\xc3", b"\xff\xc0", "no lossless JPEG"),
        (b"\xff\xda\x00\x08\x01\x01\x00\x01", b"\xff\xda\x00\x08\x01\x01\x00\x00", "predictor 0"),
        (b"\xff\xda\x00\x08\x01\x01\x00", b"\xff\xda\x00\x08\x01\x01\x20", "no Huffman table 2"),
        (b"\xff\xc3\x00\x0b\x0c", b"\xff\xc3\x00\x0b\x20", "32 bits"),
        (b"\x0c\x00\x02\x00\x03", b"\x0c\x10\x01\x10\x00", "more than 16,777,216 pixels"),
        (b"\xff\xd8", b"\x00\xd8", "no JPEG marker at byte 0"),
    ],
)
def test_what_is_no_such_image_is_refused(old, new, told):
    frame = encode_jpeg_lossless(np.zeros((2, 3), int), 12)
    assert frame.count(old) == 1
    with pytest.raises(ValueError, match=told):
        decode_jpeg_lossless(frame.replace(old, new))
