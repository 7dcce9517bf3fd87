"""--estimate: what it measures, what it prints, and that it leaves nothing."""

import re
from types import SimpleNamespace

import pytest

from darts_adv_tf.cli import config_from_flags, help_text, is_estimate_requested
from darts_adv_tf.run import estimation
from darts_adv_tf.run.estimation import Estimate, StageEstimate, estimate_table
from darts_adv_tf.system.errors import ConfigurationError
from tests.command_line import TINY, TINY_SEARCH, CommandLine

GIBIBYTE = 2**30
ROW = re.compile(r"(search|retrain) +([\d.]+) s +([\d.]+) +(\d+) +(\d+):(\d\d)")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("estimates")


@pytest.fixture(scope="module")
def runs(folder):
    """The output of each command, which must have succeeded."""
    commands = CommandLine(folder)
    started = {
        "search": commands.start("search", *TINY_SEARCH, "--discriminator_cells=NR", "--estimate"),
        "train": commands.start("train", *TINY, "--discriminator=none", "--estimate"),
    }
    processes = {name: process.result() for name, process in started.items()}
    commands.close()
    for process in processes.values():
        assert process.returncode == 0, process.stdout + process.stderr
    return {name: process.stdout for name, process in processes.items()}


# 2 epochs of 2 training cases each of which is 1 batch, and 2 epochs of all 4 in batches of 2.
@pytest.mark.parametrize(
    ("command", "num_steps"), [("search", {"search": 2, "retrain": 4}), ("train", {"retrain": 4})]
)
def test_every_stage_has_its_positive_figures(runs, command, num_steps):
    rows = {row[0]: row[1:] for row in ROW.findall(runs[command])}
    assert {name: int(row[2]) for name, row in rows.items()} == num_steps
    for first, each, steps, minutes, seconds in rows.values():
        total = 60 * int(minutes) + int(seconds)
        assert float(first) > 0 and float(each) > 0
        assert total == pytest.approx(float(first) + (int(steps) - 1) * float(each), abs=0.6)


def test_the_peak_of_the_memory_stands_beside_what_the_machine_has(runs):
    for output in runs.values():
        peak, memory = re.search(r"peak memory: ([\d.]+) GiB of ([\d.]+) GiB", output).groups()
        # TensorFlow alone takes more than a tenth of a GiB.
        assert 0.1 < float(peak) < float(memory)


def test_only_a_search_says_that_its_genotype_is_not_known_yet(runs):
    assert "genotype of the first alpha" in runs["search"]
    assert "genotype" not in runs["train"]


def test_nothing_is_written(runs, folder):
    assert list(folder.iterdir()) == []


def test_the_whole_is_the_data_and_the_stages():
    search = StageEstimate("search", 11, 30.0, 2.0, comparison_seconds=5.0)
    retrain = StageEstimate("retrain", 101, 10.0, 0.5)
    assert (search.total_seconds, retrain.total_seconds) == (30 + 10 * 2 + 5, 10 + 100 * 0.5)
    estimate = Estimate(7.0, (search, retrain), GIBIBYTE, 4 * GIBIBYTE)
    assert estimate.total_seconds == 7 + 55 + 60
    lines = [line.split() for line in estimate_table(estimate).splitlines()]
    assert ["data", "0:07"] in lines
    assert ["search", "30.0", "s", "2.000", "11", "0:50"] in lines
    assert ["its", "comparisons", "0:05"] in lines
    assert ["whole", "run", "2:02"] in lines


@pytest.mark.parametrize(("peak", "is_warned"), [(7, False), (8, False), (8.1, True), (12, True)])
def test_a_large_share_of_the_memory_is_warned_of(peak, is_warned):
    table = estimate_table(Estimate(0.0, (), int(peak * GIBIBYTE), 10 * GIBIBYTE))
    assert ("WARNING" in table and "--batch_size" in table) == is_warned


def test_the_memory_of_gpus_is_shown_where_there_are_any():
    table = estimate_table(Estimate(0.0, (), 1, 10, gpu_peak_bytes=(GIBIBYTE, 2 * GIBIBYTE)))
    assert "GPU 0: 1.0 GiB" in table and "GPU 1: 2.0 GiB" in table


@pytest.mark.parametrize(
    ("compare_every", "num_steps", "made", "comparison_seconds"),
    [
        (0, 40, [0, 1, 2, 3], 0),
        # The plain step is then one with a comparison.
        (1, 40, [0, 1, 2, 3], 0),
        # In steps 2, 4 and so on to 38.
        (2, 40, [0, 1, 3, 2], 19 * 3),
        (10, 40, [0, 1, 2, 3, 10], 3 * 3),
        (10, 10, [0, 1, 2, 3], 0),
    ],
)
def test_the_steps_measured(compare_every, num_steps, made, comparison_seconds, monkeypatch):
    """On a clock that each step sets forward, by 3 s more where it compares."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(estimation.time, "monotonic", lambda: clock.now)
    options = []
    monkeypatch.setattr(estimation, "set_graph_optimizer", lambda *stage: options.append(stage))
    numbers = []

    def step(number):
        numbers.append(number)
        is_compared = compare_every and number % compare_every == 0
        clock.now += (50 if number == 0 else 2) + 3 * bool(is_compared)

    run = SimpleNamespace(epoch_ends=lambda stage: [num_steps // 2, num_steps])
    stage = estimation._estimate_stage("search", run, step, 90.0, compare_every)
    assert numbers == made
    assert options == [("search", num_steps)]
    first_seconds, step_seconds = 10 + 50 + 3 * bool(compare_every), 5 if compare_every == 1 else 2
    assert stage == StageEstimate(
        "search", num_steps, first_seconds, step_seconds, comparison_seconds
    )


def test_the_flag_is_the_commands_and_not_the_configurations(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    argv = ["--seed=3", "--workdir=here"]
    assert not is_estimate_requested("search", argv)
    assert not is_estimate_requested("search", [*argv, "--noestimate"])
    assert is_estimate_requested("search", [*argv, "--estimate"])
    assert config_from_flags("search", [*argv, "--estimate"]) == config_from_flags("search", argv)
    for command in ("search", "train"):
        assert re.search(r"^  --estimate\n", help_text(command), re.MULTILINE)
    with pytest.raises(ConfigurationError, match="flag of search, train"):
        config_from_flags("evaluate", ["--estimate"])
