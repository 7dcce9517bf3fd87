"""From a configuration to the parts of a run, which take values and never the configuration."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.adversarial.game import AdversarialGame
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
    DiscriminatorSettings,
    find_discriminator,
    find_segmenter,
)
from darts_adv_tf.run.data_components import DataBuilder
from darts_adv_tf.search_space.alpha import Architecture
from darts_adv_tf.search_space.genotype import NUM_INTERMEDIATE_NODES, Genotype
from darts_adv_tf.system.cluster import read_cluster
from darts_adv_tf.system.devices import make_gather, make_strategy, share_cores
from darts_adv_tf.system.entry_point import is_entry_point
from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.tf_graph.fused_adam import AdamEpsilon
from darts_adv_tf.tf_graph.ordered_sum import order_sums
from darts_adv_tf.tf_graph.workers import join_workers
from darts_adv_tf.training.adversarial_trainer import AdversarialTrainer
from darts_adv_tf.training.search_trainer import SearchTrainer
from darts_adv_tf.training.segmentation_trainer import SegmentationTrainer


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
        self._build_segmenter = find_segmenter(config.model.backbone)
        # Evaluation and export do without it, and without its module.
        self._build_discriminator = (
            None if continues_run else find_discriminator(config.model.discriminator)
        )
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
            self.strategy = make_strategy(distribution.strategy, distribution.num_replicas)
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
            num_epochs, num_cases = training.retrain_epochs, len(self.split.train_and_val)
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
            discriminator = SearchDiscriminator(**self._discriminator_arguments)
            discriminator.build((None, *self._mask_shape))
            game = self._make_game(discriminator)
            return SearchTrainer(
                game,
                Architecture(name="architecture"),
                training.learning_rate,
                training.architecture_learning_rate,
                training.architecture_gradient,
                training.effective_unroll_rate,
                objective=training.architecture_objective,
                checks_tangent=is_entry_point(self.config.model.backbone),
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
                    segmentation_loss=self._segmentation_loss,
                    **self._trainer_arguments,
                )
            game = self._make_game(discriminator)
            return AdversarialTrainer(game, learning_rate, **self._trainer_arguments)

    def _make_discriminator(self, genotype: Genotype | None) -> keras.layers.Layer | None:
        """The one that a segmenter is trained against; None where it is trained alone."""
        if self._build_discriminator is None:
            return None
        model = self.config.model
        settings = DiscriminatorSettings(
            # As many as the first cell of a searched one puts out.
            width=NUM_INTERMEDIATE_NODES * model.discriminator_channels,
            channels=model.discriminator_channels,
            cell_pattern=model.discriminator_cells,
            normalization=model.discriminator_normalization,
            seed=self.config.seed,
            genotype=genotype,
        )
        return self._build_discriminator(self._mask_shape, self._num_classes, settings)

    @property
    def _num_classes(self) -> int:
        return len(self.dataset.class_names)

    @property
    def _sees_images(self) -> bool:
        return self.config.model.discriminator_input == "images_and_masks"

    @property
    def _mask_shape(self) -> tuple[int, int, int]:
        """(H, W, channels) of what the discriminator judges."""
        _, height, width, image_channels = self.dataset.images.shape
        return height, width, self._num_classes + image_channels * self._sees_images

    def _make_game(self, discriminator: keras.layers.Layer) -> AdversarialGame:
        return AdversarialGame(
            self.make_segmenter(),
            discriminator,
            self._num_classes,
            self.config.training.adversarial_weight,
            self.config.training.batch_size,
            self._sees_images,
            self._segmentation_loss,
            find_adversarial_loss(self.config.training.adversarial_loss),
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
            "name": DISCRIMINATOR_NAME,
        }

    @property
    def _trainer_arguments(self):
        training = self.config.training
        epsilon = AdamEpsilon(training.adam_epsilon, training.adam_epsilon_place)
        return {"strategy": self.strategy, "epsilon": epsilon}

    @property
    def _segmentation_loss(self) -> SegmentationLoss:
        return find_segmentation_loss(self.config.training.segmentation_loss, self._num_classes)
