"""The loop around a trainer's step: figures, progress, the check that all is finite."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

from darts_adv_tf.errors import NonFiniteError
from darts_adv_tf.reporting.progress import Progress
from darts_adv_tf.training.monitor import Monitor


def run_epochs(
    name: str,
    step: Callable[[int], Mapping[str, float]],
    epoch_ends: Sequence[int],
    monitor: Monitor,
    end_epoch: Callable[[int, int], None],
    shown: Sequence[str],
) -> None:
    """Runs steps 0, 1, 2, ... and reports each.

    Args:
        name: What the progress line calls the phase.
        step: Makes the step of the given number and returns its figures.
        epoch_ends: For each epoch, how many steps are done at its end.
        monitor: Where the figures go.
        end_epoch: Called with the number of epochs and of steps done, after each epoch.
        shown: The figures that the progress line shows.

    Raises:
        NonFiniteError: A figure of a step is not finite.
    """
    total = epoch_ends[-1]
    epochs = {done: epoch for epoch, done in enumerate(epoch_ends, start=1)}
    print(f"{name}: {total} steps; the first one builds the graph and takes longest", flush=True)
    with Progress(name, total) as progress:
        for number in range(total):
            start = time.monotonic()
            figures = dict(step(number))
            _refuse_non_finite(name, number, figures)
            done = number + 1
            seconds = time.monotonic() - start
            if number == 0:
                print(f"{name}: first step after {seconds:.1f} s", flush=True)
            monitor.scalars(done, figures | {"seconds/step": seconds})
            progress.update(done, {key.split("/")[-1]: figures[key] for key in shown})
            if done in epochs:
                end_epoch(epochs[done], done)


def _refuse_non_finite(name: str, number: int, figures: Mapping[str, float]):
    broken = [f"{key}={value}" for key, value in figures.items() if not math.isfinite(value)]
    if broken:
        raise NonFiniteError(
            "Every loss and every gradient norm of a step is finite.",
            received=f"{', '.join(broken)} in step {number + 1} of {name}",
            remedy="Lower --learning_rate, or --architecture_learning_rate in a search.",
        )
