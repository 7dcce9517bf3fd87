"""From arguments to the values of a command's flags; whatever is not one of them is refused."""

import difflib
from collections.abc import Sequence

from absl import flags

from darts_adv_tf.cli.commands import DESCRIPTIONS, flags_of
from darts_adv_tf.config.reproduce import SET_BY_THE_MATRIX
from darts_adv_tf.system.errors import ConfigurationError


def parse(command: str, argv: Sequence[str]) -> flags.FlagValues:
    """The command's flags with their values.

    Raises:
        ConfigurationError: A flag is unknown or malformed, or an argument is no flag.
    """
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    for group in flags_of(command).values():
        for flag in group:
            flag.define(values)
    try:
        _, *positional = values([command, *argv])
    except flags.UnrecognizedFlagError as error:
        raise _unknown_flag(command, error.flagname, list(values)) from error
    except flags.CantOpenFlagFileError as error:
        raise ConfigurationError(
            "A flagfile has to be there; its path counts from the current folder.",
            received=str(error.__context__ or error),
        ) from error
    except (flags.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "A flag is written --name=value, with a value of the kind that --help shows.",
            received=str(error),
            remedy=f"python -m darts_adv_tf.{command} --help",
        ) from error
    if positional:
        raise ConfigurationError(
            "Everything is said by flags, written --name=value.",
            received=" ".join(positional),
            remedy=f"python -m darts_adv_tf.{command} --help",
        )
    return values


def refuse_without_effect(values: flags.FlagValues) -> None:
    """Refuses flags that belong to another choice than the one made.

    Raises:
        ConfigurationError: There is such a flag.
    """
    belongs = {
        "phantom_cases": ("dataset", "phantom"),
        "phantom_domain": ("dataset", "phantom"),
        "train_cases": ("split", "random"),
        "num_folds": ("split", "folds"),
        "percentiles": ("normalization", "percentile"),
        "random_draw": ("discriminator", "random"),
    }
    for name, (choice, value) in belongs.items():
        if name not in values or choice not in values or not values[name].present:
            continue
        received = None
        if values[choice].value != value:
            received = f"--{choice}={values[choice].value}"
        elif choice == "split" and values.cases is not None:
            received = f"--cases={values.cases}, which is a split of its own,"
        if received:
            raise ConfigurationError(
                f"--{name} belongs to --{choice}={value}.",
                received=f"{received} --{name}={values[name].value}",
                remedy=f"Leave out --{name}.",
            )


def _unknown_flag(command: str, name: str, known: list[str]) -> ConfigurationError:
    others = [
        other
        for other in DESCRIPTIONS
        if any(flag.name == name for group in flags_of(other).values() for flag in group)
    ]
    if len(others) > 1:
        # Most of its flags are those of the runs that it makes.
        others = [other for other in others if other != "reproduce"]
    close = difflib.get_close_matches(name, known, n=1)
    if command == "reproduce" and name in SET_BY_THE_MATRIX:
        remedy = "The matrix sets it: say what you want by --backbones, --arms and --random_draws."
    elif others:
        remedy = f"It is a flag of {', '.join(others)}."
    elif close:
        remedy = f"Did you mean --{close[0]}?"
    else:
        remedy = f"python -m darts_adv_tf.{command} --help"
    return ConfigurationError(
        "A command takes only flags of its own.", received=f"unknown flag --{name}", remedy=remedy
    )
