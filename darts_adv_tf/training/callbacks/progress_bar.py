"""Shows how far training is."""

from collections.abc import Sequence

from darts_adv_tf.terminal.progress import Progress
from darts_adv_tf.training.callbacks import Callback, Report
from darts_adv_tf.training.metric_names import short_name


class ProgressBar(Callback):
    """Shows steps, rate, time left and a few metrics on the terminal, and all warnings.

    Args:
        stage: `search` or `retrain`.
        shown: Names of the metrics of a step that are shown.
    """

    def __init__(self, stage: str, shown: Sequence[str]):
        self.stage = stage
        self.shown = shown
        self._progress: Progress | None = None

    def begin(self, done: int, total: int) -> None:
        self._progress = Progress(self.stage, total, start=done)

    def on_step(self, report: Report) -> None:
        self._warn(report)
        if self._progress is not None:
            metrics = {short_name(name): report.metrics[name] for name in self.shown}
            self._progress.update(report.done, metrics)

    def on_epoch(self, epoch: int, report: Report) -> None:
        self._warn(report)

    def end(self) -> None:
        if self._progress is not None:
            self._progress.close()

    def _warn(self, report: Report) -> None:
        if self._progress is not None:
            for warning in report.warnings:
                message = f"{self.stage}, step {report.done}: {warning.message}"
                self._progress.note(f"warning: {message}")
