"""What makes numbers labels, and grey levels or colours a mask, in all formats.

Shapes: H, W pixels, C channels.
"""

from pathlib import Path

import numpy as np

from darts_adv_tf.data.formats.decoded_image import DecodedImage, Report, unreported
from darts_adv_tf.system.errors import DataError

LARGEST_LABEL = 65535

ROUNDING = 1e-3
"""By how much a label may differ from a whole number: a float's rounding, no interpolation."""


def to_label_image(values: np.ndarray, path: str | Path, report: Report = unreported) -> np.ndarray:
    """Returns numbers as labels; what only a float's rounding takes from a whole one is rounded.

    Args:
        values: (H, W), real numbers.
        path: The file that they are from, for messages.
        report: Called where numbers were rounded.

    Returns:
        uint8 (H, W), or uint16 where a label is above 255.

    Raises:
        DataError: A number is no label.
    """
    if values.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            labels = np.rint(values)
            farthest = np.abs(values - labels).max()
        # Also true of what is not a number.
        if not farthest <= ROUNDING:
            raise no_label_image("numbers between whole ones, or no numbers", path)
        if farthest:
            report("labels that differ from whole numbers by a float's rounding: rounded")
        values = labels
    lowest, highest = values.min(), values.max()
    if lowest < 0 or highest > LARGEST_LABEL:
        raise no_label_image(f"numbers from {lowest:.0f} to {highest:.0f}", path)
    return values.astype(np.uint8 if highest <= 255 else np.uint16)


def no_label_image(received: str, path: str | Path) -> DataError:
    """The error for a file that holds no labels."""
    return DataError(
        f"A label image must hold a whole number from 0 to {LARGEST_LABEL} in each pixel, stored "
        "without loss.",
        received=received,
        file=path,
        remedy="Store the labels as 8-bit or 16-bit integers: a grey PNG, or NIfTI without "
        "scaling.",
    )


def to_mask(decoded: DecodedImage, path: str | Path, report: Report = unreported) -> np.ndarray:
    """Returns an image as the mask of one class.

    Two levels, of which one is 0, are outside and inside, whatever the other is; so are two
    colours, of which one is black. An image that is 1 everywhere is all inside. Of other levels,
    as anti-aliasing leaves, the upper half of what the format can hold is inside, if there is such
    a level or but one.

    Args:
        decoded: The image, (H, W, 1) or (H, W, 3).
        path: The file that it is from, for messages.
        report: Called where the levels are not black and white.

    Returns:
        bool (H, W), true inside.

    Raises:
        DataError: It cannot be told which pixels are inside.
    """
    white = decoded.intensity_maximum
    inside = np.asarray(decoded.pixels.any(axis=-1))
    if not inside.any():
        return inside
    levels = decoded.pixels[inside]
    level = levels[0]
    is_one_level = bool((levels == level).all())
    if is_one_level and level.min() >= 0 and (not inside.all() or (level == 1).all()):
        if len(level) > 1:
            report("masks of one colour on black: the colour is the class")
        elif level[0] != white:
            report(f"masks of 0 and {level[0]:g}: {level[0]:g} is the class")
        return inside
    if decoded.pixels.shape[-1] == 1 and white is not None:
        half = (white + 1) / 2
        if is_one_level or levels.max() >= half:
            return decoded.pixels[:, :, 0] >= half
    raise DataError(
        "A mask must be grey, with 8 or 16 bits, from black outside to white inside; or of two "
        "values, 0 outside and another one inside.",
        received=_levels(decoded, levels),
        file=path,
        remedy="Save the mask as 0 and 255. If its values number several classes, put it into "
        "labels/ of --dataset=folders, where --classes names them.",
    )


def _levels(decoded: DecodedImage, levels: np.ndarray) -> str:
    if decoded.pixels.shape[-1] > 1:
        return "colours, more than one beside black"
    bound = "" if decoded.intensity_maximum is None else f" of {decoded.intensity_maximum:g}"
    return f"several values beside 0, from {levels.min():g} to {levels.max():g}{bound}"
