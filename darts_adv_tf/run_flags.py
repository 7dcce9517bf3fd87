"""The flags of the commands: the only place that defines and reads them.

Names, defaults, choices and help come from the configuration. A command has flags of its own: one
that it would not heed is unknown to it. They live in a FlagValues of their own and not in absl's
global one, which every imported library adds to. Nothing here imports TensorFlow, so that --help
and a misspelt flag are answered at once.
"""

import dataclasses
import difflib
import textwrap
import types
import typing
from collections.abc import Sequence
from datetime import datetime

from absl import flags

from darts_adv_tf.config import (
    AugmentationConfig,
    CollapseConfig,
    DataConfig,
    DistributionConfig,
    ModelConfig,
    ReliabilityConfig,
    RunConfig,
    TrainingConfig,
)
from darts_adv_tf.config.predict import PredictConfig
from darts_adv_tf.config.verify import VerifyConfig
from darts_adv_tf.config_file import load_config
from darts_adv_tf.errors import ConfigurationError
from darts_adv_tf.prediction.output_folder import refuse_occupied_output
from darts_adv_tf.workdir import holds_run, refuse_occupied

DESCRIPTIONS = {
    "search": "Searches a discriminator, trains the segmenter against it, evaluates and exports.",
    "train": "Trains a segmenter against a derived discriminator, or against none.",
    "evaluate": "Evaluates the segmenter of a finished run on its test cases.",
    "export": "Writes the segmenter of a finished run as a SavedModel.",
    "verify": "Reads a whole data set as training would, and reports what is wrong with it.",
    "predict": "Segments pictures of any format and size with an exported segmenter.",
}
_HELP_FLAGS = {"--help", "-help", "-h", "--helpfull", "--help=1", "--help=true"}
_HELP_WIDTH = 96
_PLACEHOLDERS = {int: "<integer>", float: "<number>", str: "<text>", tuple: "<text>,<text>,..."}
_DEFINITIONS = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    # May be repeated; its value is a list.
    tuple: flags.DEFINE_multi_string,
}

_PARTS = {
    "data": DataConfig,
    "augmentation": AugmentationConfig,
    "model": ModelConfig,
    "training": TrainingConfig,
    "distribution": DistributionConfig,
    "reliability": ReliabilityConfig,
    "collapse": CollapseConfig,
}
_SEARCH_ALONE = {
    "search_epochs",
    "architecture_learning_rate",
    "unroll_rate",
    "architecture_gradient",
    "compare_gradient_every",
}
_LEFT_OUT = {"search": {"discriminator", "genotype"}, "train": _SEARCH_ALONE}


@dataclasses.dataclass(frozen=True)
class _Flag:
    """A flag as its command defines it."""

    name: str
    kind: type
    default: object
    help: str
    choices: tuple[str, ...] | None = None
    is_required: bool = False

    def define(self, values: flags.FlagValues):
        if self.choices is not None:
            flags.DEFINE_enum(self.name, self.default, self.choices, self.help, flag_values=values)
        else:
            define = _DEFINITIONS[self.kind]
            define(self.name, self.default, self.help, flag_values=values)

    def describe(self) -> str:
        """The flag's lines in --help."""
        if self.kind is bool:
            value = ""
        else:
            value = "=" + ("|".join(self.choices) if self.choices else _PLACEHOLDERS[self.kind])
        if self.is_required:
            note = "  (needed)"
        else:
            is_off = self.default is None or self.default is False
            note = "" if is_off else f"  (default: {self.default})"
        help = self.help
        if len(value) > _HELP_WIDTH // 2:
            value, help = "=<choice>", f"{help} One of {', '.join(self.choices)}."
        indent = " " * 6
        help = textwrap.fill(help, _HELP_WIDTH, initial_indent=indent, subsequent_indent=indent)
        return f"  --{self.name}{value}{note}\n{help}"


_WORKDIR_OF_A_RUN = _Flag(
    "workdir", str, None, "Folder of the run, which holds its config.json.", is_required=True
)
_MOVED_DATA_DIR = _Flag(
    "data_dir", str, None, "Folder of the data set, where it has moved since the run."
)
# Not in the configuration: a run that is repeated from its config.json is to run.
_ESTIMATE = _Flag(
    "estimate",
    bool,
    False,
    "Instead of the run: makes a few of its steps and prints how long a step and the whole would "
    "take on this machine, and the peak memory. Nothing is written.",
)
_RESUME = _Flag(
    "resume",
    bool,
    False,
    "Go on with the run in --workdir from its newest good checkpoint, in whatever stage it was "
    "stopped, to the same results as if it had not been. Its flags may be left out, or are those "
    "that it began with; with them, a run that has not begun yet begins.",
)
_CONTINUING = {command: [_WORKDIR_OF_A_RUN, _MOVED_DATA_DIR] for command in ("evaluate", "export")}


def config_from_flags(
    command: str, argv: Sequence[str]
) -> RunConfig | PredictConfig | VerifyConfig:
    """The configuration that a command line asks for.

    `search` and `train` begin a run: their configuration comes from the flags, and their work
    directory must be free. With --resume they go on with one, if there is one: its configuration
    is the saved one, which the flags may repeat. `evaluate` and `export` continue one: theirs is
    the saved one, with the folders as the flags name them. `predict` and `verify` have
    configurations of their own.

    Args:
        command: One of `DESCRIPTIONS`.
        argv: The arguments after the program's name.

    Raises:
        ConfigurationError: A flag is unknown, malformed, or contradicts another; an argument is
            no flag; the work directory is occupied, or holds no run where one is needed; a flag
            differs from the run that is resumed.
    """
    values = _parse(command, argv)
    if command == "predict":
        config = _predict_config(values)
        refuse_occupied_output(config.output_dir)
        return config
    if command == "verify":
        config = _verify_config(values)
        refuse_occupied(config.workdir)
        return config
    if command in _LEFT_OUT:
        if values.resume and _is_begun(values):
            return _resumed_config(command, values)
        config = _new_config(command, values)
        refuse_occupied(config.workdir)
        return config
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


def _predict_config(values: flags.FlagValues) -> PredictConfig:
    names = [field.name for field in dataclasses.fields(PredictConfig)]
    given = {name: values[name].value for name in names}
    given["inputs"] = tuple(given["inputs"] or ())
    if given["output_dir"] is None:
        given["output_dir"] = _timestamped_folder("predict")
    return PredictConfig(**given)


def _verify_config(values: flags.FlagValues) -> VerifyConfig:
    _refuse_without_effect(values)
    data = {field.name: values[field.name].value for field in dataclasses.fields(DataConfig)}
    return VerifyConfig(
        DataConfig(**data), values.seed, values.workdir or _timestamped_folder("verify")
    )


def _timestamped_folder(command: str) -> str:
    return f"runs/{command}-{datetime.now():%Y%m%d-%H%M%S}"


def is_help_requested(argv: Sequence[str]) -> bool:
    """Whether --help is among the arguments."""
    return not _HELP_FLAGS.isdisjoint(argv)


def is_estimate_requested(command: str, argv: Sequence[str]) -> bool:
    """Whether a run is to be estimated in place of made.

    Raises:
        ConfigurationError: As `config_from_flags` does for flags.
    """
    return command in _LEFT_OUT and _parse(command, argv).estimate


def help_text(command: str) -> str:
    """Every flag of `command`, with its default and what it means."""
    lines = [
        f"python -m darts_adv_tf.{command} [--flag=value ...]",
        "",
        DESCRIPTIONS[command],
    ]
    for title, group in _flags_of(command).items():
        lines += ["", f"{title}:", *(flag.describe() for flag in group)]
    lines += [
        "",
        "General:",
        "  --flagfile=<path>",
        "      File with a flag on each line, and more such files; later flags win over earlier.",
        "  --undefok=<name,name,...>",
        "      Flags to pass over where the command has none of that name; for files that several",
        "      commands share.",
        "  --help",
        "      This text.",
    ]
    return "\n".join(lines)


def _flags_of(command: str) -> dict[str, list[_Flag]]:
    """The command's flags by heading."""
    if command in _CONTINUING:
        return {"Run": _CONTINUING[command]}
    if command == "predict":
        found = [_flag_of(field) for field in dataclasses.fields(PredictConfig)]
        return {
            "Prediction": [
                dataclasses.replace(flag, is_required=flag.name == "inputs") for flag in found
            ]
        }
    if command == "verify":
        return {
            title: [_flag_of(field) for field in dataclasses.fields(kind) if field.metadata]
            for title, kind in (("Report", VerifyConfig), ("Data", DataConfig))
        }
    parts = {"Run": RunConfig, **{name.capitalize(): kind for name, kind in _PARTS.items()}}
    by_title = {
        title: [
            _flag_of(field)
            for field in dataclasses.fields(kind)
            if field.metadata and field.name not in _LEFT_OUT[command] | {"command"}
        ]
        for title, kind in parts.items()
    }
    by_title["Run"] += [_RESUME, _ESTIMATE]
    return by_title


def _flag_of(field: dataclasses.Field) -> _Flag:
    kinds = typing.get_args(field.type) or (field.type,)
    (kind,) = (kind for kind in kinds if kind is not types.NoneType)
    return _Flag(field.name, kind, field.default, field.metadata["help"], field.metadata["choices"])


def _parse(command: str, argv: Sequence[str]) -> flags.FlagValues:
    """The command's flags with their values; whatever is not one of them is refused."""
    values = flags.FlagValues()
    values.set_gnu_getopt(True)
    for group in _flags_of(command).values():
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


def _unknown_flag(command: str, name: str, known: list[str]) -> ConfigurationError:
    others = [
        other
        for other in DESCRIPTIONS
        if any(flag.name == name for group in _flags_of(other).values() for flag in group)
    ]
    close = difflib.get_close_matches(name, known, n=1)
    if others:
        remedy = f"It is a flag of {', '.join(others)}."
    elif close:
        remedy = f"Did you mean --{close[0]}?"
    else:
        remedy = f"python -m darts_adv_tf.{command} --help"
    return ConfigurationError(
        "A command takes only flags of its own.", received=f"unknown flag --{name}", remedy=remedy
    )


def _is_begun(values: flags.FlagValues) -> bool:
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
    parts = (RunConfig, *_PARTS.values())
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


def _resumed_config(command: str, values: flags.FlagValues) -> RunConfig:
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


def _refuse_without_effect(values: flags.FlagValues) -> None:
    """Refuses flags that belong to another choice than the one made."""
    belongs = {
        "phantom_cases": ("dataset", "phantom"),
        "phantom_domain": ("dataset", "phantom"),
        "train_cases": ("split", "random"),
        "num_folds": ("split", "folds"),
        "percentiles": ("normalization", "percentile"),
    }
    for name, (choice, value) in belongs.items():
        received = None
        if values[choice].value != value:
            received = f"--{choice}={values[choice].value}"
        elif choice == "split" and values.cases is not None:
            received = f"--cases={values.cases}, which is a split of its own,"
        if values[name].present and received:
            raise ConfigurationError(
                f"--{name} belongs to --{choice}={value}.",
                received=f"{received} --{name}={values[name].value}",
                remedy=f"Leave out --{name}.",
            )


def _new_config(command: str, values: flags.FlagValues) -> RunConfig:
    _refuse_without_effect(values)
    by_name = values.flag_values_dict()

    def part(kind: type):
        names = {field.name for field in dataclasses.fields(kind)}
        return {name: value for name, value in by_name.items() if name in names}

    configuration = part(RunConfig) | {name: kind(**part(kind)) for name, kind in _PARTS.items()}
    if configuration["workdir"] is None:
        configuration["workdir"] = _timestamped_folder(command)
    return RunConfig(command=command, **configuration)
