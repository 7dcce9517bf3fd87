"""JPEG, JPEG-LS and JPEG 2000 codestreams in DICOM files.

Reference: ITU-T T.81 (JPEG), T.87 (JPEG-LS), T.800 (JPEG 2000).

Shapes: H, W pixels.
"""

import struct

import numpy as np

from darts_adv_tf.data.formats.medical_packages import import_medical

_MOST_SCANS = 20
"""A progressive JPEG has about ten scans; decoding takes time for each, whatever its size."""


def check_codestream(frame: bytes, shape: tuple[int, int]) -> None:
    """Holds a codestream to the size that the DICOM elements say, and that has been checked.

    Decoders take memory for the size that stands in the codestream.

    Raises:
        ValueError: It says another size, or none.
        struct.error: It ends within its header.
    """
    declared = _codestream_size(frame)
    if declared != shape:
        raise ValueError(f"compressed data of the size {declared} in an image of {shape}")


def _codestream_size(frame: bytes) -> tuple[int, int]:
    """Reads height and width from the header of a JPEG, JPEG-LS or JPEG 2000 codestream."""
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


def decode_jpeg(frame: bytes) -> np.ndarray:
    """Decodes JPEG of any process, lossless or not, up to 16 bits (ITU-T T.81).

    Returns:
        uint8 or uint16 (H, W); (H, W, C) where there are C components.

    Raises:
        ValueError: The data end too early, or have absurdly many scans.
        imagecodecs.Jpeg8Error: The decoder finds them damaged.
    """
    # Entropy-coded data never hold these pairs of bytes.
    start = frame.find(b"\xff\xda")
    if frame.count(b"\xff\xda") > _MOST_SCANS:
        raise ValueError(f"JPEG of more than {_MOST_SCANS} scans")
    # What is missing would be made up by the decoder, without a word.
    if start < 0 or b"\xff\xd9" not in frame[start:]:
        raise ValueError("JPEG data that end before the image does")
    return import_medical("imagecodecs").jpeg8_decode(frame)
