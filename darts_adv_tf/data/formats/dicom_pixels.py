"""The stored values of a DICOM image, however they are compressed.

Shapes: H, W pixels.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from darts_adv_tf.data.formats.dicom_jpeg import check_codestream, decode_jpeg
from darts_adv_tf.data.formats.medical_packages import import_medical
from darts_adv_tf.system.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

SYNTAXES = {
    "1.2.840.10008.1.2": "",
    "1.2.840.10008.1.2.1": "",
    "1.2.840.10008.1.2.2": "",
    "1.2.840.10008.1.2.4.50": "jpeg",
    "1.2.840.10008.1.2.4.51": "jpeg",
    "1.2.840.10008.1.2.4.57": "jpeg",
    "1.2.840.10008.1.2.4.70": "jpeg",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pillow",
    "1.2.840.10008.1.2.4.91": "pillow",
    "1.2.840.10008.1.2.5": "rle",
}
"""Transfer syntaxes and what decodes them; deflated files are inflated before they come here.

Uncompressed in three ways; JPEG baseline and extended; JPEG lossless, in general and with
first-order prediction; JPEG-LS lossless and near-lossless; JPEG 2000 lossless and lossy; RLE.
The decoder is fixed for each, so that a file gives the same values on every machine.
"""


def decode_pixels(dataset: "Dataset", path: str | Path) -> np.ndarray:
    """Decodes the one frame of a grey image whose header has been checked.

    Args:
        dataset: All elements, with SamplesPerPixel 1 and the transfer syntax in `file_meta`.
        path: The file, for messages.

    Returns:
        Integers (H, W); bits above BitsStored, in which old files keep drawings, are cleared.

    Raises:
        DataError: The transfer syntax is none of `SYNTAXES`.
        Exception: Whatever the decoders raise on damaged data.
    """
    pixels = import_medical("pydicom.pixels")
    encaps = import_medical("pydicom.encaps")
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    if syntax not in SYNTAXES:
        raise DataError(
            "A DICOM image must be uncompressed, or compressed as JPEG, JPEG-LS, JPEG 2000 or RLE.",
            received=f"the transfer syntax {dataset.file_meta.TransferSyntaxUID.name[:64]}",
            file=path,
            remedy="Export the image again, uncompressed.",
        )
    decoder = SYNTAXES[syntax]
    shape = int(dataset.Rows), int(dataset.Columns)
    frame = encaps.get_frame(dataset.PixelData, 0, number_of_frames=1) if decoder else b""
    if decoder == "rle":
        stored = _decode_run_lengths(frame, shape, dataset.BitsAllocated)
    elif decoder == "jpeg":
        check_codestream(frame, shape)
        stored = decode_jpeg(frame)
    else:
        if decoder:
            check_codestream(frame, shape)
        stored, _ = pixels.get_decoder(syntax).as_array(
            dataset, index=0, raw=True, decoding_plugin=decoder
        )
    if stored.shape != shape:
        raise ValueError(f"pixels of the shape {stored.shape} in an image of {shape}")
    return _clear_unused_bits(stored, dataset)


def _clear_unused_bits(stored: np.ndarray, dataset: "Dataset") -> np.ndarray:
    """Keeps BitsStored bits, and the sign that the uppermost of them holds."""
    # Shifted as 32-bit numbers: up, so that what is above falls out, and down again.
    dtype = np.int32 if dataset.PixelRepresentation else np.uint32
    num_unused = 32 - dataset.BitsStored
    stored = stored.astype(dtype)
    stored <<= num_unused
    stored >>= num_unused
    return stored


def _decode_run_lengths(frame: bytes, shape: tuple[int, int], num_bits: int) -> np.ndarray:
    """Decodes RLE (PS3.5, annex G); data for more pixels than there are end in an error.

    Returns:
        uint8 or uint16 (H, W).
    """
    dtype = np.dtype(f"<u{num_bits // 8}")
    num_bytes = shape[0] * shape[1] * dtype.itemsize
    decode = import_medical("imagecodecs").dicomrle_decode
    return np.frombuffer(decode(frame, dtype, out=num_bytes), dtype).reshape(shape)
