"""Progress: rate, time left and figures, on a terminal and in a file."""

import io
import re

import pytest

from darts_adv_tf.terminal.progress import LoadingProgress, Progress, format_duration, format_rate


class Clock:
    """A clock that moves when told."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch):
    """The clock that tqdm reads."""
    clock = Clock()
    monkeypatch.setattr("tqdm.std.time", clock)
    return clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Unread:
    """A figure that costs something to read, such as a tensor still being computed."""

    def __init__(self):
        self.num_reads = 0

    def __float__(self) -> float:
        self.num_reads += 1
        return 1.0


def run_steps(clock, stream, num_steps, seconds_per_step, total, figures=None):
    with Progress("search", total, stream=stream) as progress:
        for step in range(1, num_steps + 1):
            clock.seconds += seconds_per_step
            progress.update(step, figures)


def test_a_file_gets_the_first_line_the_last_and_one_every_ten_seconds(clock):
    stream = io.StringIO()
    run_steps(clock, stream, num_steps=50, seconds_per_step=0.5, total=50)
    lines = stream.getvalue().splitlines()
    assert lines == [
        "search 1/50",
        "search 21/50  2.0 steps/s  0:14 left",
        "search 41/50  2.0 steps/s  0:04 left",
        "search 50/50  2.0 steps/s",
    ]


def test_the_rate_leaves_out_the_first_step_which_traces(clock):
    stream = io.StringIO()
    progress = Progress("search", 12, stream=stream, interval=0.0)
    clock.seconds += 90
    progress.update(1)
    clock.seconds += 3
    progress.update(2)
    assert stream.getvalue().splitlines()[-1] == "search 2/12  3.00 s/step  0:30 left"


def test_the_rate_follows_the_latest_steps(clock):
    stream = io.StringIO()
    progress = Progress("search", 1000, stream=stream, interval=0.0)
    for step in range(1, 101):
        clock.seconds += 10 if step <= 50 else 2
        progress.update(step)
    assert stream.getvalue().splitlines()[-1] == "search 100/1000  2.00 s/step  30:00 left"


def test_an_interrupted_run_shows_its_last_step_once(clock):
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), Progress("search", 50, stream=stream) as progress:
        for step in (1, 2, 3):
            clock.seconds += 1
            progress.update(step)
        raise KeyboardInterrupt
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == ["1/50", "3/50"]


def test_a_resumed_run_counts_from_where_it_was(clock):
    stream = io.StringIO()
    progress = Progress("train", 20, start=10, stream=stream, interval=0.0)
    assert progress.step == 10
    for step in (11, 12):
        clock.seconds += 2
        progress.update(step)
    assert stream.getvalue().splitlines()[-1] == "train 12/20  2.00 s/step  0:16 left"


def test_figures_stand_beside_with_four_digits(clock):
    stream = io.StringIO()
    figures = {"segmentation_loss": 0.123456, "accuracy": 1, "entropy": 12345.6}
    run_steps(clock, stream, num_steps=1, seconds_per_step=1, total=2, figures=figures)
    expected = "search 1/2  segmentation_loss=0.1235 accuracy=1 entropy=1.235e+04\n"
    assert stream.getvalue() == expected


def test_figures_are_read_only_for_the_lines_that_show_them(clock):
    figure = Unread()
    run_steps(clock, io.StringIO(), 50, seconds_per_step=0.5, total=50, figures={"loss": figure})
    assert figure.num_reads == 4


def test_a_terminal_redraws_one_line(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    figures = {"segmentation_loss": 0.5, "discriminator_loss": 0.25}
    run_steps(clock, stream, num_steps=10, seconds_per_step=0.5, total=20, figures=figures)
    text = stream.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n")
    drawings = text.rstrip("\n").split("\r")[1:]
    assert len(drawings) == 10
    assert all(len(drawing) < 60 for drawing in drawings)
    assert drawings[-1].startswith("search [##########..........] 10/20  2.0 steps/s  0:05 left")


def test_a_terminal_is_redrawn_at_most_ten_times_a_second(clock):
    stream = Terminal()
    run_steps(clock, stream, num_steps=1000, seconds_per_step=0.001, total=1000)
    assert 10 <= stream.getvalue().count("\r") <= 12
    assert re.search(r"\[#{20}\] 1000/1000", stream.getvalue())


def note_between_two_steps(clock, stream):
    with Progress("search", 2, stream=stream) as progress:
        progress.update(1)
        progress.note("warning: look at this")
        clock.seconds += 0.5
        progress.update(2)


def test_a_note_is_a_line_of_its_own_in_a_file(clock):
    stream = io.StringIO()
    note_between_two_steps(clock, stream)
    assert stream.getvalue().splitlines() == [
        "search 1/2",
        "warning: look at this",
        "search 2/2  2.0 steps/s",
    ]


def test_a_note_takes_the_place_of_the_bar_which_follows_below_it(clock):
    stream = Terminal()
    note_between_two_steps(clock, stream)
    first, second, end = stream.getvalue().split("\n")
    *_, erased, text = first.split("\r")
    assert text == "warning: look at this" and erased.isspace()
    assert second.split("\r")[-1].startswith("search [####") and "2/2" in second and end == ""


def test_work_goes_on_where_its_reader_is_gone(clock):
    for stream in (io.StringIO(), Terminal()):
        stream.write = raise_broken_pipe
        note_between_two_steps(clock, stream)


def raise_broken_pipe(text):
    raise BrokenPipeError


def test_what_is_counted_has_its_unit(clock):
    stream = io.StringIO()
    progress = Progress("data", 3, unit="image", interval=0.0, stream=stream)
    for step, seconds in ((1, 9), (2, 0.25), (3, 4)):
        clock.seconds += seconds
        progress.update(step)
    lines = stream.getvalue().splitlines()
    assert lines[1] == "data 2/3  4.0 images/s  0:00 left"
    assert lines[2].endswith(" s/image")


def test_nothing_done_writes_nothing():
    for stream in (io.StringIO(), Terminal()):
        with Progress("search", 10, stream=stream):
            pass
        assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3599.9, "1:00:00"), (36_000, "10:00:00")],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.004, "250.0 steps/s"), (0.5, "2.0 steps/s"), (87.25, "87.25 s/step")]
)
def test_rates(seconds, text):
    assert format_rate(seconds) == text


def test_loading_learns_its_total_as_it_goes(capsys):
    with LoadingProgress("data") as progress:
        for done in (1, 2):
            progress(done, 2)
    assert [line.split("  ")[0] for line in capsys.readouterr().err.splitlines()] == [
        "data 1/2",
        "data 2/2",
    ]
