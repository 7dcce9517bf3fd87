"""What the reproduce command is asked for: a matrix of runs, and how they are made."""

import dataclasses

from darts_adv_tf.config.run import RunConfig
from darts_adv_tf.config.setting import check_fields, setting
from darts_adv_tf.system.errors import ConfigurationError

SET_BY_THE_MATRIX = frozenset(
    {
        "backbone",
        "discriminator",
        "random_draw",
        "architecture_gradient",
        "architecture_objective",
    }
)
"""Settings of model and training by which the runs of a matrix differ."""

SEARCH_ALONE = frozenset(
    {
        "search_epochs",
        "architecture_learning_rate",
        "unroll_rate",
        "architecture_gradient",
        "architecture_objective",
        "compare_gradient_every",
    }
)
"""Settings of the training that have no effect where nothing is searched."""


@dataclasses.dataclass(frozen=True)
class ReproduceConfig:
    """A matrix of runs, backbones x arms x seeds, and how they are made.

    Args:
        base: What all runs have in common, as a search. What the matrix itself sets (backbone,
            discriminator, seed, folder) has its default there.

    Raises:
        ConfigurationError: A value breaks its rule.
    """

    experiment: str = setting(
        "table",
        "Which of the paper's experiments: table (Tables 1 and 2: no discriminator, random ones, "
        "ResNet10, searched), curves (Fig. 4: none, ResNet10, 18 and 50 over the epochs), cells "
        "(Fig. 3: searched alone) or overlays (Fig. 5: none, ResNet10, searched).",
        choices=("table", "curves", "cells", "overlays"),
    )
    arms: str | None = setting(
        None,
        "In place of the experiment's arms, any of these, separated by commas: none, random, "
        "resnet10, resnet18, resnet50, nas, nas_first_order, nas_finite_difference, "
        "nas_segmentation.",
    )
    backbones: str = setting(
        "unet,fcn32s",
        "Segmenters, separated by commas: unet, fcn32s, <module>:<function>.",
    )
    seeds: str = setting(
        "0,1,2",
        "Seeds, separated by commas. Within a backbone and a seed all arms have the same split, "
        "initial weights of the segmenter, and batches.",
    )
    random_draws: int = setting(
        10,
        "Number of random discriminators a backbone, spread over the seeds as evenly as possible. "
        "Paper: 10.",
        minimum=1,
    )
    parallel: int = setting(
        1,
        "Runs at a time on a machine, which share its cores and its GPUs evenly.",
        minimum=1,
    )
    executor: str = setting(
        "local",
        "Who makes the runs: local, this machine; or ray, the machines of a Ray cluster "
        "(RAY_ADDRESS), where --workdir and the data lie on a file system that all of them share.",
        choices=("local", "ray"),
    )
    workdir: str | None = setting(
        None,
        "Folder of the matrix; runs/reproduce-<time> unless given. The same flags once more go on "
        "where it stopped, and try again what failed; more seeds, arms or backbones add runs.",
    )
    report_only: bool = setting(
        False, "Make no run: write the report of what --workdir holds, for which it says all."
    )
    base: RunConfig = dataclasses.field(default_factory=RunConfig)

    def __post_init__(self):
        check_fields(self)
        for name, values in (("backbones", self.backbone_list), ("arms", self.arm_list or ("-",))):
            if not all(values) or len(set(values)) < len(values):
                raise ConfigurationError(
                    f"--{name} is a list of different names, separated by commas.",
                    received=f"--{name}={getattr(self, name)}",
                    remedy="Use such as --backbones=unet,fcn32s --arms=none,resnet10.",
                )
        # Each has to be one that a run can have.
        for backbone in self.backbone_list:
            dataclasses.replace(self.base.model, backbone=backbone)
        for seed in self.seed_list:
            dataclasses.replace(self.base, seed=seed)
        if self.base.training.retrain_epochs == 0:
            raise ConfigurationError(
                "A report compares trained segmenters.",
                received="--retrain_epochs=0",
                remedy="Use --retrain_epochs=1 or more.",
            )
        if self.base.distribution.strategy == "multi_worker":
            raise ConfigurationError(
                "A matrix is spread over machines a run at a time.",
                received="--strategy=multi_worker",
                remedy="Use --executor=ray, and a --strategy within a machine.",
            )
        if self.report_only and self.workdir is None:
            raise ConfigurationError(
                "A report is written of a matrix that there is.",
                received="--report_only without --workdir",
                remedy="Add --workdir=<folder of the matrix>.",
            )

    @property
    def backbone_list(self) -> tuple[str, ...]:
        """`backbones`, as names."""
        return tuple(self.backbones.split(","))

    @property
    def arm_list(self) -> tuple[str, ...] | None:
        """`arms`, as names."""
        return None if self.arms is None else tuple(self.arms.split(","))

    @property
    def seed_list(self) -> tuple[int, ...]:
        """`seeds`, as numbers."""
        parts = self.seeds.split(",")
        if not all(part.isdecimal() for part in parts) or len({*map(int, parts)}) < len(parts):
            raise ConfigurationError(
                "--seeds is a list of different whole numbers, separated by commas.",
                received=f"--seeds={self.seeds}",
                remedy="Use such as --seeds=0,1,2.",
            )
        return tuple(map(int, parts))
