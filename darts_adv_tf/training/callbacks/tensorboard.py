"""What TensorBoard shows of a run."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from darts_adv_tf.plots.images import encode_png
from darts_adv_tf.system.errors import StorageError
from darts_adv_tf.training.callbacks import Callback, Report
from darts_adv_tf.training.metric_names import SECONDS_PER_STEP

_DATA_CLASSES = {"scalars": 1, "text": 2, "images": 3}
"""TensorFlow's `DataClass` for each of TensorBoard's plugins: a scalar, a tensor, images."""


class TensorBoard(Callback):
    """Writes curves, images and warnings of one stage under `<workdir>/tensorboard/<stage>`.

    As records of TensorFlow's protocol buffers: its summary writer cannot say where a resumed run
    starts, and its memory grows with what it has written.

    Args:
        workdir: The run's folder.
        stage: `search` or `retrain`.

    Raises:
        StorageError: By any method: the system refused to write, then or before.
    """

    def __init__(self, workdir: str | os.PathLike, stage: str):
        self._folder = Path(workdir) / "tensorboard" / stage
        self._writer: tf.io.TFRecordWriter | None = None

    def begin(self, done: int, total: int) -> None:
        """Begins after so many steps; what a stopped run has shown of later ones is void."""
        # TensorBoard knows such files by the name, and reads them in its order.
        name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
        with self._as_storage_error():
            self._folder.mkdir(parents=True, exist_ok=True)
            self._writer = tf.io.TFRecordWriter(str(self._folder / name))
        self._add(0, file_version="brain.Event:2")
        # From the second such event on, TensorBoard drops all that it has of later steps.
        start = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
        self._add(done + 1, session_log=start)

    def on_step(self, report: Report) -> None:
        """Adds the step's metrics, its time and its warnings."""
        self.add_scalars(report.done, report.metrics | {SECONDS_PER_STEP: report.seconds})
        self._add_warnings(report)

    def on_epoch(self, epoch: int, report: Report) -> None:
        """Adds what callbacks have measured, and makes it visible to a reader now."""
        self.add_scalars(report.done, report.metrics)
        self._add_warnings(report)
        self.flush()

    def flush(self) -> None:
        """Makes what was added visible to a reader now."""
        if self._writer is not None:
            with self._as_storage_error():
                self._writer.flush()

    def end(self) -> None:
        """Closes the file."""
        if self._writer is not None:
            with self._as_storage_error():
                self._writer.close()

    def add_scalars(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds one point to the curve of each metric."""
        self._add_summary(
            step,
            *(summary_value(name, "scalars", np.float32(value)) for name, value in metrics.items()),
        )

    def add_image(self, step: int, name: str, image: np.ndarray) -> None:
        """Adds an image, uint8 (H, W, 3)."""
        height, width, _ = image.shape
        content = [str(width).encode(), str(height).encode(), encode_png(image)]
        self._add_summary(step, summary_value(name, "images", content))

    def add_text(self, step: int, name: str, text: str) -> None:
        """Adds a text."""
        self._add_summary(step, summary_value(name, "text", text))

    def _add_warnings(self, report: Report) -> None:
        for warning in report.warnings:
            self.add_text(report.done, *warning)

    def _add_summary(self, step: int, *values: tf.compat.v1.Summary.Value) -> None:
        self._add(step, summary=tf.compat.v1.Summary(value=values))

    def _add(self, step: int, **content: Any) -> None:
        if self._writer is not None:
            event = tf.compat.v1.Event(wall_time=time.time(), step=step, **content)
            with self._as_storage_error():
                self._writer.write(event.SerializeToString())

    @contextlib.contextmanager
    def _as_storage_error(self) -> Iterator[None]:
        """Raises an error of TensorFlow's file systems as ours."""
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
