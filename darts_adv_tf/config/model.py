"""The two players."""

import dataclasses
import re

from darts_adv_tf.config.setting import check_fields, setting
from darts_adv_tf.system.errors import ConfigurationError

BACKBONES = ("unet", "fcn32s")
RESNETS = ("resnet10", "resnet18", "resnet50")
OWN_BACKBONE = r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*"
"""A Python entry point, module:function."""


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The segmenter S and the discriminator D (paper, sections 2 and 3.2)."""

    backbone: str = setting(
        "unet",
        "Segmenter, S in the paper: unet or fcn32s, which it uses both, or <module>:<function>, a "
        "Python function of your own that makes a Keras model (docs/own_segmenter.md).",
    )
    segmenter_width: int = setting(
        16,
        "Channels of the segmenter's first convolution. The published networks have 64.",
        minimum=1,
    )
    discriminator: str = setting(
        "nas",
        "Discriminator, D in the paper: nas, the derived one of --genotype; random, one that is "
        "derived from an alpha drawn at random (--random_draw); resnet10, resnet18 or resnet50; or "
        "none, training by cross-entropy alone, where --adversarial_weight and the other "
        "--discriminator_... flags have no effect.",
        choices=("nas", "none", "random", *RESNETS),
    )
    random_draw: int = setting(
        0,
        "Number of the random discriminator: alpha is drawn from it alone, so that each names one "
        "and the same architecture, whatever --seed is.",
        minimum=0,
        maximum=2**32 - 1,
        since=4,
    )
    discriminator_channels: int = setting(
        4,
        "Channels C of the discriminator's first cell, which puts out 4 C, as many as the first "
        "blocks of a ResNet get; each reduction cell doubles them. Even. The paper does not state "
        "it; flags/paper_*.flags use 16, with which ResNets are as published.",
        minimum=2,
    )
    discriminator_cells: str = setting(
        "NRNRNRN",
        "The cells in order of a searched or random discriminator, N normal and R reduction. "
        "Paper (section 3.2): NRNRNRN.",
    )
    discriminator_input: str = setting(
        "masks",
        "What the discriminator judges: masks alone (as in Eq. 1 and 2), or the image beside them.",
        choices=("masks", "images_and_masks"),
    )
    discriminator_normalization: str = setting(
        "batch",
        "Normalization in the discriminator: batch, over each replica's own batch; sync_batch, "
        "over all replicas; group, over each case, blind to the batch.",
        choices=("batch", "sync_batch", "group"),
    )

    def __post_init__(self):
        check_fields(self)
        if self.backbone not in BACKBONES and not re.fullmatch(OWN_BACKBONE, self.backbone):
            raise ConfigurationError(
                f"--backbone is {' or '.join(BACKBONES)}, or <module>:<function>.",
                received=f"--backbone={self.backbone}",
                remedy="See docs/own_segmenter.md for a segmenter of your own.",
            )
        if self.discriminator_channels % 2:
            raise ConfigurationError(
                "A reduction halves the channels between its two paths, so their number is even.",
                received=f"--discriminator_channels={self.discriminator_channels}",
                remedy=f"Use --discriminator_channels={self.discriminator_channels + 1}.",
            )
        if set(self.discriminator_cells) - set("NR"):
            raise ConfigurationError(
                "The discriminator's cells are written as letters, N for normal, R for reduction.",
                received=f"--discriminator_cells={self.discriminator_cells}",
                remedy="Use the paper's --discriminator_cells=NRNRNRN, or a shorter pattern.",
            )
