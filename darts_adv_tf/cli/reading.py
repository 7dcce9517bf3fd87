"""The configuration that a command line asks for, for every command."""

import dataclasses
from collections.abc import Sequence
from datetime import datetime

from absl import flags

from darts_adv_tf.cli.commands import BEGINNING
from darts_adv_tf.cli.parsing import parse, refuse_without_effect
from darts_adv_tf.cli.run_config import (
    finished_config,
    is_begun,
    new_config,
    resumed_config,
    values_of,
)
from darts_adv_tf.config import DataConfig, RunConfig
from darts_adv_tf.config.predict import PredictConfig
from darts_adv_tf.config.reproduce import ReproduceConfig
from darts_adv_tf.config.verify import VerifyConfig
from darts_adv_tf.config.workdir import refuse_occupied
from darts_adv_tf.serving.output_folder import refuse_occupied_output

Config = RunConfig | PredictConfig | VerifyConfig | ReproduceConfig

TEST_EVERY = 1
"""Epochs between evaluations on the test cases in a matrix, whose report plots their curve."""


def config_from_flags(command: str, argv: Sequence[str]) -> Config:
    """Returns the configuration that a command line asks for.

    `search` and `train` start a run: their configuration comes from the flags, and their work
    directory must be free. With --resume they continue a run, if there is one: its configuration
    is the saved one, which the flags may repeat. `evaluate` and `export` work on a finished run:
    theirs is the saved one, with the folders as the flags name them. `predict`, `verify` and
    `reproduce` have configurations of their own.

    Args:
        command: One of `DESCRIPTIONS`.
        argv: The arguments after the program's name.

    Raises:
        ConfigurationError: A flag is unknown, malformed, or contradicts another; an argument is
            not a flag; the work directory is occupied, or holds no run where one is needed; a
            flag differs from the run that is resumed.
    """
    values = parse(command, argv)
    if command == "predict":
        return _predict_config(values)
    if command == "verify":
        return _verify_config(values)
    if command == "reproduce":
        return _reproduce_config(values)
    if command not in BEGINNING:
        return finished_config(values)
    if values.resume and is_begun(values):
        return resumed_config(command, values)
    config = new_config(command, values)
    workdir = _timestamped_folder(command) if config.workdir is None else config.workdir
    refuse_occupied(workdir)
    return dataclasses.replace(config, workdir=workdir)


def is_estimate_requested(command: str, argv: Sequence[str]) -> bool:
    """Returns whether a run is to be estimated instead of made.

    Raises:
        ConfigurationError: As `config_from_flags` does for flags.
    """
    return command in BEGINNING and parse(command, argv).estimate


def _predict_config(values: flags.FlagValues) -> PredictConfig:
    given = values_of(PredictConfig, values)
    given["inputs"] = tuple(given["inputs"] or ())
    output_dir = given.pop("output_dir")
    if output_dir is None:
        output_dir = _timestamped_folder("predict")
    config = PredictConfig(**given, output_dir=output_dir)
    refuse_occupied_output(output_dir)
    return config


def _verify_config(values: flags.FlagValues) -> VerifyConfig:
    refuse_without_effect(values)
    data = DataConfig(**values_of(DataConfig, values))
    workdir = values.workdir or _timestamped_folder("verify")
    config = VerifyConfig(data, values.seed, workdir)
    refuse_occupied(workdir)
    return config


def _reproduce_config(values: flags.FlagValues) -> ReproduceConfig:
    given = values_of(ReproduceConfig, values)
    if given["workdir"] is None and not given["report_only"]:
        given["workdir"] = _timestamped_folder("reproduce")
    base = dataclasses.replace(new_config("search", values), workdir=None)
    if not values["test_every"].present:
        training = dataclasses.replace(base.training, test_every=TEST_EVERY)
        base = dataclasses.replace(base, training=training)
    return ReproduceConfig(base=base, **given)


def _timestamped_folder(command: str) -> str:
    return f"runs/{command}-{datetime.now():%Y%m%d-%H%M%S}"
