"""A SavedModel, of this program or of another, that says which class each pixel has.

Shapes: H, W pixels, C channels, K classes, of which class 0 is the background.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.loading import match_range
from darts_adv_tf.serving.model_description import ModelDescription
from darts_adv_tf.system.errors import ConfigurationError, DataError
from darts_adv_tf.system.memory import memory_bytes

GRAPH_FILE = "saved_model.pb"
SIGNATURE = "serving_default"
MOST_CLASSES = 256
"""Labels are written with 8 bits."""

_BLANK_SIDE = 256
_CONVENTION = (
    f"A model that predicts must be a SavedModel with a signature {SIGNATURE}: one floating-point "
    "input (N, H, W, channels) of any height and width, intensities as stored; an output of class "
    "scores (N, H, W, classes), background first, or of integer labels (N, H, W)."
)
_OUT_OF_MEMORY = (MemoryError, tf.errors.ResourceExhaustedError)


class ServedModel:
    """A loaded model, ready for images of any size.

    To load a SavedModel is to run what its author put into it.

    Args:
        folder: Of the SavedModel.
        organs: K - 1 names; those of its description, or class_1, class_2 and so on, unless given.

    Attributes:
        class_names: K names.
        fingerprint: 16 digits that another model does not have.

    Raises:
        ConfigurationError: It is no SavedModel, takes or gives something else, or has another
            number of classes.
        DataError: Its description cannot be read.
    """

    def __init__(self, folder: str | os.PathLike, organs: Sequence[str] | None = None):
        self.folder = Path(folder)
        self._loaded = _load(self.folder)
        serve = self._loaded.signatures.get(SIGNATURE)
        if serve is None:
            named = ", ".join(map(str, self._loaded.signatures)) or "none"
            raise self._unfit(f"signatures: {named}")
        self._serve = serve
        self._input = self._find_input(serve.structured_input_signature[1])
        self._output = self._find_output(serve.structured_outputs)
        description = ModelDescription.read(self.folder)
        self._describes_range = description is not None
        self._intensity_maximum = description.intensity_maximum if description else None
        self.class_names = self._find_class_names(description, organs)
        graph = (self.folder / GRAPH_FILE).read_bytes()
        variables = sorted(self.folder.glob("variables/*.index"))
        contents = b"".join([graph, *(path.read_bytes() for path in variables)])
        self.fingerprint = hashlib.sha256(contents).hexdigest()[:16]
        self._has_answered = False

    def predict(self, image: DecodedImage, file: str | os.PathLike) -> np.ndarray:
        """The most likely class of each pixel of an image.

        Intensities of another depth are scaled to the model's range, where it says which it has;
        a grey image is repeated for the channels of a model of several.

        Args:
            image: Any size.
            file: Where it is from, for messages.

        Returns:
            uint8 (H, W).

        Raises:
            DataError: The image does not fit the model or the memory, or the model fails on it.
            ConfigurationError: The model fails on every image.
        """
        height, width = image.pixels.shape[:2]
        out_of_memory = DataError(
            "An image and its prediction must fit into memory.",
            received=f"{width} x {height} pixels, {len(self.class_names)} classes",
            file=file,
            remedy="Shrink the image, or use a machine with more memory.",
        )
        # Where memory is promised beyond what there is, using it would end the whole process.
        if _needed_bytes(image, len(self.class_names)) > memory_bytes():
            raise out_of_memory
        try:
            return self._answer(self._prepare(image, file), file)
        except _OUT_OF_MEMORY as error:
            raise out_of_memory from error

    def _prepare(self, image: DecodedImage, file: str | os.PathLike) -> np.ndarray:
        """float32 (H, W, C), as the model wants them."""
        maximum = self._intensity_maximum if self._describes_range else image.intensity_maximum
        try:
            pixels = match_range(image, maximum)
        except ValueError as error:
            raise DataError(
                "An image's intensities must be bounded exactly where those of the model's "
                "training images were.",
                received=error,
                file=file,
                remedy="Convert the image to the kind of file that the model was trained with.",
            ) from error
        wanted, given = self._input.shape[-1], pixels.shape[-1]
        if wanted is None or wanted == given:
            return pixels
        if given == 1:
            return np.repeat(pixels, wanted, axis=-1)
        raise DataError(
            "An image must have as many channels as the model's training images, or be grey.",
            received=f"{given} channels, the model takes {wanted}",
            file=file,
            remedy="Convert the image to grey." if wanted == 1 else "Convert the image.",
        )

    def _answer(self, pixels: np.ndarray, file: str | os.PathLike) -> np.ndarray:
        try:
            labels = self._call(pixels)
        except _OUT_OF_MEMORY:
            raise
        except Exception as error:
            if not self._has_answered:
                self._refuse_if_it_fails_always(pixels.shape[-1])
            raise DataError(
                "The model must answer for every image.",
                received=_first_line(error),
                file=file,
                remedy="Leave the image out, or ask the model's author which it takes.",
            ) from error
        self._has_answered = True
        return labels

    def _refuse_if_it_fails_always(self, num_channels: int) -> None:
        """Tells a model that cannot work from an image that it cannot work on."""
        try:
            self._call(np.zeros((_BLANK_SIDE, _BLANK_SIDE, num_channels), np.float32))
        except _OUT_OF_MEMORY:
            raise
        except Exception as error:
            raise self._unfit(
                f"for a black image of {_BLANK_SIDE} x {_BLANK_SIDE} pixels: {_first_line(error)}"
            ) from error
        self._has_answered = True

    def _call(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 (H, W); a ValueError where the answer says something else."""
        images = tf.cast(pixels[np.newaxis], self._input.dtype)
        answer = self._serve(**{self._input.name: images})[self._output].numpy()
        if np.issubdtype(answer.dtype, np.floating):
            expected = (1, *pixels.shape[:2], len(self.class_names))
            if answer.shape != expected:
                raise ValueError(f"class scores {answer.shape} in place of {expected}")
            if not np.isfinite(answer).all():
                raise ValueError("class scores that are infinite or not a number")
            return answer[0].argmax(axis=-1).astype(np.uint8)
        expected = (1, *pixels.shape[:2])
        if answer.shape != expected:
            raise ValueError(f"labels {answer.shape} in place of {expected}")
        if not 0 <= answer.min() <= answer.max() < len(self.class_names):
            raise ValueError(
                f"labels from {answer.min()} to {answer.max()} for {len(self.class_names)} classes"
            )
        return answer[0].astype(np.uint8)

    def _find_input(self, inputs: Mapping[str, tf.TensorSpec]) -> tf.TensorSpec:
        specs = list(inputs.values())
        if len(specs) == 1:
            (spec,) = specs
            if (
                spec.dtype.is_floating
                and spec.shape.rank == 4
                and spec.shape[1:3].as_list() == [None, None]
            ):
                # What the signature is called with, which a specification need not repeat.
                return tf.TensorSpec(spec.shape, spec.dtype, name=next(iter(inputs)))
        raise self._unfit(f"inputs: {_told(inputs)}")

    def _find_output(self, outputs: Mapping[str, tf.TensorSpec]) -> str:
        """The name of the labels, as the model itself decides them, or else of the scores."""
        labels = [
            name
            for name, spec in outputs.items()
            if spec.dtype.is_integer and spec.shape.rank in (3, None)
        ]
        scores = [
            name
            for name, spec in outputs.items()
            if spec.dtype.is_floating and spec.shape.rank in (4, None)
        ]
        if "labels" in labels:
            return "labels"
        if "probabilities" in scores:
            return "probabilities"
        if len(labels + scores) == 1:
            return (labels + scores)[0]
        raise self._unfit(f"outputs: {_told(outputs)}")

    def _find_class_names(
        self, description: ModelDescription | None, organs: Sequence[str] | None
    ) -> tuple[str, ...]:
        number = None
        if description is not None:
            number = len(description.class_names)
        else:
            last_axes = {
                spec.shape[-1]
                for name, spec in self._serve.structured_outputs.items()
                if spec.dtype.is_floating
                and spec.shape.rank == 4
                and name in (self._output, "probabilities")
            }
            if len(last_axes) == 1:
                (number,) = last_axes
        given = 1 + len(organs) if organs is not None else None
        if number is None and given is None:
            raise ConfigurationError(
                "A model must name its classes, or at least have a fixed number of them.",
                received="a model that says neither",
                file=self.folder,
                remedy="Add --classes=<name,name,...>, the organs in the order of their labels.",
            )
        if number is not None and given is not None and number != given:
            raise ConfigurationError(
                "--classes must name each class of the model but the background.",
                received=f"{given - 1} names, {number} classes",
                file=self.folder,
                remedy=f"Give {number - 1} names.",
            )
        number = number or given or 0
        if not 2 <= number <= MOST_CLASSES:
            raise self._unfit(f"{number} class(es), of 2 to {MOST_CLASSES}")
        if organs is not None:
            return ("background", *organs)
        if description is not None:
            return description.class_names
        return ("background", *(f"class_{index}" for index in range(1, number)))

    def _unfit(self, received: str) -> ConfigurationError:
        return ConfigurationError(
            _CONVENTION,
            received=received,
            file=self.folder,
            remedy="Export the model in this form; docs/prediction.md shows how.",
        )


def _load(folder: Path):
    if not (folder / GRAPH_FILE).is_file():
        raise ConfigurationError(
            f"A SavedModel must be a folder that holds a {GRAPH_FILE}.",
            received="none",
            file=folder,
            remedy="Name the folder that holds it.",
        )
    try:
        loaded = tf.saved_model.load(os.fspath(folder))
        # Models of TensorFlow 1 have signatures too, older things may have none.
        loaded.signatures  # noqa: B018
        return loaded
    except _OUT_OF_MEMORY:
        raise
    except Exception as error:
        raise ConfigurationError(
            "A model must be a SavedModel that TensorFlow can load.",
            received=_first_line(error),
            file=folder,
            remedy="Copy the whole folder again from its source, or export the model anew.",
        ) from error


def _needed_bytes(image: DecodedImage, num_classes: int) -> int:
    """At least: the image and the scores, each also in the copy that it is made from."""
    height, width, num_channels = image.pixels.shape
    return 4 * 2 * height * width * (num_channels + num_classes)


def _told(specs: Mapping[str, tf.TensorSpec]) -> str:
    return "; ".join(f"{name} {spec.dtype.name} {spec.shape}" for name, spec in specs.items())


def _first_line(error: Exception) -> str:
    # TensorFlow tells the place before the reason.
    lines = [
        line
        for line in map(str.strip, str(error).splitlines())
        if line and not line.startswith(("Graph execution error:", "Detected at node", "File "))
    ]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__
