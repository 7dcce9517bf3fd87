"""The profile of a search step, on the smallest step there is."""

import subprocess
import sys

from tests.tools.test_benchmark_search_step import REPOSITORY, TINY

TOOL = REPOSITORY / "tools" / "profile_search_step.py"


def test_names_operations_by_their_share_of_all_seconds():
    finished = subprocess.run(
        [sys.executable, TOOL, *TINY], capture_output=True, text=True, check=False
    )

    assert finished.returncode == 0, finished.stderr[-2000:]
    header, *lines, last = finished.stdout.strip().splitlines()
    assert header.split() == ["operation", "seconds", "share", "calls"]
    rows = [line.rsplit(maxsplit=3) for line in lines]
    seconds = [float(row[1]) for row in rows]
    assert seconds == sorted(seconds, reverse=True)
    assert sum(seconds) <= float(last.split()[-1]) * 1.02
    names = {row[0] for row in rows}
    assert {"Conv2D", "BatchMatMulV2", "(the executor)"} <= names
    assert all(int(row[3]) > 0 for row in rows)
