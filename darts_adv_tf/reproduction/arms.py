"""What the segmenter is trained against: the columns of a matrix of runs, by name."""

import dataclasses
from types import MappingProxyType


@dataclasses.dataclass(frozen=True)
class Arm:
    """A kind of run.

    Attributes:
        label: As tables name it, behind the backbone's name.
        command: `search`, or `train` where nothing is searched.
        model: Settings of `ModelConfig` that make the arm what it is.
        training: The same of `TrainingConfig`.
        is_drawn: Whether a seed has several runs, which differ by the discriminator drawn.
    """

    label: str
    command: str = "train"
    model: MappingProxyType = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    training: MappingProxyType = dataclasses.field(default_factory=lambda: MappingProxyType({}))
    is_drawn: bool = False


def _fixed(discriminator: str) -> MappingProxyType:
    return MappingProxyType({"discriminator": discriminator})


def _searched(label: str, gradient: str = "exact", objective: str = "discriminator") -> Arm:
    settings = {"architecture_gradient": gradient, "architecture_objective": objective}
    return Arm(label, "search", training=MappingProxyType(settings))


ARMS = {
    "none": Arm("alone", model=_fixed("none")),
    "random": Arm("random", model=_fixed("random"), is_drawn=True),
    "resnet10": Arm("ResNet10", model=_fixed("resnet10")),
    "resnet18": Arm("ResNet18", model=_fixed("resnet18")),
    "resnet50": Arm("ResNet50", model=_fixed("resnet50")),
    "nas": _searched("NAS"),
    "nas_first_order": _searched("NAS, first order", gradient="first_order"),
    "nas_finite_difference": _searched("NAS, finite difference", gradient="finite_difference"),
    "nas_segmentation": _searched("NAS for the segmentation loss", objective="segmentation"),
}

EXPERIMENTS = {
    "table": ("none", "random", "resnet10", "nas"),
    "curves": ("none", "resnet10", "resnet18", "resnet50"),
    "cells": ("nas",),
    "overlays": ("none", "resnet10", "nas"),
}
"""The arms of each experiment: Tables 1 and 2, Fig. 4, Fig. 3 and Fig. 5 of the paper."""
