"""The record of a matrix: which runs it has, and how far each is. One process writes it."""

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

from darts_adv_tf.config import RunConfig
from darts_adv_tf.reproduction.arms import is_arm
from darts_adv_tf.reproduction.matrix import (
    PlannedRun,
    base_from_settings,
    common_settings,
    flat_settings,
    plan_run,
)
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.system.files import write_text

RECORD_FILE = "matrix.json"
FORMAT = "darts_adv_tf.matrix"
FORMAT_VERSION = 1
STATES = ("planned", "running", "done", "failed")


@dataclasses.dataclass
class RunState:
    """How far a run is.

    Attributes:
        state: One of `STATES`.
        status: Exit status of its last attempt; None before, and where it was not made here.
        seconds: Over all attempts that ended while this program watched.
        attempts: Number of times that it was started.
        message: Why it failed.
    """

    state: str = "planned"
    status: int | None = None
    seconds: float = 0.0
    attempts: int = 0
    message: str = ""


class MatrixRecord:
    """`matrix.json` in the folder of a matrix.

    Args:
        folder: That folder.
        base: What all runs have in common.

    Attributes:
        runs: By name, in the order in which they were planned.
        states: The same.
    """

    def __init__(self, folder: Path, base: RunConfig):
        self.folder = folder
        self.base = base
        self.runs: dict[str, PlannedRun] = {}
        self.states: dict[str, RunState] = {}

    @property
    def log_folder(self) -> Path:
        return self.folder / "logs"

    def log(self, name: str) -> Path:
        """What a run wrote to its terminal, over all attempts."""
        return self.log_folder / f"{name.replace('/', '_')}.log"

    def add(self, runs: Iterable[PlannedRun]) -> None:
        """Adds runs that it does not have yet."""
        for run in runs:
            self.runs.setdefault(run.name, run)
            self.states.setdefault(run.name, RunState())

    def save(self) -> None:
        """Writes the file.

        Raises:
            StorageError: It cannot be written.
        """
        content = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "settings": common_settings(self.base),
            "runs": {name: self._entry(name) for name in self.runs},
        }
        write_text(self.folder / RECORD_FILE, json.dumps(content, indent=2) + "\n")

    def _entry(self, name: str) -> dict[str, object]:
        run = self.runs[name]
        identity = {key: getattr(run, key) for key in ("backbone", "arm", "seed", "draw")}
        return identity | dataclasses.asdict(self.states[name])


def load_record(folder: Path) -> MatrixRecord | None:
    """The record of the matrix in `folder`, if there is one.

    What was running when its program was killed is planned again.

    Raises:
        ConfigurationError: The file is not what `MatrixRecord` writes.
        OSError: It cannot be read.
    """
    path = folder / RECORD_FILE
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if (content["format"], content["version"]) != (FORMAT, FORMAT_VERSION):
            raise ValueError("another format or version")
        record = MatrixRecord(folder, base_from_settings(content["settings"]))
        for name, entry in content["runs"].items():
            identity = [entry.pop(key) for key in ("backbone", "arm", "seed", "draw")]
            if not is_arm(identity[1]):
                raise ValueError(f"an arm {identity[1]}")
            run = plan_run(record.base, str(folder), *identity)
            state = RunState(**entry)
            if name != run.name or state.state not in STATES:
                raise ValueError(f"{name} is {run.name}, {state.state}")
            if state.state == "running":
                state.state = "planned"
            record.runs[name], record.states[name] = run, state
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            "matrix.json must be as this program wrote it.",
            received=error,
            file=path,
            remedy="Remove the file: finished runs in its folder are found and kept.",
        ) from error
    return record


def open_record(folder: Path, base: RunConfig) -> MatrixRecord:
    """The record of the matrix in `folder`, or a new one, for runs with these settings.

    Raises:
        ConfigurationError: It is of runs with other settings; or as `load_record`.
    """
    record = load_record(folder)
    if record is None:
        return MatrixRecord(folder, base)
    wanted = flat_settings(base, is_fixed=True)
    differing = [
        f"--{name}={wanted[name]}, recorded {value}"
        for name, value in flat_settings(record.base, is_fixed=True).items()
        if value != wanted[name]
    ]
    if differing:
        raise ConfigurationError(
            "All runs of a matrix must have the same settings.",
            received="; ".join(differing),
            file=folder / RECORD_FILE,
            remedy="Use the settings recorded, or another --workdir.",
        )
    # Where files are, and what happens when something goes wrong, may differ.
    again = MatrixRecord(folder, base)
    again.add(
        plan_run(base, str(folder), run.backbone, run.arm, run.seed, run.draw)
        for run in record.runs.values()
    )
    again.states = record.states
    return again
