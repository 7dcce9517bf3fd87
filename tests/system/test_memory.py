"""The memory of the machine, or of the container that holds the process."""

import os

import numpy as np
import pytest

from darts_adv_tf.system import memory
from darts_adv_tf.system.memory import memory_bytes, peak_memory_bytes

GIBIBYTE = 2**30


QUARTER = f"{GIBIBYTE // 4}\n"
UNLIMITED = f"{2**63 - 4096}\n"


@pytest.mark.parametrize(
    ("groups", "limits", "expected"),
    [
        pytest.param("0::/\n", {"memory.max": QUARTER}, GIBIBYTE // 4, id="container, version 2"),
        pytest.param("0::/\n", {"memory.max": "max\n"}, None, id="no limit, version 2"),
        pytest.param("0::/\n", {}, None, id="the machine itself"),
        pytest.param(
            "0::/slurm/job_7/step_0\n",
            {"slurm/job_7/memory.max": QUARTER, "slurm/job_7/step_0/memory.max": "max\n"},
            GIBIBYTE // 4,
            id="batch system, a group above",
        ),
        pytest.param(
            "0::/system.slice/docker-0123.scope\n",
            {"memory.max": QUARTER},
            GIBIBYTE // 4,
            id="container that is told of a group of its host",
        ),
        pytest.param(
            "5:cpu,cpuacct:/\n4:memory:/user/1\n0::/\n",
            {
                "memory/memory.limit_in_bytes": UNLIMITED,
                "memory/user/1/memory.limit_in_bytes": QUARTER,
            },
            GIBIBYTE // 4,
            id="version 1",
        ),
        pytest.param(
            "4:memory:/\n", {"memory/memory.limit_in_bytes": UNLIMITED}, None, id="no limit, 1"
        ),
        pytest.param("5:cpu:/a\n", {"a/memory.max": QUARTER}, None, id="of another controller"),
        pytest.param(None, {"memory.max": QUARTER}, None, id="no control groups"),
    ],
)
def test_a_process_may_be_held_to_less_than_the_machine_has(
    tmp_path, monkeypatch, groups, limits, expected
):
    monkeypatch.setattr(memory, "_GROUPS_FILE", tmp_path / "cgroup")
    monkeypatch.setattr(memory, "_GROUPS_FOLDER", tmp_path / "groups")
    everything = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if groups is not None:
        (tmp_path / "cgroup").write_text(groups)
    for name, limit in limits.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(limit)
    assert memory_bytes() == (everything if expected is None else expected)


def test_the_peak_outlasts_what_was_given_back():
    size = 2**28
    held = np.ones(size // 8)
    del held
    # Linux counts with an error of some pages a thread.
    assert peak_memory_bytes() > size - 2**24
