"""What the segmenter is trained against: the columns of a matrix of runs, by name."""

import dataclasses
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from darts_adv_tf.system.entry_point import is_entry_point

SOLID = "solid"
DASHED = (0, (5, 1.5))
DOTTED = (0, (1.5, 1))
DASH_DOTTED = (0, (6, 1.5, 1.5, 1.5))

Dashes = str | tuple[float, tuple[float, ...]]


@dataclasses.dataclass(frozen=True)
class Arm:
    """A kind of run.

    Attributes:
        label: Its name in tables, after the backbone's.
        colour, dashes: Its line in plots, as Matplotlib has them. The arms' colours can be told
            apart by the colour-blind too (Okabe and Ito, 2008).
        command: `search`, or `train` where nothing is searched.
        model: Settings of `ModelConfig` that make the arm what it is.
        training: The same of `TrainingConfig`.
        is_drawn: Whether a seed has several runs, which differ by the discriminator drawn.
    """

    label: str
    colour: str
    dashes: Dashes = SOLID
    command: str = "train"
    model: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    training: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    is_drawn: bool = False


def _fixed(
    label: str, discriminator: str, colour: str, dashes: Dashes = SOLID, is_drawn: bool = False
) -> Arm:
    model = MappingProxyType({"discriminator": discriminator})
    return Arm(label, colour, dashes, model=model, is_drawn=is_drawn)


def _searched(
    label: str,
    colour: str,
    dashes: Dashes = SOLID,
    gradient: str = "exact",
    objective: str = "discriminator",
) -> Arm:
    settings = {"architecture_gradient": gradient, "architecture_objective": objective}
    return Arm(label, colour, dashes, "search", training=MappingProxyType(settings))


ARMS = {
    "none": _fixed("no discriminator", "none", "#222222"),
    "random": _fixed("random", "random", "#E69F00", DASHED, is_drawn=True),
    "resnet10": _fixed("ResNet10", "resnet10", "#0072B2"),
    "resnet18": _fixed("ResNet18", "resnet18", "#56B4E9", DASHED),
    "resnet50": _fixed("ResNet50", "resnet50", "#7B4397", DOTTED),
    "nas": _searched("NAS", "#D0440E"),
    "nas_first_order": _searched("NAS, first order", "#CC79A7", DASHED, gradient="first_order"),
    "nas_finite_difference": _searched(
        "NAS, finite difference", "#007A57", DOTTED, gradient="finite_difference"
    ),
    "nas_segmentation": _searched(
        "NAS for the segmentation loss", "#8C6D1F", DASH_DOTTED, objective="segmentation"
    ),
}
"""In the order of tables and legends."""

USER_LINES = tuple(
    (colour, dashes)
    for dashes in (DASH_DOTTED, DOTTED, DASHED)
    for colour in ("#00A6A6", "#6C757D", "#A3005C", "#5A8F00")
)
"""Of the users' arms, in their order."""

EXPERIMENTS = {
    "table": ("none", "random", "resnet10", "nas"),
    "curves": ("none", "resnet10", "resnet18", "resnet50"),
    "cells": ("nas",),
    "overlays": ("none", "resnet10", "nas"),
}
"""The arms of each experiment: Tables 1 and 2, Fig. 4, Fig. 3 and Fig. 5 of the paper."""


def is_arm(name: str) -> bool:
    """Whether an arm has this name: one of `ARMS`, or a user's `<module>:<function>`."""
    return name in ARMS or is_entry_point(name)


def arm_named(name: str, place: int = 0) -> Arm:
    """Returns the arm of `ARMS`, or that of a user's discriminator, `<module>:<function>`.

    Args:
        name: Of the arm.
        place: Of a user's arm among all of them: which of `USER_LINES` it has.
    """
    if name in ARMS:
        return ARMS[name]
    return _fixed(name, name, *USER_LINES[place % len(USER_LINES)])


def in_order(names: Iterable[str]) -> list[str]:
    """Returns each name once: the arms of `ARMS` in its order, then a user's in the given one."""
    names = dict.fromkeys(names)
    return [
        *(name for name in ARMS if name in names),
        *(name for name in names if name not in ARMS),
    ]
