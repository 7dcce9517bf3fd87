"""What TensorBoard shows of a run."""

import os
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf


class Monitor:
    """Writes scalars, pictures and marks of one phase under `<workdir>/tensorboard/<phase>`.

    Args:
        workdir: The run's folder.
        phase: `search` or `retrain`.
        is_writer: Whether anything is written; one process of a run writes.
    """

    def __init__(self, workdir: str | os.PathLike, phase: str, is_writer: bool = True):
        self._folder = Path(workdir) / "tensorboard" / phase
        self._is_writer = is_writer
        self._writer = tf.summary.create_noop_writer()

    def __enter__(self) -> "Monitor":
        return self

    def __exit__(self, *exception) -> None:
        self._writer.close()

    def begin(self, done: int) -> None:
        """Begins after so many steps; what a stopped run has shown of later ones is void."""
        if not self._is_writer:
            return
        self._start_after(done)
        self._writer = tf.summary.create_file_writer(str(self._folder))

    def scalars(self, step: int, figures: Mapping[str, float]) -> None:
        """Adds one point to the curve of each figure."""
        with self._writer.as_default(step):
            for name, value in figures.items():
                tf.summary.scalar(name, value)

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """Adds a picture, uint8 (H, W, 3)."""
        with self._writer.as_default(step):
            tf.summary.image(name, picture[None])

    def mark(self, step: int, name: str, text: str) -> None:
        """Adds a text."""
        with self._writer.as_default(step):
            tf.summary.text(name, text)

    def flush(self) -> None:
        """Makes what was added visible to a reader now."""
        self._writer.flush()

    def _start_after(self, done: int):
        """Writes the event at whose second occurrence TensorBoard drops all of later steps."""
        # By TensorBoard's own writer: tf.summary has no means for it.
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        writer = EventFileWriter(str(self._folder))
        start = SessionLog(status=SessionLog.START)
        writer.add_event(Event(wall_time=time.time(), step=done + 1, session_log=start))
        writer.close()
