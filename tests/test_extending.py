"""docs/extending.md, as a reader follows it: each section's code is saved, and its command run."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tests.command_line import REPOSITORY, TINY, TINY_SEARCH, run_command

DOCUMENT = (REPOSITORY / "docs" / "extending.md").read_text(encoding="utf-8")
SMALL = {
    "train": (*TINY, "--discriminator_channels=2", "--discriminator_cells=NR"),
    "search": (
        *TINY_SEARCH,
        "--discriminator_cells=NR",
        "--search_epochs=1",
        "--architecture_gradient=first_order",
    ),
}
"""Flags that come before those of the document, which win."""
SECOND_ORDER = "A candidate operation"
"""The section whose search is of second order, the default; it takes a minute to trace."""


def write_scans(folder: Path) -> None:
    """The files that the section on data sets speaks of."""
    (folder / "scans").mkdir()
    rng = np.random.default_rng(0)
    for patient in range(8):
        labels = np.zeros((40, 40), np.uint8)
        labels[5:30, 5 : 20 + patient] = 1
        labels[10:15, 8 : 12 + patient] = 2
        image = (80 * labels + rng.integers(0, 40, labels.shape)).astype(np.uint8)
        np.savez(folder / "scans" / f"p{patient}_0.npz", image=image, labels=labels)


FILES = {"A data set": write_scans}
"""What has to be there before a recipe, by the heading of its section."""


def sections() -> dict[str, str]:
    """The sections of the document by their headings."""
    _, *parts = re.split(r"^## (.+)\n", DOCUMENT, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def blocks(section: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


def commands(section: str) -> list[list[str]]:
    """Each command as the name of the program's command and its flags."""
    lines = "\n".join(blocks(section, "sh")).replace("\\\n", " ").splitlines()
    found = [shlex.split(line) for line in lines if line.strip()]
    for python, option, module, *_ in found:
        assert (python, option) == ("python", "-m") and module.startswith("darts_adv_tf.")
    return [[module.removeprefix("darts_adv_tf."), *flags] for _, _, module, *flags in found]


@pytest.mark.parametrize("heading", sections())
def test_the_recipe_of_a_section_leads_to_an_exported_segmenter(heading, tmp_path):
    section = sections()[heading]
    FILES.get(heading, lambda folder: None)(tmp_path)
    for code in blocks(section, "python"):
        name = re.match(r"# (\w+\.py)\n", code)
        assert name, "a block of code begins with the name of its file"
        (tmp_path / name[1]).write_text(code)
    assert commands(section)
    for number, (command, *flags) in enumerate(commands(section)):
        workdir = f"run_{number}"
        small = SMALL[command]
        if any(flag.startswith("--dataset=") for flag in flags):
            small = tuple(flag for flag in small if "phantom" not in flag)
        if heading == SECOND_ORDER:
            small = (*small, "--architecture_gradient=exact")
        ended = run_command(tmp_path, command, *small, *flags, f"--workdir={workdir}")
        assert ended.returncode == 0, ended.stderr
        assert (tmp_path / workdir / "metrics.json").exists()
        assert (tmp_path / workdir / "segmenter" / "1" / "saved_model.pb").exists()


def test_every_block_of_code_and_every_command_is_in_a_section():
    counted = sum(
        len(blocks(section, language))
        for section in sections().values()
        for language in ("python", "sh")
    )
    assert counted == DOCUMENT.count("```") / 2
