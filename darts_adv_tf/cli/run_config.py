"""The configuration of a run: from the flags, or the saved one that the flags may repeat."""

import dataclasses
from typing import TYPE_CHECKING, Any

from absl import flags

from darts_adv_tf.cli.parsing import refuse_without_effect
from darts_adv_tf.config import RunConfig
from darts_adv_tf.config.config_file import load_config
from darts_adv_tf.config.run import PARTS, names_where
from darts_adv_tf.config.setting import parsed, settings_of
from darts_adv_tf.config.workdir import holds_run
from darts_adv_tf.system.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_MAY_GROW = names_where(lambda setting: setting.may_grow)


def new_config(command: str, values: flags.FlagValues) -> RunConfig:
    """Returns the configuration that the flags ask for, with defaults for the others."""
    refuse_without_effect(values)
    parts: dict[str, Any] = {name: kind(**values_of(kind, values)) for name, kind in PARTS.items()}
    return RunConfig(command=command, **values_of(RunConfig, values), **parts)


def values_of(kind: "type[DataclassInstance]", values: flags.FlagValues) -> dict[str, Any]:
    """Returns those flags of the command that set a configuration's own settings."""
    return {name: values[name].value for name in settings_of(kind) if name in values}


def is_begun(values: flags.FlagValues) -> bool:
    """Returns whether --workdir holds a run to resume.

    Raises:
        ConfigurationError: It holds none, and no flag says what to start instead.
    """
    if values.workdir is None:
        raise ConfigurationError(
            "--resume must be given with the --workdir of the run.",
            received="--resume without --workdir",
            remedy="Add --workdir=<folder of the run>.",
        )
    if holds_run(values.workdir):
        return True
    # A batch system repeats one command, the first time as the others. Without a flag that says
    # what to run, though, a misspelt folder would start a run of the defaults.
    settings = names_where(lambda setting: not setting.may_change)
    if not any(values[name].present for name in settings.intersection(values)):
        raise ConfigurationError(
            "--workdir must hold a run to resume.",
            received=f"--workdir={values.workdir}, which holds none",
            remedy="Name the folder of the run, or add the flags of the run to start.",
        )
    return False


def resumed_config(command: str, values: flags.FlagValues) -> RunConfig:
    """Returns the saved configuration, with changes that a resumed run may have from the flags."""
    saved = load_config(values.workdir)
    if saved.command != command:
        raise ConfigurationError(
            "A run must be resumed by the command that started it.",
            received=f"{command} for a run of {saved.command}",
            remedy=f"python -m darts_adv_tf.{saved.command} --resume --workdir={values.workdir}",
        )
    differing: list[str] = []

    def changes_of(config: "DataclassInstance") -> dict[str, Any]:
        changes = {}
        for name, each in settings_of(config).items():
            if name in values and values[name].present:
                given, value = values[name].value, getattr(config, name)
                if each.may_change or (each.may_grow and given > value):
                    changes[name] = given
                elif parsed(name, each, given) != value:
                    differing.append(f"--{name}={given}, started with {each.plain(value)}")
        return changes

    changes = changes_of(saved)
    for name in PARTS:
        part = getattr(saved, name)
        changes[name] = dataclasses.replace(part, **changes_of(part))
    if differing:
        raise ConfigurationError(
            "A resumed run must keep the flags that it was started with.",
            received="; ".join(differing),
            file=values.workdir,
            remedy="Leave these flags out, or start a new run in another --workdir. "
            f"{' and '.join(f'--{name}' for name in sorted(_MAY_GROW))} may only be raised.",
        )
    return dataclasses.replace(saved, **changes)


def finished_config(values: flags.FlagValues) -> RunConfig:
    """Returns the saved configuration, with the folders as the flags name them."""
    if values.workdir is None:
        raise ConfigurationError(
            "--workdir must be given: this command works on a finished run.",
            received="no --workdir",
            remedy="Add --workdir=<folder that a search or a training wrote>.",
        )
    config = dataclasses.replace(load_config(values.workdir), workdir=values.workdir)
    if values.data_dir is not None:
        data = dataclasses.replace(config.data, data_dir=values.data_dir)
        config = dataclasses.replace(config, data=data)
    return config
