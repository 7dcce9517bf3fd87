"""Tells which of TensorFlow's operations the time of one search step goes into.

    python tools/profile_search_step.py --image_size=64

Takes the flags of `tools/benchmark_search_step.py`. A line an operation: the seconds of all cores
in it, without what it calls, its share and its calls. On a CPU; the profiler itself costs some 5 %.
"""

import collections
import os
import sys
import tempfile
from pathlib import Path

from absl import app

# Before TensorFlow starts.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

sys.path.insert(0, str(Path(__file__).resolve().parent))

from benchmark_search_step import Subject

NUM_LINES = 30
NUM_STEPS_BEFORE = 3
WAITING = "Run"
"""The event of the thread that waits for a step to end."""
SCHEDULING = {"Process": "(the executor)", "PartitionedCallOp": "(calls of functions)"}


def operation_of(event: str) -> str:
    """`node:Operation#...` -> `Operation`, and without oneDNN's prefixes."""
    name = event.split("#")[0].split(":")[-1]
    return SCHEDULING.get(name, name.removeprefix("_Mkl").removeprefix("Native"))


def self_seconds(folder: str) -> tuple[collections.Counter, collections.Counter]:
    """The seconds and the calls of each operation, from the profile in a folder."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    seconds, calls = collections.Counter(), collections.Counter()
    for path in Path(folder).rglob("*.xplane.pb"):
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
        for plane in space.planes:
            names = {key: operation_of(data.name) for key, data in plane.event_metadata.items()}
            for line in plane.lines:
                # Longest first, so that an event comes after the one it lies in.
                events = sorted(line.events, key=lambda e: (e.offset_ps, -e.duration_ps))
                open_events = []
                for event in events:
                    while open_events and open_events[-1][0] <= event.offset_ps:
                        open_events.pop()
                    name, duration = names[event.metadata_id], event.duration_ps * 1e-12
                    if open_events:
                        seconds[open_events[-1][1]] -= duration
                    seconds[name] += duration
                    calls[name] += 1
                    open_events.append((event.offset_ps + event.duration_ps, name))
    del seconds[WAITING]
    return seconds, calls


def main(_):
    import tensorflow as tf

    subject = Subject()
    for _ in range(NUM_STEPS_BEFORE):
        subject.trainer.step(*subject.batches)
    options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=2, python_tracer_level=0)
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder, options):
            subject.trainer.step(*subject.batches)
        seconds, calls = self_seconds(folder)
    total = seconds.total()
    print(f"{'operation':44s} {'seconds':>8s} {'share':>6s} {'calls':>7s}")
    for name, spent in seconds.most_common(NUM_LINES):
        print(f"{name:44s} {spent:8.3f} {spent / total:6.1%} {calls[name]:7d}")
    print(f"{'all':44s} {total:8.3f}")


if __name__ == "__main__":
    app.run(main)
