"""A search through the real code, so small that its whole state takes 80 kB.

    python -m tests.training.tiny_search <workdir>

makes three steps of it and leaves the checkpoints of the last two.
"""

import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.adversarial.game import AdversarialGame
from darts_adv_tf.config.config_file import versions
from darts_adv_tf.networks.cell_discriminator import SearchDiscriminator
from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.training.alpha_metrics import alpha_metrics
from darts_adv_tf.training.callbacks.collapse import (
    CollapseDetector,
    CollapseWarnings,
    Thresholds,
)
from darts_adv_tf.training.checkpoint import Checkpoints, Part, folder_of, named
from darts_adv_tf.training.checkpoint_store import CheckpointStore
from darts_adv_tf.training.loop import SaveInterval, TrainingLoop
from darts_adv_tf.training.search_trainer import SearchTrainer
from tests.training.taking import taking

SIZE, NUM_CLASSES, SEGMENTER_WIDTH, DISCRIMINATOR_CHANNELS = 16, 3, 2, 2
IMAGES = np.random.default_rng(0).uniform(size=(4, SIZE, SIZE, 1)).astype(np.float32)
LABELS = (3 * IMAGES[..., 0]).astype(np.uint8)
take = taking(IMAGES, LABELS)
IDENTITY = {"phase": "search", "config": {"seed": 0, "data": {"image_size": SIZE}}, "data": "a1"}


def make_trainer(seed: int, strategy: tf.distribute.Strategy | None = None) -> SearchTrainer:
    """The players, alpha and their optimizers, fresh."""
    strategy = strategy or tf.distribute.OneDeviceStrategy("CPU:0")
    with strategy.scope():
        keras.utils.set_random_seed(seed)
        layers = [
            keras.layers.Conv2D(SEGMENTER_WIDTH, 3, padding="same", name="hidden"),
            keras.layers.Conv2D(NUM_CLASSES, 1, name="logits"),
        ]
        image = keras.Input((SIZE, SIZE, 1))
        # Named, as the names of its variables in the optimizer begin with it.
        segmenter = keras.Sequential([image, *layers], name="segmenter")
        discriminator = SearchDiscriminator(DISCRIMINATOR_CHANNELS, "N", name="discriminator")
        discriminator.build((None, SIZE, SIZE, NUM_CLASSES))
        return SearchTrainer(
            AdversarialGame(segmenter, discriminator, NUM_CLASSES, 0.1, 2),
            Architecture(name="architecture"),
            learning_rate=1e-3,
            architecture_learning_rate=1e-3,
            gradient_mode="first_order",
            unroll_rate=1e-3,
            strategy=strategy,
        )


def variables_of(parts: dict[str, Part]) -> dict[str, keras.Variable]:
    """By the names that they have in a checkpoint."""
    return {name: variable for part in parts for name, variable in named(part, parts[part]).items()}


def bits_of(variables: dict[str, keras.Variable]) -> dict[str, bytes]:
    """What variables hold, bit for bit."""
    return {name: variable.numpy().tobytes() for name, variable in variables.items()}


def search(trainer: SearchTrainer, workdir: Path, num_steps: int, num_kept: int = 2) -> None:
    """As many steps, from the newest checkpoint on, with a checkpoint after each."""
    store = CheckpointStore(folder_of(workdir, "search"), num_kept)
    thresholds = Thresholds(0.5, 0.001, 0.02, 0.05, window=2)

    def step(number: int):
        del number
        return trainer.step(*take((0, 1), (2, 3))) | alpha_metrics(
            trainer.architecture.op_weights(), trainer.architecture.space
        )

    with Checkpoints(store, trainer.parts, IDENTITY) as checkpoints:
        TrainingLoop(
            "search",
            step,
            [num_steps],
            checkpoints,
            [CollapseWarnings(CollapseDetector(thresholds, num_steps), required=())],
            interval=SaveInterval(1, None),
            versions=versions(),
        ).run()


if __name__ == "__main__":
    search(make_trainer(seed=0), Path(sys.argv[1]), num_steps=3)
