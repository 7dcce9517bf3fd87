"""Makes the runs of a matrix that have not been made, and reports."""

import sys
import time
from pathlib import Path

from darts_adv_tf.config import workdir
from darts_adv_tf.config.as_flags import as_flags
from darts_adv_tf.config.reproduce import ReproduceConfig
from darts_adv_tf.reproduction.executors.attempt import Attempt, Executor, failure_message
from darts_adv_tf.reproduction.executors.local import LocalExecutor
from darts_adv_tf.reproduction.matrix import PlannedRun, plan
from darts_adv_tf.reproduction.progress import MatrixProgress
from darts_adv_tf.reproduction.record import (
    RECORD_FILE,
    MatrixRecord,
    load_record,
    open_record,
)
from darts_adv_tf.reproduction.summary import Summary
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.system.interruption import SIGNALS, deferral
from darts_adv_tf.terminal.progress import format_duration

LOCK_FILE = Path("matrix.lock")
_POLL_SECONDS = 0.2
_STATUSES_OF_USER_ERRORS = range(2, 7)
_STATUSES_OF_SIGNALS = {128 + number for number in SIGNALS} | {-number for number in SIGNALS}


def reproduce(config: ReproduceConfig) -> int:
    """Makes the runs that are asked for and not finished, then writes the report.

    Returns:
        0 when all of them are finished; else the exit status of the first that failed, 1 if that
        was our own bug or a signal from elsewhere. If none failed, 6 where one has results that
        cannot be read, 3 where one was made of other data than the rest.

    Raises:
        ConfigurationError: The folder belongs to a matrix of other settings, or to another
            process; or the settings to no run.
        Interrupted: A signal asked for the end; the runs have saved.
    """
    assert config.workdir is not None, "set by the command"
    folder = Path(config.workdir)
    if workdir.holds_run(folder):
        raise ConfigurationError(
            "--workdir must be a folder for a matrix, and not that of a run.",
            received=f"--workdir={folder}, which holds a run",
            file=folder,
            remedy="Name another --workdir.",
        )
    planned = plan(config)
    if config.report_only:
        _refuse_missing(folder, planned)
    workdir.lock(folder, LOCK_FILE)
    record = load_record(folder) if config.report_only else None
    if record is None:
        record = open_record(folder, config.base)
        record.add(planned)
        names = [run.name for run in planned]
    else:
        names = list(record.runs)
    _sync_with_disk(record)
    record.save()
    summary = Summary(record)
    if not config.report_only:
        _Scheduler(
            record, names, _make_executor(config.executor, config.parallel, folder), summary
        ).run()
    path = summary.write()
    print(summary.claims())
    print(f"report: {path}")
    for name, error in summary.unusable.items():
        print(f"{name}: {error}", file=sys.stderr)
    states = [record.states[name] for name in names]
    # A run that failed has a status.
    failed = [state.status or 1 for state in states if state.state == "failed"]
    if not failed or config.report_only:
        return next((error.exit_status for error in summary.unusable.values()), 0)
    return failed[0] if failed[0] in _STATUSES_OF_USER_ERRORS else 1


def command_of(run: PlannedRun) -> list[str]:
    """The command line that begins a run, or goes on with it."""
    module = f"darts_adv_tf.{run.config.command}"
    # A folder that is resumed begins a run only where a flag says which.
    settings = as_flags(run.config, always={"backbone", "seed"})
    return [sys.executable, "-m", module, "--resume", *settings]


def _refuse_missing(folder: Path, planned: list[PlannedRun]) -> None:
    has_runs = (folder / RECORD_FILE).exists() or any(run.is_finished() for run in planned)
    if not has_runs:
        raise ConfigurationError(
            "--workdir must hold a matrix for --report_only.",
            received=f"--report_only --workdir={folder}, which holds none",
            file=folder,
            remedy="Name the folder of a matrix.",
        )


def _sync_with_disk(record: MatrixRecord) -> None:
    """Finds what is finished, also runs that were made by hand or while no matrix ran."""
    for name, state in record.states.items():
        if record.runs[name].is_finished():
            if state.state != "done":
                state.state, state.status, state.message = "done", 0, ""
        elif state.state == "done":
            state.state = "planned"  # Its results were taken away.


def _make_executor(name: str, parallel: int, folder: Path) -> Executor:
    if name == "ray":
        from darts_adv_tf.reproduction.executors.ray import RayExecutor

        return RayExecutor(parallel, folder)
    return LocalExecutor(parallel)


class _Scheduler:
    """The runs of one call.

    Args:
        record: Of the matrix.
        names: The runs that are asked for, finished ones among them.
        executor: Who makes them.
        summary: Written as runs end.
    """

    def __init__(
        self, record: MatrixRecord, names: list[str], executor: Executor, summary: Summary
    ):
        self._record = record
        self._executor = executor
        self._summary = summary
        self._waiting = [name for name in names if record.states[name].state != "done"]
        for name in self._waiting:
            record.states[name].state = "planned"  # Also what failed: it is tried again.
        # Beginnings in their logs, in bytes.
        self._running: dict[str, int] = {}
        self._taken: set[str] = set()
        self._is_stopping = False
        self._progress = MatrixProgress(record, names, executor.capacity)
        num_done = len(names) - len(self._waiting)
        self._progress.note(f"{len(names)} runs, {num_done} of them finished before")

    def run(self) -> None:
        """Starts what waits as there is room, until all has ended or a signal asks for it."""
        try:
            with deferral() as stop:
                stop.begin()
                while self._waiting or self._running:
                    if stop.is_requested and not self._is_stopping:
                        self._is_stopping = True
                        self._waiting.clear()
                        self._executor.stop()
                    for attempt in self._executor.ended():
                        self._settle(attempt)
                    while len(self._running) < self._executor.capacity and (name := self._next()):
                        self._start(name)
                    self._progress.draw()
                    time.sleep(_POLL_SECONDS)
        finally:
            self._executor.close()
            self._progress.close()

    def _next(self) -> str | None:
        """Takes the first waiting run whose folder is free."""
        for name in list(self._waiting):
            run = self._record.runs[name]
            holder = workdir.lock_holder(run.workdir)
            if holder is not None:
                if name not in self._taken:
                    self._taken.add(name)
                    self._progress.note(f"{name}: in use by {holder}; waiting for its end")
                continue
            self._waiting.remove(name)
            if name in self._taken and run.is_finished():
                self._finish(name)  # By whom it was taken.
                continue
            contradiction = run.contradiction()
            if contradiction is None:
                return name
            self._fail(name, 2, f"Its folder holds another run: {contradiction}")
        return None

    def _start(self, name: str) -> None:
        log, state = self._record.log(name), self._record.states[name]
        state.state, state.status, state.message = "running", None, ""
        state.attempts += 1
        self._record.save()
        self._running[name] = log.stat().st_size if log.exists() else 0
        self._executor.start(name, command_of(self._record.runs[name]), log)
        self._progress.begin(name)

    def _settle(self, attempt: Attempt) -> None:
        name = attempt.name
        start = self._running.pop(name)
        run, state = self._record.runs[name], self._record.states[name]
        state.seconds += attempt.seconds
        if attempt.status == 0 and run.is_finished():
            self._finish(name)
        elif self._is_stopping and attempt.status in _STATUSES_OF_SIGNALS:
            state.state = "planned"
            self._record.save()
            self._progress.end(name, f"stopped after {format_duration(attempt.seconds)}")
        elif attempt.status == 0:
            self._fail(name, 1, "It ended without its results.")
        else:
            log = self._record.log(name)
            message = failure_message(attempt.status, log, start, run.config.command)
            self._fail(name, attempt.status, message)

    def _finish(self, name: str) -> None:
        state = self._record.states[name]
        state.state, state.status, state.message = "done", 0, ""
        self._record.save()
        self._progress.end(name, f"done in {format_duration(state.seconds)}")
        self._refresh()

    def _fail(self, name: str, status: int, message: str) -> None:
        state = self._record.states[name]
        state.state, state.status, state.message = "failed", status, message
        self._record.save()
        self._progress.end(
            name, f"failed with status {status}, see {self._record.log(name)}\n{message}"
        )
        self._refresh()

    def _refresh(self) -> None:
        problem = None if self._is_stopping else self._summary.refresh()
        if problem is not None:
            self._progress.note(f"warning: the report could not be written.\n{problem}")
