"""How far a long piece of work is: a bar on a terminal, lines of text in a file."""

import contextlib
import shutil
import sys
from collections.abc import Callable, Mapping
from typing import Any, SupportsFloat, TextIO

from tqdm import tqdm

_ON_TERMINAL = "{desc} [{bar:20}] {n_fmt}/{total_fmt}{pace}{figures}"
_IN_FILE = "{desc} {n_fmt}/{total_fmt}{pace}{figures}"
_REDRAW_SECONDS = 0.1


class Progress:
    """Reports steps done, rate, time left and current figures.

    On a terminal one line is redrawn, at most ten times a second; elsewhere a line is written for
    the first step, for the last, and every `interval` seconds between. The rate is that of the
    latest steps, and the first step counts for nothing in it: it includes the tracing.

    Args:
        name: What is going on, such as `search`.
        total: Number of steps in the whole.
        start: Steps that an earlier run has done.
        unit: What is counted, in the singular, such as `image`.
        interval: Seconds between two lines where there is no terminal.
        stream: Where to write; stderr unless given.

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
        unit: str = "step",
        interval: float = 10.0,
        stream: TextIO | None = None,
    ):
        self.name = name
        self.total = total
        self.step = start
        self._unit = unit
        self._stream = sys.stderr if stream is None else stream
        self._interval = interval
        self._bar: _Bar | None = None

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
        self.step = step
        if self._bar is None:
            # Only now, so that the first step has no part in the rate.
            self._bar = _Bar(
                figures or {},
                desc=self.name,
                total=self.total,
                initial=step,
                unit=self._unit,
                file=self._stream,
                mininterval=_REDRAW_SECONDS if self._stream.isatty() else self._interval,
            )
            return
        self._bar.figures = figures or {}
        is_shown = self._bar.update(step - self._bar.n)
        if step >= self.total and not is_shown:
            self._bar.refresh()

    def note(self, text: str) -> None:
        """Writes a line of its own, above the bar."""
        # Work goes on where its reader is gone, as tee is after Ctrl-C.
        with contextlib.suppress(BrokenPipeError):
            if self._stream.isatty():
                tqdm.write(text, file=self._stream)
            else:
                self._stream.write(f"{text}\n")
                self._stream.flush()

    def close(self) -> None:
        """Shows the last step, where it has not been shown, and ends the line of the bar."""
        if self._bar is not None:
            self._bar.finish()
            self._bar = None


class LoadingProgress:
    """Progress of work that finds out its own total: called with (done, total) as it goes.

    Args:
        name: What is going on, such as `data`.
        unit: What is counted, in the singular.
    """

    def __init__(self, name: str, unit: str = "image"):
        self.name = name
        self._unit = unit
        self._progress: Progress | None = None

    def __enter__(self) -> "LoadingProgress":
        return self

    def __exit__(self, *exception) -> None:
        if self._progress is not None:
            self._progress.close()

    def __call__(self, done: int, total: int) -> None:
        if self._progress is None:
            self._progress = Progress(self.name, total, unit=self._unit)
        self._progress.update(done)


class _Bar(tqdm):
    """A bar of tqdm that shows figures, and writes lines where there is no terminal.

    Attributes:
        figures: What to show beside, by name.
    """

    # A thread of tqdm's would redraw bars that nobody updates.
    monitor_interval = 0

    def __init__(self, figures: Mapping[str, SupportsFloat], **arguments: Any):
        self.figures = figures
        self._shown_step: int | None = None
        self._is_terminal = arguments["file"].isatty()
        super().__init__(
            **arguments,
            bar_format=_ON_TERMINAL if self._is_terminal else _IN_FILE,
            ascii=".#",
            miniters=1,
            position=0,
            # tqdm finds no size where the terminal does not tell it, and then draws nothing.
            ncols=80,
            nrows=24,
        )

    @property
    def format_dict(self) -> dict[str, Any]:
        """What a line may show: tqdm's own values, the pace and the figures."""
        values = super().format_dict
        done, elapsed = values["n"] - values["initial"], values["elapsed"]
        rate = values["rate"] or (done / elapsed if elapsed else 0)
        pace = ""
        if rate:
            pace = f"  {format_rate(1 / rate, values['unit'])}"
            if values["n"] < values["total"]:
                pace += f"  {format_duration((values['total'] - values['n']) / rate)} left"
        figures = " ".join(f"{name}={float(value):.4g}" for name, value in self.figures.items())
        # One column stays free: a full line would wrap, and the next could not redraw it.
        columns = shutil.get_terminal_size().columns - 1 if self._is_terminal else None
        figures = f"  {figures}" if figures else ""
        return values | {"pace": pace, "figures": figures, "ncols": columns}

    @staticmethod
    def status_printer(file: TextIO) -> Callable[[str], None]:
        """Returns the function that shows a line: tqdm's, which redraws, or one that writes."""
        redraw = tqdm.status_printer(file) if file.isatty() else None

        def show(line: str) -> None:
            with contextlib.suppress(BrokenPipeError):
                if redraw is not None:
                    redraw(line)
                else:
                    file.write(f"{line}\n")
                    file.flush()

        return show

    def display(self, *arguments: Any, **keywords: Any) -> None:
        """Shows the line now."""
        self._shown_step = self.n
        super().display(*arguments, **keywords)

    def finish(self) -> None:
        """Shows the last step, where it has not been shown, and ends the line."""
        if self._shown_step != self.n:
            self.refresh()
        if self._is_terminal:
            with contextlib.suppress(BrokenPipeError):
                self.fp.write("\n")
                self.fp.flush()
        # Not `close`, which would show a line once more.
        self.disable = True


def format_rate(seconds_per_step: float, unit: str = "step") -> str:
    """Seconds a step where they are many, steps a second otherwise.

    Example:
        >>> format_rate(2.5), format_rate(0.05, "image"), format_rate(0.0)
        ('2.50 s/step', '20.0 images/s', '')
    """
    if seconds_per_step >= 1:
        return f"{seconds_per_step:.2f} s/{unit}"
    return f"{1 / seconds_per_step:.1f} {unit}s/s" if seconds_per_step > 0 else ""


def format_duration(seconds: float) -> str:
    """Hours, minutes and seconds as a clock writes them.

    Example:
        >>> format_duration(62), format_duration(3 * 3600 + 5)
        ('1:02', '3:00:05')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
