"""The state of training on disk."""

import os
from pathlib import Path

import tensorflow as tf

from darts_adv_tf.errors import CheckpointError, StorageError


class Checkpoints:
    """Keeps the newest state of one phase, with every part under its own name.

    Args:
        workdir: The run's folder; files go under `<workdir>/checkpoints/<phase>`.
        phase: `search` or `retrain`, also the first part of the files' names.
        **parts: What is saved: models, optimizers and the like.
    """

    def __init__(self, workdir: str | os.PathLike, phase: str, **parts):
        # A folder each: a manager drops the states that another one left in its folder.
        self.folder = Path(workdir) / "checkpoints" / phase
        self._checkpoint = tf.train.Checkpoint(**parts)
        self._manager = tf.train.CheckpointManager(
            self._checkpoint, str(self.folder), max_to_keep=1, checkpoint_name=phase
        )

    def save(self, step: int) -> None:
        """Saves all parts, then drops the state before.

        Raises:
            StorageError: The files could not be written.
        """
        try:
            self._manager.save(checkpoint_number=step)
        except tf.errors.OpError as error:
            raise StorageError(
                "A checkpoint must be written.",
                received=error.message,
                file=self.folder,
                remedy="Free space or permit writing there, or choose another --workdir.",
            ) from error


def restore_segmenter(workdir: str | os.PathLike, segmenter, num_steps: int) -> None:
    """Gives a segmenter the weights that retraining ended with.

    Args:
        workdir: The folder of a finished run.
        segmenter: A built model of the run's configuration.
        num_steps: The steps that the whole of retraining makes.

    Raises:
        CheckpointError: There is no such checkpoint, or it is not one of this model.
    """
    folder = Path(workdir) / "checkpoints" / "retrain"
    path = folder / f"retrain-{num_steps}"
    if not path.with_suffix(".index").exists():
        found = ", ".join(sorted(index.stem for index in folder.glob("*.index")))
        raise CheckpointError(
            f"A finished run leaves the checkpoint of its last step, {path.name}.",
            received=found or "no checkpoint of retraining",
            file=folder,
            remedy="Name the --workdir of a finished run; after a search that ended with the "
            "genotype, retrain by: python -m darts_adv_tf.train --genotype=<its genotype.json>",
        )
    try:
        status = tf.train.Checkpoint(segmenter=segmenter).restore(str(path))
        status.expect_partial().assert_existing_objects_matched()
    except (tf.errors.OpError, AssertionError, ValueError, IndexError) as error:
        # Of each value that found no place TensorFlow would warn after our message.
        tf.get_logger().setLevel("ERROR")
        raise CheckpointError(
            "The checkpoint holds the segmenter that config.json describes.",
            received=str(error).splitlines()[0],
            file=path,
            remedy="Use the config.json and the checkpoints of one and the same run.",
        ) from error
