"""A long search does not trace anew, and does not grow.

python -m pytest tests/reliability -m slow
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

NUM_STEPS = 2000
# By then the allocators and what is made when first used have settled.
SETTLED = 500
MAX_GROWTH = 2**20
"""Bytes in 1,000 steps."""


@pytest.mark.slow
def test_two_thousand_steps_trace_nothing_after_the_second_and_grow_by_less_than_a_mebibyte_each(
    tmp_path, record_property, capsys
):
    results = tmp_path / "results.json"
    process = subprocess.run(
        [
            *(sys.executable, "-m", "tests.reliability.endurance"),
            *(str(tmp_path / "run"), str(results), str(NUM_STEPS)),
        ],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert process.returncode == 0, process.stderr

    content = json.loads(results.read_text())
    graphs, memory = np.array(content["graphs"]), np.array(content["memory"])
    assert len(graphs) == len(memory) == NUM_STEPS
    assert graphs[0] > 10, "the count of graphs counts none"
    slope, _ = np.polyfit(np.arange(SETTLED, NUM_STEPS), memory[SETTLED:], 1)
    growth = 1000 * slope
    summary = (
        f"{NUM_STEPS} steps: {graphs[-1] - graphs[1]} graphs traced after the second, "
        f"{growth / 2**20:+.2f} MiB in 1,000 steps ({memory[SETTLED] / 2**20:.1f} MiB after "
        f"{SETTLED}, {memory[-1] / 2**20:.1f} MiB at the end)"
    )
    record_property("reliability", summary)
    with capsys.disabled():
        print(f"\nreliability: {summary}")
    assert graphs[-1] == graphs[1]
    assert growth < MAX_GROWTH
