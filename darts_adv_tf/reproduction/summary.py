"""The report of what a matrix has brought so far, and its claims for the terminal."""

import time
import traceback
from pathlib import Path

from darts_adv_tf.reproduction.claims import judge
from darts_adv_tf.reproduction.matrix import common_settings
from darts_adv_tf.reproduction.record import MatrixRecord
from darts_adv_tf.reproduction.report import FailedRun, write_report
from darts_adv_tf.reproduction.results import RunResult, read_result
from darts_adv_tf.reproduction.same_data import find_other_data
from darts_adv_tf.system.errors import StorageError, UserError
from darts_adv_tf.terminal.printable import printable

_CHEAP_SECONDS = 2.0
_INTERVAL_SECONDS = 300.0


class Summary:
    """Writes the report of a matrix, again and again as runs end.

    Args:
        record: Of the matrix.

    Attributes:
        unusable: What is wrong with finished runs that cannot be read, or were made of other data
            than the rest, by name.
    """

    def __init__(self, record: MatrixRecord):
        self._record = record
        self._read: dict[str, RunResult] = {}
        self._unreadable: dict[str, UserError] = {}
        self._results: list[RunResult] = []
        self.unusable: dict[str, UserError] = {}
        self._last_end = -_INTERVAL_SECONDS
        self._last_seconds = 0.0

    def refresh(self) -> str | None:
        """Writes the report unless that is costly and was done of late.

        Returns:
            What is wrong with it, for an error here must not end the runs that go on.
        """
        now = time.monotonic()
        is_cheap = self._last_seconds <= _CHEAP_SECONDS
        if not is_cheap and now - self._last_end < _INTERVAL_SECONDS:
            return None
        try:
            self.write()
        except Exception as error:
            is_told = isinstance(error, UserError)
            return str(error) if is_told else traceback.format_exc().rstrip()
        finally:
            self._last_end = time.monotonic()
            self._last_seconds = self._last_end - now
        return None

    def write(self) -> Path:
        """Writes the report of all finished and failed runs; returns the page's path.

        Raises:
            StorageError: It cannot be written.
        """
        self._take_in()
        record = self._record
        failed = [
            FailedRun(name, str(self.unusable.get(name, state.message)), str(record.log(name)))
            for name, state in record.states.items()
            if state.state == "failed" or name in self.unusable
        ]
        settings = {name: str(value) for name, value in common_settings(record.base).items()}
        for name, attribute in (("backbones", "backbone"), ("arms", "arm"), ("seeds", "seed")):
            values = dict.fromkeys(str(getattr(run, attribute)) for run in record.runs.values())
            settings[name] = ",".join(values)
        return write_report(record.folder, self._results, failed, settings, len(record.runs))

    def claims(self) -> str:
        """A line for each claim and backbone, with what was found."""
        lines = []
        for verdict in judge(self._results):
            mean, low, high = (100 * value for value in verdict.interval[:3])
            difference = f"{mean:+.1f} points" if mean == mean else ""
            if low == low:
                difference += f", 95 % interval {low:+.1f} to {high:+.1f}"
            found = f"{printable(verdict.backbone):12}{verdict.verdict:14}"
            lines.append(f"{found}{verdict.claim.text} {difference}")
        return "\n".join(line.rstrip() for line in lines)

    def _take_in(self) -> None:
        """Reads what has finished since the last time, and sees what can be compared."""
        for name, state in self._record.states.items():
            if state.state != "done" or name in self._read or name in self._unreadable:
                continue
            run = self._record.runs[name]
            try:
                self._read[name] = read_result(
                    run.backbone, run.arm, run.seed, run.draw, run.workdir
                )
            except (OSError, ValueError, KeyError) as error:
                self._unreadable[name] = StorageError(
                    "The files of a finished run must be as it wrote them.",
                    received=repr(error),
                    file=run.workdir,
                    remedy="Remove this folder, and the same command makes the run again.",
                )
        # In the order of the matrix, not in that of their ends: the first one is what counts.
        read = {name: self._read[name] for name in self._record.runs if name in self._read}
        of_other_data = find_other_data(read)
        self._results = [run for name, run in read.items() if name not in of_other_data]
        self.unusable = self._unreadable | of_other_data
