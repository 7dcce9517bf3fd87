"""What follows training and leaves it as it is: logs, curves, warnings, evaluations, progress."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple


class Warn(NamedTuple):
    """A warning: where TensorBoard shows it, and what it says."""

    tag: str
    message: str


@dataclasses.dataclass
class Report:
    """What is known after a step, or at the end of an epoch; passed from callback to callback.

    Attributes:
        done: Steps of the stage that are done.
        metrics: By the names of `metric_names`. Callbacks add what they measure.
        seconds: That the step took; 0 at the end of an epoch.
        warnings: Callbacks add theirs.
    """

    done: int
    metrics: dict[str, float] = dataclasses.field(default_factory=dict)
    seconds: float = 0.0
    warnings: list[Warn] = dataclasses.field(default_factory=list)


class Callback:
    """Is called by `TrainingLoop` as training proceeds. Each method does nothing by default.

    Callbacks are called in the order of their list: those that measure and warn come before those
    that write and show. None of them may change what is trained.

    Attributes:
        state_name: Under which name a checkpoint keeps the state; None if there is none.
    """

    state_name: str | None = None

    def begin(self, done: int, total: int) -> None:
        """Training begins, or goes on, after `done` of `total` steps."""

    def on_step(self, report: Report) -> None:
        """A step is done."""

    def on_epoch(self, epoch: int, report: Report) -> None:
        """An epoch, numbered from 1, is done, after `on_step` of its last step.

        Raises:
            NonFiniteError: There is nothing to measure; the loop warns and training goes on.
        """

    def flush(self) -> None:
        """A checkpoint is about to be written: what came before it must be on disk."""

    def end(self) -> None:
        """Training has ended, for whatever reason."""

    def state(self) -> Mapping[str, Any]:
        """Returns what a resumed run must know, as JSON values."""
        return {}

    def restore(self, state: Any) -> None:
        """Goes on from where `state` was taken.

        Raises:
            LookupError, TypeError, ValueError: It is no such state.
        """


def is_due(every: int, epoch: int, num_epochs: int) -> bool:
    """Returns whether something is due at the end of an epoch: every so many, and at the last one.

    Example:
        >>> [epoch for epoch in range(1, 8) if is_due(3, epoch, num_epochs=7)]
        [3, 6, 7]
        >>> is_due(0, 7, num_epochs=7)
        False
    """
    return every > 0 and (epoch == num_epochs or epoch % every == 0)
