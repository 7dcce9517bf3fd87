"""The picture and the figures of docs/phantom.md, small."""

import subprocess
import sys

import cv2
import numpy as np

from tests.tools.test_benchmark_search_step import REPOSITORY


def run(tool: str, *arguments: str) -> str:
    command = [sys.executable, REPOSITORY / "tools" / tool, *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr[-2000:]
    return finished.stdout


def test_the_page_shows_both_domains_and_labels(tmp_path):
    path = tmp_path / "page.png"
    run("draw_phantom_page.py", f"--output={path}", "--side=64")
    page = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert page.shape == (2 * (26 + 2 * 64), 6 * 64, 3)
    for top in (26, 26 + 154):
        rows = page[top : top + 128].astype(int)
        colourful = np.ptp(rows, axis=2) > 60
        assert not colourful[:, : 4 * 64].any() and colourful[:, 4 * 64 :].mean() > 0.02
    assert (page[26 : 26 + 128] != page[180 : 180 + 128]).mean() > 0.5


def test_the_figures_are_told_for_both_domains():
    told = run("measure_phantom.py", "--seeds=1", "--image_size=32")
    uniform, mixed = told.split("phantom, ")[1:]
    for domain, lines in (("uniform", uniform), ("mixed", mixed)):
        heading, *figures = lines.strip().splitlines()
        assert heading.startswith(domain) and "ms" in heading
        values = {line.split()[0]: float(line.split()[1]) for line in figures}
        assert 0.5 < values["mean_shape"] < 0.7
        assert (
            values["intensity"] < values["lungs_by_intensity"] + 0.05 < values["mean_shape"] + 0.1
        )
        assert abs(values["shares"] - 0.67) < 0.05
