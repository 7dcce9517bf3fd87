"""The configuration of a run: from the flags, or the saved one that the flags may repeat."""

import dataclasses

from absl import flags

from darts_adv_tf.cli.commands import PARTS
from darts_adv_tf.cli.parsing import refuse_without_effect
from darts_adv_tf.config import RunConfig
from darts_adv_tf.config.config_file import load_config
from darts_adv_tf.config.workdir import holds_run
from darts_adv_tf.system.errors import ConfigurationError


def new_config(command: str, values: flags.FlagValues) -> RunConfig:
    """As the flags say, and the defaults where they do not."""
    refuse_without_effect(values)
    by_name = values.flag_values_dict()

    def part(kind: type):
        names = {field.name for field in dataclasses.fields(kind)}
        return {name: value for name, value in by_name.items() if name in names}

    parts = {name: kind(**part(kind)) for name, kind in PARTS.items()}
    return RunConfig(command=command, **part(RunConfig) | parts)


def is_begun(values: flags.FlagValues) -> bool:
    """Whether there is a run to go on with; refused where it is not said what would begin."""
    if values.workdir is None:
        raise ConfigurationError(
            "A run is resumed in its own work directory.",
            received="--resume without --workdir",
            remedy="Add --workdir=<folder of the run>.",
        )
    if holds_run(values.workdir):
        return True
    # A batch system starts one command again and again, the first time as the others. Without a
    # flag that says what to run, though, a misspelt folder would begin a run of the defaults.
    parts = (RunConfig, *PARTS.values())
    settings = {
        field.name
        for part in parts
        for field in dataclasses.fields(part)
        if not field.metadata.get("may_change")
    }
    if not any(values[name].present for name in settings.intersection(values)):
        raise ConfigurationError(
            "A work directory that is resumed holds a run.",
            received=f"--workdir={values.workdir}, which holds none",
            remedy="Name the folder of the run, or add the flags of the run that is to begin.",
        )
    return False


def resumed_config(command: str, values: flags.FlagValues) -> RunConfig:
    """The saved configuration, with what may change as the flags say."""
    saved = load_config(values.workdir)
    if saved.command != command:
        raise ConfigurationError(
            "A run is resumed by the command that began it.",
            received=f"{command} for a run of {saved.command}",
            remedy=f"python -m darts_adv_tf.{saved.command} --resume --workdir={values.workdir}",
        )
    differing: list[str] = []

    def with_flags(config):
        changes = {}
        for field in dataclasses.fields(config):
            value = getattr(config, field.name)
            if dataclasses.is_dataclass(value):
                changes[field.name] = with_flags(value)
            elif field.name in values and values[field.name].present:
                given = values[field.name].value
                if field.metadata["may_change"]:
                    changes[field.name] = given
                elif given != value:
                    differing.append(f"--{field.name}={given}, begun with {value}")
        return dataclasses.replace(config, **changes)

    config = with_flags(saved)
    if differing:
        raise ConfigurationError(
            "A resumed run keeps the flags that it began with.",
            received="; ".join(differing),
            file=values.workdir,
            remedy="Leave these flags out, or begin a new run in another --workdir.",
        )
    return config


def finished_config(values: flags.FlagValues) -> RunConfig:
    """The saved configuration, with the folders as the flags name them."""
    if values.workdir is None:
        raise ConfigurationError(
            "This command continues a finished run.",
            received="no --workdir",
            remedy="Add --workdir=<folder that a search or a training wrote>.",
        )
    config = dataclasses.replace(load_config(values.workdir), workdir=values.workdir)
    if values.data_dir is not None:
        data = dataclasses.replace(config.data, data_dir=values.data_dir)
        config = dataclasses.replace(config, data=data)
    return config
