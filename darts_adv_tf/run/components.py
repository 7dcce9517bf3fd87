"""From a configuration to the parts of a run, which take values and never the configuration."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.adversarial.architecture_gradient import ArchitectureGradientMode
from darts_adv_tf.adversarial.game import AdversarialGame, ArchitectureObjective
from darts_adv_tf.adversarial.losses import SegmentationLoss
from darts_adv_tf.adversarial.registry import find_adversarial_loss, find_segmentation_loss
from darts_adv_tf.config import DistributionConfig, RunConfig
from darts_adv_tf.data.augmentation import Augmentation, mirrored_classes
from darts_adv_tf.data.batches import BatchStream, epoch_ends
from darts_adv_tf.data.collection import Collection
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.split import Split
from darts_adv_tf.networks.cell_discriminator import SearchDiscriminator
from darts_adv_tf.networks.registry import (
    DISCRIMINATOR_NAME,
    BuildDiscriminator,
    DiscriminatorSettings,
    find_discriminator,
    find_segmenter,
)
from darts_adv_tf.run.cases import (
    check_batch_size,
    find_cases,
    listed_ratios,
    load_cases,
    split_cases,
)
from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.search_space.genotype import Genotype
from darts_adv_tf.system.cluster import Cluster, read_cluster
from darts_adv_tf.system.devices import make_gather, make_strategy, share_cores
from darts_adv_tf.system.entry_point import is_entry_point
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.tf_graph.fused_adam import AdamEpsilon, EpsilonPlace
from darts_adv_tf.tf_graph.normalization import NormalizationMode
from darts_adv_tf.tf_graph.ordered_sum import order_sums
from darts_adv_tf.tf_graph.workers import join_workers
from darts_adv_tf.training.adversarial_trainer import AdversarialTrainer
from darts_adv_tf.training.search_trainer import SearchTrainer
from darts_adv_tf.training.segmentation_trainer import SegmentationTrainer

Gather = Callable[[Sequence[float]], np.ndarray]
"""All-gathers n floats across the workers: float64 (replicas, n)."""


@dataclasses.dataclass(frozen=True)
class Devices:
    """What a run computes on.

    Attributes:
        strategy: Where the replicas are.
        cluster: The workers of the run; None in a single-process run.
        gather: All-gathers floats across the workers; None in a single-process run.
    """

    strategy: tf.distribute.Strategy
    cluster: Cluster | None = None
    gather: Gather | None = None

    @property
    def is_chief(self) -> bool:
        """Whether this process writes the run's files."""
        return self.cluster is None or self.cluster.is_chief

    @property
    def worker_devices(self) -> tuple[str, ...]:
        """TensorFlow's names of the devices of the replicas in this process."""
        return tuple(self.strategy.extended.worker_devices)


@dataclasses.dataclass(frozen=True)
class Run:
    """The parts of a run that its stages share.

    Attributes:
        config: The configuration that all the rest follows from.
        workdir: Folder that the run writes to.
        devices: What it computes on.
        collection, dataset: The cases, on disk and in memory.
        split: Which of them train, validate and test.
        ratios: Cardiothoracic ratios by case, if the data set comes with them.
        build_segmenter: Called as `build_unet` is.
        build_discriminator: None where the segmenter is trained without one.
    """

    config: RunConfig
    workdir: Path
    devices: Devices
    collection: Collection
    dataset: Dataset
    split: Split
    ratios: dict[str, float] | None
    build_segmenter: Callable[..., keras.Model]
    build_discriminator: BuildDiscriminator | None

    @property
    def strategy(self) -> tf.distribute.Strategy:
        """Where the replicas are."""
        return self.devices.strategy

    def epoch_ends(self, stage: str) -> list[int]:
        """Returns the steps done at the end of each epoch of `search` or `retrain`."""
        training = self.config.training
        if stage == "search":
            num_epochs, num_cases = training.search_epochs, len(self.split.train)
        else:
            num_epochs, num_cases = training.retrain_epochs, len(self.split.train_and_val)
        return epoch_ends(num_epochs, num_cases, training.batch_size)


def make_devices(config: RunConfig, continues_run: bool = False) -> Devices:
    """Joins the workers and makes the strategy; must precede all that TensorFlow computes.

    Args:
        config: The run's configuration.
        continues_run: Whether to evaluate or export a finished run, which needs one device.

    Raises:
        ConfigurationError: There are too few devices, or they do not divide the batch.
        CommunicationError: Not all workers have come.
    """
    tf.config.experimental.enable_op_determinism()
    order_sums()
    distribution = DistributionConfig("one_device") if continues_run else config.distribution
    # Before the data, whose loading computes: TensorFlow divides a CPU only before that.
    share_cores()
    if distribution.strategy == "multi_worker":
        cluster = read_cluster()
        strategy = join_workers(cluster)
        devices = Devices(strategy, cluster, make_gather(strategy))
    else:
        devices = Devices(make_strategy(distribution.strategy, distribution.num_replicas))
    batch_size, num_replicas = config.training.batch_size, devices.strategy.num_replicas_in_sync
    if batch_size % num_replicas:
        raise ConfigurationError(
            "--batch_size must be divisible by the number of devices.",
            received=f"--batch_size={batch_size}, {num_replicas} devices",
            remedy=f"Use a --batch_size that {num_replicas} divides, or fewer devices.",
        )
    return devices


def make_run(config: RunConfig, devices: Devices | None = None, continues_run: bool = False) -> Run:
    """Reads the cases and splits them. Writes nothing.

    Everything follows from the configuration and its seed: two runs of the same configuration
    have the same parts, bit for bit.

    Args:
        config: The run's configuration, with a work directory.
        devices: What it computes on; made here if not given.
        continues_run: Whether to evaluate or export a finished run: the split is that of its
            cases.csv, whatever the data set has become since.

    Raises:
        ConfigurationError, DataError: There are no such parts; the data cannot be used.
    """
    if config.workdir is None:
        raise ValueError("A run must have a work directory. Received: workdir=None")
    workdir = Path(config.workdir)
    build_segmenter = find_segmenter(config.model.backbone)
    # Evaluation and export do without it, and without its module.
    build_discriminator = None if continues_run else find_discriminator(config.model.discriminator)
    devices = devices or make_devices(config, continues_run)
    collection = find_cases(config.data, config.seed, workdir)
    dataset = load_cases(collection, config.data)
    split = split_cases(dataset, config.data, config.seed, workdir, continues_run)
    check_batch_size(config, split)
    return Run(
        config,
        workdir,
        devices,
        collection,
        dataset,
        split,
        listed_ratios(config.data),
        build_segmenter,
        build_discriminator,
    )


def make_batches(run: Run, cases: Sequence[int]) -> BatchStream:
    """Returns the batches of these cases, augmented as the configuration says."""
    config = run.config
    settings = dataclasses.asdict(config.augmentation)
    augmentation = Augmentation(
        **{name.removeprefix("augment_"): value for name, value in settings.items()},
        mirrored_classes=mirrored_classes(run.dataset.class_names),
    )
    return BatchStream(
        run.dataset,
        cases,
        config.training.batch_size,
        config.seed,
        None if augmentation.is_none else augmentation,
    )


def make_segmenter(run: Run) -> keras.Model:
    """Returns a new segmenter, whose initial weights follow from the seed alone."""
    _, height, width, channels = run.dataset.images.shape
    with run.strategy.scope():
        return run.build_segmenter(
            (height, width, channels),
            len(run.dataset.class_names),
            width=run.config.model.segmenter_width,
            seed=run.config.seed,
        )


def make_search_trainer(run: Run) -> SearchTrainer:
    """Returns segmenter, supernet and alpha, with the updates of Alg. 1."""
    model, training = run.config.model, run.config.training
    with run.strategy.scope():
        keras.utils.set_random_seed(run.config.seed)
        discriminator = SearchDiscriminator(
            channels=model.discriminator_channels,
            cell_pattern=model.discriminator_cells,
            normalization=cast(NormalizationMode, model.discriminator_normalization),
            space=model.search_space,
            name=DISCRIMINATOR_NAME,
        )
        discriminator.build((None, *_mask_shape(run)))
        game = _make_game(run, discriminator)
        return SearchTrainer(
            game,
            Architecture(model.search_space, name="architecture"),
            training.learning_rate,
            training.architecture_learning_rate,
            cast(ArchitectureGradientMode, training.architecture_gradient),
            training.effective_unroll_rate,
            run.strategy,
            objective=cast(ArchitectureObjective, training.architecture_objective),
            checks_tangent=is_entry_point(model.backbone),
            epsilon=_adam_epsilon(run.config),
        )


def make_trainer(run: Run, genotype: Genotype | None) -> AdversarialTrainer | SegmentationTrainer:
    """Returns a new segmenter and its discriminator, or the segmenter alone if there is none.

    Args:
        run: Its parts.
        genotype: Of a discriminator that is made of cells.
    """
    training = run.config.training
    with run.strategy.scope():
        keras.utils.set_random_seed(run.config.seed)
        if run.build_discriminator is None:
            return SegmentationTrainer(
                make_segmenter(run),
                training.learning_rate,
                training.batch_size,
                run.strategy,
                segmentation_loss=_segmentation_loss(run),
                epsilon=_adam_epsilon(run.config),
            )
        model = run.config.model
        settings = DiscriminatorSettings(
            # As many as the first cell of a searched one puts out.
            width=model.intermediate_nodes * model.discriminator_channels,
            channels=model.discriminator_channels,
            cell_pattern=model.discriminator_cells,
            normalization=cast(NormalizationMode, model.discriminator_normalization),
            seed=run.config.seed,
            genotype=genotype,
        )
        discriminator = run.build_discriminator(
            _mask_shape(run), len(run.dataset.class_names), settings
        )
        game = _make_game(run, discriminator)
        epsilon = _adam_epsilon(run.config)
        return AdversarialTrainer(game, training.learning_rate, run.strategy, epsilon=epsilon)


def _make_game(run: Run, discriminator: keras.layers.Layer) -> AdversarialGame:
    return AdversarialGame(
        make_segmenter(run),
        discriminator,
        len(run.dataset.class_names),
        run.config.training.adversarial_weight,
        run.config.training.batch_size,
        _sees_images(run.config),
        _segmentation_loss(run),
        find_adversarial_loss(run.config.training.adversarial_loss),
    )


def _segmentation_loss(run: Run) -> SegmentationLoss:
    return find_segmentation_loss(
        run.config.training.segmentation_loss, len(run.dataset.class_names)
    )


def _adam_epsilon(config: RunConfig) -> AdamEpsilon:
    place = cast(EpsilonPlace, config.training.adam_epsilon_place)
    return AdamEpsilon(config.training.adam_epsilon, place)


def _mask_shape(run: Run) -> tuple[int, int, int]:
    """(H, W, channels) of what the discriminator sees."""
    _, height, width, image_channels = run.dataset.images.shape
    channels = len(run.dataset.class_names) + image_channels * _sees_images(run.config)
    return height, width, channels


def _sees_images(config: RunConfig) -> bool:
    return config.model.discriminator_input == "images_and_masks"
