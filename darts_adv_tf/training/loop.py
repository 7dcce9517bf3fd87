"""The loop around a trainer's step: callbacks, checkpoints, stops, and steps that go wrong."""

import math
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from darts_adv_tf.system import interruption
from darts_adv_tf.system.errors import CheckpointError, NonFiniteError
from darts_adv_tf.training.callbacks import Callback, Report, Warn
from darts_adv_tf.training.checkpoint import Checkpoints, differences
from darts_adv_tf.training.checkpoint_store import Checkpoint
from darts_adv_tf.training.metric_names import STEPS_LEFT_OUT

Step = Callable[[int], Mapping[str, float]]
"""Makes the step of the given number, from 0, and returns its metrics."""
Gather = Callable[[Sequence[float]], np.ndarray]
"""All-gathers n floats across the workers: float64 (replicas, n)."""
NonFinitePolicy = Literal["stop", "skip", "rollback"]
MAX_NON_FINITE_STEPS = 10
"""Stop after this many consecutive non-finite steps, whatever the policy."""


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
        """Returns whether a checkpoint is due after so many steps."""
        if self.steps is not None:
            return done % self.steps == 0
        return self.seconds is not None and self._clock() - self._last_save >= self.seconds

    def restart(self) -> None:
        """Counts the seconds from now on."""
        self._last_save = self._clock()


class TrainingLoop:
    """Runs the steps of one stage, from where its newest checkpoint left off.

    A step with a metric that is not finite is expected to have left no trace, as `Trainer.step`
    guarantees.

    Args:
        stage: `search` or `retrain`.
        step: Makes one step.
        epoch_ends: For each epoch, how many steps are done at its end.
        checkpoints: Where the state goes, and comes from.
        callbacks: See `Callback`; in the order in which they are called.
        interval: When checkpoints are due.
        on_nonfinite: What happens after a step with a metric that is not finite.
        gather: Of several workers; None in a single-process run.
        versions: Of what results depend on; saved with each state.
    """

    def __init__(
        self,
        stage: str,
        step: Step,
        epoch_ends: Sequence[int],
        checkpoints: Checkpoints,
        callbacks: Sequence[Callback],
        *,
        interval: SaveInterval,
        on_nonfinite: NonFinitePolicy = "stop",
        gather: Gather | None = None,
        versions: Mapping[str, str] | None = None,
    ):
        self.stage = stage
        self.step = step
        self.checkpoints = checkpoints
        self.callbacks = callbacks
        self.interval = interval
        self.on_nonfinite = on_nonfinite
        self.gather = gather
        self.versions = versions
        self._epochs = {done: epoch for epoch, done in enumerate(epoch_ends, start=1)}
        self._total = epoch_ends[-1]
        self._saved_step: int | None = None
        self._num_left_out = 0
        self._num_left_out_in_a_row = 0

    def run(self) -> None:
        """Makes all steps that are not done yet, and returns with the last state saved.

        Raises:
            NonFiniteError: A metric of a step is not finite, and the policy does not go on.
            Interrupted: A signal asked for the end; the state after the last step is saved.
            CheckpointError, StorageError: See `Checkpoints`.
        """
        start = self._restore()
        try:
            for callback in self.callbacks:
                callback.begin(start, self._total)
            if start < self._total:
                self._run_from(start)
        finally:
            for callback in reversed(self.callbacks):
                callback.end()

    def _run_from(self, start: int) -> None:
        print(
            f"{self.stage}: {self._total} steps"
            + (f", {start} of them done" if start else "")
            + "; the first one builds the graph, about 20 s without output",
            flush=True,
        )
        if start == 0 and self.on_nonfinite == "rollback":
            self._save(0)
        with interruption.deferral() as stop:
            for number in range(start, self._total):
                self._run_step(number, is_first=number == start)
                done = number + 1
                if number == start:
                    # Until now there was nothing to save. The interval counts from here too, so
                    # that building the graph does not make a checkpoint due.
                    stop.begin()
                    self.interval.restart()
                is_stopped, is_due = self._any_worker(stop.is_requested, self.interval.is_due(done))
                if is_due or is_stopped or done == self._total:
                    self._save(done)
                self.checkpoints.raise_failure()
                if is_stopped:
                    # Where another machine was told to stop, so is this one.
                    stop.request(signal.SIGTERM)
                    self._wait_for_the_writer()
                    stop.interrupt()
            self.checkpoints.wait()

    def _run_step(self, number: int, is_first: bool) -> None:
        """One step, and the end of its epoch, with all callbacks."""
        start = time.monotonic()
        report = Report(number + 1, dict(self.step(number)))
        report.seconds = time.monotonic() - start
        if is_first:
            print(f"{self.stage}: first step after {report.seconds:.1f} s", flush=True)
        broken = {key: value for key, value in report.metrics.items() if not math.isfinite(value)}
        if broken:
            report.warnings.append(self._handle_non_finite(number, broken))
        else:
            self._num_left_out_in_a_row = 0
        if self._num_left_out:
            report.metrics[STEPS_LEFT_OUT] = self._num_left_out
        for callback in self.callbacks:
            callback.on_step(report)
        if report.done in self._epochs:
            self._end_epoch(self._epochs[report.done], Report(report.done))

    def _end_epoch(self, epoch: int, report: Report) -> None:
        for callback in self.callbacks:
            try:
                callback.on_epoch(epoch, report)
            except NonFiniteError as error:
                # Whether training goes on is for the next step to say, and for the policy.
                message = f"there are no metrics: {error.received}."
                report.warnings.append(Warn("nonfinite/evaluation", message))

    def _handle_non_finite(self, number: int, broken: Mapping[str, float]) -> Warn:
        """Goes on after a step with metrics that are not finite, or refuses to."""
        self._num_left_out += 1
        self._num_left_out_in_a_row += 1
        received = ", ".join(f"{key}={value}" for key, value in broken.items())
        is_hopeless = self._num_left_out_in_a_row == MAX_NON_FINITE_STEPS
        if self.on_nonfinite == "stop" or is_hopeless:
            self._num_left_out -= 1
            self._save(number)
            self._wait_for_the_writer()
            rule = "Every loss and every gradient norm of a step must be finite."
            remedy = (
                f"The state after step {number} is saved. Begin a new run with a lower "
                "--learning_rate (or --architecture_learning_rate, in a search)"
            )
            if is_hopeless:
                rule = f"Fewer than {MAX_NON_FINITE_STEPS} steps in a row must be left out."
            else:
                remedy += ", or leave such steps out by --resume --on_nonfinite=skip"
            received += f" in step {number + 1} of {self.stage}"
            raise NonFiniteError(rule, received=received, remedy=f"{remedy}.")
        what = "the step is left out"
        if self.on_nonfinite == "rollback":
            restored = self._restore_alike()
            # One was saved before the first step.
            assert restored is not None, "there is a state to roll back to"
            what += f", and the state is that after step {restored.step} again"
        return Warn("nonfinite/step", f"{received}; {what}.")

    def _restore(self) -> int:
        """Brings back the newest state; returns how many steps are done."""
        checkpoint = self._restore_alike()
        if checkpoint is None:
            return 0
        try:
            self._num_left_out = int(checkpoint.notes["steps_left_out"])
            for callback in self.callbacks:
                if callback.state_name is not None:
                    callback.restore(checkpoint.notes[callback.state_name])
        except (LookupError, TypeError, ValueError) as error:
            raise CheckpointError(
                "A checkpoint must say how training stood.",
                received=error,
                file=checkpoint.folder,
                remedy="Remove it to go on from the one before by --resume.",
            ) from error
        self._saved_step = checkpoint.step
        found = differences(checkpoint.notes.get("versions"), self.versions)
        if found:
            print(
                f"warning: other versions may give other results. {'; '.join(found)}",
                file=sys.stderr,
            )
        print(f"{self.stage}: restored the state after step {checkpoint.step}", flush=True)
        return checkpoint.step

    def _restore_alike(self) -> Checkpoint | None:
        """The newest state, which must be the same on all workers."""
        self._wait_for_the_writer()
        checkpoint = self.checkpoints.restore()
        step = -1 if checkpoint is None else checkpoint.step
        if self.gather is not None and len(steps := set(self.gather([step])[:, 0].tolist())) > 1:
            raise CheckpointError(
                "All workers of a run must go on from the same checkpoint.",
                received=f"steps {', '.join(f'{step:.0f}' for step in sorted(steps))} (-1: none)",
                file=self.checkpoints.store.folder,
                remedy="Let all of them see one and the same --workdir, on a shared file system.",
            )
        return checkpoint

    def _any_worker(self, *wishes: bool) -> tuple[bool, ...]:
        """Whether any worker of the run has each wish."""
        if self.gather is None:
            return wishes
        return tuple(np.any(self.gather(wishes), axis=0).tolist())

    def _wait_for_the_writer(self) -> None:
        """Returns, on all workers, once the state being written is on disk."""
        self.checkpoints.wait()
        self._any_worker(False)

    def _save(self, done: int) -> None:
        if done == self._saved_step:
            return  # As when the very next step breaks; the good one would pass for damaged.
        if self.gather is not None:
            rows = self.gather(self.checkpoints.fingerprints())
            # A bug, of ours or of the devices; whatever is saved after it would be worth nothing.
            assert (rows == rows[0]).all(), "the workers of the run hold different weights"
        # The curves leave this process first, so that none has a gap before a checkpoint.
        for callback in self.callbacks:
            callback.flush()
        notes: dict[str, Any] = {
            "versions": self.versions,
            "epoch": sum(end <= done for end in self._epochs),
            "next_batch": done,
            "steps_left_out": self._num_left_out,
        }
        notes |= {
            callback.state_name: callback.state()
            for callback in self.callbacks
            if callback.state_name is not None
        }
        self.checkpoints.save(done, notes)
        self.interval.restart()
        self._saved_step = done
