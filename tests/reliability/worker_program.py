"""What a worker runs in place of the command, in `test_workers.py`.

    python -m tests.reliability.worker_program double <results> [--flag=value ...]
    python -m tests.reliability.worker_program impatient <seconds> [--flag=value ...]
    python -m tests.reliability.worker_program astray <step> [--flag=value ...]

`double` makes searches in float64, by the workers of TF_CONFIG or without it by one device, and
writes to <results>-<index>.npz the gradients of alpha, the figures of the steps, and the weights
after them. The others are the search command: `impatient` waits so many seconds for the other
workers; in `astray` the alpha of all but the chief is another, by the least there is, after the
search step of that number.
"""

import os
import sys

from darts_adv_tf.cli.main import run
from darts_adv_tf.system.cluster import VARIABLE, read_cluster

# What brings TensorFlow is imported where it is needed, as the command does, which quiets it.
NUM_STEPS = 3


def double(results: str, flags: list[str]):
    import numpy as np
    import tensorflow as tf

    from darts_adv_tf.tf_graph.workers import join_workers
    from tests.training.two_replicas import (
        TRAIN_CASES,
        VAL_CASES,
        gradient_of,
        make_trainer,
        one_cell,
        take,
        tiny,
    )

    tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    if VARIABLE in os.environ:
        cluster = read_cluster()
        index, strategy = cluster.index, join_workers(cluster)
        shared = "sync_batch"
    else:
        index, strategy = 0, tf.distribute.OneDeviceStrategy("CPU:0")
        shared = "batch"
    found = {}
    for name, make_discriminator, normalization in (
        ("tiny group", tiny, "group"),
        ("tiny batch", tiny, shared),
        ("tiny own batch", tiny, "batch"),
        ("cell group", one_cell, "group"),
    ):
        trainer = make_trainer(make_discriminator, normalization, strategy)
        found[f"{name}/gradient"] = gradient_of(trainer)
        found[f"{name}/figures"] = [
            list(trainer.step(*take(TRAIN_CASES, np.roll(VAL_CASES, number))).values())
            for number in range(NUM_STEPS)
        ]
        owners = {
            "alpha": trainer.architecture,
            "theta": trainer.game.segmenter,
            "phi": trainer.game.discriminator,
        }
        for part, owner in owners.items():
            weights = [variable.numpy().ravel() for variable in owner.trainable_variables]
            found[f"{name}/{part}"] = np.concatenate(weights)
    np.savez(f"{results}-{index}.npz", **found)


def impatient(seconds: str, flags: list[str]):
    def main(config):
        from darts_adv_tf import search
        from darts_adv_tf.tf_graph import workers

        workers.START_SECONDS = int(seconds)
        search.main(config)

    run(main, "search", flags)


def astray(number: str, flags: list[str]):
    def main(config):
        from darts_adv_tf import search

        lead_astray(int(number))
        search.main(config)

    run(main, "search", flags)


def lead_astray(number: int):
    import numpy as np

    from darts_adv_tf.training.search_trainer import SearchTrainer

    step = SearchTrainer.step
    num_done = [0]

    def step_and_go_astray(self, *batches):
        figures = step(self, *batches)
        num_done[0] += 1
        if num_done[0] == number and not read_cluster().is_chief:
            alpha = self.architecture.trainable_variables[0]
            values = alpha.numpy()
            values.flat[0] = np.nextafter(values.flat[0], np.inf)
            alpha.assign(values)
        return figures

    SearchTrainer.step = step_and_go_astray


if __name__ == "__main__":
    _, kind, argument, *flags = sys.argv
    {"double": double, "impatient": impatient, "astray": astray}[kind](argument, flags)
