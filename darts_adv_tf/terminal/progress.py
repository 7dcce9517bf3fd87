"""How far a long piece of work is: a bar on a terminal, lines of text in a file."""

import contextlib
import shutil
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import SupportsFloat, TextIO

_BAR_WIDTH = 20
_WINDOW = 50


class Progress:
    """Reports steps done, rate, time left and current figures.

    On a terminal one line is redrawn, at most ten times a second; elsewhere a line is written for
    the first step, for the last, and every `interval` seconds between. The rate is that of the
    latest steps, and the first step counts for nothing in it: it includes the tracing.

    Args:
        name: What is going on, such as `search`.
        total: Number of steps in the whole.
        start: Steps that an earlier run has done.
        interval: Seconds between two lines where there is no terminal.
        stream: Where to write; stderr unless given.
        clock: Seconds that only grow.

    Example:
        >>> with Progress("search", total=200, stream=sys.stdout) as progress:
        ...     progress.update(1, {"segmentation_loss": 1.386})
        search 1/200  segmentation_loss=1.386
    """

    def __init__(
        self,
        name: str,
        total: int,
        *,
        start: int = 0,
        interval: float = 10.0,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.name = name
        self.total = total
        self.step = start
        self._stream = sys.stderr if stream is None else stream
        self._clock = clock
        self._is_terminal = self._stream.isatty()
        self._interval = 0.1 if self._is_terminal else interval
        self._figures: Mapping[str, SupportsFloat] = {}
        self._times: deque[tuple[float, int]] = deque(maxlen=_WINDOW)
        self._last_report: float | None = None
        self._reported_step: int | None = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def update(self, step: int, figures: Mapping[str, SupportsFloat] | None = None) -> None:
        """Says that `step` steps are done.

        Args:
            step: Counted from the beginning of the whole, 1 after the first step.
            figures: What to show beside, by name. They become numbers only when a line is
                written, so that tensors may be given without waiting for them at every step.
        """
        now = self._clock()
        self.step = step
        self._figures = figures or {}
        self._times.append((now, step))
        is_due = self._last_report is None or now - self._last_report >= self._interval
        if is_due or step >= self.total:
            self._report(now)

    def note(self, text: str) -> None:
        """Writes a line of its own, above the bar."""
        self._write(f"\r\x1b[K{text}\n" if self._is_terminal else f"{text}\n")

    def close(self) -> None:
        """Shows the last step, where it has not been shown, and ends the line of the bar."""
        if not self._times:
            return
        if self._reported_step != self.step:
            self._report(self._clock())
        if self._is_terminal:
            self._write("\n")
        self._times.clear()

    def _report(self, now: float) -> None:
        self._last_report, self._reported_step = now, self.step
        if self._is_terminal:
            columns = shutil.get_terminal_size().columns
            # One column stays free: a full line would wrap, and the next could not redraw it.
            self._write("\r" + self._line()[: columns - 1] + "\x1b[K")
        else:
            self._write(self._line() + "\n")

    def _write(self, text: str) -> None:
        # Work goes on where its reader is gone, as tee is after Ctrl-C.
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(text)
            self._stream.flush()

    def _line(self) -> str:
        parts = [f"{self.name} {self._bar()}{self.step}/{self.total}"]
        seconds = self._seconds_per_step()
        if seconds is not None:
            parts.append(format_rate(seconds))
            if self.step < self.total:
                parts.append(f"{format_duration((self.total - self.step) * seconds)} left")
        figures = " ".join(f"{name}={float(value):.4g}" for name, value in self._figures.items())
        return "  ".join([*parts, figures] if figures else parts)

    def _bar(self) -> str:
        if not self._is_terminal:
            return ""
        num_done = min(_BAR_WIDTH, _BAR_WIDTH * self.step // max(self.total, 1))
        return f"[{'#' * num_done}{'.' * (_BAR_WIDTH - num_done)}] "

    def _seconds_per_step(self) -> float | None:
        """Over the latest steps; None until two are done."""
        if len(self._times) < 2:
            return None
        (first_time, first_step), (last_time, last_step) = self._times[0], self._times[-1]
        return (last_time - first_time) / max(last_step - first_step, 1)


class LoadingProgress:
    """Progress of work that finds out its own total: called with (done, total) as it goes."""

    def __init__(self, name: str):
        self.name = name
        self._progress: Progress | None = None

    def __enter__(self) -> "LoadingProgress":
        return self

    def __exit__(self, *exception) -> None:
        if self._progress is not None:
            self._progress.close()

    def __call__(self, done: int, total: int) -> None:
        if self._progress is None:
            self._progress = Progress(self.name, total)
        self._progress.update(done)


def format_rate(seconds_per_step: float) -> str:
    """Seconds a step where they are many, steps a second otherwise.

    Example:
        >>> format_rate(2.5), format_rate(0.05), format_rate(0.0)
        ('2.50 s/step', '20.0 steps/s', '')
    """
    if seconds_per_step >= 1:
        return f"{seconds_per_step:.2f} s/step"
    return f"{1 / seconds_per_step:.1f} steps/s" if seconds_per_step > 0 else ""


def format_duration(seconds: float) -> str:
    """Hours, minutes and seconds as a clock writes them.

    Example:
        >>> format_duration(62), format_duration(3 * 3600 + 5)
        ('1:02', '3:00:05')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
