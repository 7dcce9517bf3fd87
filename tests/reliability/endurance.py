"""A long tiny search in a process of its own; run by `test_endurance.py`.

Usage: endurance.py WORKDIR RESULTS STEPS. Makes a search of so many steps, with checkpoints
on the way, and writes after each step how many graphs have been traced and how many bytes
the process holds.
"""

import json
import sys
from pathlib import Path

from tensorflow.python.framework.func_graph import FuncGraph

from darts_adv_tf.config import (
    DataConfig,
    ModelConfig,
    ReliabilityConfig,
    RunConfig,
    TrainingConfig,
)
from darts_adv_tf.run import stages
from darts_adv_tf.training.search_trainer import SearchTrainer


def count_graphs() -> list[int]:
    """A list whose only entry is the number of graphs traced from now on."""
    count = [0]
    initialize = FuncGraph.__init__

    def counted(self, *args, **kwargs):
        count[0] += 1
        initialize(self, *args, **kwargs)

    FuncGraph.__init__ = counted
    return count


def resident_bytes() -> int:
    """What the process holds in memory."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (kibibytes,) = (line.split()[1] for line in lines if line.startswith("VmRSS:"))
    return int(kibibytes) * 1024


def main(workdir: str, results: str, num_steps: str) -> None:
    # One step an epoch: half of four cases, two at a time.
    config = RunConfig(
        data=DataConfig(image_size=32, phantom_cases=6, train_cases=4),
        model=ModelConfig(segmenter_width=2, discriminator_channels=2, discriminator_cells="N"),
        training=TrainingConfig(
            batch_size=2, search_epochs=int(num_steps), retrain_epochs=0, plot_every=0
        ),
        reliability=ReliabilityConfig(checkpoint_every="50"),
        workdir=workdir,
    )
    count, graphs, memory = count_graphs(), [], []
    step = SearchTrainer.step

    def watched(self, *cases):
        figures = step(self, *cases)
        graphs.append(count[0])
        memory.append(resident_bytes())
        return figures

    SearchTrainer.step = watched
    with stages.begin(config) as run:
        stages.search(run)
    Path(results).write_text(json.dumps({"graphs": graphs, "memory": memory}))


if __name__ == "__main__":
    main(*sys.argv[1:])
