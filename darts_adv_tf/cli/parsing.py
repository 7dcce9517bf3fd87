"""From arguments to the values of a command's flags; anything else is refused."""

import difflib
from collections.abc import Sequence

from absl import flags

from darts_adv_tf.cli.commands import DESCRIPTIONS, flags_of
from darts_adv_tf.cli.shipped_files import with_flagfiles
from darts_adv_tf.config.reproduce import SET_BY_THE_MATRIX
from darts_adv_tf.config.run import PARTS
from darts_adv_tf.config.setting import settings_of
from darts_adv_tf.system.errors import ConfigurationError


def parse(command: str, argv: Sequence[str]) -> flags.FlagValues:
    """Returns the command's flags with their values.

    Raises:
        ConfigurationError: A flag is unknown or malformed, or an argument is no flag.
    """
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    for group in flags_of(command).values():
        for flag in group:
            flag.define(values)
    try:
        _, *positional = values([command, *with_flagfiles(argv)])
    except flags.UnrecognizedFlagError as error:
        raise _unknown_flag(command, error.flagname) from error
    except flags.Error as error:
        raise ConfigurationError(
            "Flags must be written --name=value, with a value of the type that --help shows.",
            received=str(error),
            remedy=f"python -m darts_adv_tf.{command} --help",
        ) from error
    if positional:
        raise ConfigurationError(
            "Arguments must be flags, written --name=value.",
            received=" ".join(positional),
            remedy=f"python -m darts_adv_tf.{command} --help",
        )
    return values


def refuse_without_effect(values: flags.FlagValues) -> None:
    """Refuses flags that have no effect with the choice that was made.

    Raises:
        ConfigurationError: There is such a flag.
    """
    for kind in PARTS.values():
        for name, each in settings_of(kind).items():
            if each.only_with is None or name not in values or not values[name].present:
                continue
            choice, value = each.only_with
            if choice not in values:
                continue
            received = None
            if values[choice].value != value:
                received = f"--{choice}={values[choice].value}"
            elif choice == "split" and values["cases"].value is not None:
                received = f"--cases={values['cases'].value}, which is a split of its own,"
            if received:
                raise ConfigurationError(
                    f"--{name} must be given with --{choice}={value} only.",
                    received=f"{received} --{name}={values[name].value}",
                    remedy=f"Leave out --{name}.",
                )


def _unknown_flag(command: str, name: str) -> ConfigurationError:
    others = [
        other
        for other in DESCRIPTIONS
        if any(flag.name == name for group in flags_of(other).values() for flag in group)
    ]
    if len(others) > 1:
        # Most of its flags are those of the runs that it makes.
        others = [other for other in others if other != "reproduce"]
    if command == "reproduce" and name in SET_BY_THE_MATRIX:
        remedy = "The matrix sets it: use --backbones, --arms and --random_draws."
    elif similar := _known_as(command, name) or ([] if others else similar_flags(command, name)):
        remedy = f"Did you mean {' or '.join(f'--{each}' for each in similar)}?"
    elif others:
        remedy = f"It is a flag of {', '.join(others)}."
    else:
        remedy = f"python -m darts_adv_tf.{command} --helpfull"
    return ConfigurationError(
        "Flags must be known to the command.", received=f"unknown flag --{name}", remedy=remedy
    )


def similar_flags(command: str, name: str) -> list[str]:
    """Returns the flags of a command that an unknown one was probably meant for, three at most.

    Those that other programs call by that name, else those that contain each of its words, else
    the one that is spelled most alike.
    """
    names = [flag.name for group in flags_of(command).values() for flag in group]
    plain_name = name.replace("-", "_").lower()
    words = set(plain_name.split("_"))
    return (
        _known_as(command, plain_name)
        or [each for each in names if words <= set(each.split("_"))]
        or difflib.get_close_matches(plain_name, names, n=1, cutoff=0.7)
    )[:3]


def _known_as(command: str, name: str) -> list[str]:
    return [
        flag.name for group in flags_of(command).values() for flag in group if name in flag.known_as
    ]
