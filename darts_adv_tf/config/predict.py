"""What the predict command is asked for: a model, pictures, and what to write about them."""

import dataclasses

from darts_adv_tf.config.setting import check_fields, setting
from darts_adv_tf.system.errors import ConfigurationError


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """A model, the pictures that it is to segment, and where the results go.

    Raises:
        ConfigurationError: A value breaks its rule, or two values contradict each other.
    """

    workdir: str | None = setting(
        None,
        "Folder of a finished run of your own, whose exported segmenter predicts. One from "
        "elsewhere is as foreign as a --model: it runs the code that its author put into it.",
    )
    model: str | None = setting(
        None,
        "In place of --workdir: folder of a SavedModel from elsewhere; docs/prediction.md says "
        "what it has to take and give. Needs --trust_model.",
    )
    trust_model: bool = setting(
        False, "You trust the author of --model, whose code is run with all your permissions."
    )
    inputs: tuple = setting(
        (),
        "Pictures: files, folders (without those inside them) and globs (** for folders inside "
        "folders), separated by commas. May be repeated, which paths with a comma need.",
    )
    classes: str | None = setting(
        None,
        "Names of the organs that --model finds, separated by commas, without the background; its "
        "own, or class_1, class_2 and so on, unless given.",
    )
    output_dir: str | None = setting(
        None,
        "Folder for the results, new or empty; runs/predict-<time> unless given.",
    )
    keep_largest_component: bool = setting(
        False,
        "Keep of each organ only its largest connected piece (diagonal neighbours count as "
        "connected), before anything is measured or written.",
    )
    dicom_segmentation: bool = setting(
        False, "Write a DICOM Segmentation object for each DICOM input as well."
    )

    def __post_init__(self):
        check_fields(self)
        if not self.inputs:
            raise ConfigurationError(
                "There is a picture to predict.",
                received="no --inputs",
                remedy="Add --inputs=<file, folder or glob>,...",
            )
        self._check_model()
        if self.classes is not None and not (
            all(self.class_list) and len({"background", *self.class_list}) > len(self.class_list)
        ):
            raise ConfigurationError(
                "--classes is a list of names, each once, separated by commas, without background.",
                received=f"--classes={self.classes}",
                remedy="Use such as --classes=left_lung,right_lung.",
            )

    @property
    def class_list(self) -> tuple[str, ...] | None:
        """`classes`, as names."""
        return None if self.classes is None else tuple(self.classes.split(","))

    def _check_model(self):
        if (self.workdir is None) == (self.model is None):
            raise ConfigurationError(
                "One model predicts: that of a run, or one from elsewhere.",
                received="neither" if self.model is None else "--workdir and --model",
                remedy="Use --workdir=<folder of a run>, or --model=<folder> --trust_model.",
            )
        if self.model is not None and not self.trust_model:
            raise ConfigurationError(
                "A SavedModel is a program: loading it runs its author's code with all your "
                "permissions.",
                received=f"--model={self.model} without --trust_model",
                remedy="Add --trust_model if you trust its author.",
            )
        for name in ("trust_model", "classes"):
            if self.model is None and getattr(self, name):
                raise ConfigurationError(
                    f"--{name} belongs to --model; a run knows its own.",
                    received=f"--{name} with --workdir",
                    remedy=f"Leave out --{name}.",
                )
