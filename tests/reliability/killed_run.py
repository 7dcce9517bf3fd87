"""`python -m darts_adv_tf.search` that writes down how far it is, and kills itself inside a save.

    python -m tests.reliability.killed_run <record> <never|phase/step/call> [--flag=value ...]

It is the command itself, in process. Into the record, a file, goes a line an event, with the
seconds of processor time until then:

    4.310 at search         a stage has begun, or another step of one is done
    9.020 saving search 3   a checkpoint is being written
    9.032 saved search 3 mkdir*1 open*1 write*1478 ...   it is written, by these calls
    9.027 dies search 3 before rename   the process kills itself inside the writing of it

With `search/3/28` it does so just before the 29th call of the system by which the checkpoint of
step 3 of the search is written, at the latest once all have been made; where it goes on from later
steps, in the first save that it comes to.
"""

import functools
import io
import itertools
import os
import signal
import sys
import time
from collections.abc import Callable

from darts_adv_tf.cli.main import run

PHASES = ("search", "retrain")
STAGES = ("begin", "search", "save_architecture", "retrain", "evaluate", "export")
# Of the calls that a save makes of the system, those that change what is on the disk.
SYSTEM_CALLS = {"mkdir", "open", "write", "fsync", "rename", "unlink", "rmdir"}


class Record:
    """A file with a line an event, each there as soon as it is added."""

    def __init__(self, path: str):
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)

    def add(self, event: str):
        os.write(self._descriptor, f"{time.process_time():.3f} {event}\n".encode())


class SystemCalls:
    """Counts the calls of the system that this thread makes, with a function called before each."""

    def __init__(self, before: Callable[[int, str], None]):
        self.names: list[str] = []
        self._before = before

    def __enter__(self) -> "SystemCalls":
        sys.setprofile(self._profile)
        return self

    def __exit__(self, *exception):
        sys.setprofile(None)

    def in_short(self) -> list[str]:
        """The names, as name*count where one comes several times in a row."""
        return [f"{name}*{len(list(same))}" for name, same in itertools.groupby(self.names)]

    def _profile(self, frame, event, function):
        if event != "c_call" or function.__name__ not in SYSTEM_CALLS:
            return
        if function.__module__ in ("posix", "io", "_io") or isinstance(
            function.__self__, io.IOBase
        ):
            self._before(len(self.names), function.__name__)
            self.names.append(function.__name__)


def announce_stages(record: Record):
    """Adds the beginning of every stage."""
    from darts_adv_tf.run import stages

    def announced(name: str):
        stage = getattr(stages, name)

        @functools.wraps(stage)
        def announce(*arguments):
            record.add(f"at {name}")
            return stage(*arguments)

        return announce

    for name in STAGES:
        setattr(stages, name, announced(name))


def announce_steps(record: Record):
    """Adds every step that is done."""
    from darts_adv_tf.terminal.progress import Progress

    update = Progress.update

    def announce(progress: Progress, step: int, figures=None):
        if progress.name in PHASES:
            record.add(f"at {progress.name} {step}")
        update(progress, step, figures)

    Progress.update = announce


def announce_saves(record: Record, death: tuple[int, int, int] | None):
    """Adds every save, and kills the process inside one: number of the phase, step, call."""
    from darts_adv_tf.training.checkpoint_store import CheckpointStore

    write = CheckpointStore.write

    def announce(store: CheckpointStore, step: int, notes, arrays):
        phase = store.folder.name
        is_deadly = death is not None and (PHASES.index(phase), step) >= death[:2]

        def before(call: int, name: str):
            if is_deadly and call == death[2]:
                die(f"before {name}")

        def die(where: str):
            record.add(f"dies {phase} {step} {where}")
            os.kill(os.getpid(), signal.SIGKILL)

        record.add(f"saving {phase} {step}")
        with SystemCalls(before) as calls:
            write(store, step, notes, arrays)
        if is_deadly:
            die("at the end")
        record.add(f"saved {phase} {step} {' '.join(calls.in_short())}")

    CheckpointStore.write = announce


def main(config):
    from darts_adv_tf import search

    announce_stages(record)
    announce_steps(record)
    announce_saves(record, death)
    search.main(config)
    record.add("at end")


if __name__ == "__main__":
    _, path, target, *flags = sys.argv
    record = Record(path)
    death = None
    if target != "never":
        death_phase, death_step, death_call = target.split("/")
        death = PHASES.index(death_phase), int(death_step), int(death_call)
    run(main, "search", flags)
