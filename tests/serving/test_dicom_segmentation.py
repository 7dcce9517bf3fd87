"""DICOM Segmentation objects, read back with pydicom and with highdicom."""

import io
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest

from darts_adv_tf import __version__
from darts_adv_tf.config.predict import PredictConfig
from darts_adv_tf.data.formats.reading import is_dicom
from darts_adv_tf.serving.dicom_segmentation import make_dicom_segmentation, organ_code
from darts_adv_tf.serving.prediction import predict
from darts_adv_tf.system.errors import DataError
from tests.data.formats.dicom_files import make_dataset, write_dicom
from tests.serving.models import CLASS_NAMES, scene, write_run

STUDY = {
    "StudyInstanceUID": "1.2.3",
    "SeriesInstanceUID": "1.2.3.1",
    "Modality": "CR",
    "PatientID": "p1",
    "PatientName": "Müller^Änne",
    "SpecificCharacterSet": "ISO_IR 100",
}


def write_source(path, labels=None, **elements):
    stored = (scene() if labels is None else labels).astype(np.uint16) * np.uint16(100)
    return write_dicom(path, make_dataset(stored, **{**STUDY, **elements}))


def without(path, *keywords):
    """Takes elements out of a file."""
    dataset = pydicom.dcmread(path)
    for keyword in keywords:
        delattr(dataset, keyword)
    dataset.save_as(path)
    return path


def made(path, labels, class_names=CLASS_NAMES):
    return pydicom.dcmread(
        io.BytesIO(make_dicom_segmentation(path, labels, class_names, "0123456789abcdef"))
    )


def test_it_holds_a_binary_mask_an_organ(tmp_path):
    # Not square and not a multiple of 8 pixels, which are packed into bytes.
    labels = scene()[:27, :29]
    segmentation = made(write_source(tmp_path / "x.dcm", labels), labels)
    assert segmentation.SOPClassUID.name == "Segmentation Storage"
    assert segmentation.SegmentationType == "BINARY"
    frames = {
        group.SegmentIdentificationSequence[0].ReferencedSegmentNumber: frame
        for group, frame in zip(
            segmentation.PerFrameFunctionalGroupsSequence, segmentation.pixel_array, strict=True
        )
    }
    assert set(frames) == {1, 2, 3}
    for index, frame in frames.items():
        np.testing.assert_array_equal(frame, labels == index)


def test_it_says_which_image_it_belongs_to(tmp_path):
    path = write_source(tmp_path / "x.dcm")
    source, segmentation = pydicom.dcmread(path), made(path, scene())
    for keyword in ("StudyInstanceUID", "PatientID", "PatientName"):
        assert segmentation[keyword].value == source[keyword].value
    assert segmentation.SeriesInstanceUID != source.SeriesInstanceUID
    (series,) = segmentation.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == "1.2.3.1"
    (image,) = series.ReferencedInstanceSequence
    assert image.ReferencedSOPInstanceUID == source.SOPInstanceUID == "1.2.3.4"
    assert made(path, scene()).SOPInstanceUID != segmentation.SOPInstanceUID


def test_segments_have_codes_and_say_who_made_them(tmp_path):
    segmentation = made(write_source(tmp_path / "x.dcm"), scene())
    told = [
        (segment.SegmentNumber, segment.SegmentLabel, kind.CodeValue, kind.CodingSchemeDesignator)
        for segment in segmentation.SegmentSequence
        for kind in segment.SegmentedPropertyTypeCodeSequence
    ]
    assert told == [
        (1, "left_lung", "44029006", "SCT"),
        (2, "right_lung", "3341006", "SCT"),
        (3, "heart", "80891009", "SCT"),
    ]
    for segment in segmentation.SegmentSequence:
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        (algorithm,) = segment.SegmentationAlgorithmIdentificationSequence
        assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == (
            "darts_adv_tf",
            __version__,
        )
    assert segmentation.SoftwareVersions == __version__
    assert segmentation.DeviceSerialNumber == "0123456789abcdef"
    code = organ_code(2, "Schlüsselbein " * 9)
    assert (code.value, code.scheme_designator) == ("CLASS_2", "99DARTSADVTF")
    assert len(code.meaning) <= 64


@pytest.mark.parametrize("labels", [scene(), np.zeros_like(scene()), np.minimum(scene(), 1)])
@pytest.mark.parametrize("elements", [{}, {"PixelSpacing": [0.5, 0.25]}])
def test_highdicom_reads_the_same_labels(labels, elements, tmp_path):
    path = write_source(tmp_path / "x.dcm", **elements)
    content = make_dicom_segmentation(path, labels, CLASS_NAMES, "0")
    read = highdicom.seg.segread(io.BytesIO(content))
    (again,) = read.get_pixels_by_source_instance(
        source_sop_instance_uids=["1.2.3.4"],
        combine_segments=True,
        assert_missing_frames_are_empty=True,
    )
    np.testing.assert_array_equal(again, labels)


def test_elements_that_may_be_empty_may_be_missing(tmp_path):
    path = without(write_source(tmp_path / "x.dcm"), "PatientID", "PatientName")
    segmentation = made(path, scene())
    assert segmentation.PatientID is None or segmentation.PatientID == ""


@pytest.mark.parametrize("missing", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"])
def test_a_source_that_does_not_say_what_it_is_is_refused(missing, tmp_path):
    path = without(write_source(tmp_path / "x.dcm"), missing)
    with pytest.raises(DataError, match=f"no {missing}") as caught:
        made(path, scene())
    assert caught.value.file == path


def test_a_source_with_wrong_elements_is_refused(tmp_path):
    path = write_source(tmp_path / "x.dcm")
    content = Path(path).read_bytes()
    assert content.count(b"1.2.3.1\0") == 1
    # As long as before.
    Path(path).write_bytes(content.replace(b"1.2.3.1\0", b"one.two\0"))
    with pytest.raises(DataError, match="Segmentation"):
        made(path, np.zeros((5, 5), np.uint8))


def test_dicom_files_are_known_with_and_without_a_preamble(tmp_path):
    path = Path(write_source(tmp_path / "IM0001"))
    assert is_dicom(path)
    for name in ("bare.dcm", "IM0002"):
        bare = tmp_path / name
        bare.write_bytes(path.read_bytes()[132:])
        assert is_dicom(bare)
        segmentation = made(bare, scene())
        np.testing.assert_array_equal(segmentation.pixel_array, made(path, scene()).pixel_array)
    other = tmp_path / "x.png"
    other.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    assert not is_dicom(other)


def test_predict_writes_one_a_dicom_input_and_names_what_it_cannot(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path / "run")
    write_source("good.dcm")
    without(write_source("bare.dcm"), "StudyInstanceUID")
    config = PredictConfig(
        workdir="run", inputs=("*.dcm",), output_dir="out", dicom_segmentation=True
    )
    with pytest.raises(DataError, match="1 of 2 with a problem") as caught:
        predict(config)
    assert "predicted bare.dcm: no DICOM Segmentation" in caught.value.received
    assert sorted(path.name for path in Path("out/labels").iterdir()) == ["bare.png", "good.png"]
    (written,) = Path("out/segmentations").iterdir()
    assert written.name == "good.dcm"
    np.testing.assert_array_equal(
        pydicom.dcmread(written).pixel_array, [scene() == index for index in (1, 2, 3)]
    )
