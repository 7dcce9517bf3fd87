"""Over a thousand hostile files: each is decoded or refused, quickly, and within bounds."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NUM_PARTS = 2
MOST_SECONDS = 10.0
MOST_MIB = 1024


class Outcomes:
    """What one run of the program told.

    Attributes:
        lines: (name, what was done, outcome wanted, seconds, outcome), one a file.
        growth: MiB by which the memory grew.
    """

    def __init__(self, completed):
        told = completed.stdout
        assert completed.returncode == 0, f"status {completed.returncode} after {told[-300:]}"
        # A library that comments on a file writes to the terminal of whoever runs the program.
        assert completed.stderr == ""
        *lines, last = told.splitlines()
        self.lines = [line.split("\t") for line in lines]
        self.growth = float(last.removesuffix(" MiB"))


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    processes = []
    for part in range(NUM_PARTS):
        folder = tmp_path_factory.mktemp(f"part_{part}")
        module = "tests.data.formats.hostile_program"
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", module, str(folder), str(part), str(NUM_PARTS)],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
    completed = []
    for process in processes:
        stdout, stderr = process.communicate(timeout=300)
        completed.append(
            subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
        )
    return [Outcomes(process) for process in completed]


def all_lines(outcomes):
    return [line for part in outcomes for line in part.lines]


def test_every_file_ends_as_it_may(outcomes):
    lines = all_lines(outcomes)
    wrong = [
        line
        for line in lines
        if line[4] not in ("'decoded'", "'refused'") or line[2] not in ("any", line[4].strip("'"))
    ]
    assert wrong == []
    assert len(lines) > 1500


def test_damage_is_decoded_and_refused_in_turn(outcomes):
    """Had the files been refused all, or none, the test would say nothing."""
    damaged = [line[4] for line in all_lines(outcomes) if line[2] == "any"]
    for outcome in ("'decoded'", "'refused'"):
        assert damaged.count(outcome) > len(damaged) / 5


def test_a_damaged_checksum_is_always_found(outcomes):
    """PNG holds checksums of all that it says, so no damage passes."""
    outcomes_of_damage = [
        (what, outcome)
        for name, what, _, _, outcome in all_lines(outcomes)
        if name == "deep.png" and what != "nothing"
    ]
    assert len(outcomes_of_damage) > 40
    assert {outcome for _, outcome in outcomes_of_damage} == {"'refused'"}, outcomes_of_damage


def test_no_file_takes_long(outcomes):
    slowest = max(all_lines(outcomes), key=lambda line: float(line[3]))
    assert float(slowest[3]) < MOST_SECONDS, slowest


def test_no_file_takes_much_memory(outcomes):
    assert max(part.growth for part in outcomes) < MOST_MIB
