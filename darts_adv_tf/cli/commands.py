"""Which command has which flags."""

import dataclasses

from darts_adv_tf.cli.flag import Flag, flags_of_settings
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
from darts_adv_tf.config.reproduce import SEARCH_ALONE, SET_BY_THE_MATRIX, ReproduceConfig
from darts_adv_tf.config.verify import VerifyConfig

DESCRIPTIONS = {
    "search": "Searches a discriminator, trains the segmenter against it, evaluates and exports.",
    "train": "Trains a segmenter against a discriminator that is given, or against none.",
    "evaluate": "Evaluates the segmenter of a finished run on its test cases.",
    "export": "Writes the segmenter of a finished run as a SavedModel.",
    "verify": "Reads a whole data set as training would, and reports what is wrong with it.",
    "predict": "Segments pictures of any format and size with an exported segmenter.",
    "reproduce": "Makes the runs of the paper's experiments and reports what held.",
}
BEGINNING = ("search", "train")
"""The commands that begin a run."""

PARTS = {
    "data": DataConfig,
    "augmentation": AugmentationConfig,
    "model": ModelConfig,
    "training": TrainingConfig,
    "distribution": DistributionConfig,
    "reliability": ReliabilityConfig,
    "collapse": CollapseConfig,
}
"""Of a run's configuration."""

_LEFT_OUT = {
    "search": frozenset({"discriminator", "random_draw", "genotype"}),
    "train": SEARCH_ALONE,
    "reproduce": SET_BY_THE_MATRIX,
}
_WORKDIR_OF_A_RUN = Flag(
    "workdir", str, None, "Folder of the run, which holds its config.json.", is_required=True
)
_MOVED_DATA_DIR = Flag(
    "data_dir", str, None, "Folder of the data set, where it has moved since the run."
)
# Not in the configuration: a run that is repeated from its config.json is to run.
_ESTIMATE = Flag(
    "estimate",
    bool,
    False,
    "Instead of the run: makes a few of its steps and prints how long a step and the whole would "
    "take on this machine, and the peak memory. Nothing is written.",
)
_RESUME = Flag(
    "resume",
    bool,
    False,
    "Go on with the run in --workdir from its newest good checkpoint, in whatever stage it was "
    "stopped, to the same results as if it had not been. Its flags may be left out, or are those "
    "that it began with; with them, a run that has not begun yet begins.",
)


def flags_of(command: str) -> dict[str, list[Flag]]:
    """The command's flags by heading."""
    if command in ("evaluate", "export"):
        return {"Run": [_WORKDIR_OF_A_RUN, _MOVED_DATA_DIR]}
    if command == "predict":
        return {
            "Prediction": [
                dataclasses.replace(flag, is_required=flag.name == "inputs")
                for flag in flags_of_settings(PredictConfig)
            ]
        }
    if command == "verify":
        return {"Report": flags_of_settings(VerifyConfig), "Data": flags_of_settings(DataConfig)}
    parts = {
        name.capitalize(): flags_of_settings(kind, _LEFT_OUT[command])
        for name, kind in PARTS.items()
    }
    if command == "reproduce":
        return {"Experiment": flags_of_settings(ReproduceConfig), **parts}
    run = flags_of_settings(RunConfig, _LEFT_OUT[command] | {"command"})
    return {"Run": [*run, _RESUME, _ESTIMATE], **parts}
