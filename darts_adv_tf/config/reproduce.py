"""Configuration of the reproduce command: a matrix of runs and how it is executed."""

import dataclasses

from darts_adv_tf.config.run import RunConfig, names_where
from darts_adv_tf.config.setting import check_fields, setting
from darts_adv_tf.config.text_form import NAMES, WHOLE_NUMBERS
from darts_adv_tf.system.errors import ConfigurationError

SET_BY_THE_MATRIX = names_where(lambda setting: setting.set_by_matrix)
"""Settings by which the runs of a matrix differ."""

SEARCH_ONLY = names_where(lambda setting: setting.search_only)
"""Settings that have no effect without a search."""


@dataclasses.dataclass(frozen=True)
class ReproduceConfig:
    """A matrix of runs, backbones x arms x seeds, and how it is executed.

    Args:
        base: The settings that all runs share, as a search. Those that the matrix sets itself
            (backbone, discriminator, seed, folder) have their defaults there.

    Raises:
        ConfigurationError: A value breaks its rule.
    """

    experiment: str = setting(
        "table",
        "Experiment of the paper: table (Tables 1 and 2), curves (Fig. 4), cells (Fig. 3) or "
        "overlays (Fig. 5).",
        choices=("table", "curves", "cells", "overlays"),
        essential=True,
    )
    arms: tuple[str, ...] | None = setting(
        None,
        "Arms, instead of those of the experiment, separated by commas: none, random, resnet10, "
        "resnet18, resnet50, nas, nas_first_order, nas_finite_difference, nas_segmentation, "
        "<module>:<function> (a discriminator of your own).",
        text=dataclasses.replace(NAMES, example="none,resnet10"),
        essential=True,
    )
    backbones: tuple[str, ...] = setting(
        ("unet", "fcn32s"),
        "Segmenters, separated by commas: unet, fcn32s, <module>:<function>.",
        text=dataclasses.replace(NAMES, example="unet,fcn32s"),
        essential=True,
    )
    seeds: tuple[int, ...] = setting(
        (0, 1, 2),
        "Seeds, separated by commas. With the same backbone and seed, all arms share the split, "
        "the segmenter's initial weights and the batches.",
        text=WHOLE_NUMBERS,
        essential=True,
    )
    random_draws: int = setting(
        10,
        "Number of random discriminators per backbone, spread over the seeds. Paper: 10.",
        minimum=1,
        essential=True,
    )
    parallel: int = setting(
        1,
        "Number of runs at a time on a machine; they share its cores and GPUs evenly.",
        minimum=1,
        essential=True,
    )
    executor: str = setting(
        "local",
        "Where the runs are executed: local, on this machine, or ray, on a Ray cluster "
        "(RAY_ADDRESS), with --workdir and data on a shared file system.",
        choices=("local", "ray"),
        essential=True,
    )
    workdir: str | None = setting(
        None,
        "Folder of the matrix. Default: runs/reproduce-<time>. Repeat the command to continue, or "
        "to retry failed runs; more seeds, arms or backbones add runs.",
        essential=True,
    )
    report_only: bool = setting(
        False, "Only rebuild the report from the finished runs in --workdir.", essential=True
    )
    base: RunConfig = dataclasses.field(default_factory=RunConfig)

    def __post_init__(self):
        check_fields(self)
        # A run must be able to have each of them.
        for backbone in self.backbones:
            dataclasses.replace(self.base.model, backbone=backbone)
        for seed in self.seeds:
            dataclasses.replace(self.base, seed=seed)
        if self.base.training.retrain_epochs == 0:
            raise ConfigurationError(
                "--retrain_epochs must be 1 or more: the report compares trained segmenters.",
                received="--retrain_epochs=0",
                remedy="Use --retrain_epochs=1 or more.",
            )
        if self.base.distribution.strategy == "multi_worker":
            raise ConfigurationError(
                "--strategy must not be multi_worker: a matrix is distributed run by run.",
                received="--strategy=multi_worker",
                remedy="Use --executor=ray, and a --strategy within a machine.",
            )
        if self.report_only and self.workdir is None:
            raise ConfigurationError(
                "--report_only must be given with the --workdir of a matrix.",
                received="--report_only without --workdir",
                remedy="Add --workdir=<folder of the matrix>.",
            )
