"""The memory of the machine, or of the container that holds the process."""

import numpy as np

from darts_adv_tf.system import memory
from darts_adv_tf.system.memory import memory_bytes, peak_memory_bytes

GIBIBYTE = 2**30


def test_a_process_may_be_held_to_less_than_the_machine_has(tmp_path, monkeypatch):
    everything = memory_bytes()
    (tmp_path / "version_2").write_text("max\n")
    (tmp_path / "version_1").write_text(f"{GIBIBYTE // 4}\n")
    paths = [tmp_path / name for name in ("version_2", "absent")]
    monkeypatch.setattr(memory, "_LIMIT_FILES", paths)
    assert memory_bytes() >= everything
    monkeypatch.setattr(memory, "_LIMIT_FILES", [*paths, tmp_path / "version_1"])
    assert memory_bytes() == GIBIBYTE // 4


def test_the_peak_outlasts_what_was_given_back():
    size = 2**28
    held = np.ones(size // 8)
    del held
    # Linux counts with an error of some pages a thread.
    assert peak_memory_bytes() > size - 2**24
