"""Look-up tables of DICOM images, modality and VOI.

Reference: DICOM PS3.3, C.11.1.1 (modality) and C.11.2.1.1 (VOI).

Shapes: V values to look up, N entries of a table.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from darts_adv_tf.system.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

_ALL_16_BITS = 2**16


@dataclasses.dataclass(frozen=True, eq=False)
class LookupTable:
    """A table from integers to unsigned integers.

    Attributes:
        first: The value that the first entry belongs to.
        entries: uint16 (N,).
        white: The largest output: of the declared depth, or of the entries where these plainly have
            another one.
    """

    first: int
    entries: np.ndarray
    white: int

    def look_up(self, values: np.ndarray) -> np.ndarray:
        """Looks values (V,) up; those outside of the table take its first or last entry."""
        indices = np.clip(np.rint(values) - self.first, 0, len(self.entries) - 1)
        return self.entries[indices.astype(np.intp)]


def read_lookup_table(
    items: "Sequence[Dataset] | None", values: np.ndarray, big_endian: bool, path: str | Path
) -> LookupTable | None:
    """Reads the first table of a sequence that holds one; empty items hold none.

    The number of bits that the descriptor declares cannot be relied on: some devices write there
    how wide the entries are stored. So entries that need fewer bits, or more, are taken to go up to
    their largest one. The sign of the first value is that under which the table meets the values,
    since files do not always say it rightly.

    Args:
        items: The value of a Modality or VOI LUT Sequence.
        values: (V,), all values that may be looked up, from which the sign is known.
        big_endian: Whether the file stores the upper byte of a number first.
        path: The file, for messages.

    Raises:
        DataError: The table has fewer entries than it declares.
    """
    for item in items or ():
        descriptor = item.get("LUTDescriptor")
        # Looked at before the data, whose type pydicom takes from it.
        if not isinstance(descriptor, Sequence) or len(descriptor) != 3 or not item.get("LUTData"):
            continue
        num_entries = int(descriptor[0]) % _ALL_16_BITS or _ALL_16_BITS
        first = int(descriptor[1])
        if first > values.max():
            first -= _ALL_16_BITS
        elif first + num_entries - 1 < values.min():
            first += _ALL_16_BITS
        entries = _read_entries(item.LUTData, num_entries, big_endian, path)
        declared, largest = 2 ** int(descriptor[2]) - 1, int(entries.max())
        fills_its_depth = declared // 2 < largest <= declared
        return LookupTable(first, entries, declared if fills_its_depth else largest)
    return None


def _read_entries(
    data: bytes | int | Sequence[int], num_entries: int, big_endian: bool, path: str | Path
) -> np.ndarray:
    """Returns uint16 (N,), from entries of 8 or 16 bits: the length of the data says which.

    Args:
        data: The value of LUT Data: bytes if its type is OW, integers of 16 bits if it is US.
        num_entries: N.
        big_endian: As in `read_lookup_table`.
        path: The file, for messages.
    """
    if isinstance(data, bytes):
        words = np.frombuffer(data + bytes(len(data) % 2), ">u2" if big_endian else "<u2")
    else:
        words = np.atleast_1d(np.asarray(data, np.int64))
    if len(words) == (num_entries + 1) // 2 < num_entries:
        # Two to a word, the lower byte first.
        words = np.stack([words & 0xFF, words >> 8], axis=-1).ravel()
    if len(words) < num_entries:
        raise DataError(
            "A look-up table in a DICOM file must have as many entries as it declares.",
            received=f"{len(words)} of {num_entries} entries",
            file=path,
            remedy="Export the image again, with its window in place of the table.",
        )
    return words[:num_entries].astype(np.uint16)
