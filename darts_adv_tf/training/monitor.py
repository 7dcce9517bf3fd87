"""What TensorBoard shows of a run."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf


class Monitor:
    """Writes scalars and pictures of one phase under `<workdir>/tensorboard/<phase>`.

    Args:
        workdir: The run's folder.
        phase: `search` or `retrain`.
    """

    def __init__(self, workdir: str | os.PathLike, phase: str):
        self._writer = tf.summary.create_file_writer(str(Path(workdir) / "tensorboard" / phase))

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *exception) -> None:
        self._writer.close()

    def scalars(self, step: int, figures: Mapping[str, float]) -> None:
        """Adds one point to the curve of each figure."""
        with self._writer.as_default(step):
            for name, value in figures.items():
                tf.summary.scalar(name, value)

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """Adds a picture, uint8 (H, W, 3)."""
        with self._writer.as_default(step):
            tf.summary.image(name, picture[None])

    def flush(self) -> None:
        """Makes what was added visible to a reader now."""
        self._writer.flush()
