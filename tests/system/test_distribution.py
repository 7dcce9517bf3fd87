"""What the processes of a run tell each other; several processes: `test_workers.py`."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from darts_adv_tf.system.devices import make_gather

# Checksums are numbers below 2^32, and all integers to 2^53 are doubles; float32 holds neither.
VALUES = [1.0, -0.25, 2**32 - 1, 2**53 - 1, 0.1]
ON_TWO_LOGICAL_CPUS = """
import tensorflow as tf
from darts_adv_tf.system.devices import make_gather
from tests.system.test_distribution import VALUES, assert_rows

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
gather = make_gather(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))
assert_rows(gather, 2)
"""


def assert_rows(gather, num_replicas: int):
    # Again, with others, and with another number of them.
    for values in (VALUES, VALUES[::-1], [True, False]):
        rows = gather(values)
        assert isinstance(rows, np.ndarray)
        assert rows.dtype == np.float64
        assert rows.tolist() == [[float(value) for value in values]] * num_replicas


def test_one_process_tells_itself():
    assert_rows(make_gather(tf.distribute.OneDeviceStrategy("CPU:0")), 1)


def test_each_replica_has_a_row():
    process = subprocess.run(
        [sys.executable, "-c", ON_TWO_LOGICAL_CPUS],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert process.returncode == 0, process.stderr
