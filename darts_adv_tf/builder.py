"""From a configuration to the parts of a run, which take values and never the configuration."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Sequence
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context

from darts_adv_tf import interruption
from darts_adv_tf.adversarial_game import AdversarialGame
from darts_adv_tf.cluster import Cluster, meet, read_cluster
from darts_adv_tf.config import DistributionConfig, RunConfig
from darts_adv_tf.config.model import RESNETS
from darts_adv_tf.data.augmentation import Augmentation, mirrored_classes
from darts_adv_tf.data.batches import BatchStream, epoch_ends
from darts_adv_tf.data.collection import Collection
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.split import Split
from darts_adv_tf.data_builder import DataBuilder
from darts_adv_tf.distribution import make_gather
from darts_adv_tf.errors import CommunicationError, ConfigurationError
from darts_adv_tf.genotype import NUM_INTERMEDIATE_NODES, Genotype
from darts_adv_tf.layers.ordered_sum import order_sums
from darts_adv_tf.models.architecture import Architecture
from darts_adv_tf.models.backbones import find_backbone
from darts_adv_tf.models.discriminator import DerivedDiscriminator, SearchDiscriminator
from darts_adv_tf.models.resnet import ResNetDiscriminator
from darts_adv_tf.training.adversarial import AdversarialTrainer
from darts_adv_tf.training.search import SearchTrainer
from darts_adv_tf.training.segmentation import SegmentationTrainer

START_SECONDS = 600
"""That workers wait for each other at the start: batch systems start them minutes apart."""
JOIN_SECONDS = 60
"""That TensorFlow may take then, deaf to SIGTERM; it takes one or two."""


class Builder:
    """Makes each part of a run when it is first asked for, its strategy at once.

    Everything follows from the configuration and its seed: two builders of the same one make the
    same parts, bit for bit.

    Args:
        config: The run's configuration.
        continues_run: Whether the cases are split as the run's cases.csv has them, whatever the
            data set has become since.

    Attributes:
        strategy: Where the replicas live.
        cluster: The workers of the run, or None where there is one process.

    Raises:
        ConfigurationError: The devices do not suffice, or do not divide the batch.
    """

    def __init__(self, config: RunConfig, continues_run: bool = False):
        self.config = config
        self._data = DataBuilder(config, continues_run)
        self._build_segmenter = find_backbone(config.model.backbone)
        tf.config.experimental.enable_op_determinism()
        order_sums()
        # Evaluation and export need one device, whatever the run was trained on.
        distribution = DistributionConfig("one_device") if continues_run else config.distribution
        # Before the data, whose loading computes: TensorFlow divides a CPU only before that.
        share_cores()
        self.cluster = None
        if distribution.strategy == "multi_worker":
            self.cluster = read_cluster()
            self.strategy = join_workers(self.cluster)
        else:
            self.strategy = make_strategy(distribution)
        batch_size, num_replicas = config.training.batch_size, self.strategy.num_replicas_in_sync
        if batch_size % num_replicas:
            raise ConfigurationError(
                "Every replica takes the same number of cases of a batch.",
                received=f"--batch_size={batch_size}, {num_replicas} devices",
                remedy=f"Use a --batch_size that {num_replicas} divides, or fewer devices.",
            )

    @property
    def is_chief(self) -> bool:
        """Whether this process of the run writes its files."""
        return self.cluster is None or self.cluster.is_chief

    @cached_property
    def gather(self) -> Callable[[Sequence[float]], np.ndarray] | None:
        """By which the processes of the run tell each other numbers; None where there is one."""
        return None if self.cluster is None else make_gather(self.strategy)

    @property
    def collection(self) -> Collection:
        """The cases, on the disk."""
        return self._data.collection

    @property
    def dataset(self) -> Dataset:
        """The cases, in memory."""
        return self._data.dataset

    @property
    def split(self) -> Split:
        """Which cases train, validate and test."""
        return self._data.split

    @property
    def ratios(self) -> dict[str, float] | None:
        """Cardiothoracic ratios by case, where the data set comes with them."""
        return self._data.ratios

    def epoch_ends(self, phase: str) -> list[int]:
        """For each epoch of `search` or `retrain`, how many steps are done at its end."""
        training = self.config.training
        if phase == "search":
            num_epochs, num_cases = training.search_epochs, len(self.split.train)
        else:
            num_epochs, num_cases = training.retrain_epochs, len(self.split.training)
        return epoch_ends(num_epochs, num_cases, training.batch_size)

    def make_batches(self, cases: Sequence[int]) -> BatchStream:
        """The batches of these cases, augmented as the configuration says."""
        return BatchStream(
            self.dataset,
            cases,
            self.config.training.batch_size,
            self.config.seed,
            self._make_augmentation(),
        )

    def make_segmenter(self) -> keras.Model:
        """A fresh segmenter; its initial weights follow from the seed alone."""
        _, height, width, channels = self.dataset.images.shape
        with self.strategy.scope():
            return self._build_segmenter(
                (height, width, channels),
                len(self.dataset.class_names),
                width=self.config.model.segmenter_width,
                seed=self.config.seed,
            )

    def make_search_trainer(self) -> SearchTrainer:
        """Segmenter, supernet and alpha, with the updates of Alg. 1."""
        training = self.config.training
        with self.strategy.scope():
            keras.utils.set_random_seed(self.config.seed)
            game = self._make_game(SearchDiscriminator(**self._discriminator_arguments))
            return SearchTrainer(
                game,
                Architecture(name="architecture"),
                training.learning_rate,
                training.architecture_learning_rate,
                training.architecture_gradient,
                training.effective_unroll_rate,
                objective=training.architecture_objective,
                **self._trainer_arguments,
            )

    def make_trainer(self, genotype: Genotype | None) -> AdversarialTrainer | SegmentationTrainer:
        """A fresh segmenter against its discriminator, or alone if there is none.

        Args:
            genotype: Of a discriminator that is made of cells.
        """
        learning_rate = self.config.training.learning_rate
        with self.strategy.scope():
            keras.utils.set_random_seed(self.config.seed)
            discriminator = self._make_discriminator(genotype)
            if discriminator is None:
                return SegmentationTrainer(
                    self.make_segmenter(),
                    learning_rate,
                    self.config.training.batch_size,
                    **self._trainer_arguments,
                )
            game = self._make_game(discriminator)
            return AdversarialTrainer(game, learning_rate, **self._trainer_arguments)

    def _make_discriminator(self, genotype: Genotype | None) -> keras.layers.Layer | None:
        """The one that a segmenter is trained against, not built yet."""
        model = self.config.model
        if model.discriminator in RESNETS:
            return ResNetDiscriminator(
                int(model.discriminator.removeprefix("resnet")),
                # As many as the first cell of a searched one puts out.
                NUM_INTERMEDIATE_NODES * model.discriminator_channels,
                model.discriminator_normalization,
                name="discriminator",
            )
        if genotype is None:
            return None
        return DerivedDiscriminator(genotype, **self._discriminator_arguments)

    def _make_game(self, discriminator) -> AdversarialGame:
        _, height, width, image_channels = self.dataset.images.shape
        num_classes = len(self.dataset.class_names)
        sees_images = self.config.model.discriminator_input == "images_and_masks"
        channels = num_classes + image_channels * sees_images
        discriminator.build((None, height, width, channels))
        return AdversarialGame(
            self.make_segmenter(),
            discriminator,
            num_classes,
            self.config.training.adversarial_weight,
            self.config.training.batch_size,
            sees_images,
        )

    def _make_augmentation(self) -> Augmentation | None:
        settings = dataclasses.asdict(self.config.augmentation)
        augmentation = Augmentation(
            **{name.removeprefix("augment_"): value for name, value in settings.items()},
            mirrored_classes=mirrored_classes(self.dataset.class_names),
        )
        return None if augmentation.is_none else augmentation

    @property
    def _discriminator_arguments(self):
        model = self.config.model
        return {
            "channels": model.discriminator_channels,
            "cell_pattern": model.discriminator_cells,
            "normalization": model.discriminator_normalization,
            # Keras would count it, over all that the process makes, and checkpoints go by names.
            "name": "discriminator",
        }

    @property
    def _trainer_arguments(self):
        return {"strategy": self.strategy}


def share_cores() -> None:
    """Gives each of the two passes through the discriminator, real and fake, half of the cores.

    TensorFlow lets every operation take all of them, and with two chains of small operations the
    cores then mostly wait for each other: on two cores a search step took 3.7 s in place of 2.2 s
    (docs/performance.md). What the environment says goes before.
    """
    if tf.config.list_physical_devices("GPU") or "TF_NUM_INTRAOP_THREADS" in os.environ:
        return
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    # Too late once TensorFlow has computed, in a program that makes several builders.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def make_strategy(distribution: DistributionConfig) -> tf.distribute.Strategy:
    """One device, or a mirror on several GPUs or, where there is none, on logical CPUs.

    Raises:
        ConfigurationError: There are fewer GPUs than replicas asked for, or the program has
            used its CPU already and can no longer divide it.
    """
    gpus = tf.config.list_physical_devices("GPU")
    num_replicas = distribution.num_replicas
    if num_replicas is None:
        num_replicas = 1 if distribution.strategy == "one_device" else max(1, len(gpus))
    if gpus and num_replicas > len(gpus):
        raise ConfigurationError(
            "Each replica has a GPU of its own.",
            received=f"--num_replicas={num_replicas}, {len(gpus)} GPUs",
            remedy=f"Use --num_replicas={len(gpus)} or less.",
        )
    kind = "GPU" if gpus else "CPU"
    if not gpus and num_replicas > 1:
        _divide_cpu(num_replicas)
    devices = [f"{kind}:{index}" for index in range(num_replicas)]
    if num_replicas == 1 and distribution.strategy != "mirrored":
        return tf.distribute.OneDeviceStrategy(devices[0])
    return tf.distribute.MirroredStrategy(devices)


def join_workers(cluster: Cluster) -> tf.distribute.Strategy:
    """A mirror over several machines: their GPUs, or a CPU each.

    Raises:
        CommunicationError: Not all of them have come within `START_SECONDS`, or this worker's
            port is taken.
    """
    print(f"workers: {cluster.index} of {len(cluster.workers)}, waiting for all", flush=True)
    meet(cluster, START_SECONDS)
    # What TensorFlow sets up itself, but with an end to the waiting for a worker that has gone
    # again; its public interface has no such means.
    runtime = context.context()
    runtime.configure_coordination_service(
        "standalone",
        service_leader="/job:worker/replica:0/task:0",
        coordinated_jobs=[CoordinatedJob(name="worker", num_tasks=len(cluster.workers))],
        cluster_register_timeout_in_ms=JOIN_SECONDS * 1000,
    )
    runtime.coordination_service.cluster_register_with_barrier = True
    try:
        with interruption.left_to_the_system():
            return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise CommunicationError(
            f"All workers of TF_CONFIG join within {JOIN_SECONDS} seconds, each at an address of "
            "its own.",
            received=error.message.partition("\n")[0],
            remedy="See to it that all workers run the same command and reach each other, and that "
            f"the port of {cluster.workers[cluster.index]} is free here.",
        ) from error


def _divide_cpu(num_replicas: int):
    (cpu,) = tf.config.list_physical_devices("CPU")
    configuration = [tf.config.LogicalDeviceConfiguration() for _ in range(num_replicas)]
    try:
        tf.config.set_logical_device_configuration(cpu, configuration)
    except RuntimeError:
        if len(tf.config.list_logical_devices("CPU")) < num_replicas:
            raise ConfigurationError(
                "The CPU is divided into replicas before TensorFlow first computes.",
                received=f"--num_replicas={num_replicas} after that",
                remedy="Start a new process.",
            ) from None
