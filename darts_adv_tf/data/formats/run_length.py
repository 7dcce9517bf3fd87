"""Masks as run lengths in a text, as in the tables of CheXmask.

Reference: N. Gaggion et al., "CheXmask: a large-scale dataset of anatomical segmentation masks for
multi-center chest x-ray images", Scientific Data 11, 2024; `get_mask_from_RLE` in
github.com/ngaggion/CheXmask-Database, DataPostprocessing/utils.py.
"""

from pathlib import Path

import numpy as np

from darts_adv_tf.data.formats.decoded_image import check_size
from darts_adv_tf.system.errors import DataError


def decode_run_length(
    text: str, height: int, width: int, path: str | Path, place: str = ""
) -> np.ndarray:
    """Decodes "start length start length ...", where pixels are counted from 1, row by row.

    A text without a number is a mask without a pixel.

    Args:
        text: The runs, in rising order and apart from each other.
        height: H, pixels.
        width: W, pixels.
        path: The file that the text is from, for messages.
        place: Where in the file, such as "row 7, Heart", for messages.

    Returns:
        bool (H, W), true inside a run.

    Raises:
        DataError: The text holds something else than decimal numbers, or an odd number of them; a
            run is empty, leaves the image, or begins before the one before it has ended.
    """
    check_size(height, width, 1, path)
    words = text.split()

    def refuse(received: str) -> DataError:
        return DataError(
            "A run-length mask must be `start length start length ...`, counted from pixel 1, "
            f"ascending, within {width} x {height} pixels.",
            received=f"{place}: {received}" if place else received,
            file=path,
            remedy="Copy the table again from its source, or remove this row.",
        )

    # int() would take signs, underscores and the digits of all scripts.
    wrong = next((word for word in words if not (word.isascii() and word.isdigit())), None)
    if wrong is not None:
        raise refuse(f"{wrong[:40]!r}, which is no number")
    if len(words) % 2:
        raise refuse(f"an odd number of numbers, {len(words)}")
    # Numbers too long for 64 bits are far outside of the image.
    if any(len(word) > 18 for word in words):
        raise refuse("a number of more than 18 digits")
    starts, lengths = np.array(words, np.int64).reshape(-1, 2).T
    ends = starts + lengths
    if len(starts):
        if starts.min() < 1 or lengths.min() < 1 or ends.max() - 1 > height * width:
            index = np.flatnonzero((starts < 1) | (lengths < 1) | (ends - 1 > height * width))[0]
            raise refuse(f"a run of {lengths[index]} from pixel {starts[index]} on")
        if (starts[1:] < ends[:-1]).any():
            index = np.flatnonzero(starts[1:] < ends[:-1])[0] + 1
            raise refuse(f"a run from pixel {starts[index]} on after one to {ends[index - 1] - 1}")
    # +1 where a run begins, -1 where it has ended: their running sum is 1 inside of runs.
    changes = np.zeros(height * width + 1, np.int8)
    np.add.at(changes, starts - 1, 1)
    np.add.at(changes, ends - 1, -1)
    return np.cumsum(changes[:-1], dtype=np.int8).astype(bool).reshape(height, width)
