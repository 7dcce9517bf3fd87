"""The loop: the order of steps and epochs, what it reports, saves, restores and refuses."""

import json
import math
import os
import signal
import time
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from darts_adv_tf.system import interruption
from darts_adv_tf.system.errors import CheckpointError, NonFiniteError, StorageError
from darts_adv_tf.system.interruption import Interrupted
from darts_adv_tf.training.callbacks import Callback, Warn
from darts_adv_tf.training.callbacks.progress_bar import ProgressBar
from darts_adv_tf.training.checkpoint import Checkpoints
from darts_adv_tf.training.checkpoint_store import CheckpointStore
from darts_adv_tf.training.loop import SaveInterval, TrainingLoop

LOSS = "loss/segmentation"
NORM = "gradient_norm/segmenter"


class Evaluation(Callback):
    """Measures something at the end of each epoch."""

    def __init__(self, log):
        self.log = log
        self.measure = lambda epoch: {"val/mean_iou": epoch / 8}

    def on_epoch(self, epoch, report):
        self.log.append(("epoch", epoch, report.done))
        report.metrics |= self.measure(epoch)


class Watch(Callback):
    """Warns when the loss is 3 for the first time."""

    state_name = "watch"

    def __init__(self):
        self.observed = []
        self.warnings = []

    def on_step(self, report):
        self.observed.append((report.done, dict(report.metrics)))
        if report.metrics.get(LOSS) == 3.0 and not self.warnings:
            self.warnings = [[report.done, "nobody learns"]]
            report.warnings.append(Warn("collapse/accuracy/one", "nobody learns"))

    def on_epoch(self, epoch, report):
        self.observed.append((report.done, dict(report.metrics)))

    def state(self):
        return self.warnings

    def restore(self, state):
        self.warnings = state


class Events(Callback):
    """Keeps what it is given, as TensorBoard would."""

    def __init__(self, log):
        self.log = log
        self.metrics_kept = []
        self.seconds_kept = []
        self.warnings_kept = []

    def begin(self, done, total):
        self.log.append(("begin", done))

    def on_step(self, report):
        self.metrics_kept.append((report.done, dict(report.metrics)))
        self.seconds_kept.append(report.seconds)
        self.warnings_kept += [(report.done, *warning) for warning in report.warnings]

    def flush(self):
        self.log.append("flush")

    def end(self):
        self.log.append("end")


class LoggedCheckpoints(Checkpoints):
    """Tells of each save when it is asked for."""

    def __init__(self, log, *arguments):
        super().__init__(*arguments)
        self.log = log

    def save(self, step, notes):
        self.log.append(("save", step))
        super().save(step, notes)


class Training:
    """A phase of one weight, which step k raises by k + 1; its loss is what came out.

    Attributes:
        log: Steps, ends of epochs, saves and the like in their order.
        break_in: What a step of a number reports in place of a finite norm. The weight stays, as
            `Trainer.step` sees to.
        during: What else happens in a step of a number.
    """

    def __init__(
        self, folder, epoch_ends=(3, 6), every=2, policy="stop", gather=None, versions=None
    ):
        self.log = []
        self.break_in = {}
        self.during = {}
        self.weight = keras.Variable(0.0, dtype="float32", name="weight")
        self.store = CheckpointStore(folder, num_kept=100)
        self.evaluation, self.watch = Evaluation(self.log), Watch()
        self.events = Events(self.log)
        part = SimpleNamespace(name="player", variables=[self.weight])
        self.checkpoints = LoggedCheckpoints(
            self.log, self.store, {"player": part}, {"phase": "search"}
        )
        self.loop = TrainingLoop(
            "search",
            self.step,
            epoch_ends,
            self.checkpoints,
            [self.evaluation, self.watch, self.events, ProgressBar("search", [LOSS])],
            interval=SaveInterval(every, None),
            on_nonfinite=policy,
            gather=gather,
            versions=versions,
        )

    def step(self, number):
        self.log.append(number)
        self.during.get(number, lambda: None)()
        norm = self.break_in.get(number, 0.5)
        if math.isfinite(norm):
            self.weight.assign_add(number + 1.0)
        return {LOSS: float(self.weight.numpy()), NORM: norm}

    def run(self):
        with self.checkpoints:
            self.loop.run()
        return self

    @property
    def steps_made(self):
        return [entry for entry in self.log if isinstance(entry, int)]

    def saved(self, step):
        checkpoint = self.store.read(step)
        (weight,) = checkpoint.arrays.values()
        return float(weight), checkpoint.notes


def folders_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_steps_count_from_0_and_every_epoch_ends_once(tmp_path):
    training = Training(tmp_path, every=100).run()
    assert training.log == [
        *(("begin", 0), 0, 1, 2, ("epoch", 1, 3)),
        *(3, 4, 5, ("epoch", 2, 6), "flush", ("save", 6), "end"),
    ]


def test_metrics_reach_the_callbacks_and_the_screen(tmp_path, capsys):
    training = Training(tmp_path, epoch_ends=[2]).run()
    expected = [(1, {LOSS: 1.0, NORM: 0.5}), (2, {LOSS: 3.0, NORM: 0.5})]
    assert training.events.metrics_kept == expected
    assert all(seconds >= 0 for seconds in training.events.seconds_kept)
    # What one callback measures the next ones know.
    assert training.watch.observed == [*expected, (2, {"val/mean_iou": 1 / 8})]
    out, err = capsys.readouterr()
    assert out.startswith("search: 2 steps; the first one builds the graph")
    assert "search: first step after 0.0 s\n" in out
    assert "search 2/2" in err and "segmentation=3" in err and "norm" not in err


def test_a_warning_is_shown_passed_on_and_kept(tmp_path, capsys):
    training = Training(tmp_path).run()
    assert training.events.warnings_kept == [(2, "collapse/accuracy/one", "nobody learns")]
    err = capsys.readouterr().err
    assert err.count("warning: search, step 2: nobody learns\n") == 1
    # With the step that it came in, and ever after.
    for step in (2, 4, 6):
        assert training.saved(step)[1]["watch"] == [[2, "nobody learns"]]


def test_a_state_is_saved_every_so_many_steps_and_at_the_end(tmp_path):
    training = Training(tmp_path, epoch_ends=(3, 7), every=2, versions={"numpy": "2"}).run()
    assert training.store.steps() == [2, 4, 6, 7]
    for step, weight, epoch in ((2, 3.0, 0), (4, 10.0, 1), (6, 21.0, 1), (7, 28.0, 2)):
        saved_weight, notes = training.saved(step)
        assert saved_weight == weight
        assert (notes["epoch"], notes["next_batch"], notes["steps_left_out"]) == (epoch, step, 0)
        assert notes["versions"] == {"numpy": "2"}
    # The curves are on the disk before the state that follows them.
    for step in (2, 4, 6, 7):
        assert training.log[training.log.index(("save", step)) - 1] == "flush"


class Killed(BaseException):
    """Ends a step as the end of the process would."""


def kill():
    raise Killed


def test_a_killed_run_goes_on_from_its_newest_state(tmp_path, capsys):
    whole = Training(tmp_path / "whole").run()
    killed = Training(tmp_path / "killed")
    killed.during[5] = kill
    with pytest.raises(Killed):
        killed.run()
    assert killed.store.steps() == [2, 4]
    capsys.readouterr()

    resumed = Training(tmp_path / "killed").run()
    assert resumed.log[:2] == [("begin", 4), 4] and resumed.steps_made == [4, 5]
    assert ("epoch", 1, 3) not in resumed.log and ("epoch", 2, 6) in resumed.log
    assert resumed.saved(6) == whole.saved(6)
    # The watch knows its warnings from before the end, and does not repeat them.
    assert resumed.watch.warnings == whole.watch.warnings
    out, err = capsys.readouterr()
    assert "search: restored the state after step 4\n" in out
    assert "search: 6 steps, 4 of them done; the first one" in out
    assert "nobody learns" not in err and "search 5/6" in err


def test_a_finished_phase_is_restored_and_makes_no_step(tmp_path):
    finished = Training(tmp_path).run()
    again = Training(tmp_path).run()
    assert again.log == [("begin", 6), "end"]
    assert float(again.weight.numpy()) == float(finished.weight.numpy()) == 21.0


@pytest.mark.parametrize("note", ["watch", "steps_left_out"])
def test_a_state_that_does_not_say_how_training_stood_is_refused(note, tmp_path):
    training = Training(tmp_path)
    notes = {"watch": [], "steps_left_out": 0, "next_batch": 2, "epoch": 0}
    with training.checkpoints:
        training.checkpoints.save(2, {name: notes[name] for name in notes if name != note})
        training.checkpoints.wait()
    with pytest.raises(CheckpointError, match=note) as caught:
        Training(tmp_path).run()
    assert caught.value.file == training.store.path(2)


def refuse_to_write(step, *content):
    time.sleep(0.1)
    raise StorageError("A checkpoint must be written.", received=step)


def test_a_state_that_cannot_be_written_ends_training_soon(tmp_path, monkeypatch):
    training = Training(tmp_path, epoch_ends=[100], every=10)
    monkeypatch.setattr(training.store, "write", refuse_to_write)
    # Known once the thread that writes has come to it, and not only at the next save.
    training.during = dict.fromkeys(range(10, 100), lambda: time.sleep(0.2))
    with pytest.raises(StorageError, match="Received: 10"):
        training.run()
    assert 10 <= len(training.steps_made) < 20


@pytest.fixture
def handled_signals():
    interruption.install()
    yield
    interruption.uninstall()


def sending(number):
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.usefixtures("handled_signals")
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["term", "int"]
)
def test_a_signal_finishes_the_step_saves_and_ends(number, status, tmp_path):
    training = Training(tmp_path, every=100)
    training.during[2] = sending(number)
    with pytest.raises(Interrupted) as caught:
        training.run()
    assert caught.value.exit_status == status
    # With the end of the epoch, which resuming would not make up for.
    assert training.log[-5:] == [2, ("epoch", 1, 3), "flush", ("save", 3), "end"]
    assert training.saved(3)[0] == 6.0

    interruption.uninstall()
    resumed = Training(tmp_path, every=100).run()
    assert resumed.steps_made == [3, 4, 5] and resumed.saved(6)[0] == 21.0


@pytest.mark.usefixtures("handled_signals")
def test_a_signal_in_the_last_step_leaves_the_phase_done(tmp_path):
    training = Training(tmp_path)
    training.during[5] = sending(signal.SIGTERM)
    with pytest.raises(Interrupted):
        training.run()
    assert training.log.count(("save", 6)) == 1

    interruption.uninstall()
    assert Training(tmp_path).run().steps_made == []


@pytest.mark.usefixtures("handled_signals")
@pytest.mark.parametrize("num_done", [0, 4])
def test_a_signal_in_the_first_step_ends_at_once(num_done, tmp_path):
    if num_done:
        earlier = Training(tmp_path)
        earlier.during[num_done] = kill
        with pytest.raises(Killed):
            earlier.run()
    training = Training(tmp_path)
    training.during[num_done] = sending(signal.SIGTERM)
    with pytest.raises(Interrupted):
        training.run()
    assert training.steps_made == [num_done]
    assert training.store.steps() == [2, 4][: num_done // 2]
    # The step was not even finished.
    assert float(training.weight.numpy()) == (10.0 if num_done else 0.0)


@pytest.mark.usefixtures("handled_signals")
def test_a_stop_whose_state_cannot_be_written_does_not_pass_for_a_clean_one(tmp_path, monkeypatch):
    training = Training(tmp_path, every=100)
    monkeypatch.setattr(training.store, "write", refuse_to_write)
    training.during[2] = sending(signal.SIGTERM)
    with pytest.raises(StorageError):
        training.run()
    assert training.steps_made == [0, 1, 2]


def test_a_good_state_that_cannot_be_written_is_not_told_to_be_saved(tmp_path, monkeypatch):
    training = Training(tmp_path, every=100)
    monkeypatch.setattr(training.store, "write", refuse_to_write)
    training.break_in[2] = math.nan
    with pytest.raises(StorageError):
        training.run()


AS_HERE = None


def with_another(*rows):
    """A gather of this process and another one, whose numbers are the given, then as here."""
    answers = iter(rows)

    def gather(numbers):
        numbers = [float(number) for number in numbers]
        other = next(answers, AS_HERE)
        return np.array([numbers, numbers if other is AS_HERE else other])

    return gather


# What is asked of the other: whether it has come to restore, the step that it has restored, then
# after each step its wishes, to stop and to save, and before a save its weights.
AT_START = (AS_HERE, AS_HERE)


def test_when_another_machine_is_told_to_stop_so_is_this_one(tmp_path):
    gather = with_another(*AT_START, [False, False], [True, False])
    training = Training(tmp_path, every=100, gather=gather)
    with pytest.raises(Interrupted) as caught:
        training.run()
    assert caught.value.exit_status == 143
    assert training.steps_made == [0, 1] and training.store.steps() == [2]


def test_a_state_that_is_due_on_another_machine_is_saved_here_too(tmp_path):
    gather = with_another(*AT_START, [False, False], [False, True])
    training = Training(tmp_path, every=100, gather=gather).run()
    assert training.store.steps() == [2, 6]


def test_other_weights_on_another_machine_are_never_saved(tmp_path):
    gather = with_another(*AT_START, [False, False], [False, True], [17])
    with pytest.raises(AssertionError, match="different weights"):
        Training(tmp_path, every=100, gather=gather).run()
    assert CheckpointStore(tmp_path).steps() == []


def test_machines_that_see_different_states_are_refused(tmp_path):
    Training(tmp_path).run()
    with pytest.raises(CheckpointError) as caught:
        Training(tmp_path, gather=with_another(AS_HERE, [4.0])).run()
    assert caught.value.received == "steps 4, 6 (-1: none)"
    assert "--workdir" in caught.value.remedy


def test_a_machine_without_a_state_is_not_taken_for_one_at_the_start(tmp_path):
    with pytest.raises(CheckpointError, match=r"steps -1, 0 \(-1: none\)"):
        Training(tmp_path, gather=with_another(AS_HERE, [0.0])).run()


@pytest.mark.parametrize(("now", "is_told"), [("2", False), ("3", True)])
def test_other_versions_are_told_when_a_run_goes_on(now, is_told, tmp_path, capsys):
    Training(tmp_path, versions={"numpy": "2"}).run()
    Training(tmp_path, versions={"numpy": now}).run()
    told = capsys.readouterr().err
    assert ("warning: other versions" in told) == is_told
    assert ("numpy: 2 in the checkpoint, 3 now" in told) == is_told


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("every", [4, 100])
def test_a_figure_that_is_not_finite_ends_training(value, every, tmp_path):
    """Whether or not the state before that step was due anyway."""
    training = Training(tmp_path, every=every)
    training.break_in[4] = value
    with pytest.raises(NonFiniteError) as caught:
        training.run()
    assert caught.value.received == f"{NORM}={value} in step 5 of search"
    assert "The state after step 4 is saved." in caught.value.remedy
    assert "--learning_rate" in caught.value.remedy
    assert "--resume --on_nonfinite=skip" in caught.value.remedy
    assert caught.value.exit_status == 4
    # Saved once: the good one did not make way for another.
    assert folders_in(tmp_path) == ["step-00000004"]
    weight, notes = training.saved(4)
    assert (weight, notes["steps_left_out"]) == (10.0, 0)
    # Its curves end with the last good step.
    assert training.events.metrics_kept[-1][0] == 4


def test_a_first_step_that_is_not_finite_leaves_the_state_before_it(tmp_path):
    for _ in range(2):  # Resumed as it is, it is the same again.
        training = Training(tmp_path)
        training.break_in[0] = math.nan
        with pytest.raises(NonFiniteError, match="in step 1 of search"):
            training.run()
        assert folders_in(tmp_path) == ["step-00000000"]
    resumed = Training(tmp_path, policy="skip")
    resumed.break_in[0] = math.nan
    resumed.run()
    assert resumed.steps_made == list(range(6)) and resumed.saved(6)[0] == 20.0


def test_skip_leaves_out_the_step_counts_it_and_says_so(tmp_path, capsys):
    training = Training(tmp_path, policy="skip")
    training.break_in |= {1: math.nan, 3: math.inf}
    training.run()
    assert training.saved(6)[0] == 1 + 3 + 5 + 6
    counts = [figures.get("steps_left_out") for _, figures in training.events.metrics_kept]
    assert counts == [None, 1, 1, 2, 2, 2]
    assert [training.saved(step)[1]["steps_left_out"] for step in (2, 4, 6)] == [1, 2, 2]
    err = capsys.readouterr().err
    assert f"warning: search, step 2: {NORM}=nan; the step is left out.\n" in err
    assert f"warning: search, step 4: {NORM}=inf; the step is left out.\n" in err

    training.store.set_aside(6)
    resumed = Training(tmp_path, policy="skip").run()
    assert [figures["steps_left_out"] for _, figures in resumed.events.metrics_kept] == [2, 2]


def test_rollback_goes_back_to_the_newest_state_and_on_with_the_next_batch(tmp_path, capsys):
    training = Training(tmp_path, policy="rollback")
    training.break_in[3] = math.nan
    training.run()
    # The third step, not yet saved, is gone too.
    assert training.steps_made == list(range(6))
    assert training.saved(6)[0] == (1 + 2) + (5 + 6)
    text = "the step is left out, and the state is that after step 2 again.\n"
    assert f"warning: search, step 4: {NORM}=nan; {text}" in capsys.readouterr().err


def test_rollback_has_a_state_to_go_back_to_from_the_start(tmp_path):
    training = Training(tmp_path, policy="rollback", every=100)
    training.break_in[2] = math.nan
    training.run()
    assert training.steps_made == list(range(6)) and training.saved(6)[0] == 4 + 5 + 6
    assert folders_in(tmp_path) == ["step-00000000", "step-00000006"]


def test_rollback_resumed_before_its_first_step_keeps_the_state_it_has(tmp_path):
    killed = Training(tmp_path, policy="rollback", every=100)
    killed.during[0] = kill
    with pytest.raises(Killed):
        killed.run()
    Training(tmp_path, policy="rollback", every=100).run()
    assert folders_in(tmp_path) == ["step-00000000", "step-00000006"]


@pytest.mark.parametrize("policy", ["skip", "rollback"])
def test_ten_steps_in_a_row_end_any_training(policy, tmp_path):
    training = Training(tmp_path, epoch_ends=[40], every=100, policy=policy)
    training.break_in = dict.fromkeys(range(3, 40), math.nan)
    with pytest.raises(NonFiniteError, match="Fewer than 10 steps in a row") as caught:
        training.run()
    assert "in step 13 of search" in caught.value.received
    assert training.steps_made == list(range(13))
    assert caught.value.remedy.startswith("The state after step 12 is saved.")
    weight, notes = training.saved(12)
    assert (weight, notes["steps_left_out"]) == ({"skip": 6.0, "rollback": 0.0}[policy], 9)


def test_nine_steps_in_a_row_and_nine_more_later_do_not(tmp_path):
    training = Training(tmp_path, epoch_ends=[20], every=100, policy="skip")
    training.break_in = {number: math.nan for number in range(20) if number not in (9, 19)}
    training.run()
    weight, notes = training.saved(20)
    assert (weight, notes["steps_left_out"]) == (10 + 20, 18)


def test_metrics_of_an_epoch_that_are_not_finite_leave_it_to_the_steps(tmp_path, capsys):
    def measure(epoch):
        if epoch == 1:
            raise NonFiniteError("A segmenter must be finite.", received="nan for images 0")
        return {"val/mean_iou": 0.5}

    training = Training(tmp_path)
    training.evaluation.measure = measure
    training.run()
    assert training.steps_made == list(range(6))
    assert (6, {"val/mean_iou": 0.5}) in training.watch.observed
    err = capsys.readouterr().err
    assert err.count("warning: search, step 3: there are no metrics: nan for images 0.\n") == 1


def test_an_interval_of_steps():
    interval = SaveInterval(3, None)
    assert [done for done in range(1, 10) if interval.is_due(done)] == [3, 6, 9]


def test_an_interval_of_time_counts_from_the_last_save():
    now = [100.0]
    interval = SaveInterval(None, 60.0, clock=lambda: now[0])
    now[0] = 159.9
    assert not interval.is_due(1)
    now[0] = 160.0
    assert interval.is_due(2)
    interval.restart()
    assert not interval.is_due(3)
    now[0] = 220.0
    assert interval.is_due(4)


def test_building_the_graph_makes_no_state_due(tmp_path):
    """It may take longer than the interval, and there is little to save yet."""
    now = [0.0]
    training = Training(tmp_path)
    training.loop.interval = SaveInterval(None, 60.0, clock=lambda: now[0])
    for number in range(6):
        seconds = {0: 600.0}.get(number, 25.0)
        training.during[number] = lambda seconds=seconds: now.__setitem__(0, now[0] + seconds)
    training.run()
    assert training.store.steps() == [4, 6]


def test_what_is_saved_is_json_that_says_where_training_stood(tmp_path):
    Training(tmp_path).run()
    manifest = json.loads((tmp_path / "step-00000006" / "manifest.json").read_text())
    assert manifest["phase"] == "search" and manifest["arrays"] == {
        "player/weight": ["float32", []]
    }
