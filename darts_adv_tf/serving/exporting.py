"""A trained segmenter as a SavedModel that needs none of this program.

Legend: N batch, H, W, C channels, K classes.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.serving.model_description import ModelDescription
from darts_adv_tf.system.errors import StorageError

VERSION_FOLDER = Path("segmenter") / "1"
PARITY_TOLERANCE = 1e-5


class ServedSegmenter(tf.Module):
    """From images as they are stored to labels and probabilities of the same size.

    Args:
        segmenter: A built model, images (N, H, W, C) in 0..1 -> logits (N, H, W, K).
        preparation: How its training images were prepared.
        num_channels: C.
    """

    def __init__(self, segmenter: keras.Model, preparation: Preparation, num_channels: int):
        super().__init__()
        self.segmenter = segmenter
        self.preparation = preparation
        images = tf.TensorSpec([None, None, None, num_channels], tf.float32, name="images")
        self.serve = tf.function(self._serve, input_signature=[images], autograph=False)

    def _serve(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """images (N, H, W, C), intensities as stored -> labels (N, H, W), probabilities."""
        inputs = self.preparation.prepare_images(images)
        probabilities = tf.nn.softmax(self.segmenter(inputs, training=False))
        probabilities = self.preparation.restore(probabilities, *tf.unstack(tf.shape(images)[1:3]))
        labels = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        return {"labels": labels, "probabilities": probabilities}


def export_segmenter(
    segmenter: keras.Model,
    workdir: str | os.PathLike,
    images: np.ndarray,
    preparation: Preparation,
    class_names: Sequence[str],
) -> Path:
    """Writes `<workdir>/segmenter/1` and checks that it answers as the trained model does.

    Beside the model lies `assets.extra/description.json`, for `predict` and other readers: the
    names of the classes and channels, and the range of the intensities.

    Args:
        segmenter: The trained model.
        workdir: The run's folder.
        images: float32 (N, S, S, C), prepared: the cases to compare on.
        preparation: How they were prepared.
        class_names: K names.

    Returns:
        The SavedModel's folder.

    Raises:
        StorageError: The files could not be written.
        RuntimeError: The exported model answers otherwise: an error of this program.
    """
    folder = Path(workdir) / VERSION_FOLDER
    unfinished = folder.with_name(".unfinished")
    num_channels = images.shape[-1]
    served = ServedSegmenter(segmenter, preparation, num_channels)
    description = ModelDescription(tuple(class_names), num_channels, preparation.intensity_maximum)
    try:
        tf.saved_model.save(served, str(unfinished), signatures=served.serve)
        description.write(unfinished)
        _check_parity(unfinished, segmenter, images, preparation)
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.rename(folder)
    except (OSError, tf.errors.OpError) as error:
        raise StorageError(
            "The segmenter must be written.",
            received=error,
            file=folder,
            remedy="Free space or permit writing there, then run the export command.",
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _check_parity(folder: Path, segmenter, images: np.ndarray, preparation: Preparation):
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    stored = preparation.stored_intensities(images)
    if preparation.normalization == "percentile":
        # Which intensities an image had before does not show in it.
        images = preparation.prepare_images(stored)
    # A GPU's shortened products would differ by more between two graphs of the same model.
    uses_short_products = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        expected = tf.nn.softmax(segmenter(images, training=False)).numpy()
        answer = signature(images=tf.constant(stored))
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(uses_short_products)
    difference = np.abs(answer["probabilities"].numpy() - expected).max()
    if not difference <= PARITY_TOLERANCE:
        raise RuntimeError(
            "The exported segmenter must answer as the trained one does, up to "
            f"{PARITY_TOLERANCE}. Received: a difference of {difference} in a probability."
        )
