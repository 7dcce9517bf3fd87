"""What TensorBoard shows of a run."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from darts_adv_tf.plots.images import encode_png
from darts_adv_tf.system.errors import StorageError

_DATA_CLASSES = {"scalars": 1, "text": 2, "images": 3}
"""TensorFlow's `DataClass` for each of TensorBoard's plugins: a scalar, a tensor, images."""


class Monitor:
    """Writes scalars, pictures and marks of one phase under `<workdir>/tensorboard/<phase>`.

    As records of TensorFlow's protocol buffers: its summary writer cannot say where a resumed run
    starts, and its memory grows with what it has written.

    Args:
        workdir: The run's folder.
        phase: `search` or `retrain`.
        is_writer: Whether anything is written; one process of a run writes.

    Raises:
        StorageError: By any method: the system refused to write, then or before.
    """

    def __init__(self, workdir: str | os.PathLike, phase: str, is_writer: bool = True):
        self._folder = Path(workdir) / "tensorboard" / phase
        self._is_writer = is_writer
        self._writer: tf.io.TFRecordWriter | None = None

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *exception) -> None:
        if self._writer is not None:
            with self._telling():
                self._writer.close()

    def begin(self, done: int) -> None:
        """Begins after so many steps; what a stopped run has shown of later ones is void."""
        if self._is_writer:
            # TensorBoard knows such files by the name, and reads them in its order.
            name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
            with self._telling():
                self._folder.mkdir(parents=True, exist_ok=True)
                self._writer = tf.io.TFRecordWriter(str(self._folder / name))
            self._add(0, file_version="brain.Event:2")
            # From the second such event on, TensorBoard drops all that it has of later steps.
            start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
            self._add(done + 1, session_log=start)

    def scalars(self, step: int, figures: Mapping[str, float]) -> None:
        """Adds one point to the curve of each figure."""
        self._add_summary(
            step,
            *(summary_value(name, "scalars", np.float32(value)) for name, value in figures.items()),
        )

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """Adds a picture, uint8 (H, W, 3)."""
        height, width, _ = picture.shape
        content = [str(width).encode(), str(height).encode(), encode_png(picture)]
        self._add_summary(step, summary_value(name, "images", content))

    def mark(self, step: int, name: str, text: str) -> None:
        """Adds a text."""
        self._add_summary(step, summary_value(name, "text", text))

    def flush(self) -> None:
        """Makes what was added visible to a reader now."""
        if self._writer is not None:
            with self._telling():
                self._writer.flush()

    def _add_summary(self, step: int, *values: tf.compat.v1.Summary.Value):
        self._add(step, summary=tf.compat.v1.Summary(value=values))

    def _add(self, step: int, **content):
        if self._writer is not None:
            event = tf.compat.v1.Event(wall_time=time.time(), step=step, **content)
            with self._telling():
                self._writer.write(event.SerializeToString())

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        """Tells an error of TensorFlow's file systems, by which TensorBoard writes, as ours."""
        try:
            yield
        except (OSError, tf.errors.OpError) as error:
            raise StorageError(
                "The curves for TensorBoard must be written.",
                received=getattr(error, "message", None) or error,
                file=self._folder,
                remedy="Free space or permit writing there, then go on by --resume.",
            ) from error


def summary_value(name: str, plugin: str, content: object) -> tf.compat.v1.Summary.Value:
    """One value as a plugin of TensorBoard reads it.

    Args:
        name: Of the curve, image or text.
        plugin: `scalars`, `images` or `text`.
        content: A number; or width, height and the encoded image, all as bytes; or a text.
    """
    value = tf.compat.v1.Summary.Value(tag=name, tensor=tf.make_tensor_proto(content))
    value.metadata.data_class = _DATA_CLASSES[plugin]
    value.metadata.plugin_data.plugin_name = plugin
    return value
