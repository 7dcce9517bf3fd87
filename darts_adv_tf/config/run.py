"""A whole run: its parts, and what they have to agree on."""

import dataclasses

from darts_adv_tf.config.data import AugmentationConfig, DataConfig
from darts_adv_tf.config.model import RESNETS, ModelConfig
from darts_adv_tf.config.reliability import CollapseConfig, ReliabilityConfig
from darts_adv_tf.config.setting import check_fields, setting
from darts_adv_tf.config.training import DistributionConfig, TrainingConfig
from darts_adv_tf.system.errors import ConfigurationError

RESNET_REDUCTION = 32
"""By how much a ResNet reduces height and width."""

FIRST_VERSION = 2
"""The oldest version of config.json that is still read."""


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that a run needs to be repeated.

    Args:
        command: `search` or `train`, the commands that begin a run.
        data, augmentation, model, training, distribution, reliability, collapse: Its parts.
        seed: Of the split, the initial weights, the batches and the phantom.
        workdir: Folder that the run writes to.
        genotype: File with the derived architecture (`train` with a discriminator alone).

    Raises:
        ConfigurationError: A value breaks its rule, or two values contradict each other.
    """

    command: str = setting("search", "Command that began the run.", choices=("search", "train"))
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    augmentation: AugmentationConfig = dataclasses.field(default_factory=AugmentationConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    distribution: DistributionConfig = dataclasses.field(default_factory=DistributionConfig)
    reliability: ReliabilityConfig = dataclasses.field(default_factory=ReliabilityConfig)
    collapse: CollapseConfig = dataclasses.field(default_factory=CollapseConfig)
    seed: int = setting(
        0,
        "Seed of the split, the initial weights, the batches and the phantom.",
        minimum=0,
        maximum=2**32 - 1,
    )
    workdir: str | None = setting(
        None,
        "Folder that the run writes to, new or empty; runs/<command>-<time> unless given.",
        may_change=True,
    )
    genotype: str | None = setting(
        None, "Derived architecture: the genotype.json of a search (paper, Alg. 1, last line)."
    )

    def __post_init__(self):
        check_fields(self)
        self._check_image_size()
        self._check_batch_size()
        if self.command == "search":
            self._check_search()
        else:
            self._check_train()

    def fixed_settings(self) -> dict[str, object]:
        """What a resumed run has in common with the run before: JSON values, in parts by name."""
        return _fixed_settings(self)

    def _check_image_size(self):
        if self.model.discriminator == "none":
            return
        if self.model.discriminator in RESNETS:
            self._check_single_pixel(
                RESNET_REDUCTION + 1, f"--discriminator={self.model.discriminator}"
            )
            return
        num_halvings = 1 + self.model.discriminator_cells.count("R")
        if self.data.image_size < 2**num_halvings:
            raise ConfigurationError(
                "The discriminator's head and each of its reduction cells halve the image, of "
                "which a pixel has to remain.",
                received=f"--image_size={self.data.image_size} "
                f"--discriminator_cells={self.model.discriminator_cells}",
                remedy=f"Use --image_size={2**num_halvings} or more, or fewer R.",
            )
        self._check_single_pixel(
            2 ** (num_halvings + 1), f"--discriminator_cells={self.model.discriminator_cells}"
        )

    def _check_single_pixel(self, least_size: int, discriminator: str):
        """Refuses what would normalize one value: `least_size` leaves the last layer more."""
        cases = self.training.batch_size
        if self.model.discriminator_normalization == "batch":
            cases //= self.distribution.num_replicas or 1
        is_single_pixel = self.data.image_size < least_size
        if self.model.discriminator_normalization != "group" and is_single_pixel and cases == 1:
            raise ConfigurationError(
                "Normalization over a batch needs more than one value a channel; over a single "
                "one its result is zero.",
                received=f"one pixel of one case: --image_size={self.data.image_size} "
                f"{discriminator} --batch_size={self.training.batch_size}",
                remedy=f"Use --image_size={least_size} or more, a larger --batch_size, or "
                "--discriminator_normalization=group.",
            )

    def _check_batch_size(self):
        batch_size = self.training.batch_size
        num_replicas = self.distribution.num_replicas
        if num_replicas is not None and batch_size % num_replicas:
            raise ConfigurationError(
                "Every replica takes the same number of cases of a batch.",
                received=f"--batch_size={batch_size} --num_replicas={num_replicas}",
                remedy=f"Use a --batch_size that {num_replicas} divides.",
            )
        if not self.data.draws_cases:
            return  # Known once the cases are.
        is_halved = self.command == "search"
        available = self.data.train_cases // 2 if is_halved else self.data.train_cases
        if batch_size > available:
            raise ConfigurationError(
                "A batch holds no more cases than there are"
                + (", and the search trains on half of the training cases." if is_halved else "."),
                received=f"--batch_size={batch_size} --train_cases={self.data.train_cases}",
                remedy=f"Use --batch_size={available} or less.",
            )

    def _check_search(self):
        if self.model.discriminator != "nas":
            raise ConfigurationError(
                "The search is for a discriminator.",
                received=f"--discriminator={self.model.discriminator}",
                remedy="Train without a search by: python -m darts_adv_tf.train "
                f"--discriminator={self.model.discriminator}",
            )
        if self.genotype is not None:
            raise ConfigurationError(
                "The search finds a genotype and takes none.",
                received=f"--genotype={self.genotype}",
                remedy=f"Train with it by: python -m darts_adv_tf.train --genotype={self.genotype}",
            )

    def _check_train(self):
        if self.model.discriminator == "nas" and self.genotype is None:
            raise ConfigurationError(
                "A derived discriminator is built from a genotype.",
                received="--discriminator=nas without --genotype",
                remedy="Add --genotype=<workdir of a search>/genotype.json, or "
                "--discriminator=none.",
            )
        if self.model.discriminator != "nas" and self.genotype is not None:
            raise ConfigurationError(
                "Only a derived discriminator is built from a genotype.",
                received=f"--discriminator={self.model.discriminator} --genotype={self.genotype}",
                remedy="Leave out one of the two.",
            )
        if self.training.retrain_epochs < 1:
            raise ConfigurationError(
                "Training lasts at least one epoch.",
                received=f"--retrain_epochs={self.training.retrain_epochs}",
                remedy="Use --retrain_epochs=1 or more.",
            )


def _fixed_settings(config: object) -> dict[str, object]:
    settings = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            part = _fixed_settings(value)
            if part or not is_later(type(value)):
                settings[field.name] = part
        # Left out where it is what runs before it had: they can be resumed.
        elif not field.metadata["may_change"] and (
            field.metadata["since"] == FIRST_VERSION or value != field.default
        ):
            settings[field.name] = value
    return settings


def is_later(part: type) -> bool:
    """Whether a part of the configuration came after the first version, with all it holds."""
    return all(field.metadata["since"] > FIRST_VERSION for field in dataclasses.fields(part))
