"""The measurement of the loader, on the smallest training there is."""

import subprocess
import sys

from tests.tools.test_benchmark_search_step import REPOSITORY


def test_says_how_long_training_waits_for_its_batches():
    tool = REPOSITORY / "tools" / "measure_loader.py"
    tiny = ["--image_size=32", "--cases=6", "--batch_size=2", "--segmenter_width=2", "--steps=3"]
    finished = subprocess.run(
        [sys.executable, tool, *tiny],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-2000:]
    lines = dict(line.rsplit("  ", 1) for line in finished.stdout.strip().splitlines())
    names = [name.strip() for name in lines]
    assert names == [
        "making a batch, alone",
        "a step",
        "waiting for its batch",
        "share of waiting",
        "reading from files",
    ]
    assert all(float(text.strip().rstrip("%").split()[0]) >= 0 for text in lines.values())
