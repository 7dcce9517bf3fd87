"""The two players."""

import dataclasses

from darts_adv_tf.config.setting import check_fields, setting
from darts_adv_tf.config.text_form import NAMES
from darts_adv_tf.search_space.candidate_operations import (
    CANDIDATE_OPERATIONS,
    PUBLISHED_OPERATIONS,
)
from darts_adv_tf.search_space.space import CELL_KINDS, SearchSpace
from darts_adv_tf.system.entry_point import is_entry_point
from darts_adv_tf.system.errors import ConfigurationError

BACKBONES = ("unet", "fcn32s")
OF_CELLS = ("nas", "random")
RESNETS = ("resnet10", "resnet18", "resnet50")
DISCRIMINATORS = (*OF_CELLS, *RESNETS, "none")


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The segmenter S and the discriminator D (paper, sections 2 and 3.2)."""

    backbone: str = setting(
        "unet",
        "Segmenter, S in the paper: unet, fcn32s, or <module>:<function>, your own Python function "
        "that returns a Keras model (docs/own_segmenter.md).",
        set_by_matrix=True,
        essential=True,
        known_as=("model", "network", "segmenter", "arch", "architecture"),
    )
    segmenter_width: int = setting(
        16,
        "Channels of the segmenter's first convolution. Published networks: 64.",
        minimum=1,
        known_as=("width", "init_filters", "base_channels"),
    )
    discriminator: str = setting(
        "nas",
        "Discriminator, D in the paper: nas, derived from --genotype; random, a random "
        "architecture (--random_draw); resnet10, resnet18 or resnet50; <module>:<function>, your "
        "own Python function that returns a Keras model (docs/extending.md); none, no adversarial "
        "training.",
        train_only=True,
        set_by_matrix=True,
        essential=True,
        known_as=("critic",),
    )
    random_draw: int = setting(
        0,
        "Index of the random discriminator. The same index gives the same architecture for every "
        "--seed.",
        minimum=0,
        maximum=2**32 - 1,
        train_only=True,
        set_by_matrix=True,
        only_with=("discriminator", "random"),
    )
    discriminator_channels: int = setting(
        4,
        "Channels C of the discriminator's first cell, even; each reduction cell doubles them. A "
        "ResNet starts with C times --intermediate_nodes. Not stated in the paper; "
        "flags/paper_*.flags use 16.",
        minimum=2,
    )
    discriminator_cells: str = setting(
        "NRNRNRN",
        "Cells of a searched or random discriminator in order, N for normal and R for reduction. "
        "Paper: NRNRNRN (section 3.2).",
        known_as=("layers", "cells"),
    )
    operations: tuple[str, ...] = setting(
        PUBLISHED_OPERATIONS,
        "Candidate operations of a searched or random discriminator, separated by commas: "
        f"{', '.join(CANDIDATE_OPERATIONS)}, or <module>:<function>, a layer of your own "
        "(docs/extending.md). The default is the paper's (section 3.2).",
        text=dataclasses.replace(NAMES, example="none,skip_connect,sep_conv_3x3"),
    )
    intermediate_nodes: int = setting(
        4,
        "Intermediate nodes B of a cell, which it concatenates. Paper: 4 (section 3.2).",
        minimum=1,
    )
    kept_edges: int = setting(
        2,
        "Edges k into each node that the derived discriminator keeps, its strongest (Eq. 7); a "
        "node with fewer keeps them all. Paper: 2.",
        minimum=1,
    )
    discriminator_input: str = setting(
        "masks",
        "Input of the discriminator: masks only (Eqs. 1 and 2), or masks and image.",
        choices=("masks", "images_and_masks"),
    )
    discriminator_normalization: str = setting(
        "batch",
        "Normalization in the discriminator: batch (per replica), sync_batch (over all replicas) "
        "or group (per case).",
        choices=("batch", "sync_batch", "group"),
    )

    def __post_init__(self):
        check_fields(self)
        _ = self.search_space  # checks what it consists of
        for flag, names, document in (
            ("backbone", BACKBONES, "docs/own_segmenter.md for a segmenter"),
            ("discriminator", DISCRIMINATORS, "docs/extending.md for a discriminator"),
        ):
            value = getattr(self, flag)
            if value not in names and not is_entry_point(value):
                raise ConfigurationError(
                    f"--{flag} must be {', '.join(names)}, or <module>:<function>.",
                    received=f"--{flag}={value}",
                    remedy=f"See {document} of your own.",
                )
        if self.discriminator_channels % 2:
            raise ConfigurationError(
                "--discriminator_channels must be even: a factorized reduction has two paths with "
                "half of them each.",
                received=f"--discriminator_channels={self.discriminator_channels}",
                remedy=f"Use --discriminator_channels={self.discriminator_channels + 1}.",
            )
        if set(self.discriminator_cells) - set("NR"):
            raise ConfigurationError(
                "--discriminator_cells must consist of the letters N (normal) and R (reduction).",
                received=f"--discriminator_cells={self.discriminator_cells}",
                remedy="Use the paper's --discriminator_cells=NRNRNRN, or a shorter pattern.",
            )

    @property
    def search_space(self) -> SearchSpace:
        """What a discriminator of cells is searched in, or drawn from."""
        return SearchSpace(self.operations, self.intermediate_nodes, self.kept_edges)

    @property
    def cell_kinds(self) -> tuple[str, ...]:
        """The kinds of cell that the discriminator is made of: alpha of others has no effect."""
        return tuple(kind for kind in CELL_KINDS if kind[0].upper() in self.discriminator_cells)
