"""Several workers on this machine: that they are one, and what happens when one of them fails.

    python -m pytest tests/reliability/test_workers.py -m slow

takes about ten minutes on two free cores.
"""

import dataclasses
import re
import shutil
import signal
import socket
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.reliability.test_kills import differing, results
from tests.reliability.workers import (
    PROGRAM,
    Ended,
    Workers,
    assert_close,
    free_ports,
    last_states,
    saved_steps,
)

pytestmark = pytest.mark.slow

FLAGS = (
    "--workdir=run",
    "--image_size=32",
    "--phantom_cases=12",
    "--train_cases=8",
    "--batch_size=4",
    "--segmenter_width=2",
    "--discriminator_channels=2",
    "--discriminator_cells=N",
    "--discriminator_normalization=group",
)
FIRST_ORDER = (*FLAGS, "--architecture_gradient=first_order")
SHORT = ("--search_epochs=3", "--retrain_epochs=2")
NUM_STEPS = 40
LONG = (
    *FIRST_ORDER,
    f"--search_epochs={NUM_STEPS}",
    "--retrain_epochs=2",
    "--checkpoint_every=5",
    "--plot_every=10",
)
COUNTS = (1, 2, 4)
LOST_WORKER_SECONDS = 30
"""Until all others have ended. It took 2 to 4 seconds: the system closes the connections of a
killed process at once, so that nobody waits for TensorFlow to miss its signs of life."""
AT_ONCE_SECONDS = 3
PATIENCE_SECONDS = 10


def distance(received, expected):
    return np.abs(received - expected).max() / np.abs(expected).max()


@pytest.fixture(scope="module")
def doubles(tmp_path_factory):
    """What searches in float64 bring, by number of workers and index; None for one device."""
    folder = tmp_path_factory.mktemp("doubles")
    found = {}
    for count in (None, *COUNTS):
        program = (PROGRAM, "double", f"of-{count}")
        with Workers(folder, count, program=program) as workers:
            workers.finish()
        found[count] = [np.load(folder / f"of-{count}-{index}.npz") for index in range(count or 1)]
    return found


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", ["tiny group", "tiny batch", "cell group"])
def test_in_float64_workers_search_as_one_device_does(name, count, doubles):
    (expected,) = doubles[None]
    for found in doubles[count]:
        for part in ("gradient", "alpha", "theta", "phi"):
            key = f"{name}/{part}"
            assert distance(found[key], expected[key]) <= 1e-9, key
        # The figures are kept as float32.
        key = f"{name}/figures"
        np.testing.assert_allclose(found[key], expected[key], rtol=1e-5)


@pytest.mark.parametrize("count", [2, 4])
def test_statistics_of_each_worker_are_its_own_unless_synchronized(count, doubles):
    # Otherwise the test above could not fail for want of a difference.
    (expected,) = doubles[None]
    for found in doubles[count]:
        key = "tiny own batch/gradient"
        assert distance(found[key], expected[key]) > 1e-3


@pytest.mark.parametrize("count", [2, 4])
def test_in_float64_all_workers_hold_the_same_bits(count, doubles):
    chief, *others = doubles[count]
    for other in others:
        for key in chief.files:
            if not key.endswith("/figures"):
                np.testing.assert_array_equal(other[key], chief[key], err_msg=key)


@pytest.fixture(scope="module")
def one_process(tmp_path_factory):
    """The workdir of a run without TF_CONFIG."""
    folder = tmp_path_factory.mktemp("one")
    with Workers(folder, None, *FIRST_ORDER, *SHORT) as process:
        process.finish()
    return folder / "run"


@pytest.mark.parametrize("count", COUNTS)
def test_a_run_of_several_workers_is_that_of_one_process(count, one_process, tmp_path):
    with Workers(tmp_path, count, *FIRST_ORDER, *SHORT) as workers:
        workers.finish()

    assert_close(tmp_path / "run", one_process)
    if count == 1:
        expected, found = last_states(one_process), last_states(tmp_path / "run")
        assert all((found[name] == array).all() for name, array in expected.items())


def test_two_workers_are_one_process_with_the_exact_gradient_too(tmp_path):
    flags = (*FLAGS, *SHORT, "--architecture_gradient=exact")
    with (
        Workers(tmp_path / "one", None, *flags) as one,
        Workers(tmp_path / "two", 2, *flags) as two,
    ):
        one.finish()
        two.finish()

    assert_close(tmp_path / "two" / "run", tmp_path / "one" / "run")


@dataclasses.dataclass(frozen=True)
class Episode:
    """From a start of both workers to their end after one of them had a signal.

    Attributes:
        ended: Both.
        signalled: When one had the signal.
        saved: Steps of the newest checkpoint that they have left.
    """

    ended: Sequence[Ended]
    signalled: float
    saved: int


EPISODES = {
    # Who has which signal, and from the checkpoint of which step on.
    "worker killed": (1, signal.SIGKILL, 5),
    "chief killed": (0, signal.SIGKILL, 15),
    "worker stopped": (1, signal.SIGTERM, 25),
    "chief stopped": (0, signal.SIGINT, 30),
}


@pytest.fixture(scope="module")
def episodes(tmp_path_factory):
    """One run that is killed and stopped again and again, resumed each time, and then finished."""
    folder = tmp_path_factory.mktemp("episodes")
    found = {}
    for name, (index, number, step) in EPISODES.items():
        with Workers(folder, 2, *LONG, "--resume") as workers:
            workers.wait_until(lambda step=step: last_saved(folder) >= step)
            signalled = workers.send(index, number)
            found[name] = Episode(workers.wait(), signalled, last_saved(folder))
        assert not (folder / "run" / "genotype.json").exists(), "the search was over"
    with Workers(folder, 2, *LONG, "--resume") as workers:
        found["finished"] = Episode(workers.finish(), 0.0, last_saved(folder))
    found["workdir"] = folder / "run"
    return found


def last_saved(folder: Path) -> int:
    return max(saved_steps(folder / "run", "search"), default=0)


def last_step(ended: Ended) -> int:
    """Of the search, as the progress shows it at the end."""
    return int(re.findall(r"^search (\d+)/", ended.err, re.MULTILINE)[-1])


@pytest.mark.parametrize("name", ["worker killed", "chief killed"])
def test_where_one_is_killed_the_others_end_soon_and_say_what_to_do(name, episodes, capsys):
    episode = episodes[name]
    killed, *others = sorted(episode.ended, key=lambda ended: ended.status)

    assert killed.status == -signal.SIGKILL
    for other in others:
        seconds = other.time - episode.signalled
        with capsys.disabled():
            print(f"\n{name}: the other one ended {seconds:.1f} s later", end="")
        assert seconds < LOST_WORKER_SECONDS
        assert_lost_connection(other)
    assert last_step(others[0]) < NUM_STEPS


def assert_lost_connection(ended: Ended):
    assert ended.status == 6
    # Nothing after the message, as a traceback or TensorFlow's log would be.
    assert re.search(
        r"^search: All workers of a run must run to its end\.\n"
        r"  Received: .+\n"
        r"  Remedy: See why another one has ended, then start all of them again with --resume\.\n"
        r"\Z",
        ended.err,
        re.MULTILINE,
    ), ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(("name", "status"), [("worker stopped", 143), ("chief stopped", 130)])
def test_where_one_is_asked_to_stop_all_do_after_the_same_step(name, status, episodes):
    episode = episodes[name]
    index = EPISODES[name][0]
    told, other = episode.ended[index], episode.ended[1 - index]

    assert told.status == status
    assert other.status == 143
    assert [last_step(ended) for ended in episode.ended] == [episode.saved] * 2
    for ended in episode.ended:
        assert ended.err.endswith(
            "Resume with: python -m darts_adv_tf.search --resume --workdir=run\n"
        )
        assert "Traceback" not in ended.err
        assert ended.time - episode.signalled < LOST_WORKER_SECONDS
    assert "finishing the step in progress" in told.err
    assert "finishing the step in progress" not in other.err


def test_all_workers_go_on_from_the_checkpoint_that_was_left(episodes):
    before = None
    for name in (*EPISODES, "finished"):
        if before is not None:
            for ended in episodes[name].ended:
                assert f"search: restored the state after step {before}\n" in ended.out
        before = episodes[name].saved


def test_the_whole_ends_as_if_nothing_had_happened(episodes, tmp_path):
    with Workers(tmp_path, 2, *LONG) as workers:
        workers.finish()

    assert differing(results(tmp_path / "run"), results(episodes["workdir"])) == []


@pytest.mark.parametrize(
    ("flag", "index", "what"),
    [("--seed=1", 1, "flags, data"), ("--segmenter_width=3", 0, "flags")],
)
def test_workers_with_other_flags_are_refused(flag, index, what, tmp_path):
    with Workers(tmp_path, 2, *FIRST_ORDER, flags_of={index: [flag]}) as workers:
        ended = workers.wait()

    assert_refused(ended, what)
    assert not (tmp_path / "run").exists()


def assert_refused(ended: Sequence[Ended], what: str):
    for worker in ended:
        assert worker.status == 2, worker.err
        assert worker.err.endswith(
            "search: All workers of a run have the same flags, data, versions and work directory.\n"
            f"  Received: workers with other {what} than this one\n"
            "  Remedy: Start the same command everywhere, with a --workdir on a shared file "
            "system.\n"
        )


def test_weights_that_differ_are_noticed_before_they_are_saved(tmp_path):
    program = (PROGRAM, "astray", "12")
    with Workers(tmp_path, 2, *LONG, program=program) as workers:
        ended = workers.wait()

    for worker in ended:
        assert worker.status == 1
        assert "AssertionError: the processes of the run hold different weights" in worker.err
        assert last_step(worker) == 15
    assert last_saved(tmp_path) == 10


@pytest.mark.parametrize("index", [0, 1])
def test_the_wait_for_a_worker_that_never_comes_has_an_end(index, tmp_path):
    program = (PROGRAM, "impatient", str(PATIENCE_SECONDS))
    ports = free_ports(2)
    with Workers(tmp_path, 2, *FIRST_ORDER, program=program, only=[index], ports=ports) as workers:
        workers.wait_until(lambda: "waiting for all" in workers.output(index))
        begin = time.monotonic()
        (ended,) = workers.wait()

    assert ended.status == 6
    assert ended.err == (
        f"search: Every worker of TF_CONFIG must start within {PATIENCE_SECONDS} seconds.\n"
        f"  Received: nothing from worker {1 - index} at localhost:{ports[1 - index]}\n"
        "  Remedy: See to it that all workers run the same command and reach each other.\n"
    )
    assert PATIENCE_SECONDS - 1 < ended.time - begin < 3 * PATIENCE_SECONDS
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, signal.SIGTERM],
)
def test_a_signal_ends_the_wait_for_the_others_at_once(number, index, tmp_path):
    with Workers(tmp_path, 2, *FIRST_ORDER, only=[index]) as workers:
        workers.wait_until(lambda: "waiting for all" in workers.output(index))
        # Which is said just before.
        time.sleep(0.5)
        workers.send(index, number)
        (ended,) = workers.wait(AT_ONCE_SECONDS)

    assert ended.status == 128 + number
    assert "Nothing was written" in ended.err


@pytest.mark.parametrize("index", [0, 1])
def test_a_port_that_is_taken_is_named(index, tmp_path):
    ports = free_ports(2)
    with (
        socket.create_server(("localhost", ports[index])),
        # The chief finds out by itself, another worker when TensorFlow starts.
        Workers(
            tmp_path, 2, *FIRST_ORDER, ports=ports, only=[0] if index == 0 else None
        ) as workers,
    ):
        ended = workers.wait()[-1]

    assert ended.status == 6
    assert str(ports[index]) in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("is_search_done", [True, False])
def test_a_worker_that_does_not_see_the_work_directory_is_noticed(
    is_search_done, episodes, tmp_path
):
    shutil.copytree(episodes["workdir"], tmp_path / "0" / "run")
    if not is_search_done:
        (tmp_path / "0" / "run" / "genotype.json").unlink()
    with Workers(tmp_path, 2, *LONG, "--resume", has_own_folders=True) as workers:
        ended = workers.wait()

    if is_search_done:
        assert_refused(ended, "work directory")
    else:
        for worker in ended:
            assert worker.status == 5, worker.err
            assert "search: All processes of a run go on from the same checkpoint." in worker.err
            assert f"Received: steps -1, {NUM_STEPS} (-1: none)" in worker.err
    assert not (tmp_path / "1" / "run").exists()
