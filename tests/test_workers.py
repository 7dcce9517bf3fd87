"""A search by two workers on this machine; `tests/reliability/test_workers.py` has all the rest."""

import json

from tests.command_line import TINY
from tests.reliability.workers import Workers, assert_close

FLAGS = (
    *TINY,
    "--workdir=run",
    "--search_epochs=2",
    "--discriminator_channels=2",
    "--discriminator_cells=N",
    "--discriminator_normalization=group",
    "--architecture_gradient=first_order",
)


def test_two_workers_find_what_one_process_finds_and_the_chief_alone_writes(tmp_path):
    # Each in a folder of its own, where it would be seen what the other one writes.
    with (
        Workers(tmp_path / "two", 2, *FLAGS, has_own_folders=True) as two,
        Workers(tmp_path / "one", None, *FLAGS) as one,
    ):
        chief, other = two.finish()
        one.finish()

    found, expected = tmp_path / "two" / "0" / "run", tmp_path / "one" / "run"
    assert list((tmp_path / "two" / "1").iterdir()) == []
    names = {path.name for path in expected.iterdir()}
    assert {path.name for path in found.iterdir()} == names
    assert names >= {"config.json", "genotype.json", "metrics.json", "checkpoints", "segmenter"}
    assert_close(found, expected)
    assert json.loads((found / "config.json").read_text())["distribution"] == {
        "strategy": "multi_worker",
        "num_replicas": None,
    }
    assert "workers: 0 of 2, waiting for all" in chief.out
    assert "workers: 1 of 2, waiting for all" in other.out
    # What the run has brought is said once.
    assert "run/metrics.json" in chief.out
    assert "run/metrics.json" not in other.out
