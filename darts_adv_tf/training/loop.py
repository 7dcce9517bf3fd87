"""The loop around a trainer's step: figures, progress, checkpoints, stops, and what goes wrong."""

import math
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from darts_adv_tf.system import interruption
from darts_adv_tf.system.errors import CheckpointError, NonFiniteError
from darts_adv_tf.terminal.progress import Progress
from darts_adv_tf.training import metric_names
from darts_adv_tf.training.checkpoint import Checkpoints, differences
from darts_adv_tf.training.checkpoint_store import Checkpoint
from darts_adv_tf.training.collapse import CollapseWatch
from darts_adv_tf.training.tensorboard import Monitor

Figures = Mapping[str, float]
NonFinitePolicy = Literal["stop", "skip", "rollback"]
MAX_NON_FINITE_STEPS = 10
"""Steps one after the other after which no policy goes on."""


class SaveInterval:
    """When the next checkpoint is due.

    Args:
        steps: Steps between two, or None.
        seconds: Seconds between two, or None.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        steps: int | None,
        seconds: float | None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.steps = steps
        self.seconds = seconds
        self._clock = clock
        self._last_save = clock()

    def is_due(self, done: int) -> bool:
        """Whether a checkpoint is due, so many steps being done."""
        if self.steps is not None:
            return done % self.steps == 0
        assert self.seconds is not None, "an interval is of steps or of seconds"
        return self._clock() - self._last_save >= self.seconds

    def restart(self) -> None:
        """Counts the seconds from now on."""
        self._last_save = self._clock()


class TrainingLoop:
    """Runs the steps of one phase, from where its newest checkpoint left off.

    A step with a figure that is not finite is expected to have left no trace, as `Trainer.step`
    sees to.

    Args:
        name: What the progress line calls the phase.
        step: Makes the step of the given number, from 0, and returns its figures.
        epoch_ends: For each epoch, how many steps are done at its end.
        end_epoch: Called with the number of epochs and of steps done, after each epoch; returns
            figures of its own, for the watch, or raises a `NonFiniteError` if there are none.
        monitor: Where the figures go.
        checkpoints: Where the state goes, and comes from.
        interval: When.
        watch: What warns of a collapse.
        shown: The figures that the progress line shows.
        on_nonfinite: What happens after a step with a figure that is not finite.
        gather: From numbers of this process to an array with a row a process of the run; not
            given where there is one.
        notes: JSON values by name to be saved with each state.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[int], Figures],
        epoch_ends: Sequence[int],
        end_epoch: Callable[[int, int], Figures],
        monitor: Monitor,
        checkpoints: Checkpoints,
        interval: SaveInterval,
        watch: CollapseWatch,
        shown: Sequence[str],
        on_nonfinite: NonFinitePolicy = "stop",
        gather: Callable[[Sequence[float]], np.ndarray] | None = None,
        notes: Mapping[str, Any] | None = None,
    ):
        self.name = name
        self.step = step
        self.end_epoch = end_epoch
        self.monitor = monitor
        self.checkpoints = checkpoints
        self.interval = interval
        self.watch = watch
        self.shown = shown
        self.on_nonfinite = on_nonfinite
        self.gather = gather
        self.notes = notes or {}
        self._epochs = {done: epoch for epoch, done in enumerate(epoch_ends, start=1)}
        self._total = epoch_ends[-1]
        self._saved_step: int | None = None
        self._num_left_out = 0
        self._num_left_out_in_a_row = 0

    def run(self) -> None:
        """Makes all steps that are not done yet, and returns with the last state saved.

        Raises:
            NonFiniteError: A figure of a step is not finite, and the policy does not go on.
            Interrupted: A signal asked for the end; the state after the last step is saved.
            CheckpointError, StorageError: See `Checkpoints`.
        """
        start = self._restore()
        self.monitor.begin(start)
        if start == self._total:
            return
        print(
            f"{self.name}: {self._total} steps"
            + (f", {start} of them done" if start else "")
            + "; the first one builds the graph and takes longest",
            flush=True,
        )
        if start == 0 and self.on_nonfinite == "rollback":
            self._save(0)
        with (
            Progress(self.name, self._total, start=start) as progress,
            interruption.deferral() as stop,
        ):
            for number in range(start, self._total):
                self._make(number, progress, is_first=number == start)
                done = number + 1
                if number == start:
                    # Until now there was nothing to save. The interval counts from here too, so
                    # that building the graph does not make a checkpoint due.
                    stop.begin()
                    self.interval.restart()
                is_stopped, is_due = self._any(stop.is_requested, self.interval.is_due(done))
                if is_due or is_stopped or done == self._total:
                    self._save(done)
                self.checkpoints.raise_failure()
                if is_stopped:
                    # Where another machine was told to stop, so is this one.
                    stop.request(signal.SIGTERM)
                    self._wait_for_the_writer()
                    stop.interrupt()
            self.checkpoints.wait()

    def _make(self, number: int, progress: Progress, is_first: bool):
        """One step and what is said of it."""
        start = time.monotonic()
        figures = dict(self.step(number))
        done = number + 1
        broken = {key: value for key, value in figures.items() if not math.isfinite(value)}
        if broken:
            self._answer(number, broken, progress)
        else:
            self._num_left_out_in_a_row = 0
        seconds = time.monotonic() - start
        if is_first:
            print(f"{self.name}: first step after {seconds:.1f} s", flush=True)
        if self._num_left_out:
            figures[metric_names.STEPS_LEFT_OUT] = self._num_left_out
        self.monitor.scalars(done, figures | {metric_names.SECONDS_PER_STEP: seconds})
        self._watch(done, figures, progress)
        progress.update(done, {metric_names.short_name(key): figures[key] for key in self.shown})
        if done in self._epochs:
            try:
                self._watch(done, self.end_epoch(self._epochs[done], done), progress)
            except NonFiniteError as error:
                # Whether training goes on is for the next step to say, and for the policy.
                progress.note(f"warning: no figures after step {done}: {error.received}.")

    def _answer(self, number: int, broken: Figures, progress: Progress):
        """Goes on after a step with figures that are not finite, or refuses to."""
        self._num_left_out += 1
        self._num_left_out_in_a_row += 1
        received = ", ".join(f"{key}={value}" for key, value in broken.items())
        received += f" in step {number + 1} of {self.name}"
        is_hopeless = self._num_left_out_in_a_row == MAX_NON_FINITE_STEPS
        if self.on_nonfinite == "stop" or is_hopeless:
            self._num_left_out -= 1
            self._save(number)
            self._wait_for_the_writer()
            rule = "Every loss and every gradient norm of a step is finite."
            remedy = (
                f"The state after step {number} is saved. Begin a new run with a lower "
                "--learning_rate (or --architecture_learning_rate, in a search)"
            )
            if is_hopeless:
                rule = f"Fewer than {MAX_NON_FINITE_STEPS} steps one after the other are left out."
            else:
                remedy += ", or leave such steps out by --resume --on_nonfinite=skip"
            raise NonFiniteError(rule, received=received, remedy=f"{remedy}.")
        what = "the step is left out"
        if self.on_nonfinite == "rollback":
            restored = self._restore_alike()
            assert restored is not None, "the state before the first step was saved"
            what += f", and the state is that after step {restored.step} again"
        progress.note(f"warning: {received}; {what}.")

    def _restore(self) -> int:
        """Brings back the newest state; returns how many steps are done."""
        checkpoint = self._restore_alike()
        if checkpoint is None:
            return 0
        try:
            self._num_left_out = int(checkpoint.notes["steps_left_out"])
            self.watch.restore(checkpoint.notes["watch"])
        except (LookupError, TypeError, ValueError) as error:
            raise CheckpointError(
                "A checkpoint says how training stood.",
                received=error,
                file=checkpoint.folder,
                remedy="Remove it to go on from the one before by --resume.",
            ) from error
        self._saved_step = checkpoint.step
        found = differences(checkpoint.notes.get("versions"), self.notes.get("versions"))
        if found:
            print(
                f"warning: other versions may give other results. {'; '.join(found)}",
                file=sys.stderr,
            )
        print(f"{self.name}: restored the state after step {checkpoint.step}", flush=True)
        return checkpoint.step

    def _restore_alike(self) -> Checkpoint | None:
        """The newest state, which on all processes has to be the same."""
        self._wait_for_the_writer()
        checkpoint = self.checkpoints.restore()
        step = -1 if checkpoint is None else checkpoint.step
        if self.gather is not None and len(steps := set(self.gather([step])[:, 0].tolist())) > 1:
            raise CheckpointError(
                "All processes of a run go on from the same checkpoint.",
                received=f"steps {', '.join(f'{step:.0f}' for step in sorted(steps))} (-1: none)",
                file=self.checkpoints.store.folder,
                remedy="Let all of them see one and the same --workdir, on a shared file system.",
            )
        return checkpoint

    def _any(self, *wishes: bool) -> Sequence[bool]:
        """What any process of the run wishes."""
        if self.gather is None:
            return list(wishes)
        return np.any(self.gather(wishes), axis=0).tolist()

    def _wait_for_the_writer(self):
        """Returns, on all processes of the run, once the state being written is on the disk."""
        self.checkpoints.wait()
        self._any(False)

    def _save(self, done: int):
        if done == self._saved_step:
            return  # As when the very next step breaks; the good one would pass for damaged.
        if self.gather is not None:
            rows = self.gather(self.checkpoints.fingerprints())
            # A bug, of ours or of the devices; whatever is saved after it would be worth nothing.
            assert (rows == rows[0]).all(), "the processes of the run hold different weights"
        # The curves leave this process first, so that none has a gap before a checkpoint.
        self.monitor.flush()
        epoch = sum(end <= done for end in self._epochs)
        progress = {"epoch": epoch, "next_batch": done, "steps_left_out": self._num_left_out}
        self.checkpoints.save(done, {**self.notes, **progress, "watch": self.watch.state()})
        self.interval.restart()
        self._saved_step = done

    def _watch(self, done: int, figures: Figures, progress: Progress):
        for collapse in self.watch.observe(done, figures):
            self.monitor.mark(done, f"collapse/{collapse.kind}", collapse.message)
            progress.note(f"warning: {self.name}, step {done}: {collapse.message}")
