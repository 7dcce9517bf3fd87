"""The stored values of a DICOM image, however they are compressed.

Shapes: H, W pixels.
"""

import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from darts_adv_tf.data.formats.jpeg_lossless import decode_jpeg_lossless
from darts_adv_tf.data.formats.medical_packages import import_medical
from darts_adv_tf.system.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

SYNTAXES = {
    "1.2.840.10008.1.2": "",
    "1.2.840.10008.1.2.1": "",
    "1.2.840.10008.1.2.2": "",
    "1.2.840.10008.1.2.4.50": "pillow",
    "1.2.840.10008.1.2.4.51": "pillow",
    "1.2.840.10008.1.2.4.57": "jpeg_lossless",
    "1.2.840.10008.1.2.4.70": "jpeg_lossless",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pillow",
    "1.2.840.10008.1.2.4.91": "pillow",
    "1.2.840.10008.1.2.5": "packbits",
}
"""Transfer syntaxes and what decodes them; deflated files are inflated before they come here.

Uncompressed in three ways; JPEG baseline and extended (8 bits); JPEG lossless, in general and with
first-order prediction; JPEG-LS lossless and near-lossless; JPEG 2000 lossless and lossy; RLE.
The decoder is fixed for each, so that a file gives the same values on every machine.
"""

_RLE_HEADER = struct.Struct("<16L")


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
    if decoder:
        frame = encaps.get_frame(dataset.PixelData, 0, number_of_frames=1)
        if decoder == "packbits":
            return _clear_unused_bits(_decode_run_lengths(frame, shape, dataset), dataset)
        declared = _codestream_size(frame)
        if declared != shape:
            raise ValueError(f"compressed data of the size {declared} in an image of {shape}")
        if decoder == "jpeg_lossless":
            return _clear_unused_bits(decode_jpeg_lossless(frame), dataset)
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


def _codestream_size(frame: bytes) -> tuple[int, int]:
    """Reads height and width from the header of a JPEG, JPEG-LS or JPEG 2000 codestream.

    Decoders take memory for the size that stands here, not for the one that the DICOM elements say
    and that has been checked.
    """
    start = frame.find(b"\xff\x4f\xff\x51")
    if start >= 0 and frame[:2] != b"\xff\xd8":
        right, bottom, left, top = struct.unpack_from(">4L", frame, start + 8)
        return bottom - top, right - left
    position = frame.find(b"\xff\xd8") + 2
    while position >= 2:
        mark, kind, length = struct.unpack_from(">BBH", frame, position)
        if mark != 0xFF:
            break
        # A marker may be preceded by any number of fill bytes.
        if kind == 0xFF:
            position += 1
            continue
        # Frame headers are 0xC0..0xCF but for three tables, and 0xF7 in JPEG-LS.
        if kind == 0xF7 or (0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC)):
            return struct.unpack_from(">HH", frame, position + 5)
        position += 2 + length
    raise ValueError("compressed data without a header that says their size")


def _decode_run_lengths(frame: bytes, shape: tuple[int, int], dataset: "Dataset") -> np.ndarray:
    """Decodes RLE (PS3.5, annex G) by Pillow's decoder of the same code, which stops when full.

    Returns:
        uint8 or uint16 (H, W), or the signed types.
    """
    num_bytes = dataset.BitsAllocated // 8
    num_segments, *offsets = _RLE_HEADER.unpack_from(frame)
    if num_segments != num_bytes:
        raise ValueError(f"{num_segments} RLE segments for {num_bytes} byte(s) a pixel")
    ends = [*offsets[1:num_segments], len(frame)]
    height, width = shape
    planes = [
        np.frombuffer(
            # One row, as runs need not end with the rows of the image.
            Image.frombytes("L", (height * width, 1), frame[start:end], "packbits", "L").tobytes(),
            np.uint8,
        )
        for start, end in zip(offsets, ends, strict=False)
    ]
    # The segment of the upper bytes comes first.
    values = np.stack(planes, axis=-1).view(f">u{num_bytes}").reshape(shape)
    return values.astype(np.int32)
