"""The commands and their flags."""

import dataclasses

from darts_adv_tf.cli.flag import Flag, flags_of_settings
from darts_adv_tf.config import DataConfig, RunConfig
from darts_adv_tf.config.predict import PredictConfig
from darts_adv_tf.config.reproduce import SEARCH_ONLY, SET_BY_THE_MATRIX, ReproduceConfig
from darts_adv_tf.config.run import PARTS, names_where
from darts_adv_tf.config.verify import VerifyConfig

DESCRIPTIONS = {
    "search": "Search a discriminator, train the segmenter against it, evaluate and export.",
    "train": "Train a segmenter against a given discriminator, or without one.",
    "evaluate": "Evaluate the segmenter of a finished run on its test cases.",
    "export": "Export the segmenter of a finished run as a SavedModel.",
    "verify": "Check a whole data set as training would read it, and report data issues.",
    "predict": "Segment images of any format and size with an exported segmenter.",
    "reproduce": "Run the paper's experiments and report the results.",
}
BEGINNING = ("search", "train")
"""The commands that start a run."""

_LEFT_OUT = {
    "search": names_where(lambda setting: setting.train_only),
    "train": SEARCH_ONLY,
    "reproduce": SET_BY_THE_MATRIX,
}
_WORKDIR_OF_A_RUN = Flag(
    "workdir", str, None, "Folder of the run, with its config.json.", is_required=True
)
_MOVED_DATA_DIR = Flag(
    "data_dir", str, None, "Folder of the data set, if it has moved since the run."
)
# Not in the configuration: a run that is repeated from its config.json must not be an estimate.
_ESTIMATE = Flag(
    "estimate",
    bool,
    False,
    "Make only a few steps and print the time per step, the time of the whole run and the peak "
    "memory. Takes a few minutes; nothing is written.",
)
_RESUME = Flag(
    "resume",
    bool,
    False,
    "Resume the run in --workdir from its latest valid checkpoint; the result is identical to an "
    "uninterrupted run. With the original flags given, starts the run if it does not exist yet.",
)


def flags_of(command: str) -> dict[str, list[Flag]]:
    """Returns the command's flags by heading."""
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
