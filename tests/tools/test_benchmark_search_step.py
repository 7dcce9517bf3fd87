"""The benchmark of a search step, on the smallest step there is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TOOL = REPOSITORY / "tools" / "benchmark_search_step.py"
TINY = (
    "--image_size=16",
    "--batch_size=1",
    "--discriminator_channels=2",
    "--segmenter_width=2",
    "--cells=N",
    "--architecture_gradient=first_order",
    "--steps=2",
    "--rounds=1",
)
TIMES = ("first_step_seconds", "step_seconds")
PARTS = ("alpha_seconds", "players_seconds", "theta_alone_seconds")
MEMORY = ("import_rss_mb", "peak_rss_mb", "peak_above_import_mb")
NODES = ("step_graph_nodes", "graph_functions", "graph_nodes")
WITHOUT_TORCH = """
import runpy, sys
sys.modules["torch"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def figures():
    process = run(TOOL, *TINY)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", [*TIMES, *PARTS, *MEMORY, *NODES])
def test_figures_are_positive(figures, name):
    assert figures["ours"][name] > 0


def test_every_step_of_every_round_is_reported(figures):
    (only_round,) = figures["ours"]["rounds"]
    assert len(only_round["step_seconds"]) == 2
    assert only_round["cores_busy_with_others"] >= 0
    assert len(figures["ours"]["split_steps"]["alpha_seconds"]) == 2


def test_functions_count_among_the_nodes(figures):
    assert figures["ours"]["graph_nodes"] > figures["ours"]["step_graph_nodes"]


def test_flags_are_told_and_no_reference(figures):
    assert figures["flags"]["image_size"] == 16
    assert figures["flags"]["architecture_gradient"] == "first_order"
    assert figures["reference"] is None
    assert figures["reference_over_ours"] == {}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--reference=contiguous"], "pip install -r tools/requirements.txt"),
        (["--cells=NX"], "One letter a cell, N or R."),
    ],
)
def test_what_cannot_run_is_refused_before_anything_is_measured(flags, expected):
    process = run("-c", WITHOUT_TORCH, TOOL, *TINY, *flags)
    assert process.returncode != 0
    assert expected in process.stdout + process.stderr
    assert "round 1" not in process.stdout


def test_a_measurement_that_fails_shows_its_own_message():
    process = run(TOOL, *TINY, "--discriminator_channels=0")
    assert process.returncode == 1
    assert "A measurement ends with its figures." in process.stderr
    assert "Traceback" in process.stderr
