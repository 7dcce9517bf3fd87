"""How the report writes names and numbers, the same in HTML, Markdown and plots.

IoU is a fraction in all files of a run; for reading it becomes percent, and its differences points
(hundredths), as the paper prints them.
"""

import math

from darts_adv_tf.reproduction.arms import arm_named
from darts_adv_tf.reproduction.averages import MEAN_MASK
from darts_adv_tf.reproduction.statistics import Interval
from darts_adv_tf.terminal.printable import printable

ABSENT = "–"

BACKBONES = {"unet": "U-Net", "fcn32s": "FCN-32s"}
BASELINES = {MEAN_MASK: "mean-mask baseline", "all_background": "all-background baseline"}
DATASETS = {"cx_seg": "CX-SEG", "jsrt": "JSRT"}


def title(dataset: str) -> str:
    name = DATASETS.get(dataset, dataset)
    return f"The paper's claims on {name}" if name else "The paper's claims"


def backbone_label(backbone: str) -> str:
    """Returns the segmenter's usual name, without signs that plots would obey."""
    return printable(BACKBONES.get(backbone, backbone))


def arm_label(arm: str) -> str:
    """Returns the name of an arm, or of a baseline in its place."""
    return BASELINES[arm] if arm in BASELINES else printable(arm_named(arm).label)


def model_label(backbone: str, arm: str) -> str:
    """Such as "U-Net + ResNet10", as in the paper's tables, or "U-Net, no discriminator"."""
    return f"{backbone_label(backbone)}{', ' if arm == 'none' else ' + '}{arm_label(arm)}"


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
