import cv2
import numpy as np
import pytest
from PIL import Image

from darts_adv_tf.data.formats.raster import read_index_mask, read_mask, read_raster
from darts_adv_tf.system.errors import DataError

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (6, 5), np.uint8)
DEEP = RANDOM.integers(0, 65536, (6, 5), np.uint16)
COLOUR = RANDOM.integers(0, 256, (6, 5, 3), np.uint8)
DEEP_COLOUR = RANDOM.integers(0, 65536, (6, 5, 3), np.uint16)


def save(path, pixels, **options):
    Image.fromarray(pixels).save(path, **options)
    return path


def save_by_opencv(path, pixels):
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}
    stored = pixels if pixels.ndim == 2 else pixels[:, :, order[pixels.shape[2]]]
    assert cv2.imwrite(str(path), stored)
    return path


def assert_holds(decoded, pixels, maximum):
    expected = pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]
    assert decoded.pixels.dtype == expected.dtype
    np.testing.assert_array_equal(decoded.pixels, expected)
    assert decoded.intensity_maximum == maximum
    assert decoded.spacing is None


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp", "gif"])
def test_8_bit_grey_keeps_its_values(tmp_path, suffix):
    path = save(tmp_path / f"image.{suffix}", GREY)
    assert_holds(read_raster(path), GREY, 255.0)


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_8_bit_colour_keeps_its_values(tmp_path, suffix):
    assert_holds(read_raster(save(tmp_path / f"image.{suffix}", COLOUR)), COLOUR, 255.0)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bits_keep_their_values(tmp_path, suffix):
    assert_holds(read_raster(save(tmp_path / f"grey.{suffix}", DEEP)), DEEP, 65535.0)
    path = save_by_opencv(tmp_path / f"colour.{suffix}", DEEP_COLOUR)
    assert_holds(read_raster(path), DEEP_COLOUR, 65535.0)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("pixels", [GREY, DEEP])
def test_colours_whose_channels_agree_are_grey(tmp_path, suffix, pixels):
    path = save_by_opencv(tmp_path / f"image.{suffix}", np.stack([pixels] * 3, axis=-1))
    decoded = read_raster(path)
    assert_holds(decoded, pixels, 255.0 if pixels is GREY else 65535.0)


def test_jpeg_is_as_opencv_decodes_it(tmp_path):
    smooth = cv2.resize(COLOUR, (64, 48), interpolation=cv2.INTER_CUBIC)
    for name, pixels in (("grey.jpg", smooth[:, :, 0]), ("colour.jpg", smooth)):
        decoded = read_raster(save(tmp_path / name, np.ascontiguousarray(pixels)))
        assert decoded.pixels.shape == (48, 64, 1 if pixels.ndim == 2 else 3)
        other = cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED).reshape(48, 64, -1)
        difference = decoded.pixels.astype(int) - other[:, :, ::-1]
        assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("pixels", [GREY, DEEP, COLOUR])
def test_compressed_tiff_keeps_its_values(tmp_path, compression, pixels):
    path = save(tmp_path / "image.tif", pixels, compression=compression)
    assert_holds(read_raster(path), pixels, 65535.0 if pixels is DEEP else 255.0)


def test_1_bit_becomes_black_and_white(tmp_path):
    bits = GREY > 100
    path = save(tmp_path / "image.png", bits)
    assert_holds(read_raster(path), np.where(bits, 255, 0).astype(np.uint8), 255.0)
    np.testing.assert_array_equal(read_index_mask(path), bits.astype(np.uint8))


def test_a_tiff_with_white_as_zero_is_inverted(tmp_path):
    # Pillow inverts on saving in 8 bits, but not in 16.
    path = save(tmp_path / "grey.tif", GREY, tiffinfo={262: 0})
    assert_holds(read_raster(path), GREY, 255.0)
    path = save(tmp_path / "deep.tif", DEEP, tiffinfo={262: 0})
    assert_holds(read_raster(path), 65535 - DEEP, 65535.0)


def test_numbers_without_a_maximum_become_float32(tmp_path):
    floats = GREY.astype(np.float32) / 7 - 3
    assert_holds(read_raster(save(tmp_path / "float.tif", floats)), floats, None)
    integers = DEEP.astype(np.int32) * 3
    path = save(tmp_path / "integer.tif", integers)
    assert_holds(read_raster(path), integers.astype(np.float32), None)
    integers[0, 0] = 2**24 + 1
    with pytest.raises(DataError, match="float32 cannot hold"):
        read_raster(save(tmp_path / "integer.tif", integers))


# What a viewer shows for each EXIF orientation, by the standard's words for row 0 and column 0.
ORIENTATIONS = {
    1: GREY,
    2: GREY[:, ::-1],
    3: GREY[::-1, ::-1],
    4: GREY[::-1],
    5: GREY.T,
    6: np.rot90(GREY, -1),
    7: GREY[::-1, ::-1].T,
    8: np.rot90(GREY),
}


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_the_exif_orientation_is_applied_once(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"image.{suffix}", GREY, exif=exif)
    np.testing.assert_array_equal(read_raster(path).pixels[:, :, 0], ORIENTATIONS[orientation])


def palette_image(colours):
    image = Image.fromarray(GREY % 4).convert("P")
    image.putpalette(np.ravel(colours).tolist())
    return image


GREYS = [[10] * 3, [20] * 3, [70] * 3, [250] * 3]
COLOURS = [[10, 0, 0], [0, 20, 0], [0, 0, 30], [1, 2, 3]]


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "tif"])
def test_a_palette_gives_colours_to_images_and_indices_to_label_images(tmp_path, suffix):
    for colours in (GREYS, COLOURS):
        path = tmp_path / f"image.{suffix}"
        palette_image(colours).save(path)
        expected = np.array(colours, np.uint8)[GREY % 4]
        assert_holds(read_raster(path), expected[:, :, :1] if colours is GREYS else expected, 255.0)
        labels = read_index_mask(path)
        assert labels.dtype == np.uint8
        np.testing.assert_array_equal(labels, GREY % 4)


def grey_png_of_4_bits(path, values):
    """Pillow writes no such file."""
    import struct
    import zlib

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    height, width = values.shape
    rows = b"".join(b"\0" + bytes(row[0::2] * 16 + row[1::2]) for row in values)
    header = struct.pack(">IIBBBBB", width, height, 4, 0, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    return path


def test_labels_of_4_bits_are_not_stretched(tmp_path):
    values = np.arange(16, dtype=np.uint8).reshape(2, 8)
    path = grey_png_of_4_bits(tmp_path / "labels.png", values)
    np.testing.assert_array_equal(read_index_mask(path), values)
    np.testing.assert_array_equal(read_raster(path).pixels[:, :, 0], values * 17)


def test_labels_above_255_take_16_bits(tmp_path):
    labels = read_index_mask(save(tmp_path / "labels.png", DEEP))
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(labels, DEEP)
    labels = read_index_mask(save(tmp_path / "labels.tif", (DEEP % 4).astype(np.int32)))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, DEEP % 4)


@pytest.mark.parametrize(
    "name, pixels, options",
    [
        ("labels.jpg", GREY, {}),
        ("labels.tif", GREY.astype(np.float32) + 0.01, {}),
        ("labels.tif", GREY.astype(np.int32) - 200, {}),
        ("labels.tif", GREY, {"tiffinfo": {262: 0}}),
        ("labels.png", COLOUR, {}),
    ],
)
def test_what_holds_no_labels_is_refused(tmp_path, name, pixels, options):
    with pytest.raises(DataError, match="label image") as caught:
        read_index_mask(save(tmp_path / name, pixels, **options))
    assert caught.value.file == tmp_path / name


@pytest.mark.parametrize(
    "pixels, half", [(np.array([[0, 127, 128, 255]], np.uint8), 128), (DEEP, 32768)]
)
def test_a_mask_begins_at_half_of_the_maximum(tmp_path, pixels, half):
    mask = read_mask(save(tmp_path / "mask.png", pixels))
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, pixels >= half)


def test_a_gif_mask_of_0_and_255_is_read(tmp_path):
    mask = GREY > 100
    path = save(tmp_path / "mask.gif", np.where(mask, 255, 0).astype(np.uint8))
    np.testing.assert_array_equal(read_mask(path), mask)


@pytest.mark.parametrize(
    "name, pixels", [("mask.png", COLOUR), ("mask.tif", GREY.astype(np.float32))]
)
def test_a_mask_in_colours_or_without_a_maximum_is_refused(tmp_path, name, pixels):
    with pytest.raises(DataError, match="A mask must be grey"):
        read_mask(save(tmp_path / name, pixels))


def with_alpha(pixels, alpha):
    full = np.full((*pixels.shape[:2], 1), np.iinfo(pixels.dtype).max, pixels.dtype)
    full[0, 0] = alpha
    return np.dstack([pixels, full])


@pytest.mark.parametrize("pixels", [GREY, COLOUR, DEEP_COLOUR])
def test_an_opaque_alpha_channel_is_dropped_and_another_refused(tmp_path, pixels):
    write = save_by_opencv if pixels is DEEP_COLOUR else save
    maximum = int(np.iinfo(pixels.dtype).max)
    path = write(tmp_path / "opaque.png", with_alpha(pixels, maximum))
    assert_holds(read_raster(path), pixels, float(maximum))
    with pytest.raises(DataError, match="transparent"):
        read_raster(write(tmp_path / "hole.png", with_alpha(pixels, maximum - 1)))


@pytest.mark.parametrize("pixels", [GREY, DEEP, COLOUR])
def test_a_transparent_value_is_refused_only_where_it_occurs(tmp_path, pixels):
    value = pixels[2, 3].tolist()
    value = tuple(value) if isinstance(value, list) else value
    with pytest.raises(DataError, match="transparent"):
        read_raster(save(tmp_path / "image.png", pixels, transparency=value))
    absent = next(v for v in range(256) if not (pixels == v).any())
    absent = (absent,) * 3 if pixels.ndim == 3 else absent
    path = save(tmp_path / "image.png", pixels, transparency=absent)
    np.testing.assert_array_equal(read_raster(path).pixels.squeeze(), pixels)


@pytest.mark.parametrize("name", ["image.tif", "image.gif", "image.png"])
def test_several_pages_are_refused(tmp_path, name):
    path = save(tmp_path / name, GREY, save_all=True, append_images=[Image.fromarray(255 - GREY)])
    with pytest.raises(DataError, match="must hold one image"):
        read_raster(path)


@pytest.mark.parametrize(
    "mode, name", [("CMYK", "image.jpg"), ("CMYK", "image.tif"), ("LAB", "image.tif")]
)
def test_colours_that_are_not_rgb_are_refused(tmp_path, mode, name):
    image = Image.fromarray(COLOUR)
    (image.convert(mode) if mode == "CMYK" else Image.new("LAB", (5, 6))).save(tmp_path / name)
    with pytest.raises(DataError, match="grey or RGB") as caught:
        read_raster(tmp_path / name)
    assert mode in caught.value.received


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif", "a.bmp", "a.gif"])
def test_half_a_file_is_never_half_a_image(tmp_path, name):
    pixels = RANDOM.integers(0, 256, (64, 64), np.uint8)
    content = save(tmp_path / name, pixels).read_bytes()
    for share in (0.3, 0.6, 0.95):
        (tmp_path / name).write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError) as caught:
            read_raster(tmp_path / name)
        assert caught.value.file == tmp_path / name
        assert caught.value.exit_status == 3


def test_a_jpeg_of_very_many_scans_is_refused(tmp_path):
    path = save(tmp_path / "image.jpg", COLOUR, progressive=True)
    content = path.read_bytes()
    last_scan = content[content.rindex(b"\xff\xda") : -2]
    path.write_bytes(content[:-2] + last_scan * 100 + content[-2:])
    with pytest.raises(DataError, match="more than 100 scans"):
        read_raster(path)


def test_a_header_of_any_size_is_refused_before_decoding(tmp_path):
    path = tmp_path / "image.png"
    Image.new("1", (16384, 8192)).save(path)
    with pytest.raises(DataError, match="16384 x 8192"):
        read_raster(path)


def test_values_that_are_not_finite_are_refused(tmp_path):
    floats = GREY.astype(np.float32)
    floats[1, 2] = np.nan
    floats[3, 4] = np.inf
    with pytest.raises(DataError, match="2 of 30"):
        read_raster(save(tmp_path / "image.tif", floats))
