"""Writes DICOM files for the tests, in each transfer syntax that is read."""

import io

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.data.formats.jpeg_lossless_encoder import encode_jpeg_lossless

NATIVE = (
    ImplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    DeflatedExplicitVRLittleEndian,
)
LOSSLESS = (JPEGLossless, JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless, RLELossless)
LOSSY = (JPEGBaseline8Bit,)


def make_dataset(pixels, **elements):
    """A grey image of 8 or 16 bits, signed or not; `elements` by keyword, None to leave one out."""
    dataset = pydicom.Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = ComputedRadiographyImageStorage
    dataset.SOPInstanceUID = "1.2.3.4"
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.dtype.itemsize
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OB" if pixels.dtype.itemsize == 1 else "OW"
    for keyword, value in elements.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
            if keyword == "BitsStored" and "HighBit" not in elements:
                dataset.HighBit = value - 1
    return dataset


def write_dicom(path, dataset, syntax=ExplicitVRLittleEndian):
    """Writes a dataset of `make_dataset`, compressed where the transfer syntax says so."""
    if syntax in (JPEGLSLossless, RLELossless):
        dataset.compress(syntax, generate_instance_uid=False)
    elif syntax not in NATIVE:
        # Signed numbers are encoded as the unsigned ones that have the same bits.
        dtype = np.uint8 if dataset.BitsAllocated == 8 else np.uint16
        pixels = np.frombuffer(dataset.PixelData, dtype).reshape(dataset.Rows, dataset.Columns)
        dataset.PixelData = encapsulate([_encode(pixels, syntax)])
        dataset["PixelData"].VR = "OB"
        dataset["PixelData"].is_undefined_length = True
    if syntax == ExplicitVRBigEndian and dataset.BitsAllocated == 16:
        dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True)
    return path


def _encode(pixels, syntax):
    if syntax in (JPEGLossless, JPEGLosslessSV1):
        predictor = 1 if syntax == JPEGLosslessSV1 else 7
        return encode_jpeg_lossless(pixels, 8 * pixels.dtype.itemsize, predictor)
    stream = io.BytesIO()
    if syntax == JPEGBaseline8Bit:
        Image.fromarray(pixels).save(stream, "JPEG", quality=100)
    else:
        Image.fromarray(pixels).save(stream, "JPEG2000", no_jp2=True, irreversible=False)
    return stream.getvalue()
