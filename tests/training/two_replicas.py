"""The search on one device and on two logical CPUs; run by `test_replicas.py` in its own process.

TensorFlow divides a CPU only before its first use.

Usage: two_replicas.py RESULTS. Writes, for some normalizations of the discriminator and numbers
of replicas, the architecture's gradient of one global batch, and after some steps every weight as
each replica holds it; and what a step leaves of which one replica alone sees a nan. The same of a
segmenter with moving statistics and dropout, and of training against a ResNet.
"""

import sys

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.adversarial.game import AdversarialGame
from darts_adv_tf.networks.cell_discriminator import SearchDiscriminator
from darts_adv_tf.networks.plugin import UserModel
from darts_adv_tf.networks.resnet_discriminator import ResNetDiscriminator
from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.tf_graph.normalization import Normalization
from darts_adv_tf.training.adversarial_trainer import AdversarialTrainer
from darts_adv_tf.training.search_trainer import SearchTrainer
from darts_adv_tf.training.trainer import are_finite
from tests.adversarial.tiny_players import (
    CHANNELS,
    CLASSES,
    TinyDiscriminator,
    TinySegmenter,
    judge,
)
from tests.training.taking import taking

SIZE, GLOBAL_BATCH, NUM_STEPS, MOMENTUM = 12, 4, 3, 0.75
TRAIN_CASES, VAL_CASES, NAN_CASE = np.arange(4), np.arange(4, 8), 8
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(size=(9, SIZE, SIZE, CHANNELS))
IMAGES[NAN_CASE] = np.nan
LABELS = RANDOM.integers(0, CLASSES, IMAGES.shape[:3]).astype(np.uint8)
take = taking(IMAGES, LABELS)


class NormalizedDiscriminator(TinyDiscriminator):
    """The tiny discriminator with one normalization: what synchronizing costs is its number."""

    def __init__(self, normalization: str, **kwargs):
        super().__init__(**kwargs)
        self.normalization = Normalization(normalization, dtype=self.dtype_policy)

    def build(self, input_shape):
        super().build(input_shape)
        self.normalization.build((None, None, None, 14))

    def call(self, masks, *op_weights):
        phi = [tf.convert_to_tensor(variable) for variable in (self.first, self.second)]
        return judge(phi, masks, op_weights, self.normalization)


def one_cell(normalization: str) -> SearchDiscriminator:
    """A real discriminator."""
    return SearchDiscriminator(2, "N", normalization, dtype="float64")


def tiny(normalization: str) -> NormalizedDiscriminator:
    """One that is traced in no time."""
    return NormalizedDiscriminator(normalization, dtype="float64")


def two_convolutions() -> TinySegmenter:
    """A segmenter without any state."""
    segmenter = TinySegmenter(dtype="float64")
    segmenter.build((None, SIZE, SIZE, CHANNELS))
    return segmenter


def with_statistics(synchronized: bool, dropout: float) -> UserModel:
    """A segmenter as a user might bring it."""
    images = keras.Input((SIZE, SIZE, CHANNELS), dtype="float64")
    features = images
    for layer in (
        keras.layers.Conv2D(4, 3, padding="same", dtype="float64"),
        keras.layers.BatchNormalization(
            momentum=MOMENTUM, synchronized=synchronized, dtype="float64"
        ),
        keras.layers.Dropout(dropout, seed=1, dtype="float64"),
        keras.layers.Conv2D(CLASSES, 1, dtype="float64"),
    ):
        features = layer(features)
    return UserModel(images, features)


def make_trainer(
    make_discriminator,
    normalization: str,
    strategy,
    make_segmenter=two_convolutions,
    gradient_mode="exact",
    objective="discriminator",
) -> SearchTrainer:
    """A search in float64, the same each time."""
    with strategy.scope():
        keras.utils.set_random_seed(0)
        segmenter = make_segmenter()
        discriminator = make_discriminator(normalization)
        discriminator.build((None, SIZE, SIZE, CLASSES))
        return SearchTrainer(
            AdversarialGame(segmenter, discriminator, CLASSES, 0.7, GLOBAL_BATCH),
            Architecture(dtype="float64"),
            learning_rate=1e-2,
            architecture_learning_rate=1e-2,
            gradient_mode=gradient_mode,
            unroll_rate=1e-2,
            strategy=strategy,
            objective=objective,
            checks_tangent=isinstance(segmenter, UserModel),
        )


def gradient_of(trainer: SearchTrainer) -> np.ndarray:
    """The architecture's gradient of the global batch, (2, *SPACE.alpha_shape)."""

    @tf.function(autograph=False)
    def run(train_batch, val_batch):
        def on_replica(train_batch, val_batch):
            return trainer.architecture_gradient("exact", train_batch, val_batch).gradient

        shares = trainer.strategy.run(on_replica, args=(train_batch, val_batch))
        return trainer.strategy.reduce(tf.distribute.ReduceOp.SUM, shares, axis=None)

    return np.stack(run(*(trainer._split_batch(*batch) for batch in take(TRAIN_CASES, VAL_CASES))))


def weights_by_replica(trainer: SearchTrainer) -> dict[str, np.ndarray]:
    """Every weight of each of the three, (replicas, weights)."""
    owners = {
        "alpha": trainer.architecture,
        "theta": trainer.game.segmenter,
        "phi": trainer.game.discriminator,
    }
    return {name: by_replica(owner.trainable_variables) for name, owner in owners.items()}


def by_replica(variables) -> np.ndarray:
    """All numbers in these variables, (replicas, numbers)."""
    copies = ([copy.numpy().ravel() for copy in variable.value.values] for variable in variables)
    return np.stack([np.concatenate(flat) for flat in zip(*copies, strict=True)])


def state_by_replica(trainer: SearchTrainer) -> np.ndarray:
    """Weights, moments and numbers of steps, (replicas, numbers)."""
    owners = (
        trainer.architecture,
        trainer.game.segmenter,
        trainer.game.discriminator,
        trainer.architecture_optimizer,
        trainer.segmenter_optimizer,
        trainer.discriminator_optimizer,
    )
    return by_replica([variable for owner in owners for variable in owner.variables])


def judged_finite(strategy, figure_of_replica) -> list[bool]:
    """What each replica says of a step in which each reports a figure of its own."""

    @tf.function(autograph=False)
    def run():
        def on_replica():
            replica = tf.distribute.get_replica_context().replica_id_in_sync_group
            return are_finite({"loss": tf.gather(figure_of_replica, replica), "accuracy": 1.0})

        return strategy.experimental_local_results(strategy.run(on_replica))

    return [bool(answer) for answer in run()]


def results_of_statistics(strategies, with_nan) -> dict[str, np.ndarray]:
    """What steps leave of a segmenter's own state, as each replica holds it."""
    results = {}
    for synchronized, num_replicas in ((False, 2), (True, 2), (False, 1)):

        def make_segmenter(synchronized=synchronized):
            return with_statistics(synchronized, dropout=0.0)

        strategy = strategies[num_replicas]
        trainer = make_trainer(tiny, "group", strategy, make_segmenter, "first_order")
        segmenter = trainer.game.segmenter
        name = f"{'sync' if synchronized else 'batch'}_{num_replicas}"
        kernel, bias = (v.numpy() for v in segmenter.trainable_variables[:2])
        features = tf.nn.conv2d(IMAGES[TRAIN_CASES], kernel, 1, "SAME") + bias
        results[f"features_{name}"] = features.numpy()
        trainer.step(*take(TRAIN_CASES, VAL_CASES))
        results[f"statistics_{name}"] = by_replica(segmenter.non_trainable_variables)
        trainer.step(*take(TRAIN_CASES, VAL_CASES))
        results[f"own_theta_{name}"] = by_replica(segmenter.trainable_variables)
    trainer = make_trainer(tiny, "group", strategies[2], lambda: with_statistics(False, 0.5))
    trainer.step(*take(TRAIN_CASES, VAL_CASES))
    results["own_state_before_nan"] = state_by_replica(trainer)
    trainer.step(*take(with_nan, VAL_CASES))
    results["own_state_after_nan"] = state_by_replica(trainer)
    seeds = [v for v in trainer.game.segmenter.variables if "seed_generator" in v.path]
    results["own_seeds"] = by_replica(seeds)
    # TensorFlow loses the tangent where replicas meet.
    trainer = make_trainer(tiny, "group", strategies[2], lambda: with_statistics(True, 0.0))
    results["refused"] = ""
    try:
        trainer.step(*take(TRAIN_CASES, VAL_CASES))
    except ConfigurationError as error:
        results["refused"] = str(error)
    return results


def results_of_resnet(strategies) -> dict[str, np.ndarray]:
    """Figures and weights after two steps against a ResNet10."""
    results = {}
    for normalization, num_replicas in (("batch", 1), ("batch", 2), ("sync_batch", 2)):
        strategy = strategies[num_replicas]
        with strategy.scope():
            keras.utils.set_random_seed(0)
            discriminator = ResNetDiscriminator(10, 4, normalization, dtype="float64")
            discriminator.build((None, SIZE, SIZE, CLASSES))
            game = AdversarialGame(two_convolutions(), discriminator, CLASSES, 0.7, GLOBAL_BATCH)
            trainer = AdversarialTrainer(game, 1e-2, strategy)
        for _ in range(2):
            figures = trainer.step(*take(TRAIN_CASES))
        name = f"resnet_{normalization}_{num_replicas}"
        results[f"{name}_figures"] = list(figures.values())
        for part, model in (("theta", game.segmenter), ("phi", discriminator)):
            results[f"{name}_{part}"] = by_replica(model.trainable_variables)
    return results


def main(results_path: str) -> None:
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    tf.config.experimental.enable_op_determinism()
    # Halves the time: each graph here runs a few times only.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    # One strategy each: a second one on the same devices would reuse the keys of the first one's
    # collectives.
    strategies = {
        num_replicas: tf.distribute.MirroredStrategy(
            [f"CPU:{index}" for index in range(num_replicas)]
        )
        for num_replicas in (1, 2)
    }
    results = {
        f"{normalization}_{num_replicas}": gradient_of(
            make_trainer(make_discriminator, normalization, strategies[num_replicas])
        )
        for make_discriminator, normalization, num_replicas in (
            (one_cell, "group", 1),
            (one_cell, "group", 2),
            (tiny, "batch", 1),
            (tiny, "batch", 2),
            (tiny, "sync_batch", 2),
        )
    }
    for num_replicas, strategy in strategies.items():
        trainer = make_trainer(tiny, "group", strategy, objective="segmentation")
        results[f"segmentation_{num_replicas}"] = gradient_of(trainer)
    trainer = make_trainer(one_cell, "batch", strategies[2])
    before = weights_by_replica(trainer)
    for number in range(NUM_STEPS):
        trainer.step(*take(TRAIN_CASES, np.roll(VAL_CASES, number)))
    results |= {f"{name}_before": weights for name, weights in before.items()}
    results |= weights_by_replica(trainer)
    for num_replicas, strategy in strategies.items():
        trainer = make_trainer(tiny, "group", strategy)
        for _ in range(NUM_STEPS):
            figures = trainer.step(*take(TRAIN_CASES, VAL_CASES))
        results[f"figures_{num_replicas}"] = list(figures.values())
        for name, weights in weights_by_replica(trainer).items():
            results[f"{name}_of_{num_replicas}"] = weights[0]
    # The last trainer, in which the second replica gets the last two cases of four.
    with_nan = np.append(TRAIN_CASES[:3], NAN_CASE)
    results["state_before_nan"] = state_by_replica(trainer)
    results["figures_of_nan"] = [
        list(trainer.step(*take(*cases)).values())
        for cases in ((with_nan, VAL_CASES), (TRAIN_CASES, with_nan))
    ]
    results["state_after_nan"] = state_by_replica(trainer)
    results |= results_of_statistics(strategies, with_nan)
    results |= results_of_resnet(strategies)
    for name, figure_of_replica in {"both_are": (1.0, 2.0), "one_is": (1.0, np.nan)}.items():
        answers = judged_finite(strategies[2], figure_of_replica)
        results[f"judged_finite_where_{name}"] = answers
    np.savez(results_path, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
