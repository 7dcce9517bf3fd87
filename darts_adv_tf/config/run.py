"""A whole run: its parts, and what they have to agree on."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from darts_adv_tf.config.data import AugmentationConfig, DataConfig
from darts_adv_tf.config.model import OF_CELLS, RESNETS, ModelConfig
from darts_adv_tf.config.plain_values import fixed_values_of, plain_values, with_growth
from darts_adv_tf.config.reliability import CollapseConfig, ReliabilityConfig
from darts_adv_tf.config.setting import (
    Setting,
    check_fields,
    parts_of,
    setting,
    settings_of,
)
from darts_adv_tf.config.training import DistributionConfig, TrainingConfig
from darts_adv_tf.system.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

RESNET_REDUCTION = 32
"""Factor by which a ResNet reduces height and width."""


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that is needed to repeat a run.

    Args:
        command: `search` or `train`, the commands that begin a run.
        data, augmentation, model, training, distribution, reliability, collapse: Its parts.
        seed: Seed of the split, the initial weights, the batches and the phantom.
        workdir: Folder that the run writes to.
        genotype: File with the derived architecture, for `train` with a derived discriminator.

    Raises:
        ConfigurationError: A value breaks its rule, or two values contradict each other.
    """

    command: str = setting(
        "search", "Command that began the run.", choices=("search", "train"), is_flag=False
    )
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
        essential=True,
        known_as=("random_seed",),
    )
    workdir: str | None = setting(
        None,
        "Folder for the results, new or empty. Default: runs/<command>-<time>.",
        may_change=True,
        essential=True,
        known_as=("output_dir", "output", "out_dir", "save", "logdir", "log_dir"),
    )
    genotype: str | None = setting(
        None,
        "genotype.json of a search, the derived architecture (last line of Alg. 1); or a file with "
        "a Genotype(...) as the program of DARTS prints it.",
        train_only=True,
        essential=True,
    )

    def __post_init__(self):
        check_fields(self)
        self._check_image_size()
        self._check_batch_size()
        if self.command == "search":
            self._check_search()
        else:
            self._check_train()

    def fixed_settings(self) -> dict[str, Any]:
        """Returns the settings that a resumed run must share, as JSON values, in parts by name."""
        return plain_values(self, is_fixed=True)

    @classmethod
    def upgrade_fixed_settings(cls, settings: Any) -> Any:
        """Returns the fixed settings of an earlier program as this one has them.

        Anything but a mapping is returned as it is.
        """
        return fixed_values_of(cls, settings) if isinstance(settings, Mapping) else settings

    def settings_it_goes_on_from(self, settings: Any) -> Any:
        """Returns the fixed settings of a run, those that have grown since as they are here.

        They equal `fixed_settings` if this configuration goes on with that run. Anything but a
        mapping is returned as it is.
        """
        settings = self.upgrade_fixed_settings(settings)
        if not isinstance(settings, Mapping):
            return settings
        return with_growth(type(self), settings, self.fixed_settings())

    def _check_image_size(self):
        if self.model.discriminator in RESNETS:
            self._check_single_pixel(
                RESNET_REDUCTION + 1, f"--discriminator={self.model.discriminator}"
            )
        if self.model.discriminator not in OF_CELLS:
            return
        num_halvings = 1 + self.model.discriminator_cells.count("R")
        if self.data.image_size < 2**num_halvings:
            raise ConfigurationError(
                "--image_size must leave at least one pixel: the discriminator's head and each of "
                "its reduction cells halve the image.",
                received=f"--image_size={self.data.image_size} "
                f"--discriminator_cells={self.model.discriminator_cells}",
                remedy=f"Use --image_size={2**num_halvings} or more, or fewer R.",
            )
        self._check_single_pixel(
            2 ** (num_halvings + 1), f"--discriminator_cells={self.model.discriminator_cells}"
        )

    def _check_single_pixel(self, least_size: int, discriminator: str):
        """Refuses a last layer that would normalize one value; `least_size` avoids that."""
        cases = self.training.batch_size
        if self.model.discriminator_normalization == "batch":
            cases //= self.distribution.num_replicas or 1
        is_single_pixel = self.data.image_size < least_size
        if self.model.discriminator_normalization != "group" and is_single_pixel and cases == 1:
            raise ConfigurationError(
                "Batch normalization must have more than one value per channel; that of a single "
                "value is zero.",
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
                "--batch_size must be divisible by --num_replicas.",
                received=f"--batch_size={batch_size} --num_replicas={num_replicas}",
                remedy=f"Use a --batch_size that {num_replicas} divides.",
            )
        if not self.data.draws_cases:
            return  # The number of cases is not known before they are read.
        is_halved = self.command == "search"
        available = self.data.train_cases // 2 if is_halved else self.data.train_cases
        if batch_size > available:
            raise ConfigurationError(
                "--batch_size must not exceed the number of cases"
                + (": the search trains on half of the training cases." if is_halved else "."),
                received=f"--batch_size={batch_size} --train_cases={self.data.train_cases}",
                remedy=f"Use --batch_size={available} or less.",
            )

    def _check_search(self):
        if self.model.discriminator != "nas":
            raise ConfigurationError(
                "--discriminator must be nas in a search, which finds its cells.",
                received=f"--discriminator={self.model.discriminator}",
                remedy="Train without a search by: python -m darts_adv_tf.train "
                f"--discriminator={self.model.discriminator}",
            )
        if self.genotype is not None:
            raise ConfigurationError(
                "--genotype must not be given in a search, which finds one.",
                received=f"--genotype={self.genotype}",
                remedy=f"Train with it by: python -m darts_adv_tf.train --genotype={self.genotype}",
            )

    def _check_train(self):
        if self.model.discriminator == "nas" and self.genotype is None:
            raise ConfigurationError(
                "--genotype must be given for a derived discriminator.",
                received="--discriminator=nas without --genotype",
                remedy="Add --genotype=<workdir of a search>/genotype.json, or "
                "--discriminator=none.",
            )
        if self.model.discriminator != "nas" and self.genotype is not None:
            raise ConfigurationError(
                "--genotype must be given for a derived discriminator only.",
                received=f"--discriminator={self.model.discriminator} --genotype={self.genotype}",
                remedy="Leave out one of the two.",
            )
        if self.training.retrain_epochs < 1:
            raise ConfigurationError(
                "--retrain_epochs must be 1 or more in training.",
                received=f"--retrain_epochs={self.training.retrain_epochs}",
                remedy="Use --retrain_epochs=1 or more.",
            )


PARTS = parts_of(RunConfig)
"""The types of the parts of a run's configuration, by name."""


def names_where(holds: Callable[[Setting], bool]) -> frozenset[str]:
    """Returns the names of a run's settings, those of its parts included, that something holds for.

    Example:
        >>> sorted(names_where(lambda setting: setting.train_only))
        ['discriminator', 'genotype', 'random_draw']
    """
    kinds: list[type[DataclassInstance]] = [RunConfig, *PARTS.values()]
    return frozenset(
        name for kind in kinds for name, each in settings_of(kind).items() if holds(each)
    )
