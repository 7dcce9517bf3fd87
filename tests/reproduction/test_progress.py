"""The lines that tell how far a matrix is, and the time that is left."""

import io

import pytest

from darts_adv_tf.config.reproduce import ReproduceConfig
from darts_adv_tf.reproduction.matrix import plan
from darts_adv_tf.reproduction.progress import MatrixProgress, durations, expected_seconds
from darts_adv_tf.reproduction.record import MatrixRecord, RunState


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def record(tmp_path):
    """Two seeds of two arms, of which the first took 60 and 120 seconds."""
    config = ReproduceConfig(
        arms="none,resnet10", backbones="unet", seeds="0,1", workdir=str(tmp_path)
    )
    record = MatrixRecord(tmp_path, config.base)
    record.add(plan(config))
    record.states["unet/seed_0/none"] = RunState("done", 0, 60.0, 1)
    record.states["unet/seed_0/resnet10"] = RunState("done", 0, 120.0, 2)
    return record


def make_progress(record, capacity=1, stream=None):
    now = [1000.0]
    stream = io.StringIO() if stream is None else stream
    progress = MatrixProgress(record, record.runs, capacity, stream=stream, clock=lambda: now[0])
    return progress, stream, now


def test_the_line_counts_the_runs_and_the_time(record):
    progress, _, now = make_progress(record)
    now[0] += 62
    assert progress.line() == ("2 done, 0 failed, 0 running, 2 to go  1:02 gone  about 3:00 left")


def test_time_already_spent_is_not_left(record):
    progress, _, now = make_progress(record)
    record.states["unet/seed_1/none"].state = "running"
    progress.begin("unet/seed_1/none")
    now[0] += 20
    assert progress.line().endswith("1 running, 1 to go  0:20 gone  about 2:40 left")
    # Of an attempt before, too; and never less than nothing.
    record.states["unet/seed_1/resnet10"].seconds = 50.0
    assert progress.line().endswith("about 1:50 left")
    now[0] += 1000
    assert progress.line().endswith("about 1:10 left")


def test_runs_at_a_time_share_the_time_but_none_is_faster_than_alone(record):
    progress, _, _ = make_progress(record, capacity=2)
    assert progress.line().endswith("about 2:00 left")


def test_without_a_finished_run_no_time_is_told(record):
    for state in record.states.values():
        state.state = "planned"
    progress, _, _ = make_progress(record)
    assert progress.line() == "0 done, 0 failed, 0 running, 4 to go  0:00 gone"


def test_at_the_end_none_is_left(record):
    for state in record.states.values():
        state.state = "failed"
    progress, _, _ = make_progress(record)
    assert progress.line() == "0 done, 4 failed, 0 running, 0 to go  0:00 gone"


def test_a_run_that_was_found_says_nothing_of_its_time(record):
    record.states["unet/seed_1/none"] = RunState("done", 0, 0.0, 0)
    assert durations(record) == {("unet", "none"): 60.0, ("unet", "resnet10"): 120.0}
    record.states["unet/seed_1/none"] = RunState("done", 0, 80.0, 1)
    assert durations(record)["unet", "none"] == 70.0


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        # Its own.
        ({("fcn32s", "resnet10"): 7.0, ("unet", "resnet10"): 9.0}, 7.0),
        # The arm took 9 with U-Net, and FCN-32s takes 2 / 6 as long where both were measured.
        ({("unet", "resnet10"): 9.0, ("unet", "none"): 6.0, ("fcn32s", "none"): 2.0}, 3.0),
        # Nothing of its backbone.
        ({("unet", "resnet10"): 9.0, ("unet", "none"): 6.0}, 9.0),
        # Nothing of its arm.
        ({("fcn32s", "none"): 2.0, ("fcn32s", "nas"): 4.0, ("unet", "none"): 90.0}, 3.0),
        ({("unet", "none"): 6.0, ("unet", "nas"): 8.0}, 7.0),
        # Its arm and its backbone, but never together with another.
        ({("fcn32s", "none"): 2.0, ("unet", "resnet10"): 9.0}, 2.0),
    ],
)
def test_an_unknown_run_takes_as_long_as_similar_ones(known, expected):
    (run,) = plan(ReproduceConfig(arms="resnet10", backbones="fcn32s", seeds="0", workdir="m"))
    assert expected_seconds(run, known) == pytest.approx(expected)


def test_in_a_file_each_run_has_its_lines(record):
    progress, stream, _ = make_progress(record)
    record.states["unet/seed_1/none"] = RunState("running", attempts=1)
    progress.begin("unet/seed_1/none")
    progress.draw()
    record.states["unet/seed_1/none"].state = "failed"
    progress.end("unet/seed_1/none", "failed")
    record.states["unet/seed_1/none"].attempts = 2
    progress.begin("unet/seed_1/none")
    progress.close()
    assert stream.getvalue() == (
        "unet/seed_1/none: started\n"
        "unet/seed_1/none: failed\n"
        "2 done, 1 failed, 0 running, 1 to go  0:00 gone  about 2:00 left\n"
        "unet/seed_1/none: started again\n"
    )


def test_on_a_terminal_a_line_is_redrawn_below_the_others(record, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    progress, stream, now = make_progress(record, stream=Terminal())
    progress.draw()
    progress.draw()
    assert stream.getvalue() == "\r2 done, 0 failed, 0 running, \x1b[K"
    progress.note("told")
    now[0] += 0.1
    progress.draw()
    assert stream.getvalue().endswith("\x1b[K\r\x1b[Ktold\n\r2 done, 0 failed, 0 running, \x1b[K")
