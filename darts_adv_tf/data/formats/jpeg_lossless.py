"""Lossless JPEG, the most common compression of radiographs.

Written here, since GDCM, the permissively licensed decoder that there is for Python, crashes the
process on some damaged files (measured on 3.2.6), and Pillow reads no more than 8 bits. NumPy does
all but following the Huffman codes from one to the next: 3.6 megapixels of 15 bits took 1 second.

Reference: ITU-T T.81 (1992), annex H, and annex F.2.2 for the codes.

Shapes: H, W pixels.
"""

import dataclasses
import re
import struct

import numpy as np

_SOI, _EOI, _SOS, _DHT, _SOF3, _DRI = 0xD8, 0xD9, 0xDA, 0xC4, 0xC3, 0xDD
_OTHER_FRAMES = frozenset(range(0xC0, 0xD0)) - {_SOF3, _DHT, 0xC8, 0xCC}

_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
# After the entropy-coded data. A byte 0xFF among them is followed by 0.
_NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")

MAXIMUM_PIXELS = 2**24
"""4096 x 4096, above the detectors of radiographs and mammograms; bounds the time to seconds."""

_CHUNK_BYTES = 2**16
# The longest code, its longest number, and the bits before it in its first byte.
_WORD_BYTES = 8


@dataclasses.dataclass(frozen=True)
class _Codes:
    """A Huffman table, spread over all that the next 16 bits can be.

    Attributes:
        lengths: uint8 (65536,), bits of the code that the 16 bits begin with, 0 for none.
        sizes: uint8 (65536,), bits of the number after the code.
    """

    lengths: np.ndarray
    sizes: np.ndarray


def decode_jpeg_lossless(frame: bytes) -> np.ndarray:
    """Decodes a grey image of 2 to 16 bits.

    Returns:
        uint16 (H, W).

    Raises:
        ValueError: The data are no such image, or damaged.
        struct.error: They end within a header.
    """
    tables: dict[int, _Codes] = {}
    shape = precision = None
    restart_interval = 0
    position = 0
    while True:
        kind, position = _next_marker(frame, position)
        if kind == _SOI:
            continue
        if kind == _EOI or kind in _OTHER_FRAMES:
            raise ValueError("no lossless JPEG image")
        (length,) = struct.unpack_from(">H", frame, position)
        segment = frame[position + 2 : position + length]
        position += max(length, 2)
        if kind == _DHT:
            _read_tables(segment, tables)
        elif kind == _DRI:
            (restart_interval,) = struct.unpack_from(">H", segment)
        elif kind == _SOF3:
            precision, *shape, num_components = struct.unpack_from(">BHHB", segment)
            if num_components != 1 or not 2 <= precision <= 16 or min(shape) < 1:
                raise ValueError(f"{num_components} component(s) of {precision} bits, {shape}")
        elif kind == _SOS:
            break
    if shape is None:
        raise ValueError("no header of the image before its data")
    num_components, _, table, predictor, _, shift = struct.unpack_from(">6B", segment)
    shift &= 15
    if num_components != 1 or not 1 <= predictor <= 7 or shift >= precision:
        raise ValueError(f"{num_components} component(s), predictor {predictor}, shift {shift}")
    if table >> 4 not in tables:
        raise ValueError(f"no Huffman table {table >> 4}")
    height, width = shape
    if height * width > MAXIMUM_PIXELS:
        raise ValueError(f"lossless JPEG of more than {MAXIMUM_PIXELS:,} pixels")
    if restart_interval % width:
        raise ValueError(f"a restart every {restart_interval} pixels, in rows of {width}")

    end = _NEXT_MARKER.search(frame, position)
    data = frame[position : end.start() if end else None]
    parts = _RESTART.split(data) if restart_interval else [data]
    num_rows = restart_interval // width or height
    if len(parts) != -(-height // num_rows):
        raise ValueError(f"{len(parts)} restart intervals of {num_rows} rows each")
    blocks = []
    for index, part in enumerate(parts):
        rows = min(num_rows, height - index * num_rows)
        stuffed = part.replace(b"\xff\x00", b"\xff")
        differences = _decode_differences(stuffed, rows * width, tables[table >> 4])
        first = 1 << (precision - shift - 1)
        blocks.append(_undo_prediction(differences.reshape(rows, width), first, predictor))
    return np.concatenate(blocks) << np.uint16(shift)


def _next_marker(frame: bytes, position: int) -> tuple[int, int]:
    """Returns the marker that stands at a position, and where its segment begins."""
    if frame[position : position + 1] != b"\xff":
        raise ValueError(f"no JPEG marker at byte {position}")
    while frame[position : position + 1] == b"\xff":
        position += 1
    if position == len(frame):
        raise ValueError("the data end before the image")
    return frame[position], position + 1


def _read_tables(segment: bytes, tables: dict[int, _Codes]) -> None:
    """Adds the Huffman tables of a segment, by number."""
    position = 0
    while position < len(segment):
        number, *counts = struct.unpack_from(">17B", segment, position)
        position += 17
        lengths, sizes = np.zeros(2**16, np.uint8), np.zeros(2**16, np.uint8)
        code = 0
        for length, count in enumerate(counts, start=1):
            for size in segment[position : position + count]:
                # All 16-bit numbers that begin with the code.
                start, stop = code << (16 - length), (code + 1) << (16 - length)
                if stop > 2**16 or size > 16:
                    raise ValueError("a Huffman table with more codes than there are")
                lengths[start:stop], sizes[start:stop] = length, size
                code += 1
            position += count
            code <<= 1
        tables[number & 15] = _Codes(lengths, sizes)


def _decode_differences(data: bytes, num_values: int, codes: _Codes) -> np.ndarray:
    """Decodes Huffman codes, each followed by its number.

    At each bit the table says how long a code beginning there would be, its number included; that
    is found for many bits at once, and then followed from code to code.

    Returns:
        int32 (num_values,).
    """
    # A size of 16 stands for one number alone, which is not written.
    num_written = np.where(codes.sizes == 16, 0, codes.sizes)
    steps_of = np.where(codes.lengths > 0, codes.lengths + num_written, 0).astype(np.uint8)
    differences = np.empty(num_values, np.int32)
    num_read, start_bit = 0, 0
    for first_byte in range(0, len(data), _CHUNK_BYTES):
        padded = data[first_byte : first_byte + _CHUNK_BYTES + _WORD_BYTES]
        padded += bytes(_CHUNK_BYTES + _WORD_BYTES - len(padded))
        windows = np.lib.stride_tricks.sliding_window_view(
            np.frombuffer(padded, np.uint8), _WORD_BYTES
        )[:_CHUNK_BYTES]
        # The 64 bits from each byte on.
        words = np.ascontiguousarray(windows).view(">u8")[:, 0].astype(np.uint64)
        heads = np.stack(
            [(words >> np.uint64(48 - bit)) & np.uint64(0xFFFF) for bit in range(8)], 1
        )
        steps = steps_of[heads.ravel()].tolist()

        bit, num_bits = start_bit, 8 * _CHUNK_BYTES
        starts: list[int] = []
        num_left = num_values - num_read
        while bit < num_bits and len(starts) < num_left:
            step = steps[bit]
            if not step:
                raise ValueError("bits that are no Huffman code")
            starts.append(bit)
            bit += step
        if bit > 8 * (len(data) - first_byte):
            break
        numbers = _read_numbers(np.array(starts, np.int64), words, heads, codes)
        differences[num_read : num_read + len(starts)] = numbers
        num_read += len(starts)
        if num_read == num_values:
            return differences
        start_bit = bit - num_bits
    raise ValueError("the data end before the image")


def _read_numbers(
    starts: np.ndarray, words: np.ndarray, heads: np.ndarray, codes: _Codes
) -> np.ndarray:
    """Reads the number after each code that begins at one of the bits `starts`."""
    head = heads.ravel()[starts]
    size = codes.sizes[head].astype(np.int64)
    end = starts % 8 + codes.lengths[head] + np.where(size == 16, 0, size)
    bits = (words[starts // 8] >> (64 - end).astype(np.uint64)).astype(np.int64)
    bits &= (1 << size) - 1
    # The lower half of the numbers of a size are the negative ones.
    negative = bits < (1 << np.maximum(size - 1, 0))
    numbers = np.where(negative, bits - (1 << size) + 1, bits)
    return np.where(size == 16, 1 << 15, np.where(size == 0, 0, numbers))


def _undo_prediction(differences: np.ndarray, first: int, predictor: int) -> np.ndarray:
    """Adds each difference to what its neighbours predict, modulo 65536 (T.81, table H.1).

    The neighbours to the left, above, and left above of a diagonal from the lower left to the upper
    right lie on the two diagonals before it, so a diagonal is computed at a time.

    Args:
        differences: int32 (H, W), overwritten by the result.
        first: What is predicted for the first pixel.
        predictor: 1 to 7.

    Returns:
        uint16 (H, W).
    """
    height, width = differences.shape
    values = differences
    values[0, 0] += first
    values[0] = np.cumsum(values[0], dtype=np.int64) & 0xFFFF
    values[:, 0] = np.cumsum(values[:, 0], dtype=np.int64) & 0xFFFF
    flat = values.reshape(-1)
    for diagonal in range(2, height + width - 1):
        first_row = max(1, diagonal - width + 1)
        last_row = min(height - 1, diagonal - 1)
        if first_row > last_row:
            continue
        # Pixel (row, diagonal - row) has this place in the flat array.
        start = diagonal + first_row * (width - 1)
        stop = diagonal + last_row * (width - 1) + 1
        left, above, corner = (
            flat[start - back : stop - back : width - 1] for back in (1, width, width + 1)
        )
        if predictor == 1:
            predicted = left
        elif predictor == 2:
            predicted = above
        elif predictor == 3:
            predicted = corner
        elif predictor == 4:
            predicted = left + above - corner
        elif predictor == 5:
            predicted = left + ((above - corner) >> 1)
        elif predictor == 6:
            predicted = above + ((left - corner) >> 1)
        else:
            predicted = (left + above) >> 1
        pixels = flat[start : stop : width - 1]
        pixels[:] = (pixels + predicted) & 0xFFFF
    return values.astype(np.uint16)
