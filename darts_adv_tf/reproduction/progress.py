"""How far a matrix is: a line when a run begins and ends, and on a terminal one that is redrawn."""

import contextlib
import shutil
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import TextIO

from darts_adv_tf.reproduction.matrix import PlannedRun
from darts_adv_tf.reproduction.record import MatrixRecord
from darts_adv_tf.terminal.progress import format_duration

_REDRAW_SECONDS = 1.0


class MatrixProgress:
    """Tells how far the runs of a call are, and about how long the rest will take.

    Args:
        record: Of the matrix.
        names: The runs that were asked for.
        capacity: Number of runs at a time.
        stream: Where to write; stderr unless given.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        record: MatrixRecord,
        names: Iterable[str],
        capacity: int,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._record = record
        self._names = list(names)
        self._capacity = capacity
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        self._start = clock()
        self._starts: dict[str, float] = {}
        self._last_drawn = -_REDRAW_SECONDS

    def begin(self, name: str) -> None:
        """Says that a run was started."""
        self._starts[name] = self._clock()
        has_begun = self._record.states[name].attempts > 1
        self.note(f"{name}: {'started again' if has_begun else 'started'}")

    def end(self, name: str, text: str) -> None:
        """Says how a run ended, and how far the matrix is."""
        self._starts.pop(name, None)
        self.note(f"{name}: {text}")
        if not self._is_terminal:
            self._write(self.line() + "\n")

    def note(self, text: str) -> None:
        """Writes a line of its own, above the one that is redrawn."""
        self._write(f"\r\x1b[K{text}\n" if self._is_terminal else f"{text}\n")
        self._last_drawn = -_REDRAW_SECONDS

    def draw(self) -> None:
        """Redraws the line, at most once a second."""
        now = self._clock()
        if self._is_terminal and now - self._last_drawn >= _REDRAW_SECONDS:
            self._last_drawn = now
            columns = shutil.get_terminal_size().columns
            # One column stays free: a full line would wrap, and the next could not redraw it.
            self._write("\r" + self.line()[: columns - 1] + "\x1b[K")

    def close(self) -> None:
        """Ends the line."""
        if self._is_terminal:
            self._write("\n")

    def line(self) -> str:
        """Such as `3 done, 1 failed, 2 running, 4 to go  1:02 gone  about 3:04 left`."""
        states = [self._record.states[name].state for name in self._names]
        counts = {state: states.count(state) for state in ("done", "failed", "running", "planned")}
        words = {"planned": "to go"}
        parts = [f"{counts[state]} {words.get(state, state)}" for state in counts]
        line = f"{', '.join(parts)}  {format_duration(self._clock() - self._start)} gone"
        left = self._seconds_left()
        return line if left is None else f"{line}  about {format_duration(left)} left"

    def _seconds_left(self) -> float | None:
        known = durations(self._record)
        open_runs = [
            name
            for name in self._names
            if self._record.states[name].state in ("planned", "running")
        ]
        if not known or not open_runs:
            return None
        remaining = []
        for name in open_runs:
            spent = self._record.states[name].seconds
            if name in self._starts:
                spent += self._clock() - self._starts[name]
            remaining.append(max(0.0, expected_seconds(self._record.runs[name], known) - spent))
        # No sooner than the longest of them.
        return max(sum(remaining) / self._capacity, max(remaining))

    def _write(self, text: str) -> None:
        # The runs go on where the reader is gone, as tee is after Ctrl-C.
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(text)
            self._stream.flush()


def durations(record: MatrixRecord) -> dict[tuple[str, str], float]:
    """Mean seconds of the finished runs, by backbone and arm; not of those that were found."""
    seconds = defaultdict(list)
    for name, run in record.runs.items():
        state = record.states[name]
        if state.state == "done" and state.seconds > 0:
            seconds[run.backbone, run.arm].append(state.seconds)
    return {key: statistics.fmean(values) for key, values in seconds.items()}


def expected_seconds(run: PlannedRun, known: Mapping[tuple[str, str], float]) -> float:
    """How long a run takes, from what is known.

    That of its backbone and arm; else that of its arm with another backbone, times how the two
    compare in the arms that both have; else the mean of what its backbone has; else of what its arm
    has; else of all.
    """
    backbone, arm = run.backbone, run.arm
    if (backbone, arm) in known:
        return known[backbone, arm]
    own = {other: seconds for (name, other), seconds in known.items() if name == backbone}
    for name in dict.fromkeys(name for name, other in known if other == arm):
        shared = [other for other in own if (name, other) in known]
        if shared:
            ratio = sum(own[other] for other in shared) / sum(known[name, o] for o in shared)
            return known[name, arm] * ratio
    same_arm = [seconds for (_, other), seconds in known.items() if other == arm]
    return statistics.fmean(own.values() or same_arm or known.values())
