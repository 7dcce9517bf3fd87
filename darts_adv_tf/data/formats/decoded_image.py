"""The decoded image that every decoder returns.

Shapes: H, W pixels, C channels.
"""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from darts_adv_tf.system.errors import DataError

MAXIMUM_VALUES = 2**26
"""Pixels times channels that an image may have: 8,192 x 8,192 in grey, a quarter GiB as float32.

A header can claim any size; larger ones are rejected before memory is allocated.
"""

Report = Callable[[str], object]
"""Called with a remark: what a reader had to interpret, in words that are the same for all files
of which it is true."""


def unreported(remark: str) -> None:
    """Drops a remark."""


@dataclasses.dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image, right side up, dense parts bright as in a radiograph on a screen.

    Attributes:
        pixels: (H, W, C), uint8, uint16 or float32, all finite.
        intensity_maximum: The largest intensity that the format can hold, such as 255; None if
            the format does not bound intensities, as for floating-point files.
        spacing: Height and width of a pixel in mm; None if unknown.
        remarks: What had to be interpreted to read the file, or those of its case.
    """

    pixels: np.ndarray
    intensity_maximum: float | None = None
    spacing: tuple[float, float] | None = None
    remarks: tuple[str, ...] = ()

    def with_remarks(self, remarks: Sequence[str]) -> "DecodedImage":
        """The image with further remarks, each once."""
        return dataclasses.replace(self, remarks=tuple(dict.fromkeys((*self.remarks, *remarks))))


def check_size(height: int, width: int, num_channels: int, path: str | Path) -> None:
    """Rejects a size that no medical image has, before anything is allocated for it.

    Raises:
        DataError: A side is zero, or there are more than `MAXIMUM_VALUES` values.
    """
    if min(height, width, num_channels) < 1 or height * width * num_channels > MAXIMUM_VALUES:
        raise DataError(
            f"An image must have 1 to {MAXIMUM_VALUES:,} values (pixels times channels).",
            received=f"{width} x {height} pixels, {num_channels} channel(s)",
            file=path,
            remedy="Resize the image, or remove the case from the data set.",
        )


def make_image(
    values: np.ndarray,
    path: str | Path,
    intensity_maximum: float | None = None,
    spacing: tuple[float, float] | None = None,
    remarks: Sequence[str] = (),
) -> DecodedImage:
    """Makes an image of decoded values: uint8 and uint16 stay, all others become float32.

    Args:
        values: (H, W) or (H, W, C), real numbers.
        path: The file that they are from, for messages.
        intensity_maximum: As in `DecodedImage`.
        spacing, remarks: As in `DecodedImage`.

    Raises:
        DataError: A value is not finite, or is too large for float32.
    """
    if values.ndim == 2:
        values = values[:, :, np.newaxis]
    if values.dtype not in (np.uint8, np.uint16):
        with np.errstate(over="ignore", invalid="ignore"):
            values = values.astype(np.float32)
        num_wrong = values.size - np.count_nonzero(np.isfinite(values))
        if num_wrong:
            raise DataError(
                "Intensities must be finite and fit into float32.",
                received=f"{num_wrong} of {values.size} intensities that are infinite or NaN",
                file=path,
                remedy="Replace these values, or remove the case from the data set.",
            )
    return DecodedImage(values, intensity_maximum, spacing, tuple(remarks))
