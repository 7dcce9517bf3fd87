"""Runs that are stopped, killed or damaged and go on, as real commands: nothing differs after all.

On one device and on two replicas one run is never stopped; every other ends as it did, bit for bit.
"""

import csv
import json
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.training.checkpoint import folder_of
from darts_adv_tf.training.checkpoint_store import CheckpointStore
from tests.command_line import TINY, TINY_SEARCH, CommandLine, RunningCommand, run_command
from tests.events import read_events

# Long enough to be met in the middle of each phase, with warnings and figures on the way.
TRAINING = (
    *("--discriminator_cells=N", "--retrain_epochs=60"),
    *("--checkpoint_every=16", "--plot_every=20", "--collapse_window=8"),
)
SEARCH = (*TINY_SEARCH, "--architecture_gradient=first_order", "--search_epochs=40", *TRAINING)
TRAIN = (*TINY, "--discriminator_channels=2", *TRAINING)
WILD = (*TINY, "--discriminator=none", "--learning_rate=1e30")
NUM_STEPS = {"search": 40, "retrain": 120}
# The only figure that differs from run to run.
PACE = "seconds/step"

OF_THE_EVALUATION = ("metrics.json", "per_case.csv", "overlays.png", "segmenter")
OF_THE_GENOTYPE = ("genotype.json", "genotype_normal.png")
# Every run that was resumed, and the one that it has to equal.
RESUMED = {
    "stopped": "reference",
    "replicas_stopped": "replicas",
    "derived": "reference",
    "damaged": "reference",
}


def stop(folder, flags, number, mark):
    """Sends a command a signal once it has written `mark`; returns how it ended."""
    with RunningCommand(folder, *flags) as running:
        running.wait_for(mark)
        running.process.send_signal(number)
        return running.end()


def stop_in(folder, flags, number, workdir, phase):
    """Sends a command a signal once it has saved a state of a phase, in the midst of it."""
    with RunningCommand(folder, *flags) as running:
        wait_for_a_checkpoint(running, folder / workdir, phase)
        running.process.send_signal(number)
        return running.end()


def wait_for_a_checkpoint(running, workdir, phase):
    store = CheckpointStore(folder_of(workdir, phase))
    before = store.steps()
    running.wait_until(lambda: store.steps() != before)


def resume(folder, name, *flags):
    return run_command(folder, "search", "--resume", f"--workdir={name}", *flags)


def stop_again_and_again(folder):
    """A run that is stopped before step one, in the search, killed and stopped in retraining."""
    name = "stopped"
    begin = ("search", *SEARCH, f"--workdir={name}")
    again = ("search", "--resume", f"--workdir={name}")
    ends = {"before step one": stop(folder, begin, signal.SIGTERM, "builds the graph")}
    with RunningCommand(folder, *again) as running:
        wait_for_a_checkpoint(running, folder / name, "search")
        # It stands still and has the work directory, however long the others take.
        running.process.send_signal(signal.SIGSTOP)
        ends["second process"] = resume(folder, name)
        ends["begun anew"] = run_command(folder, *begin)
        running.process.send_signal(signal.SIGTERM)
        running.process.send_signal(signal.SIGCONT)
        ends["in the search"] = running.end()
    ends["killed"] = stop_in(folder, again, signal.SIGKILL, name, "retrain")
    ends["in retraining"] = stop_in(folder, again, signal.SIGINT, name, "retrain")
    ends["to the end"] = resume(folder, name)
    return ends


def stop_on_replicas(folder):
    name = "replicas_stopped"
    begin = ("search", *SEARCH, "--num_replicas=2", f"--workdir={name}")
    again = ("search", "--resume", f"--workdir={name}")
    return {
        "in the search": stop_in(folder, begin, signal.SIGTERM, name, "search"),
        "in retraining": stop_in(folder, again, signal.SIGINT, name, "retrain"),
        "to the end": resume(folder, name),
    }


def stop_a_training(folder):
    """`train` with a genotype whose file is gone when the run is resumed."""
    shutil.copy(folder / "reference" / "genotype.json", folder / "genotype.json")
    begin = ("train", *TRAIN, "--genotype=genotype.json", "--workdir=train")
    stopped = stop_in(folder, begin, signal.SIGTERM, "train", "retrain")
    (folder / "genotype.json").unlink()
    return stopped, run_command(folder, "train", "--resume", "--workdir=train")


def resume_without(folder, name, spoil, *flags):
    """Resumes a copy of the reference of which something was taken or damaged."""
    shutil.copytree(folder / "reference", folder / name)
    spoil(folder / name)
    return resume(folder, name, *flags)


def remove(workdir, *names):
    for name in names:
        path = workdir / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def remove_results(workdir):
    """As if the run had been killed at the end of the search, with retraining to go on from."""
    remove(workdir, *OF_THE_EVALUATION, *OF_THE_GENOTYPE)


def damage_and_remove_results(workdir):
    remove_results(workdir)
    for phase in NUM_STEPS:
        store = CheckpointStore(folder_of(workdir, phase))
        path = store.path(store.steps()[-1]) / "state.npz"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def leave_out_wild_steps(folder):
    """A training whose first step makes weights that no second one survives."""
    flags = (*WILD, "--retrain_epochs=30", "--workdir=wild")
    return run_command(folder, "train", *flags), run_command(
        folder, "train", "--resume", "--on_nonfinite=skip", "--workdir=wild"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("resume")


@pytest.fixture(scope="module")
def runs(folder):
    """How all of them ended, by name; two at a time, the longest first."""
    commands = CommandLine(folder)
    started = {
        "stopped": commands.call(stop_again_and_again, folder),
        "reference": commands.start("search", *SEARCH, "--workdir=reference"),
        "replicas_stopped": commands.call(stop_on_replicas, folder),
        "replicas": commands.start("search", *SEARCH, "--num_replicas=2", "--workdir=replicas"),
    }
    changed = ("--checkpoint_every=7", "--keep_checkpoints=2", "--search_epochs=40")
    for name, spoil, flags in (
        ("damaged", damage_and_remove_results, ()),
        ("derived", remove_results, changed),
    ):
        started[name] = commands.start_after(
            started["reference"],
            lambda arguments=(folder, name, spoil, *flags): resume_without(*arguments),
        )
    started["train"] = commands.start_after(started["reference"], lambda: stop_a_training(folder))
    started["wild"] = commands.call(leave_out_wild_steps, folder)
    rollback = ("--on_nonfinite=rollback", "--retrain_epochs=3", "--workdir=rollback")
    started["rollback"] = commands.start("train", *WILD, *rollback)
    loading = ("search", *SEARCH, "--phantom_cases=4000", "--workdir=loading")
    started["loading"] = commands.call(stop, folder, loading, signal.SIGTERM, "data 1/4000")
    started["no run"] = commands.call(resume, folder, "nowhere")
    other = ("--learning_rate=0.5", "--seed=0", "--batch_size=4")
    started["other flags"] = commands.start_after(
        started["reference"], lambda: resume(folder, "reference", *other)
    )
    yield started
    commands.close()


def assert_done(process):
    assert process.returncode == 0, process.stdout + process.stderr
    return process


@pytest.fixture(scope="module")
def ended(runs):
    """Waits for a run by name, which must have come to its end; returns its last process."""

    def wait(name):
        result = runs[name].result()
        return assert_done(result["to the end"] if isinstance(result, dict) else result)

    return wait


@pytest.fixture(scope="module")
def pair(folder, ended):
    """Waits for a resumed run and the one that was never stopped; returns their folders."""

    def wait(name):
        names = (name, RESUMED[name])
        for each in names:
            ended(each)
        return [folder / each for each in names]

    return wait


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def newest_checkpoint(workdir, phase):
    store = CheckpointStore(folder_of(workdir, phase))
    return store.read(store.steps()[-1])


def largest_weight(checkpoint):
    arrays = checkpoint.arrays.items()
    return max(np.abs(array).max() for name, array in arrays if name.startswith("segmenter/"))


def assert_same_arrays(received, expected):
    assert set(received) == set(expected) and len(expected) > 5
    for name, array in expected.items():
        assert received[name].dtype == array.dtype and received[name].shape == array.shape
        assert received[name].tobytes() == array.tobytes(), name


def variables_of_the_export(workdir):
    reader = tf.train.load_checkpoint(str(workdir / "segmenter" / "1" / "variables" / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if not name.startswith("_")]
    return {name: reader.get_tensor(name) for name in names}


def assert_refused(process, status, *parts):
    assert process.returncode == status, process.stdout + process.stderr
    assert "Traceback" not in process.stderr
    for part in parts:
        assert part in process.stderr


@pytest.mark.parametrize("phase", NUM_STEPS)
@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_run_ends_with_the_state_of_one_never_stopped(name, phase, pair):
    """All weights, alpha and optimizers, and of what the watch has warned."""
    received, expected = (newest_checkpoint(workdir, phase) for workdir in pair(name))
    assert received.step == expected.step == NUM_STEPS[phase]
    assert received.notes == expected.notes
    assert_same_arrays(received.arrays, expected.arrays)


@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_run_ends_with_the_results_of_one_never_stopped(name, pair):
    workdir, expected = pair(name)
    files = {path.name for path in expected.iterdir()}
    assert {path.name for path in workdir.iterdir()} == files
    for file in (*OF_THE_GENOTYPE, *OF_THE_EVALUATION[:-1], "cases.csv"):
        assert (workdir / file).read_bytes() == (expected / file).read_bytes(), file
    assert_same_arrays(variables_of_the_export(workdir), variables_of_the_export(expected))


@pytest.mark.parametrize("phase", NUM_STEPS)
@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_run_shows_the_curves_of_one_never_stopped(name, phase, pair):
    received, expected = (read_events(path / "tensorboard" / phase) for path in pair(name))
    assert set(received) == set(expected)
    # Warnings, pictures and curves.
    assert {"accuracy", "val" if phase == "search" else "train", "loss"} < {
        tag.split("/")[0] for tag in expected
    }
    every_step = list(range(1, NUM_STEPS[phase] + 1))
    assert [step for step, _ in received[PACE]] == every_step
    assert [step for step, _ in expected["loss/segmentation"]] == every_step
    for tag in set(expected) - {PACE}:
        points, others = (
            [(step, value.tolist()) for step, value in events[tag]]
            for events in (received, expected)
        )
        assert points == others, tag


@pytest.mark.parametrize("name", RESUMED)
def test_tables_of_a_resumed_run_have_every_epoch_once(name, pair):
    workdir, expected = pair(name)
    for phase, num_epochs in (("search", 40), ("retrain", 60)):
        received, others = (read_csv(path / f"epochs_{phase}.csv") for path in (workdir, expected))
        assert [int(row["epoch"]) for row in received] == list(range(1, num_epochs + 1))
        assert [set(row) for row in received] == [set(row) for row in others]
        if phase == "search":
            # Epochs of one step, of which none is made in part.
            for row in (*received, *others):
                assert float(row.pop("seconds")) > 0
            assert received == others
    assert (workdir / "alpha.csv").read_bytes() == (expected / "alpha.csv").read_bytes()


@pytest.mark.parametrize("name", RESUMED)
def test_a_resumed_run_closes_as_one_never_stopped(name, ended):
    """With the same table, and the warnings of both phases."""
    received, expected = (
        ended(each).stdout.replace(f"{each}/", "it/") for each in (name, RESUMED[name])
    )
    table = expected[expected.index("4 test cases") :]
    assert "\nwarning: " in table
    # Columns follow the length of the folder's name.
    assert received[received.index("4 test cases") :].split() == table.split()


def test_a_signal_before_step_one_ends_at_once_and_says_how_to_go_on(runs):
    process = runs["stopped"].result()["before step one"]
    assert process.returncode == 143
    assert "first step" not in process.stdout
    remedy = "Resume with: python -m darts_adv_tf.search --resume --workdir=stopped\n"
    assert process.stderr.endswith(f"\nsearch: stopped by SIGTERM. {remedy}")
    # Nothing had to be saved, and what follows begins the search.
    assert "finishing the step" not in process.stderr
    assert "restored" not in runs["stopped"].result()["in the search"].stdout


def test_a_signal_before_anything_is_written_leaves_nothing(runs, folder):
    process = runs["loading"].result()
    assert process.returncode == 143 and "Nothing was written.\n" in process.stderr
    assert not (folder / "loading").exists()


@pytest.mark.parametrize("name", ["stopped", "replicas_stopped"])
@pytest.mark.parametrize(
    ("when", "sent", "status"),
    [("in the search", "SIGTERM", 143), ("in retraining", "SIGINT", 130)],
)
def test_a_signal_in_a_phase_finishes_the_step_and_saves(name, when, sent, status, runs):
    process = runs[name].result()[when]
    assert process.returncode == status, process.stderr
    assert f"{sent}: finishing the step in progress, then saving" in process.stderr
    remedy = f"Resume with: python -m darts_adv_tf.search --resume --workdir={name}\n"
    assert process.stderr.endswith(f"\nsearch: stopped by {sent}. {remedy}")
    assert "Traceback" not in process.stderr


def test_each_start_goes_on_where_the_one_before_was_stopped(runs, ended):
    results = runs["stopped"].result()
    assert results["killed"].returncode == -signal.SIGKILL
    assert "search: restored the state after step" in results["killed"].stdout
    assert "retrain: restored the state after step" in results["in retraining"].stdout
    in_retraining = runs["replicas_stopped"].result()["in retraining"]
    assert "search: restored the state after step" in in_retraining.stdout
    for name in ("stopped", "replicas_stopped"):
        last = ended(name).stdout
        assert f"search: done before, see {name}/genotype.json" in last
        assert "retrain: restored the state after step" in last


def test_one_process_at_a_time_works_in_a_folder(runs):
    process = runs["stopped"].result()["second process"]
    received = "Received: --workdir=stopped, in use by process "
    assert_refused(process, 2, "used by one process at a time", received)


def test_a_run_is_not_overwritten(runs):
    process = runs["stopped"].result()["begun anew"]
    assert_refused(process, 2, "--workdir=stopped, a folder that holds a run", "with --resume")


def test_other_flags_are_refused_by_name(runs):
    process = runs["other flags"].result()
    received = "Received: --batch_size=4, started with 2; --learning_rate=0.5, started with 0.001\n"
    assert_refused(process, 2, received)


def test_where_no_run_is_none_is_resumed(runs, folder):
    assert_refused(runs["no run"].result(), 2, "--workdir=nowhere, which holds none")
    assert not (folder / "nowhere").exists()


@pytest.mark.parametrize(("phase", "restored"), [("search", 32), ("retrain", 112)])
def test_a_damaged_checkpoint_is_told_and_the_one_before_serves(phase, restored, ended, folder):
    process = ended("damaged")
    last = f"damaged/checkpoints/{phase}/step-{NUM_STEPS[phase]:08d}"
    assert process.stderr.count("warning: a damaged checkpoint is passed over.") == len(NUM_STEPS)
    assert f"  File: {last}\n" in process.stderr
    assert f"{phase}: restored the state after step {restored}\n" in process.stdout
    assert (folder / f"{last}.damaged").is_dir()


def test_what_results_do_not_follow_from_may_change(ended, folder):
    assert "retrain: restored the state after step 120\n" in ended("derived").stdout
    reliability = json.loads((folder / "derived" / "config.json").read_text())["reliability"]
    assert (reliability["checkpoint_every"], reliability["keep_checkpoints"]) == ("7", 2)


def test_a_training_is_resumed_without_the_file_of_its_genotype(runs, ended, folder):
    ended("reference")
    stopped, resumed = runs["train"].result()
    assert stopped.returncode == 143
    assert "darts_adv_tf.train --resume --workdir=train" in stopped.stderr
    assert_done(resumed)
    # Retraining is the same, whichever command it is of.
    received, expected = (
        newest_checkpoint(folder / name, "retrain").arrays for name in ("train", "reference")
    )
    assert_same_arrays(received, expected)
    names = (folder / name / "metrics.json" for name in ("train", "reference"))
    assert len({path.read_bytes() for path in names}) == 1


def test_a_step_that_is_not_finite_ends_with_4_and_the_last_good_state(runs, folder):
    stopped, left_out = runs["wild"].result()
    assert_refused(stopped, 4, "in step 2 of retrain\n", "The state after step 1 is saved.")
    # Nine steps were left out, and the tenth ends it.
    assert "retrain: restored the state after step 1\n" in left_out.stdout
    assert left_out.stderr.count("; the step is left out.\n") == 9
    assert_refused(left_out, 4, "in step 11 of retrain\n", "The state after step 10 is saved.")
    # The figures that fall into it are no reason to end it.
    assert "warning: retrain, step 10: there are no metrics: " in left_out.stderr
    store = CheckpointStore(folder_of(folder / "wild", "retrain"))
    first, last = (store.read(step) for step in store.steps())
    assert (first.step, last.step, last.notes["steps_left_out"]) == (1, 10, 9)
    assert_same_arrays(last.arrays, first.arrays)
    assert all(np.isfinite(array).all() for array in first.arrays.values())
    assert largest_weight(first) > 1e29


def test_rollback_goes_back_to_the_last_checkpoint_and_on(ended, folder):
    process = ended("rollback")
    # From the initial weights, every other step makes new wild ones.
    text = "the step is left out, and the state is that after step 0 again.\n"
    assert process.stderr.count(text) == 3
    assert largest_weight(newest_checkpoint(folder / "rollback", "retrain")) < 1e3
    assert json.loads((folder / "rollback" / "metrics.json").read_text())["num_cases"] == 4
