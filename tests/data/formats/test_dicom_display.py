"""Grey values against those that DICOM's formulas give, worked out pixel by pixel or by hand.

Reference: DICOM PS3.3, C.7.5.1.1.2, C.7.6.3.1.2, C.11.1 and C.11.2.
"""

import itertools
import math

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
    XRayAngiographicImageStorage,
)

from darts_adv_tf.data.formats.dicom import read_dicom
from darts_adv_tf.system.errors import DataError
from tests.data.formats.dicom_files import NATIVE, make_dataset, write_dicom

WHITE = 65535


def read(tmp_path, pixels, syntax=ExplicitVRLittleEndian, **elements):
    dataset = make_dataset(np.atleast_2d(pixels), **elements)
    decoded = read_dicom(write_dicom(tmp_path / "image.dcm", dataset, syntax))
    return decoded.pixels.ravel().tolist()


def table(first, depth, values, num_entries=None, data_vr="US", descriptor_vr="US"):
    """An item of a look-up table; `values` are its entries, or its data as bytes."""
    item = Dataset()
    item.LUTDescriptor = [len(values) if num_entries is None else num_entries, first, depth]
    item.LUTData = values
    item["LUTDescriptor"].VR, item["LUTData"].VR = descriptor_vr, data_vr
    return item


# The standard, for one value. It knows nothing of arrays, of tables of all values, or of pydicom.


def looked_up(value, first, entries):
    return entries[min(max(round(value) - first, 0), len(entries) - 1)]


def windowed(value, center, width, function="LINEAR"):
    """C.11.2.1.2.1 and C.11.2.1.3, from 0 to 1."""
    if function == "SIGMOID":
        return 1.0 / (1.0 + math.exp(-4.0 * (value - center) / width))
    if function == "LINEAR":
        center, width = center - 0.5, width - 1.0
    if value <= center - width / 2.0:
        return 0.0
    if value > center + width / 2.0:
        return 1.0
    return (value - center) / width + 0.5


BITS = (8, 12, 16)
COMBINATIONS = list(
    itertools.product(
        (False, True),
        BITS,
        ("slope", "table", None),
        ("window", "table", None),
        ("MONOCHROME1", "MONOCHROME2"),
        (True, False),
    )
)


@pytest.mark.parametrize("signed, bits, modality, voi, photometric, padding", COMBINATIONS)
def test_every_combination_is_shown_as_the_standard_says(
    tmp_path, signed, bits, modality, voi, photometric, padding
):
    size = 2**bits
    lowest = -size // 2 if signed else 0
    elements = {
        "BitsStored": bits,
        "PixelRepresentation": int(signed),
        "PhotometricInterpretation": photometric,
    }
    # From a quarter of the range on, and what is no part of the body.
    body = [lowest + size // 4 + 3 * step for step in range(31)]
    outside = lowest if signed else size - 1
    stored = [*body, outside]
    if padding:
        elements["PixelPaddingValue"] = outside

    # Entries that rise unevenly; the body has values before the first and after the last one.
    first = body[0] + 10
    entries = [7 * number + number**2 // 3 for number in range(60)]
    if modality == "slope":
        elements |= {"RescaleSlope": "0.5", "RescaleIntercept": "-100"}
        values = [0.5 * value - 100.0 for value in stored]
    elif modality == "table":
        vr = "SS" if signed else "US"
        elements["ModalityLUTSequence"] = [table(first, 16, entries, descriptor_vr=vr)]
        values = [looked_up(value, first, entries) for value in stored]
    else:
        values = stored

    low, high = min(values[:-1]), max(values[:-1])
    if voi == "window":
        center, width = round((low + high) / 2.0), max(2, round((high - low) / 3.0))
        elements |= {"WindowCenter": center, "WindowWidth": width}
        fractions = [windowed(value, center, width) for value in values]
    elif voi == "table":
        start, num_entries = round(low + (high - low) / 5.0), round((high - low) / 2.0)
        voi_entries = [4095 * number**2 // (num_entries - 1) ** 2 for number in range(num_entries)]
        vr = "SS" if start < 0 else "US"
        elements["VOILUTSequence"] = [table(start, 12, voi_entries, descriptor_vr=vr)]
        fractions = [looked_up(value, start, voi_entries) / 4095.0 for value in values]
    else:
        darkest = low if padding else min(values)
        brightest = high if padding else max(values)
        fractions = [
            min(max((value - darkest) / (brightest - darkest), 0.0), 1.0) for value in values
        ]
    if photometric == "MONOCHROME1":
        fractions = [1.0 - fraction for fraction in fractions]

    dtype = f"{'i' if signed else 'u'}{1 if bits == 8 else 2}"
    displayed = read(tmp_path, np.array(stored, dtype), **elements)
    np.testing.assert_allclose(displayed, [WHITE * each for each in fractions], atol=0.5001)
    # A test in which all pixels are alike would say nothing.
    assert len(set(displayed)) >= (3 if voi == "window" else 7)


@pytest.mark.parametrize(
    "pixels, elements, expected",
    [
        # C.11.2.1.2.1, note 3: center 2048, width 4096 shows 12 bits as they are; 4095 = 65535/16.
        (
            [0, 1, 2000, 4095],
            {"PixelRepresentation": 0, "BitsStored": 12, "WindowCenter": 2048, "WindowWidth": 4096},
            [0, 16, 32007, 65535],
        ),
        # The same note: center 0, width 100 ends at -50 and 49.
        (
            [-51, -50, -49, 0, 49, 50],
            {"WindowCenter": 0, "WindowWidth": 100},
            [0, 0, 662, 33098, 65535, 65535],
        ),
        # LINEAR_EXACT of the same numbers ends at -50 and 50.
        (
            [-51, -50, -49, 0, 49, 50],
            {"WindowCenter": 0, "WindowWidth": 100, "VOILUTFunction": "LINEAR_EXACT"},
            [0, 0, 655, 32768, 64880, 65535],
        ),
        # 1/(1 + exp(-4/100)) is 0.509998..., and 1/(1 + exp(2)) is 0.119202...
        (
            [-50, 0, 1, 30000],
            {"WindowCenter": 0, "WindowWidth": 100, "VOILUTFunction": "SIGMOID"},
            [7812, 32768, 33423, 65535],
        ),
        # A center and a slope with decimals: 10..20 becomes 1..2, of which 1.5 is the middle.
        (
            [10, 15, 20],
            {
                "RescaleSlope": "0.1",
                "RescaleIntercept": "0",
                "WindowCenter": "1.5",
                "WindowWidth": "1",
                "VOILUTFunction": "LINEAR_EXACT",
            },
            [0, 32768, 65535],
        ),
        # A sigmoid narrower than one.
        (
            [14, 15, 16],
            {
                "RescaleSlope": "0.1",
                "RescaleIntercept": "0",
                "WindowCenter": "1.5",
                "WindowWidth": "0.4",
                "VOILUTFunction": "SIGMOID",
            },
            [17625, 32768, 47910],
        ),
        # LINEAR is not defined below 1; read as LINEAR_EXACT: 0.2..0.6.
        (
            [1, 2, 3, 4, 5, 6, 7],
            {
                "RescaleSlope": "0.1",
                "RescaleIntercept": "0",
                "WindowCenter": "0.4",
                "WindowWidth": "0.4",
            },
            [0, 0, 16384, 32768, 49151, 65535, 65535],
        ),
        # The first window counts.
        (
            [0, 50, 100],
            {"WindowCenter": ["50.5", 7], "WindowWidth": [101, 8]},
            [0, 32768, 65535],
        ),
        # The first one that is a window, at that.
        (
            [0, 50, 100],
            {"WindowCenter": [0, "50.5"], "WindowWidth": [0, 101]},
            [0, 32768, 65535],
        ),
        # One center for two widths.
        ([0, 50, 100], {"WindowCenter": "50.5", "WindowWidth": [101, 8]}, [0, 32768, 65535]),
        # No window: the width is a placeholder, or there is no center.
        ([100, 150, 200], {"WindowCenter": 0, "WindowWidth": 0}, [0, 32768, 65535]),
        ([100, 150, 200], {"WindowWidth": 10}, [0, 32768, 65535]),
        # A slope without an intercept, an intercept without a slope, and a slope of 0.
        (
            [0, 25, 50],
            {"RescaleSlope": 2, "WindowCenter": "50.5", "WindowWidth": 101},
            [0, 32768, 65535],
        ),
        (
            [0, 50, 100],
            {"RescaleIntercept": 5, "WindowCenter": "55.5", "WindowWidth": 101},
            [0, 32768, 65535],
        ),
        (
            [0, 50, 100],
            {"RescaleSlope": 0, "RescaleIntercept": 0, "WindowCenter": "50.5", "WindowWidth": 101},
            [0, 32768, 65535],
        ),
    ],
)
def test_values_worked_out_by_hand(tmp_path, pixels, elements, expected):
    assert read(tmp_path, np.array(pixels, np.int16), **elements) == expected


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize(
    "dtype, bits, padding, expected",
    [
        (np.uint16, 16, {"PixelPaddingValue": 65535}, [0, 32768, 65535, 65535, 65535]),
        # Written as the negative number of the same bits, and with more bits than the pixels keep.
        (np.uint16, 12, {"PixelPaddingValue": 65535}, [0, 32768, 65535, 65535, 65535]),
        (np.int16, 16, {"PixelPaddingValue": 65535}, [0, 32768, 65535, 0, 0]),
        # Both ends of a range belong to it, in either order.
        (
            np.uint16,
            16,
            {"PixelPaddingValue": 65535, "PixelPaddingRangeLimit": 60000},
            [0, 32768, 65535, 65535, 65535],
        ),
        (
            np.uint16,
            16,
            {"PixelPaddingValue": 60000, "PixelPaddingRangeLimit": 65535},
            [0, 32768, 65535, 65535, 65535],
        ),
        # Of the body: 100 of 100, 150, 200.
        (np.uint16, 16, {"PixelPaddingValue": 100}, [0, 0, 50, 65535, 65535]),
        # Signed ranges from -32768 to -2000 are written by CT.
        (
            np.int16,
            16,
            {"PixelPaddingValue": 32768, "PixelPaddingRangeLimit": 65535},
            [0, 32768, 65535, 0, 0],
        ),
        (
            np.int16,
            12,
            {"PixelPaddingValue": 32768, "PixelPaddingRangeLimit": 65535},
            [0, 32768, 65535, 0, 0],
        ),
    ],
)
def test_padding_is_no_part_of_the_automatic_window(
    tmp_path, syntax, dtype, bits, padding, expected
):
    outside = [65535, 65535]
    if "PixelPaddingRangeLimit" in padding:
        outside = [65535, 60000] if dtype == np.uint16 else [65535, 65534]
    if padding == {"PixelPaddingValue": 100}:
        outside = [65535, 65535]
    if bits == 12:
        outside = [each & 0xFFF for each in outside]
    pixels = np.array([100, 150, 200, *outside], np.uint16)
    elements = {"PixelRepresentation": int(dtype == np.int16), "BitsStored": bits}
    dataset = make_dataset(pixels[np.newaxis], **elements)
    for keyword, value in padding.items():
        setattr(dataset, keyword, value)
        dataset[keyword].VR = "US"
    decoded = read_dicom(write_dicom(tmp_path / "image.dcm", dataset, syntax))
    assert decoded.pixels.ravel().tolist() == expected


def test_an_image_of_nothing_but_padding_is_read(tmp_path):
    assert read(tmp_path, np.full(4, 7, np.uint16), PixelPaddingValue=7) == [0] * 4


def test_padding_has_no_say_in_a_window(tmp_path):
    elements = {"WindowCenter": "50.5", "WindowWidth": 101, "PixelPaddingValue": 50}
    assert read(tmp_path, np.array([0, 50, 100], np.uint16), **elements) == [0, 32768, 65535]


ENTRIES_OF_8_BITS = bytes([0, 51, 255])
DEEP = np.array([0, 0x1234, 0xFFFF])


@pytest.mark.parametrize(
    "syntax, item, expected",
    [
        # 8 bits: an entry a word, two entries a word, and those bytes in words.
        (ExplicitVRLittleEndian, table(10, 8, [0, 51, 255]), [0, 13107, 65535]),
        (
            ExplicitVRLittleEndian,
            table(10, 8, ENTRIES_OF_8_BITS + b"\0", 3, "OW"),
            [0, 13107, 65535],
        ),
        (ExplicitVRLittleEndian, table(10, 8, [0x3300, 0x00FF], 3), [0, 13107, 65535]),
        (ExplicitVRBigEndian, table(10, 8, [0x3300, 0x00FF], 3), [0, 13107, 65535]),
        (ExplicitVRBigEndian, table(10, 8, b"\x33\x00\x00\xff", 3, "OW"), [0, 13107, 65535]),
        (
            ImplicitVRLittleEndian,
            table(10, 8, ENTRIES_OF_8_BITS + b"\0", 3, "OW"),
            [0, 13107, 65535],
        ),
        # 8 bits in tables that declare 16: the length decides.
        (
            ExplicitVRLittleEndian,
            table(10, 16, ENTRIES_OF_8_BITS + b"\0", 3, "OW"),
            [0, 13107, 65535],
        ),
        # 16 bits.
        (ExplicitVRLittleEndian, table(10, 16, DEEP.astype("<u2").tobytes(), 3, "OW"), DEEP),
        (ImplicitVRLittleEndian, table(10, 16, DEEP.astype("<u2").tobytes(), 3, "OW"), DEEP),
        (ExplicitVRBigEndian, table(10, 16, DEEP.astype(">u2").tobytes(), 3, "OW"), DEEP),
        (ExplicitVRBigEndian, table(10, 16, DEEP.tolist()), DEEP),
        (RLELossless, table(10, 16, DEEP.tolist()), DEEP),
        # More data than entries: the first ones.
        (ExplicitVRLittleEndian, table(10, 16, [*DEEP.tolist(), 7, 7], 3), DEEP),
    ],
)
def test_entries_of_either_width_are_read(tmp_path, syntax, item, expected):
    displayed = read(tmp_path, np.array([10, 11, 12], np.uint16), syntax, VOILUTSequence=[item])
    assert displayed == list(expected)


@pytest.mark.parametrize("depth", range(8, 17))
def test_each_depth_is_white_at_its_largest_number(tmp_path, depth):
    # 3/4 of white, which needs all bits, and so leaves white where it is declared.
    most = 2**depth - 1
    items = [table(0, depth, [0, most * 3 // 4])]
    displayed = read(tmp_path, np.array([0, 1], np.uint16), VOILUTSequence=items)
    assert displayed == [0, round(WHITE * (most * 3 // 4) / most)]


@pytest.mark.parametrize(
    "declared, largest", [(16, 4095), (16, 1023), (12, 255), (8, 4095), (10, 65535), (16, 3000)]
)
def test_entries_of_another_depth_go_to_their_own_white(tmp_path, declared, largest):
    items = [table(0, declared, [0, largest // 3, largest])]
    displayed = read(tmp_path, np.array([0, 1, 2], np.uint16), VOILUTSequence=items)
    assert displayed == [0, round(WHITE * (largest // 3) / largest), WHITE]


@pytest.mark.parametrize("syntax", NATIVE[:3], ids=lambda uid: uid.name)
@pytest.mark.parametrize("vr", ["US", "SS"])
@pytest.mark.parametrize("keyword", ["VOILUTSequence", "ModalityLUTSequence"])
def test_the_first_value_may_be_below_zero(tmp_path, syntax, vr, keyword):
    # -2 as 65534, where the pixels are signed; 40000 as -25536, where they are not.
    item = table(-2 if vr == "SS" else 65534, 8, [0, 51, 102, 255], descriptor_vr=vr)
    pixels = np.array([-9, -2, -1, 0, 1, 9], np.int16)
    expected = [0, 0, 13107, 26214, 65535, 65535]
    assert read(tmp_path, pixels, syntax, **{keyword: [item]}) == expected
    item = table(-25536 if vr == "SS" else 40000, 8, [0, 51, 102, 255], descriptor_vr=vr)
    pixels = np.array([9, 40000, 40001, 40002, 40003, 65535], np.uint16)
    assert read(tmp_path, pixels, syntax, **{keyword: [item]}) == expected


def test_a_table_of_65536_entries_declares_0(tmp_path):
    item = table(0, 16, np.arange(65535, -1, -1).astype("<u2").tobytes(), 0, "OW")
    pixels = np.array([0, 1, 40000, 65535], np.uint16)
    assert read(tmp_path, pixels, VOILUTSequence=[item]) == [65535, 65534, 25535, 0]


def empty_item(*keywords):
    item = Dataset()
    for keyword in keywords:
        setattr(item, keyword, None)
        item[keyword].VR = "US"
    return item


@pytest.mark.parametrize("syntax", NATIVE[:2], ids=lambda uid: uid.name)
@pytest.mark.parametrize("keyword", ["VOILUTSequence", "ModalityLUTSequence"])
@pytest.mark.parametrize(
    "items",
    [
        [],
        [empty_item()],
        [empty_item("LUTDescriptor", "LUTData")],
        [empty_item("LUTData")],
        [table(0, 8, [])],
    ],
)
def test_empty_tables_are_passed_over(tmp_path, syntax, keyword, items):
    elements = {"WindowCenter": "50.5", "WindowWidth": 101, keyword: items}
    pixels = np.array([0, 50, 100], np.uint16)
    assert read(tmp_path, pixels, syntax, **elements) == [0, 32768, 65535]
    elements[keyword] = [*items, table(0, 8, [9])]
    assert len(set(read(tmp_path, pixels, syntax, **elements))) == 1


@pytest.mark.parametrize(
    "keyword", ["RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "VOILUTFunction"]
)
def test_empty_elements_count_as_absent(tmp_path, keyword):
    dataset = make_dataset(np.array([[0, 50, 100]], np.uint16))
    setattr(dataset, keyword, None)
    decoded = read_dicom(write_dicom(tmp_path / "image.dcm", dataset))
    assert decoded.pixels.ravel().tolist() == [0, 32768, 65535]


def test_tables_of_angiograms_lead_back_to_the_beam_and_are_not_for_display(tmp_path):
    elements = {
        "ModalityLUTSequence": [table(0, 8, [0, 1, 255])],
        "PixelIntensityRelationship": "LOG",
    }
    pixels = np.array([0, 1, 2], np.uint16)
    angiography = XRayAngiographicImageStorage
    assert read(tmp_path, pixels, SOPClassUID=angiography, **elements) == [0, 32768, 65535]
    assert read(tmp_path, pixels, **elements) == [0, 257, 65535]
    elements["PixelIntensityRelationship"] = "LIN"
    assert read(tmp_path, pixels, SOPClassUID=angiography, **elements) == [0, 257, 65535]


def item_of(**elements):
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


@pytest.mark.parametrize(
    "groups", ["SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"]
)
def test_enhanced_objects_of_one_frame_are_shown_through_their_own_window(tmp_path, groups):
    frame = item_of(
        PixelValueTransformationSequence=[item_of(RescaleSlope=2, RescaleIntercept=-10)],
        FrameVOILUTSequence=[item_of(WindowCenter="40.5", WindowWidth=101)],
        PixelMeasuresSequence=[item_of(PixelSpacing=[0.2, 0.1])],
    )
    dataset = make_dataset(np.array([[0, 25, 50]], np.uint16), NumberOfFrames=1)
    setattr(dataset, groups, [frame])
    decoded = read_dicom(write_dicom(tmp_path / "image.dcm", dataset))
    assert decoded.pixels.ravel().tolist() == [0, 32768, 65535]
    assert decoded.spacing == (0.2, 0.1)


@pytest.mark.parametrize(
    "elements, told",
    [
        ({"WindowCenter": 5, "WindowWidth": -3}, "WindowWidth -3"),
        ({"WindowCenter": "1e999", "WindowWidth": 3}, "WindowCenter inf"),
        ({"WindowCenter": 5, "WindowWidth": 9, "VOILUTFunction": "CUBIC"}, "CUBIC"),
        ({"RescaleSlope": "1e308", "RescaleIntercept": "1e308"}, "RescaleSlope 1e+308"),
        ({"VOILUTSequence": [table(0, 16, [1, 2, 3], 7)]}, "3 of 7 entries"),
        ({"ModalityLUTSequence": [table(0, 16, [1, 2, 3], 0)]}, "3 of 65536 entries"),
    ],
)
def test_what_cannot_be_shown_is_refused(tmp_path, elements, told):
    with pytest.raises(DataError) as caught:
        read(tmp_path, np.array([0, 5, 10], np.uint16), **elements)
    assert told in str(caught.value.received)
    assert caught.value.file == tmp_path / "image.dcm"
    assert "again from its source" not in caught.value.remedy
