"""Models whose answer is known by hand, and images for them."""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.config import RunConfig
from darts_adv_tf.config.config_file import save_config
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.serving.exporting import export_segmenter

CLASS_NAMES = ("background", "left_lung", "right_lung", "heart")
STEP = 85
"""Of grey values of 8 bits: a class's index times this is the grey that is taken for it."""

SIZE = 32


def scene() -> np.ndarray:
    """uint8 (32, 32), labels: two lungs of 16 x 8 pixels, a heart of 10 x 8 between them."""
    labels = np.zeros((SIZE, SIZE), np.uint8)
    labels[4:20, 20:28] = 1
    labels[4:20, 4:12] = 2
    labels[14:24, 12:20] = 3
    return labels


AREAS = (SIZE**2 - 128 - 128 - 80, 128, 128, 80)
RATIO = 8 / 24


def write_run(workdir: Path, num_channels: int = 1) -> Path:
    """A finished run, whose segmenter takes the mean of the channels for the class."""
    greys = np.arange(4) / 3
    convolution = keras.layers.Conv2D(4, 1)
    segmenter = keras.Sequential([keras.Input((SIZE, SIZE, num_channels)), convolution])
    # The largest where the grey is nearest to the class's own.
    kernel = np.tile(200 * greys / num_channels, (1, 1, num_channels, 1))
    convolution.set_weights([kernel, -100 * greys**2])
    images = np.random.default_rng(0).random((2, SIZE, SIZE, num_channels), np.float32)
    save_config(RunConfig(), workdir)
    export_segmenter(segmenter, workdir, images, Preparation(SIZE), CLASS_NAMES)
    return workdir


class _WritesWhenLoaded(tf.saved_model.experimental.TrackableResource):
    def __init__(self, path: Path):
        super().__init__(device="")
        self._path = str(path)

    def _create_resource(self):
        return tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[], shared_name="marker")

    def _initialize(self):
        tf.io.write_file(self._path, "here I am")


class _Foreign(tf.Module):
    pass


def write_foreign(
    folder: Path, answer, shape=(None, None, None, 1), dtype=tf.float32, marker: Path | None = None
) -> Path:
    """A SavedModel of another program, which may write the file `marker` whenever it is loaded."""
    module = _Foreign()
    if marker is not None:
        module.marker = _WritesWhenLoaded(marker)
        _ = module.marker.resource_handle
    module.serve = tf.function(
        lambda x: answer(x),
        input_signature=[tf.TensorSpec(shape, dtype, name="x")],
        autograph=False,
    )
    tf.saved_model.save(module, str(folder), signatures=module.serve)
    return folder


def bright_or_dark(images: tf.Tensor) -> dict[str, tf.Tensor]:
    """Scores of two classes, of which the second is for more than half of 255."""
    return {"scores": tf.concat([255 - images, images], axis=-1)}
