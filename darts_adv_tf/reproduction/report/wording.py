"""How the report writes names and numbers, the same on the page and in Markdown.

Overlaps are fractions in all files of a run; for reading they become percent, and their differences
points (hundredths), as the paper prints them.
"""

import math

from darts_adv_tf.reproduction.arms import ARMS
from darts_adv_tf.reproduction.statistics import Interval
from darts_adv_tf.terminal.printable import printable

ABSENT = "–"

BACKBONES = {"unet": "U-Net", "fcn32s": "FCN-32s"}
BASELINES = {
    "mean_shape": "blind: the mean training mask",
    "all_background": "blind: background everywhere",
}
_IN_AN_ARMS_PLACE = {"mean_shape": "blind mask"}
DATASETS = {"cx_seg": "CX-SEG", "jsrt": "JSRT"}


def backbone_label(backbone: str) -> str:
    """What a reader calls it; fit for pictures too, which obey and contain less than pages do."""
    return printable(BACKBONES.get(backbone, backbone))


def model_label(backbone: str, arm: str) -> str:
    """As the rows of the paper's tables: "U-Net + ResNet10"; without a discriminator "alone"."""
    joint = " " if arm == "none" else " + "
    return f"{backbone_label(backbone)}{joint}{arm_label(arm)}"


def arm_label(arm: str) -> str:
    """Also of the blind mask that takes the place of an arm."""
    return ARMS[arm].label if arm in ARMS else _IN_AN_ARMS_PLACE.get(arm, arm)


def number(value: float | None, decimals: int = 2, signed: bool = False) -> str:
    """A number, or a dash where there is none.

    Example:
        >>> number(-0.004), number(1.5, 1, signed=True), number(float("nan"))
        ('0.00', '+1.5', '–')
    """
    if value is None or math.isnan(value):
        return ABSENT
    rounded = round(value, decimals)
    # Adding zero turns what was rounded to -0 into 0.
    text = f"{rounded + 0.0:.{decimals}f}"
    return f"+{text}" if signed and rounded > 0 else text.replace("-", "−")


def bounds(interval: Interval, scale: float = 1.0, decimals: int = 2, signed: bool = False) -> str:
    """The ends of an interval; empty where it has none."""
    if math.isnan(interval.low) or math.isnan(interval.high):
        return ""
    ends = (number(end * scale, decimals, signed) for end in (interval.low, interval.high))
    return " to ".join(ends)


def probability(value: float) -> str:
    """A p-value, with two significant digits."""
    if math.isnan(value):
        return ABSENT
    if value < 1e-4:
        return "< 0.0001"
    return f"{value:.4f}" if value < 0.01 else f"{value:.3f}"


def counted(count: int, noun: str) -> str:
    """A count and its noun, such as "1 seed" or "3 seeds"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
