import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi_lut
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from darts_adv_tf.data.formats.dicom import read_dicom
from darts_adv_tf.system.errors import ConfigurationError, DataError
from tests.data.formats.dicom_files import LOSSLESS, NATIVE, make_dataset, write_dicom

RANDOM = np.random.default_rng(0)
WIDE = {"WindowCenter": 32768, "WindowWidth": 65536}
"""A window of all 16-bit values, under which they are shown as they are stored."""


def read(tmp_path, pixels, syntax=ExplicitVRLittleEndian, **elements):
    dataset = make_dataset(pixels, **elements)
    return read_dicom(write_dicom(tmp_path / "image.dcm", dataset, syntax))


@pytest.mark.parametrize("syntax", [*NATIVE, *LOSSLESS], ids=lambda uid: uid.name)
def test_every_lossless_transfer_syntax_keeps_the_values(tmp_path, syntax):
    pixels = RANDOM.integers(0, 65536, (24, 32), np.uint16)
    decoded = read(tmp_path, pixels, syntax, **WIDE)
    assert decoded.pixels.dtype == np.uint16
    assert decoded.intensity_maximum == 65535.0
    np.testing.assert_array_equal(decoded.pixels[:, :, 0], pixels)


@pytest.mark.parametrize("syntax", [*NATIVE, *LOSSLESS], ids=lambda uid: uid.name)
def test_every_lossless_transfer_syntax_keeps_8_bits(tmp_path, syntax):
    pixels = RANDOM.integers(0, 256, (24, 32), np.uint8)
    decoded = read(tmp_path, pixels, syntax, WindowCenter=128, WindowWidth=256)
    np.testing.assert_array_equal(decoded.pixels[:, :, 0], pixels.astype(int) * 257)


def test_jpeg_baseline_is_close(tmp_path):
    pixels = np.add.outer(np.arange(24) * 4, np.arange(32) * 3).astype(np.uint8)
    decoded = read(tmp_path, pixels, JPEGBaseline8Bit, WindowCenter=128, WindowWidth=256)
    assert np.abs(decoded.pixels[:, :, 0] / 257.0 - pixels).max() <= 2


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, *LOSSLESS[2:4]])
def test_signed_values_are_read(tmp_path, syntax):
    pixels = RANDOM.integers(-2048, 2048, (24, 32), np.int16)
    if syntax != ExplicitVRLittleEndian:
        pixels = np.abs(pixels)
    # Two's complement in 16 bits, shown from -2048 to 2047.
    decoded = read(tmp_path, pixels, syntax, WindowCenter=0, WindowWidth=4096)
    expected = np.rint((pixels.astype(float) + 2048) / 4095 * 65535)
    np.testing.assert_array_equal(decoded.pixels[:, :, 0], expected)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless])
def test_bits_above_the_stored_ones_are_cleared(tmp_path, syntax):
    pixels = RANDOM.integers(0, 4096, (24, 32), np.uint16)
    elements = {"BitsStored": 12, "WindowCenter": 2048, "WindowWidth": 4096}
    clean = read(tmp_path, pixels, syntax, **elements)
    drawn = read(tmp_path, pixels | 0x8000, syntax, **elements)
    np.testing.assert_array_equal(drawn.pixels, clean.pixels)
    signed = {"PixelRepresentation": 1, "WindowCenter": 0, "WindowWidth": 4096, "BitsStored": 12}
    decoded = read(tmp_path, np.array([[0x8FFF, 0x0800]], np.uint16), **signed)
    # -1 and -2048 of -2048..2047.
    assert decoded.pixels.ravel().tolist() == [round(2047 / 4095 * 65535), 0]


def test_monochrome1_is_inverted(tmp_path):
    pixels = np.array([[0, 100, 65535]], np.uint16)
    decoded = read(tmp_path, pixels, PhotometricInterpretation="MONOCHROME1", **WIDE)
    assert decoded.pixels.ravel().tolist() == [65535, 65435, 0]


def test_the_window_is_that_of_the_standard(tmp_path):
    # PS3.3, C.11.2.1.2: center 2048, width 4096 of 12 bits is the identity; a window of 100 around
    # 1000 goes from 950 to 1049.
    pixels = np.array([[0, 949, 950, 999, 1000, 1049, 4000]], np.uint16)
    decoded = read(tmp_path, pixels, BitsStored=12, WindowCenter=1000, WindowWidth=100)
    expected = [0, 0, 0, round(49 / 99 * 65535), round(50 / 99 * 65535), 65535, 65535]
    assert decoded.pixels.ravel().tolist() == expected


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_agree_with_pydicom(tmp_path, function):
    pixels = RANDOM.integers(0, 4096, (24, 32), np.uint16)
    elements = {
        "BitsStored": 12,
        "RescaleSlope": 2,
        "RescaleIntercept": -1000,
        "WindowCenter": [1500, 7],
        "WindowWidth": [3000, 8],
        "VOILUTFunction": function,
    }
    decoded = read(tmp_path, pixels, **elements)
    dataset = make_dataset(pixels, **elements)
    expected = apply_voi_lut(pixels * 2.0 - 1000, dataset)
    # pydicom goes from the smallest rescaled value to the largest one.
    expected = (expected + 1000) / (4095 * 2) * 65535
    np.testing.assert_allclose(decoded.pixels[:, :, 0], expected, atol=0.6)


def test_a_window_of_one_value_is_a_threshold(tmp_path):
    pixels = np.array([[99, 100, 101]], np.uint16)
    decoded = read(tmp_path, pixels, WindowCenter=100, WindowWidth=1)
    assert decoded.pixels.ravel().tolist() == [0, 65535, 65535]


def test_without_a_window_the_image_goes_from_black_to_white(tmp_path):
    decoded = read(tmp_path, np.array([[300, 400, 500]], np.uint16))
    assert decoded.pixels.ravel().tolist() == [0, 32768, 65535]
    # A slope below zero turns dark to bright.
    decoded = read(
        tmp_path, np.array([[300, 400, 500]], np.uint16), RescaleSlope=-2, RescaleIntercept=7
    )
    assert decoded.pixels.ravel().tolist() == [65535, 32768, 0]
    assert not read(tmp_path, np.full((3, 4), 7, np.uint16)).pixels.any()


def look_up_table(first, depth, values):
    item = Dataset()
    item.LUTDescriptor = [len(values), first, depth]
    item.LUTData = values
    item["LUTDescriptor"].VR = item["LUTData"].VR = "US"
    return [item]


def test_look_up_tables_are_applied(tmp_path):
    pixels = np.array([[9, 10, 11, 12, 13]], np.uint16)
    voi = {"VOILUTSequence": look_up_table(10, 8, [0, 51, 255]), **WIDE}
    decoded = read(tmp_path, pixels, **voi)
    # Values before and after the table take its first and last entry.
    assert decoded.pixels.ravel().tolist() == [0, 0, 51 * 257, 65535, 65535]
    modality = {"ModalityLUTSequence": look_up_table(10, 16, [65535, 5, 7]), **WIDE}
    assert read(tmp_path, pixels, **modality).pixels.ravel().tolist() == [65535, 65535, 5, 7, 7]


@pytest.mark.parametrize(
    "elements, expected",
    [
        ({"PixelSpacing": [0.2, 0.1], "ImagerPixelSpacing": [0.3, 0.3]}, (0.2, 0.1)),
        ({"ImagerPixelSpacing": [0.143, 0.144]}, (0.143, 0.144)),
        ({"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.2, 0.2]}, (0.2, 0.2)),
        ({"NominalScannedPixelSpacing": [0.171, 0.172]}, (0.171, 0.172)),
        (
            {"ImagerPixelSpacing": [0.2, 0.2], "NominalScannedPixelSpacing": [0.3, 0.3]},
            (0.2, 0.2),
        ),
        ({"PixelSpacing": [0, 0]}, None),
        ({}, None),
    ],
)
def test_spacing(tmp_path, elements, expected):
    assert read(tmp_path, np.zeros((2, 3), np.uint16), **elements).spacing == expected


@pytest.mark.parametrize(
    "elements, told",
    [
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "PALETTE COLOR"),
        ({"NumberOfFrames": 2}, "2 frames"),
        ({"PixelData": None}, "no element PixelData"),
        ({"Rows": 0}, "x 0 pixels"),
        ({"Rows": 60000, "Columns": 60000}, "60000 x 60000"),
        ({"BitsAllocated": 32, "BitsStored": 32}, "32 allocated"),
        ({"BitsStored": 12, "HighBit": 15}, "the highest bit 15"),
        ({"Rows": 40}, "less than"),
        ({"SOPClassUID": "1.2.840.10008.1.3.10"}, "DICOMDIR"),
    ],
)
def test_what_is_no_grey_image_of_one_frame_is_refused(tmp_path, elements, told):
    with pytest.raises(DataError) as caught:
        read(tmp_path, np.zeros((24, 32), np.uint16), **elements)
    assert told in str(caught.value.received)
    assert caught.value.file == tmp_path / "image.dcm"
    assert caught.value.remedy


@pytest.mark.parametrize("syntax", LOSSLESS[:4], ids=lambda uid: uid.name)
def test_a_codestream_of_another_size_is_refused_before_decoding(tmp_path, syntax):
    path = write_dicom(tmp_path / "image.dcm", make_dataset(np.zeros((24, 32), np.uint16)), syntax)
    content = path.read_bytes()
    # Rows, as an explicit element.
    rows = b"\x28\x00\x10\x00US\x02\x00"
    assert content.count(rows + b"\x18\x00") == 1
    path.write_bytes(content.replace(rows + b"\x18\x00", rows + b"\x19\x00"))
    with pytest.raises(DataError, match=r"the size \(24, 32\) in an image of \(25, 32\)"):
        read_dicom(path)


def test_an_unknown_transfer_syntax_is_refused_by_its_number(tmp_path):
    path = write_dicom(tmp_path / "image.dcm", make_dataset(np.zeros((24, 32), np.uint16)))
    content = path.read_bytes()
    assert content.count(b"1.2.840.10008.1.2.1\0") == 1
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.9.9\0"))
    with pytest.raises(DataError, match=r"transfer syntax 1\.2\.840\.10008\.1\.9\.9") as caught:
        read_dicom(path)
    assert caught.value.file == path


def test_files_without_a_preamble_are_read(tmp_path):
    pixels = RANDOM.integers(0, 65536, (24, 32), np.uint16)
    for syntax in NATIVE[:3]:
        path = write_dicom(tmp_path / "image.dcm", make_dataset(pixels, **WIDE), syntax)
        content = path.read_bytes()
        meta_length = 12 + int.from_bytes(content[140:144], "little")
        for start in (132, 132 + meta_length):
            path.write_bytes(content[start:])
            np.testing.assert_array_equal(read_dicom(path).pixels[:, :, 0], pixels)


def test_a_missing_package_is_told_with_its_remedy(tmp_path, monkeypatch):
    path = write_dicom(tmp_path / "image.dcm", make_dataset(np.zeros((2, 3), np.uint16)))
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ConfigurationError, match="requirements-medical") as caught:
        read_dicom(path)
    assert caught.value.exit_status == 2


REAL_FILE = Path(__file__).parents[4] / "shared" / "data" / "dicom" / "RG1_J2KI.dcm"


@pytest.mark.skipif(
    not REAL_FILE.is_file(), reason="RG1_J2KI.dcm of pydicom-data is not at ../shared/data/dicom"
)
def test_a_real_radiograph_is_shown_as_on_a_screen():
    decoded = read_dicom(REAL_FILE)
    assert decoded.pixels.shape == (1955, 1841, 1)
    # Its PixelSpacing is 0.
    assert decoded.spacing is None
    image = decoded.pixels[:, :, 0].astype(float)
    spine = image[600:1600, 860:980].mean()
    # The upper fields of the lungs, the right one on the viewer's left, and the liver below it.
    right_lung, left_lung = image[480:620, 420:620].mean(), image[480:620, 1200:1420].mean()
    liver = image[1550:1750, 250:600].mean()
    assert max(right_lung, left_lung) < 0.85 * min(spine, liver)
    # The heart lies on the viewer's right of the spine.
    assert image[1150:1300, 1050:1250].mean() > image[1150:1300, 660:700].mean()
