"""Configuration of the predict command: a model, images, and what to write."""

import dataclasses

from darts_adv_tf.config.setting import check_fields, setting
from darts_adv_tf.config.text_form import NAMES
from darts_adv_tf.system.errors import ConfigurationError


@dataclasses.dataclass(frozen=True)
class PredictConfig:
    """A model, the images that it segments, and the folder of the results.

    Raises:
        ConfigurationError: A value breaks its rule, or two values contradict each other.
    """

    workdir: str | None = setting(
        None,
        "Folder of a finished run of your own, whose exported segmenter is used. A run from "
        "elsewhere needs as much trust as a --model: it runs its author's code.",
        essential=True,
    )
    model: str | None = setting(
        None,
        "Folder of a SavedModel from elsewhere, instead of --workdir (docs/prediction.md). "
        "Requires --trust_model.",
        essential=True,
    )
    trust_model: bool = setting(
        False,
        "Confirm that you trust the author of --model: its code runs with all your permissions.",
        essential=True,
    )
    inputs: tuple[str, ...] = setting(
        (),
        "Images: files, folders (without subfolders) and globs (** includes subfolders), separated "
        "by commas. May be repeated, as paths with a comma require.",
        essential=True,
        known_as=("input", "images", "image"),
    )
    classes: tuple[str, ...] | None = setting(
        None,
        "Names of the foreground classes of --model, separated by commas. Default: its own, or "
        "class_1, class_2 and so on.",
        text=NAMES,
        essential=True,
    )
    output_dir: str | None = setting(
        None,
        "Folder for the results, new or empty. Default: runs/predict-<time>.",
        essential=True,
        known_as=("output", "out_dir", "save"),
    )
    keep_largest_component: bool = setting(
        False,
        "Keep only the largest connected component of each class (8-connected), before anything "
        "is measured or written.",
        essential=True,
    )
    dicom_segmentation: bool = setting(
        False, "Also write a DICOM Segmentation object for each DICOM input.", essential=True
    )

    def __post_init__(self):
        check_fields(self)
        if not self.inputs:
            raise ConfigurationError(
                "--inputs must name at least one image.",
                received="no --inputs",
                remedy="Add --inputs=<file, folder or glob>,...",
            )
        self._check_model()
        if self.classes is not None and "background" in self.classes:
            raise ConfigurationError(
                "--classes must not name the background.",
                received=f"--classes={','.join(self.classes)}",
                remedy="Use such as --classes=left_lung,right_lung.",
            )

    def _check_model(self):
        if (self.workdir is None) == (self.model is None):
            raise ConfigurationError(
                "Exactly one of --workdir and --model must be given.",
                received="neither" if self.model is None else "--workdir and --model",
                remedy="Use --workdir=<folder of a run>, or --model=<folder> --trust_model.",
            )
        if self.model is not None and not self.trust_model:
            raise ConfigurationError(
                "--model must come with --trust_model: a SavedModel is a program, and loading it "
                "runs its author's code with all your permissions.",
                received=f"--model={self.model} without --trust_model",
                remedy="Add --trust_model if you trust its author.",
            )
        for name in ("trust_model", "classes"):
            if self.model is None and getattr(self, name):
                raise ConfigurationError(
                    f"--{name} must be given with --model only; a run has its own.",
                    received=f"--{name} with --workdir",
                    remedy=f"Leave out --{name}.",
                )
