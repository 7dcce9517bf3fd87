"""Which runs an experiment is made of, in which order, each with its settings and its folder."""

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from darts_adv_tf.config import ModelConfig, RunConfig, TrainingConfig
from darts_adv_tf.config.config_file import FILE_NAME, load_config
from darts_adv_tf.config.plain_values import plain_values, renamed
from darts_adv_tf.config.reproduce import SEARCH_ONLY, SET_BY_THE_MATRIX, ReproduceConfig
from darts_adv_tf.config.run import PARTS
from darts_adv_tf.config.setting import settings_of
from darts_adv_tf.reproduction.arms import ARMS, EXPERIMENTS, arm_named, is_arm
from darts_adv_tf.system.errors import ConfigurationError, UserError

_DEFAULTS = {
    kind: {field.name: field.default for field in dataclasses.fields(kind)}
    for kind in (ModelConfig, TrainingConfig)
}


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """A run of the matrix.

    Attributes:
        backbone: `unet`, `fcn32s`, or a module's function.
        arm: Its name.
        seed: Of the split, the initial weights and the batches, which the arms of a seed share.
        draw: The number of the random discriminator; None in other arms.
        config: What it is run with, its folder included.
    """

    backbone: str
    arm: str
    seed: int
    draw: int | None
    config: RunConfig

    @property
    def name(self) -> str:
        """Its folder within that of the matrix, such as `unet/seed_0/random_4`."""
        draw = "" if self.draw is None else f"_{self.draw}"
        return f"{_folder_name(self.backbone)}/seed_{self.seed}/{_folder_name(self.arm)}{draw}"

    @property
    def workdir(self) -> Path:
        """Its folder."""
        assert self.config.workdir is not None, "set by plan_run"
        return Path(self.config.workdir)

    def is_finished(self) -> bool:
        """Whether its folder holds the results of a run with its settings."""
        results = (FILE_NAME, "metrics.json", "segmenter/1")
        has_results = all((self.workdir / name).exists() for name in results)
        return has_results and self.contradiction() is None

    def contradiction(self) -> str | None:
        """How the run that its folder holds differs from what it should be, if it does."""
        if not (self.workdir / FILE_NAME).exists():
            return None
        try:
            found = load_config(self.workdir)
        except UserError as error:
            return str(error)
        if found.command != self.config.command:
            return f"a run of {found.command}, planned {self.config.command}"
        planned = flat_settings(self.config, is_fixed=True)
        differing = [
            f"--{name}={value}, planned {planned[name]}"
            for name, value in flat_settings(found, is_fixed=True).items()
            if value != planned[name]
        ]
        return "; ".join(differing) or None


def plan(config: ReproduceConfig) -> list[PlannedRun]:
    """The runs that are asked for, seed by seed: a matrix that is stopped is complete so far.

    Draw d of the random discriminators belongs to seed d modulo the number of seeds.

    Raises:
        ConfigurationError: There is no arm of a name, or a run cannot have the settings.
    """
    arms = EXPERIMENTS[config.experiment] if config.arms is None else config.arms
    for arm in arms:
        if not is_arm(arm):
            raise ConfigurationError(
                f"--arms must be among {', '.join(ARMS)}, or <module>:<function>.",
                received=f"--arms={','.join(arms)}",
                remedy=f"Leave out {arm}.",
            )
    assert config.workdir is not None, "set by the command"
    num_seeds = len(config.seeds)
    return [
        plan_run(config.base, config.workdir, backbone, arm, seed, draw)
        for index, seed in enumerate(config.seeds)
        for backbone in config.backbones
        for arm in arms
        for draw in (
            range(index, config.random_draws, num_seeds) if arm_named(arm).is_drawn else [None]
        )
    ]


def plan_run(
    base: RunConfig, folder: str, backbone: str, arm: str, seed: int, draw: int | None
) -> PlannedRun:
    """A run of an arm, with what all runs have in common from `base`."""
    kind = arm_named(arm)
    drawn = {} if draw is None else {"random_draw": draw}
    model = {"backbone": backbone, **kind.model, **drawn}
    training = dict(kind.training)
    if kind.command != "search":
        # As the command has it, which does not know these flags.
        training |= {name: _DEFAULTS[TrainingConfig][name] for name in SEARCH_ONLY}
    elif training.get("architecture_gradient") == "first_order":
        # Without a virtual step, what belongs to it has no meaning, and is refused.
        without = ("unroll_rate", "compare_gradient_every")
        training |= {name: _DEFAULTS[TrainingConfig][name] for name in without}
    config = dataclasses.replace(
        base,
        command=kind.command,
        seed=seed,
        model=dataclasses.replace(base.model, **model),
        training=dataclasses.replace(base.training, **training),
    )
    run = PlannedRun(backbone, arm, seed, draw, config)
    config = dataclasses.replace(config, workdir=str(Path(folder) / run.name))
    return dataclasses.replace(run, config=config)


def flat_settings(config: RunConfig, is_fixed: bool = False) -> dict[str, Any]:
    """Returns every setting by the name of its flag, as JSON has it.

    With `is_fixed`, only those that results depend on.
    """
    settings = plain_values(config, is_fixed)
    parts = [settings.pop(name) for name in PARTS]
    return {name: value for part in (settings, *parts) for name, value in part.items()}


def common_settings(base: RunConfig) -> dict[str, object]:
    """What all runs of a matrix have in common, by the names of the flags."""
    own = {"command", "seed", "workdir", "genotype", *SET_BY_THE_MATRIX}
    return {name: value for name, value in flat_settings(base).items() if name not in own}


def base_from_settings(settings: Mapping[str, Any]) -> RunConfig:
    """Returns the configuration with these common settings, and defaults for all others."""
    parts: dict[str, Any] = {}
    for part, kind in PARTS.items():
        values = renamed(kind, settings)
        parts[part] = kind(**{name: values[name] for name in settings_of(kind) if name in values})
    return RunConfig(**parts)


def _folder_name(name: str) -> str:
    # Of all that a Python entry point may hold only the colon means something to some disks.
    return re.sub(r"[^\w.]", "-", name)
