"""SIGKILL at random moments of a run: nothing that it has saved is lost, and no result differs.

    python -m pytest tests/reliability/test_kills.py -m slow

kills 200 runs, two at a time, and takes about half an hour on two free cores; KILLS=20 in the
environment makes it a share of that. What has been tried with this very code is kept in
`tests/reliability/results`, or in KILLS_FOLDER, and is not tried again.

A chain is one run, killed five times and resumed each time by the same command, then finished and
compared with a run of the same flags that nothing interrupted. Of its kills

- two are inside a save, between any two calls by which it changes what is on the disk;
- two are at moments drawn from the whole length of the run, in processor time, which depends less
  than the clock on what else the machine does;
- one is at a moment drawn from a stage that is drawn first, since some stages are short.
"""

import bisect
import contextlib
import dataclasses
import hashlib
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from darts_adv_tf.system.errors import UserError
from darts_adv_tf.training.checkpoint import folder_of
from darts_adv_tf.training.checkpoint_store import MANIFEST, Checkpoint, CheckpointStore
from tests.command_line import REPOSITORY
from tests.reliability.killed_run import PHASES, STAGES

NUM_KILLS = int(os.environ.get("KILLS", "200"))
FOLDER = Path(os.environ.get("KILLS_FOLDER", Path(__file__).parent / "results"))
KILLS_OF_A_CHAIN = 5
SAVES_OF_A_CHAIN = 2
SHARE_INSIDE_SAVES = 1 / 4
FLAGS = (
    "--workdir=run",
    "--image_size=32",
    "--phantom_cases=8",
    "--train_cases=4",
    "--batch_size=2",
    "--segmenter_width=2",
    "--discriminator_channels=2",
    "--discriminator_cells=N",
    "--search_epochs=12",
    "--retrain_epochs=8",
    "--plot_every=6",
)
FIRST_ORDER = (*FLAGS, "--architecture_gradient=first_order")
VARIANTS = {
    "first_order": (*FIRST_ORDER, "--checkpoint_every=1"),
    "every_fourth": (*FIRST_ORDER, "--checkpoint_every=4"),
    "exact": (*FLAGS, "--architecture_gradient=exact", "--checkpoint_every=1"),
    "replicas": (*FIRST_ORDER, "--num_replicas=2", "--checkpoint_every=1"),
}
INTERVALS = {"every_fourth": 4}
# Of 40 chains 3 of exact and 2 of replicas, which take longest.
VARIANT_OF_CHAIN = {1: "exact", 2: "replicas", 5: "exact", 6: "replicas", 9: "exact"}
RUN_SECONDS = 1200.0
POLL_SECONDS = 0.005
# Results that hold names which TensorFlow counts up as it goes.
NOT_COMPARED = ("segmenter/1/saved_model.pb", "segmenter/1/fingerprint.pb")
START = "start"


class RunFailedError(Exception):
    """A run ended by itself, and not well."""


@dataclasses.dataclass(frozen=True)
class Event:
    """A line of the record that `killed_run` writes."""

    seconds: float
    kind: str
    words: tuple[str, ...]

    @property
    def mark(self) -> str:
        return " ".join(self.words)


@dataclasses.dataclass(frozen=True)
class Kill:
    """Where a run is to be killed.

    Attributes:
        mark: `start`, a stage, or a phase and a step that is done.
        seconds: Processor time after the mark, for a kill from outside.
        call: The call of the save of that step, for a kill inside it.
        order: Where in the chain; a run does not pass a mark again once it has saved a later one.
    """

    mark: str
    seconds: float | None
    call: int | None
    order: float


class Timeline:
    """How long an uninterrupted run takes, and by which calls it saves."""

    def __init__(self, events: Sequence[Event]):
        self.marks, self.times = [START], [0.0]
        self.calls: dict[str, list[int]] = {}
        for event in events:
            if event.kind == "at":
                self.marks.append(event.mark)
                self.times.append(event.seconds)
            elif event.kind == "saved":
                phase, step, *groups = event.words
                counts = [int(group.partition("*")[2]) for group in groups]
                self.calls[f"{phase} {step}"] = counts

    def plan(self, rng: np.random.Generator) -> list[Kill]:
        """The kills of a chain, in their order."""
        moments = [rng.uniform(0, self.times[-1]) for _ in range(2)]
        stages = (START, *STAGES)
        begin = self.times[self.marks.index(str(rng.choice(stages)))]
        ends = [self.times[self.marks.index(stage)] for stage in stages[1:]] + [self.times[-1]]
        moments.append(rng.uniform(begin, min(end for end in ends if end > begin)))
        kills = [self._outside(moment, rng) for moment in moments]
        kills += [self._inside_save(rng) for _ in range(SAVES_OF_A_CHAIN)]
        assert len(kills) == KILLS_OF_A_CHAIN
        return sorted(kills, key=lambda kill: kill.order)

    def _outside(self, moment: float, rng: np.random.Generator) -> Kill:
        index = bisect.bisect_right(self.times, moment) - 1
        mark = self.marks[index]
        # Every process starts, and builds the graph of its phase; these come at any time.
        first, last = index, index
        if mark in (START, "begin"):
            first, last = 0, len(self.marks)
        elif mark in PHASES:
            last = max(self.marks.index(each) for each in self.marks if each.startswith(mark))
        return Kill(mark, moment - self.times[index], None, rng.uniform(first, last))

    def _inside_save(self, rng: np.random.Generator) -> Kill:
        mark = str(rng.choice(list(self.calls)))
        counts = self.calls[mark]
        # A file takes a thousand writes and one rename: each sort is drawn as often as the other.
        group = int(rng.integers(len(counts) + 1))
        call = sum(counts[:group])
        if group < len(counts):
            call += int(rng.integers(counts[group]))
        return Kill(mark, None, call, self.marks.index(mark))

    def is_reached(self, kill: Kill, mark: str) -> bool:
        """Whether a run that is at `mark` is where it is to be killed, or past it."""
        return self.marks.index(mark) >= self.marks.index(kill.mark)


class Chains:
    """Everything that is tried with one state of the code, which is copied first.

    Args:
        folder: Where all of it lies; what is finished there is not done again.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.outcomes: dict[int, dict] = {}
        self._code = folder / "code"
        self._file = folder / "kills.jsonl"
        self._lock = threading.Lock()
        self._timelines: dict[str, Timeline] = {}
        self._expected: dict[str, dict[str, str]] = {}
        if not self._code.exists():
            copy_code(self._code)
        if self._file.exists():
            for line in self._file.read_text().splitlines():
                # Of a test that was itself killed, the last line may be half written.
                with contextlib.suppress(json.JSONDecodeError):
                    outcome = json.loads(line)
                    self.outcomes[outcome["chain"]] = outcome

    @property
    def kills(self) -> list[dict]:
        return [kill for outcome in self.outcomes.values() for kill in outcome["kills"]]

    def run_uninterrupted(self, variant: str, is_recorded: bool) -> Path:
        """Makes the run that a variant is compared with, or one with a record, and returns it."""
        folder = self.folder / "uninterrupted" / f"{variant}{'-recorded' * is_recorded}"
        if not folder.exists():
            unfinished = folder.with_name(f".{folder.name}")
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            program = recorded("record", "never") if is_recorded else COMMAND
            wait(self.start(unfinished, program, VARIANTS[variant]), unfinished)
            unfinished.rename(folder)
        return folder

    def prepare(self, variant: str):
        """Reads the two uninterrupted runs of a variant, which have to agree."""
        recorded_run = self.run_uninterrupted(variant, is_recorded=True)
        self._timelines[variant] = Timeline(read_record(recorded_run / "record"))
        plain = self.run_uninterrupted(variant, is_recorded=False)
        self._expected[variant] = results(plain / "run")
        found = differing(self._expected[variant], results(recorded_run / "run"))
        assert not found, f"two uninterrupted runs differ: {found}"

    def run_chain(self, chain: int) -> dict:
        """Kills and resumes a run, finishes it, compares it; returns what came of it."""
        variant = variant_of(chain)
        timeline = self._timelines[variant]
        folder = self.folder / "chains" / f"{chain:03d}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        begin = time.monotonic()
        kills, faults = [], []
        progress = dict.fromkeys(PHASES, 0)
        try:
            for number, kill in enumerate(timeline.plan(np.random.default_rng(chain))):
                record = folder / f"record-{number}"
                if not self._kill(folder, variant, kill, record):
                    continue
                interval = INTERVALS.get(variant, 1)
                outcome = observe(folder / "run", read_record(record), progress, interval)
                faults += [f"kill {number}: {fault}" for fault in outcome.pop("faults")]
                kills.append({"aim": "moment" if kill.call is None else "save", **outcome})
            flags = (*VARIANTS[variant], "--resume")
            wait(self.start(folder, COMMAND, flags), folder)
            found = differing(self._expected[variant], results(folder / "run"))
            faults += [f"{name} differs" for name in found]
            is_recovered = True
        except (RunFailedError, UserError) as error:
            faults.append(str(error))
            is_recovered = False
        return {
            "chain": chain,
            "variant": variant,
            "kills": kills,
            "is_recovered": is_recovered,
            "faults": faults,
            "left_behind": left_behind(folder / "run"),
            "seconds": round(time.monotonic() - begin, 1),
        }

    def keep(self, outcome: dict):
        """Writes down what came of a chain; its files stay where something is wrong."""
        with self._lock:
            self.outcomes[outcome["chain"]] = outcome
            with open(self._file, "a") as stream:
                stream.write(json.dumps(outcome) + "\n")
        if not outcome["faults"]:
            shutil.rmtree(self.folder / "chains" / f"{outcome['chain']:03d}")

    def start(self, folder: Path, program: Sequence[str], flags: Sequence[str]):
        """Starts a program of the copied code in a folder, with the user's usual environment."""
        usual = {name: value for name, value in os.environ.items() if "TF_CPP_MIN" not in name}
        with open(folder / "output", "ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", *program, *flags],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=folder,
                env={**usual, "PYTHONPATH": str(self._code.absolute())},
            )

    def _kill(self, folder: Path, variant: str, kill: Kill, record: Path) -> bool:
        """Starts or resumes the run and kills it; whether that came before its end."""
        target = "never" if kill.call is None else f"{kill.mark.replace(' ', '/')}/{kill.call}"
        flags = (*VARIANTS[variant], "--resume")
        process = self.start(folder, recorded(record.name, target), flags)
        if kill.call is None:
            kill_after(process, record, self._timelines[variant], kill)
        wait(process, folder, expected=(0, -signal.SIGKILL))
        return process.returncode != 0


COMMAND = ("darts_adv_tf.search",)


def recorded(record: str, target: str) -> tuple[str, ...]:
    return ("tests.reliability.killed_run", record, target)


def variant_of(chain: int) -> str:
    usual = "every_fourth" if chain % 4 == 3 else "first_order"
    return VARIANT_OF_CHAIN.get(chain, usual)


def source_files() -> list[Path]:
    """All that a run is made of, and this test, relative to the repository."""
    package = (REPOSITORY / "darts_adv_tf").rglob("*.py")
    here = Path(__file__)
    tests = (
        here.parents[1] / "__init__.py",
        *(here.with_name(name) for name in ("__init__.py", "killed_run.py", here.name)),
    )
    return sorted(path.relative_to(REPOSITORY) for path in (*package, *tests))


def source_hash() -> str:
    digest = hashlib.sha256()
    for path in source_files():
        digest.update(f"{path}\n".encode() + (REPOSITORY / path).read_bytes())
    return digest.hexdigest()[:12]


def copy_code(folder: Path):
    """Copies the sources, so that the test goes on with the same while they are worked on."""
    unfinished = folder.with_name(f".{folder.name}")
    shutil.rmtree(unfinished, ignore_errors=True)
    for path in source_files():
        (unfinished / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / path, unfinished / path)
    unfinished.rename(folder)


def wait(process: subprocess.Popen, folder: Path, expected: Sequence[int] = (0,)):
    """Waits for the end of a run, which is to be one of the expected ones."""
    try:
        process.wait(RUN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        raise RunFailedError(f"no end after {RUN_SECONDS:.0f} s") from None
    if process.returncode not in expected:
        output = (folder / "output").read_text(errors="replace")
        raise RunFailedError(f"exit status {process.returncode}: {output[-2000:]}")


def read_record(path: Path) -> list[Event]:
    events = []
    with contextlib.suppress(FileNotFoundError):
        for line in path.read_text().splitlines():
            seconds, kind, *words = line.split()
            events.append(Event(float(seconds), kind, tuple(words)))
    return events


def kill_after(process: subprocess.Popen, record: Path, timeline: Timeline, kill: Kill):
    """Kills a process so many seconds of its own after a mark, unless it has ended by then."""
    reached = 0.0 if kill.mark == START else None
    deadline = time.monotonic() + RUN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if reached is None:
            times = (
                event.seconds
                for event in read_record(record)
                if event.kind == "at" and timeline.is_reached(kill, event.mark)
            )
            reached = next(times, None)
        if reached is not None and processor_seconds(process.pid) >= reached + kill.seconds:
            process.kill()
            return
        time.sleep(POLL_SECONDS)


def processor_seconds(pid: int) -> float:
    """Of a child, all its threads together; without end once it has ended."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return float("inf")
    # After the name, which is in brackets and may hold anything, from the third field on.
    fields = status.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def observe(
    workdir: Path, events: Sequence[Event], progress: dict[str, int], interval: int
) -> dict:
    """Where a run was when it was killed, and what it has left.

    Args:
        workdir: Its folder.
        events: What this process has written down.
        progress: By phase, the step of the newest checkpoint after the kill before; is updated.
        interval: Steps between two checkpoints.
    """
    marks = [event.words for event in events if event.kind == "at"]
    stage = marks[-1][0] if marks else START
    saves = [event.words[:2] for event in events if event.kind == "saving"]
    num_saved = sum(event.kind == "saved" for event in events)
    deaths = [event.mark for event in events if event.kind == "dies"]
    outcome = {
        "stage": stage,
        "is_inside_save": len(saves) > num_saved,
        "where": deaths[0] if deaths else None,
        "steps_lost": 0,
        "intervals_lost": 0,
        "faults": [],
    }
    for phase in PHASES:
        store = CheckpointStore(folder_of(workdir, phase))
        good = [step for step in store.steps() if is_good(store, step)]
        newest = max(good, default=0)
        if good != store.steps():
            outcome["faults"].append(f"of the checkpoints {store.steps()} only {good} are good")
        if newest < progress[phase]:
            outcome["faults"].append(f"{phase} is back from step {progress[phase]} to {newest}")
        progress[phase] = newest
        done = max((int(words[1]) for words in marks if is_step(words, phase)), default=newest)
        begun = max((int(step) for each, step in saves if each == phase), default=newest)
        # A checkpoint is begun when it is due, once the one before is written.
        intervals_lost = (begun - newest) / interval
        outcome["intervals_lost"] += intervals_lost
        outcome["steps_lost"] += done - newest
        if intervals_lost not in (0, 1) or not begun <= done <= begun + interval:
            outcome["faults"].append(
                f"{phase}: {done} steps done, the checkpoint of {begun} begun, {newest} on the disk"
            )
    return outcome


def is_step(words: Sequence[str], phase: str) -> bool:
    return len(words) == 2 and words[0] == phase


def is_good(store: CheckpointStore, step: int) -> bool:
    try:
        return isinstance(store.read(step), Checkpoint)
    except Exception:
        return False


def results(workdir: Path) -> dict[str, str]:
    """A checksum of every result of a finished run, by name."""
    found = {}
    for path in sorted(workdir.rglob("[!.]*")):
        name = path.relative_to(workdir).as_posix()
        is_elsewhere = name.startswith(("checkpoints/", "tensorboard/")) or name in NOT_COMPARED
        if path.is_file() and not is_elsewhere and "/." not in name:
            found[name] = checksum(path.read_bytes())
    for phase in PHASES:
        store = CheckpointStore(folder_of(workdir, phase))
        for step in store.steps()[-1:]:
            checkpoint = store.read(step)
            found[f"{phase}/{MANIFEST}"] = checksum((checkpoint.folder / MANIFEST).read_bytes())
            for name, array in checkpoint.arrays.items():
                found[f"{phase}/{name}"] = checksum(array.tobytes())
        for name, values in curves(workdir / "tensorboard" / phase).items():
            found[f"{phase} curve {name}"] = checksum(repr(values).encode())
    return found


def curves(folder: Path) -> dict[str, list]:
    """Step and value of every point and picture, as TensorBoard shows them."""
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return {
        tag: [
            (
                event.step,
                None if tag == "seconds/step" else make_ndarray(event.tensor_proto).tolist(),
            )
            for event in accumulator.Tensors(tag)
        ]
        for tag in accumulator.Tags()["tensors"]
    }


def left_behind(workdir: Path) -> list[str]:
    """Half written files that nothing has removed."""
    return sorted(path.relative_to(workdir).as_posix() for path in workdir.rglob(".*"))


def differing(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """Names of what is missing, left over, or another."""
    return sorted(name for name in {*expected, *found} if expected.get(name) != found.get(name))


def checksum(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def summary(outcomes: Sequence[dict]) -> str:
    kills = [kill for outcome in outcomes for kill in outcome["kills"]]
    by_stage = Counter(kill["stage"] for kill in kills)
    by_variant = Counter()
    for outcome in outcomes:
        by_variant[outcome["variant"]] += len(outcome["kills"])
    left = Counter(
        name.rpartition(".")[0] for outcome in outcomes for name in outcome["left_behind"]
    )
    places = Counter(kill["where"].split(maxsplit=2)[2] for kill in kills if kill["where"])

    def listed(counter: Counter) -> str:
        return ", ".join(f"{name} {count}" for name, count in counter.items()) or "none"

    return "\n".join(
        [
            f"{len(kills)} kills in {len(outcomes)} chains, "
            f"{sum(kill['is_inside_save'] for kill in kills)} inside a save",
            f"unrecoverable: {sum(not outcome['is_recovered'] for outcome in outcomes)}",
            f"bit-identical: {sum(not outcome['faults'] for outcome in outcomes)} chains",
            f"most intervals lost: {max(kill['intervals_lost'] for kill in kills):.0f}; "
            f"kills by steps lost: {listed(Counter(kill['steps_lost'] for kill in kills))}",
            f"by variant: {listed(by_variant)}",
            f"by stage: {listed(by_stage)}",
            f"by place in a save: {listed(places)}",
            f"left behind: {listed(left)}",
        ]
    )


@pytest.mark.slow
def test_a_killed_run_loses_one_interval_at_most_and_ends_as_if_it_had_not_been(capsys):
    chains = Chains(FOLDER / source_hash())
    begin = time.monotonic()

    def say(text: str):
        with capsys.disabled():
            print(f"\n{text}", end="", flush=True)

    with ThreadPoolExecutor(max_workers=2) as pool, contextlib.ExitStack() as on_failure:
        on_failure.callback(pool.shutdown, cancel_futures=True)
        num_chains = -(-NUM_KILLS // KILLS_OF_A_CHAIN)
        variants = {variant_of(chain) for chain in range(num_chains)}
        say(f"{len(variants)} variants uninterrupted, see {chains.folder}")
        runs = [
            pool.submit(chains.run_uninterrupted, variant, is_recorded)
            for variant in sorted(variants)
            for is_recorded in (True, False)
        ]
        for run in runs:
            run.result()
        for variant in sorted(variants):
            chains.prepare(variant)
        # Now and then a run ends before it is killed, and a chain has fewer kills than planned.
        numbers = itertools.count()
        num_before = len(chains.kills)
        while (num_missing := NUM_KILLS - len(chains.kills)) > 0:
            untried = (number for number in numbers if number not in chains.outcomes)
            batch = list(itertools.islice(untried, -(-num_missing // KILLS_OF_A_CHAIN)))
            futures = [pool.submit(chains.run_chain, chain) for chain in batch]
            for future in as_completed(futures):
                outcome = future.result()
                chains.keep(outcome)
                num_new = len(chains.kills) - num_before
                seconds = time.monotonic() - begin
                num_left = max(0, NUM_KILLS - len(chains.kills))
                say(
                    f"chain {outcome['chain']} ({outcome['variant']}): {len(outcome['kills'])} "
                    f"kills in {outcome['seconds']:.0f} s, {outcome['faults'] or 'identical'}; "
                    f"{len(chains.kills)}/{NUM_KILLS}, "
                    f"{seconds / max(num_new, 1) * num_left / 60:.0f} min left"
                )
    outcomes = list(chains.outcomes.values())
    say(f"{summary(outcomes)}\n")
    assert [outcome for outcome in outcomes if outcome["faults"]] == []
    num_inside = sum(kill["is_inside_save"] for kill in chains.kills)
    assert num_inside >= SHARE_INSIDE_SAVES * len(chains.kills)
