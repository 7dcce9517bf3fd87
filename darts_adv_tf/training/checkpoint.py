"""The state of training: what it consists of, saved beside the steps and brought back strictly."""

import contextlib
import os
import sys
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from darts_adv_tf.system.errors import CheckpointError
from darts_adv_tf.training.checkpoint_store import (
    Checkpoint,
    CheckpointStore,
    DamagedCheckpointError,
)

_NUM_SHOWN_DIFFERENCES = 8


class Part(Protocol):
    """A model or an optimizer of Keras, built."""

    name: str
    variables: list


def folder_of(workdir: str | os.PathLike, phase: str) -> Path:
    """Where the checkpoints of `search` or `retrain` lie."""
    return Path(workdir) / "checkpoints" / phase


class Checkpoints:
    """Saves the state of one phase, and gives it back.

    A state is every variable of every part, under the part's name and its own. It is copied at
    once and written by a thread of its own while training goes on.

    Args:
        store: Where the states lie.
        parts: What the state consists of, by name.
        identity: JSON values by name that a state belongs to, such as the configuration. A state
            of another identity is refused.
        is_writer: Whether this process writes; every process of a run reads.
        upgrades: Functions that bring entries of an earlier program's identity up to date, by name.

    Example:
        >>> with Checkpoints(store, {"segmenter": segmenter}, {"phase": "retrain"}) as checkpoints:
        ...     checkpoints.restore()
        ...     checkpoints.save(120, {"epoch": 3})
    """

    def __init__(
        self,
        store: CheckpointStore,
        parts: Mapping[str, Part],
        identity: Mapping[str, Any],
        is_writer: bool = True,
        upgrades: Mapping[str, Callable[[Any], Any]] | None = None,
    ):
        self.store = store
        self._upgrades = upgrades or {}
        self.is_writer = is_writer
        self._identity = identity
        self._variables = {
            name: variable for part in parts for name, variable in named(part, parts[part]).items()
        }
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._writing: Future | None = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *exception) -> None:
        self._thread.shutdown()

    def restore(self) -> Checkpoint | None:
        """Brings back the newest good state, or None if there is no checkpoint.

        Damaged checkpoints are told on stderr and passed over. Nothing changes before a whole
        state has been read and compared.

        Raises:
            CheckpointError: There are checkpoints, and none is good; or the newest good one is
                of another identity, or of other variables.
            StorageError: The system refused to read.
        """
        self.wait()
        newest = self._newest_good()
        if newest is not None:
            self._compare_identity(newest)
            assign(self._variables, newest.arrays, newest.folder)
        return newest

    def save(self, step: int, notes: Mapping[str, Any]) -> None:
        """Copies the state and begins to write it, once the one before is written.

        Args:
            step: Steps of the phase that are done.
            notes: JSON values by name, which come back with the state.

        Raises:
            StorageError: The state before could not be written.
        """
        if not self.is_writer:
            return
        self.wait()
        arrays = {name: np.array(variable.numpy()) for name, variable in self._variables.items()}
        self._writing = self._thread.submit(
            self.store.write, step, {**self._identity, **notes}, arrays
        )

    def fingerprints(self) -> list[int]:
        """A checksum of each variable (CRC-32, which a float64 holds)."""
        return [
            zlib.crc32(np.ascontiguousarray(variable).data) for variable in self._variables.values()
        ]

    def raise_failure(self) -> None:
        """Raises what went wrong with the state being written, if that is known yet.

        Raises:
            StorageError: The state could not be written.
        """
        if self._writing is not None and self._writing.done():
            self.wait()

    def wait(self) -> None:
        """Returns once the state being written is on the disk.

        Raises:
            StorageError: The state could not be written.
        """
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _newest_good(self) -> Checkpoint | None:
        damaged = []
        for step in reversed(self.store.steps()):
            try:
                newest = self.store.read(step)
            except DamagedCheckpointError as error:
                damaged.append(step)
                print(f"warning: a damaged checkpoint is passed over. {error}", file=sys.stderr)
            else:
                self._set_aside(damaged)
                return newest
        if damaged:
            raise CheckpointError(
                "At least one undamaged checkpoint must be left.",
                received=f"{len(damaged)} damaged, and no other",
                file=self.store.folder,
                remedy="Remove this folder to begin its stage again by --resume, or begin a new "
                "run.",
            )
        return None

    def _set_aside(self, steps: list[int]):
        # Else they would count among the newest, and older good ones be dropped for them.
        if self.is_writer:
            with contextlib.suppress(OSError):
                for step in steps:
                    self.store.set_aside(step)

    def _compare_identity(self, checkpoint: Checkpoint) -> None:
        then = {name: checkpoint.notes.get(name) for name in self._identity}
        then |= {name: upgrade(then[name]) for name, upgrade in self._upgrades.items()}
        found = differences(then, self._identity)
        if found:
            raise CheckpointError(
                "A checkpoint must belong to the run that resumes from it.",
                received=_shortened(found),
                file=checkpoint.folder,
                remedy="Use the config.json, the data and the checkpoints of one and the same run.",
            )


def restore_segmenter(workdir: str | os.PathLike, segmenter: Part, num_steps: int) -> None:
    """Gives a segmenter the weights that retraining ended with.

    Args:
        workdir: The folder of a finished run.
        segmenter: A built model of the run's configuration.
        num_steps: The steps that the whole of retraining makes.

    Raises:
        CheckpointError: There is no such checkpoint, it is damaged, or not one of this model.
        StorageError: The system refused to read it.
    """
    store = CheckpointStore(folder_of(workdir, "retrain"))
    if num_steps not in store.steps():
        found = ", ".join(store.path(step).name for step in store.steps())
        last = store.path(num_steps).name
        raise CheckpointError(
            f"A finished run must hold the checkpoint of its last step, {last}.",
            received=found or "no checkpoint of retraining",
            file=store.folder,
            remedy="Finish the run by --resume; or, after a search that ended with the genotype, "
            "retrain by: python -m darts_adv_tf.train --genotype=<its genotype.json>",
        )
    checkpoint = store.read(num_steps)
    arrays = {
        name: array for name, array in checkpoint.arrays.items() if name.startswith("segmenter/")
    }
    assign(named("segmenter", segmenter), arrays, checkpoint.folder)


def named(part_name: str, part: Part) -> dict[str, Any]:
    """The variables of a part by names that are the same in every process.

    Raises:
        ValueError: Two variables have one name.
    """
    # Keras counts in the names of nameless layers and optimizers, over the whole process.
    paths = [variable.path.removeprefix(f"{part.name}/") for variable in part.variables]
    variables = {
        f"{part_name}/{path}": variable
        for path, variable in zip(paths, part.variables, strict=True)
    }
    if len(variables) != len(paths):
        raise ValueError(
            "Each variable of a part has a name of its own. "
            f"Received: {sorted(path for path in set(paths) if paths.count(path) > 1)}"
        )
    return variables


def assign(variables: Mapping[str, Any], arrays: Mapping[str, np.ndarray], file: Path) -> None:
    """Gives every variable its array, or none if they do not correspond one to one.

    Args:
        variables, arrays: By the same names.
        file: Where the arrays come from, for the message.

    Raises:
        CheckpointError: An array is missing, left over, or of another type or shape.
    """
    then = {name: _spec(array.dtype, array.shape) for name, array in arrays.items()}
    now = {name: _spec(variable.dtype, variable.shape) for name, variable in variables.items()}
    found = differences(then, now)
    if found:
        raise CheckpointError(
            "A checkpoint must hold every variable of the model that config.json describes, and "
            "no other.",
            received=_shortened(found),
            file=file,
            remedy="Use the config.json and the checkpoints of one and the same run.",
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def differences(then: Any, now: Any, name: str = "") -> list[str]:
    """What differs between two JSON values, a line each, with its place.

    Example:
        >>> differences({"training": {"batch_size": 4}}, {"training": {"batch_size": 2}})
        ['training.batch_size: 4 in the checkpoint, 2 now']
    """
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        prefix = f"{name}." if name else ""
        return [
            line
            for key in sorted({*then, *now})
            for line in differences(then.get(key), now.get(key), f"{prefix}{key}")
        ]
    return [] if then == now else [f"{name}: {_shown(then)} in the checkpoint, {_shown(now)} now"]


def _spec(dtype: Any, shape: tuple) -> str:
    return f"{np.dtype(dtype).name} {tuple(shape)}"


def _shown(value: Any) -> Any:
    return "none" if value is None else value


def _shortened(lines: list[str]) -> str:
    shown = "; ".join(lines[:_NUM_SHOWN_DIFFERENCES])
    num_more = len(lines) - _NUM_SHOWN_DIFFERENCES
    return f"{shown}; and {num_more} more" if num_more > 0 else shown
