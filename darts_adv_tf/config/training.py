"""How a run is trained, and on which devices."""

import dataclasses

from darts_adv_tf.config.setting import check_fields, setting
from darts_adv_tf.system.errors import ConfigurationError

SEGMENTATION_LOSSES = ("cross_entropy", "dice", "dice_cross_entropy", "focal")
ADVERSARIAL_LOSSES = ("gan", "lsgan", "hinge")


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How long, how fast and for which objective (paper, sections 2.3 and 3.2)."""

    batch_size: int = setting(
        4,
        "Global batch size, over all replicas. Not stated in the paper.",
        minimum=1,
        essential=True,
        known_as=("bs", "bsz", "batch"),
    )
    search_epochs: int = setting(
        10,
        "Epochs of the search, over one half of the training cases. Not stated in the paper.",
        minimum=1,
        search_only=True,
        essential=True,
    )
    retrain_epochs: int = setting(
        40,
        "Epochs of training after the search, over all training cases. With 0, the search stops "
        "once the genotype is derived. With --resume, more of them train on. Paper: 50.",
        minimum=0,
        may_grow=True,
        essential=True,
        known_as=("num_epochs", "max_epochs"),
    )
    learning_rate: float = setting(
        1e-3,
        "Learning rate of Adam for segmenter and discriminator, constant. Paper: 1e-4.",
        is_positive=True,
        essential=True,
        known_as=("lr",),
    )
    architecture_learning_rate: float = setting(
        1e-2,
        "Learning rate of Adam for the architecture (alpha in Alg. 1), constant. The default suits "
        "short searches. Paper: 1e-4.",
        is_positive=True,
        search_only=True,
        known_as=("arch_lr", "arch_learning_rate", "alpha_lr"),
    )
    adam_epsilon: float = setting(
        1e-7,
        "Epsilon of all Adam optimizers. Not stated in the paper; Keras: 1e-7, PyTorch: 1e-8.",
        minimum=1e-12,
        maximum=1.0,
    )
    adam_epsilon_place: str = setting(
        "before_correction",
        "Where Adam adds epsilon: before_correction, to the root of the second moment before its "
        "bias correction (Keras), or after_correction (PyTorch).",
        choices=("before_correction", "after_correction"),
    )
    adversarial_weight: float = setting(
        0.01,
        "Weight of the adversarial loss, lambda_adv in Eq. 1. Paper: 0.01.",
        is_positive=True,
        essential=True,
        remedy="To train without a discriminator: "
        "python -m darts_adv_tf.train --discriminator=none",
        known_as=("lambda", "lambda_adv"),
    )
    segmentation_loss: str = setting(
        "cross_entropy",
        "Segmentation loss, L_seg in Eq. 1: cross_entropy (paper), dice, dice_cross_entropy (their "
        "sum), focal, or <module>:<function>, your own (docs/extending.md).",
        choices=SEGMENTATION_LOSSES,
        or_entry_point=True,
    )
    adversarial_loss: str = setting(
        "gan",
        "Loss of segmenter against discriminator: gan (Eqs. 1, 2 and 8), lsgan, hinge, or "
        "<module>:<function>, your own (docs/extending.md).",
        choices=ADVERSARIAL_LOSSES,
        or_entry_point=True,
    )
    unroll_rate: float | None = setting(
        None,
        "Learning rate of the virtual step, eta in Eq. 9. Default: --learning_rate.",
        is_positive=True,
        search_only=True,
        remedy="To take no virtual step: --architecture_gradient=first_order",
        known_as=("eta", "unrolled"),
    )
    architecture_gradient: str = setting(
        "exact",
        "Second-order term of the architecture gradient: exact, finite_difference (as in the "
        "paper) or first_order (left out).",
        choices=("exact", "finite_difference", "first_order"),
        search_only=True,
        set_by_matrix=True,
        essential=True,
        known_as=("second_order",),
    )
    architecture_objective: str = setting(
        "discriminator",
        "Validation loss that alpha minimizes: discriminator, the discriminator's loss (Eq. 8), "
        "or segmentation, the segmentation loss after the virtual step (first term of Eq. 1).",
        choices=("discriminator", "segmentation"),
        search_only=True,
        set_by_matrix=True,
    )
    compare_gradient_every: int = setting(
        0,
        "Steps between two logs of the cosine between the exact and the finite-difference "
        "second-order term; 0 for never.",
        minimum=0,
        search_only=True,
    )
    plot_every: int = setting(
        5,
        "Epochs between two sets of plots in TensorBoard (overlays, alpha, genotype); 0 for never.",
        minimum=0,
        aliases=("figure_every",),
    )
    test_every: int = setting(
        0,
        "Epochs of retraining between two evaluations on the test cases, for learning curves "
        "only: they select nothing. With 0, only the end is evaluated.",
        minimum=0,
    )

    def __post_init__(self):
        check_fields(self)
        if self.architecture_gradient == "first_order":
            if self.architecture_objective == "segmentation":
                raise ConfigurationError(
                    "--architecture_objective=segmentation must have a virtual step, through which "
                    "alone the segmentation loss depends on the architecture.",
                    received="--architecture_gradient=first_order "
                    "--architecture_objective=segmentation",
                    remedy="Use --architecture_gradient=exact.",
                )
            if self.unroll_rate is not None:
                raise ConfigurationError(
                    "--unroll_rate must not be given for the first-order gradient, which takes no "
                    "virtual step.",
                    received=f"--architecture_gradient=first_order "
                    f"--unroll_rate={self.unroll_rate}",
                    remedy="Leave out --unroll_rate, or use --architecture_gradient=exact.",
                )
            if self.compare_gradient_every:
                raise ConfigurationError(
                    "--compare_gradient_every must be 0 for the first-order gradient, which has no "
                    "second-order term.",
                    received=f"--architecture_gradient=first_order "
                    f"--compare_gradient_every={self.compare_gradient_every}",
                    remedy="Leave out --compare_gradient_every, or use "
                    "--architecture_gradient=exact.",
                )

    @property
    def effective_unroll_rate(self) -> float:
        """Eta of Eq. 9: `unroll_rate`, or the learning rate if that is None."""
        return self.learning_rate if self.unroll_rate is None else self.unroll_rate


@dataclasses.dataclass(frozen=True)
class DistributionConfig:
    """The devices that a run uses (paper, section 3.2: two GPUs)."""

    strategy: str = setting(
        "auto",
        "How a batch is distributed: one_device; mirrored, over replicas; multi_worker, over the "
        "machines in TF_CONFIG; auto, mirrored with several GPUs or --num_replicas.",
        choices=("auto", "one_device", "mirrored", "multi_worker"),
    )
    num_replicas: int | None = setting(
        None,
        "Number of replicas. Default: one per GPU. Without a GPU, replicas are logical CPUs.",
        minimum=1,
        known_as=("gpus", "num_gpus", "devices"),
    )

    def __post_init__(self):
        check_fields(self)
        if self.strategy == "one_device" and (self.num_replicas or 1) > 1:
            raise ConfigurationError(
                "--num_replicas must be 1 on one device.",
                received=f"--strategy=one_device --num_replicas={self.num_replicas}",
                remedy="Use --strategy=mirrored, or leave out --num_replicas.",
            )
        if self.strategy == "multi_worker" and self.num_replicas is not None:
            raise ConfigurationError(
                "--num_replicas must not be given with several machines: there is one replica per "
                "GPU, or one per machine without GPUs.",
                received=f"--strategy=multi_worker --num_replicas={self.num_replicas}",
                remedy="Leave out --num_replicas; CUDA_VISIBLE_DEVICES hides GPUs.",
            )
