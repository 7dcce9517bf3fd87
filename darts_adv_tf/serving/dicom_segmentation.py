"""Predictions as DICOM Segmentation objects, which viewers lay over the image they are made from.

Reference: DICOM PS3.3, A.51 (Segmentation IOD); PS3.16, annex L (coded anatomy).
"""

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from darts_adv_tf import __version__
from darts_adv_tf.data.formats.medical_packages import import_medical
from darts_adv_tf.system.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.sr.coding import Code

# SNOMED CT, as body structures.
ORGAN_CODES = {
    "left_lung": ("44029006", "Left lung"),
    "right_lung": ("3341006", "Right lung"),
    "heart": ("80891009", "Heart"),
}
PRIVATE_SCHEME = "99DARTSADVTF"
"""The coding scheme of other organs; private ones begin with 99."""

SERIES_NUMBER = 1
_NEEDED = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
# May be empty, but not missing; files that names were taken out of lack them.
_MAY_BE_EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)


def make_dicom_segmentation(
    path: str | Path, labels: np.ndarray, class_names: Sequence[str], fingerprint: str
) -> bytes:
    """Makes the content of a DICOM file with a binary segment an organ.

    It belongs to the patient and the study of its source, and is a series of its own. Where the
    source has a pixel spacing but no place in space, as radiographs do, the object has no spacing,
    since highdicom could not read it back; viewers take the source's.

    Args:
        path: The DICOM image that was predicted.
        labels: uint8 (H, W), class indices, of the size of the image.
        class_names: K names, the background first.
        fingerprint: Of the model, up to 64 characters; stands in place of a serial number.

    Raises:
        DataError: The source lacks what such an object has to say of it, or says it wrongly.
        ConfigurationError: highdicom is not installed.
    """
    highdicom = import_medical("highdicom")
    pydicom = import_medical("pydicom")
    try:
        # pydicom and highdicom tell what is unusual; what matters they raise.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            source = pydicom.dcmread(path, stop_before_pixels=True, force=True)
            _complete(source, path)
            segmentation = highdicom.seg.Segmentation(
                source_images=[source],
                pixel_array=labels,
                segmentation_type="BINARY",
                segment_descriptions=[
                    _describe_segment(index, name)
                    for index, name in enumerate(class_names[1:], start=1)
                ],
                series_instance_uid=highdicom.UID(),
                series_number=SERIES_NUMBER,
                sop_instance_uid=highdicom.UID(),
                instance_number=1,
                manufacturer="darts_adv_tf",
                manufacturer_model_name="darts_adv_tf.predict",
                software_versions=__version__,
                device_serial_number=fingerprint,
                series_description="Automatic segmentation",
            )
            content = io.BytesIO()
            segmentation.save_as(content)
            return content.getvalue()
    except DataError:
        raise
    except Exception as error:
        raise _refuse(" ".join(f"{type(error).__name__}: {error}".split())[:300], path) from error


def _complete(source: "Dataset", path: str | Path) -> None:
    missing = [keyword for keyword in _NEEDED if not source.get(keyword)]
    if missing:
        raise _refuse(f"no {', '.join(missing)}", path)
    for keyword in _MAY_BE_EMPTY:
        if keyword not in source:
            setattr(source, keyword, "")
    if "FrameOfReferenceUID" not in source and "SliceThickness" not in source:
        source.pop("PixelSpacing", None)


def _describe_segment(index: int, name: str):
    highdicom = import_medical("highdicom")
    codes = import_medical("pydicom.sr.codedict").codes
    return highdicom.seg.SegmentDescription(
        segment_number=index,
        segment_label=name[:64],
        segmented_property_category=codes.SCT.AnatomicalStructure,
        segmented_property_type=organ_code(index, name),
        algorithm_type="AUTOMATIC",
        algorithm_identification=highdicom.AlgorithmIdentificationSequence(
            name="darts_adv_tf",
            family=codes.DCM.ArtificialIntelligence,
            version=__version__,
        ),
    )


def organ_code(index: int, name: str) -> "Code":
    """The code of an organ: SNOMED CT's where it is known here, else one of a private scheme."""
    code = import_medical("pydicom.sr.coding").Code
    if name in ORGAN_CODES:
        value, meaning = ORGAN_CODES[name]
        return code(value, "SCT", meaning)
    return code(f"CLASS_{index}", PRIVATE_SCHEME, name[:64])


def _refuse(received: str, path: str | Path) -> DataError:
    return DataError(
        "The source of a DICOM Segmentation must say which study, series and image it is.",
        received=received,
        file=path,
        remedy="Restore these elements, or leave out --dicom_segmentation.",
    )
