"""Writes lossless JPEG, one pixel after the other, as ITU-T T.81 (annex H) puts it."""

import struct

# The code of a size is the size itself in five bits, so no code consists of ones alone.
NUM_CODE_BITS = 5
SIZES = range(17)


def encode_jpeg_lossless(pixels, precision, predictor=1, rows_per_restart=0, shift=0):
    """Encodes unsigned integers (H, W); the lowest `shift` bits are lost."""
    height, width = pixels.shape
    rows = [[int(value) >> shift for value in row] for row in pixels]
    table = bytes([0x00, *(len(SIZES) if n == NUM_CODE_BITS else 0 for n in range(1, 17)), *SIZES])
    parts = [
        b"\xff\xd8",
        _segment(0xC4, table),
        _segment(0xC3, struct.pack(">BHHB3B", precision, height, width, 1, 1, 0x11, 0)),
    ]
    if rows_per_restart:
        parts.append(_segment(0xDD, struct.pack(">H", rows_per_restart * width)))
    parts.append(_segment(0xDA, bytes([1, 1, 0, predictor, 0, shift])))
    step = rows_per_restart or height
    for index, top in enumerate(range(0, height, step)):
        if index:
            parts.append(bytes([0xFF, 0xD0 + (index - 1) % 8]))
        first = 1 << (precision - shift - 1)
        parts.append(_encode_block(rows[top : top + step], first, predictor))
    return b"".join([*parts, b"\xff\xd9"])


def _segment(kind, content):
    return bytes([0xFF, kind]) + struct.pack(">H", len(content) + 2) + content


def _encode_block(rows, first, predictor):
    bits = []
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            difference = (value - _predict(rows, i, j, first, predictor)) & 0xFFFF
            # Modulo 65536, from -32767 to 32768.
            if difference > 32768:
                difference -= 65536
            size = abs(difference).bit_length()
            bits.append(f"{size:05b}")
            if 0 < size < 16:
                number = difference if difference > 0 else difference + (1 << size) - 1
                bits.append(f"{number:0{size}b}")
    joined = "".join(bits)
    joined += "1" * (-len(joined) % 8)
    return int(joined, 2).to_bytes(len(joined) // 8, "big").replace(b"\xff", b"\xff\x00")


def _predict(rows, i, j, first, predictor):
    if i == j == 0:
        return first
    if i == 0:
        return rows[0][j - 1]
    if j == 0:
        return rows[i - 1][0]
    left, above, corner = rows[i][j - 1], rows[i - 1][j], rows[i - 1][j - 1]
    return (
        left,
        above,
        corner,
        left + above - corner,
        left + ((above - corner) >> 1),
        above + ((left - corner) >> 1),
        (left + above) >> 1,
    )[predictor - 1]
