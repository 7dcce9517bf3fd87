"""What TensorBoard shows of a run."""

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_BLOB_SEQUENCE, Summary
from tensorboard.plugins.image.metadata import create_summary_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto

from darts_adv_tf.plots.images import encode_png
from darts_adv_tf.system.errors import StorageError


class Monitor:
    """Writes scalars, pictures and marks of one phase under `<workdir>/tensorboard/<phase>`.

    By TensorBoard's own writer: TensorFlow's cannot say where a resumed run starts, and its memory
    grows with what it has written.

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
        self._writer: EventFileWriter | None = None

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *exception) -> None:
        if self._writer is not None:
            with self._telling():
                self._writer.close()

    def begin(self, done: int) -> None:
        """Begins after so many steps; what a stopped run has shown of later ones is void."""
        if self._is_writer:
            with self._telling():
                self._writer = EventFileWriter(str(self._folder))
            # From the second such event on, TensorBoard drops all that it has of later steps.
            self._add(done + 1, session_log=SessionLog(status=SessionLog.START))

    def scalars(self, step: int, figures: Mapping[str, float]) -> None:
        """Adds one point to the curve of each figure."""
        values = [scalar_pb(name, value).value[0] for name, value in figures.items()]
        self._add(step, summary=Summary(value=values))

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """Adds a picture, uint8 (H, W, 3)."""
        height, width, _ = picture.shape
        metadata = create_summary_metadata(display_name=None, description=None)
        metadata.data_class = DATA_CLASS_BLOB_SEQUENCE
        content = [str(width).encode(), str(height).encode(), encode_png(picture)]
        value = Summary.Value(tag=name, metadata=metadata, tensor=make_tensor_proto(content))
        self._add(step, summary=Summary(value=[value]))

    def mark(self, step: int, name: str, text: str) -> None:
        """Adds a text."""
        self._add(step, summary=text_pb(name, text))

    def flush(self) -> None:
        """Makes what was added visible to a reader now."""
        if self._writer is not None:
            with self._telling():
                self._writer.flush()

    def _add(self, step: int, **content):
        if self._writer is not None:
            with self._telling():
                self._writer.add_event(Event(wall_time=time.time(), step=step, **content))

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
