"""How a run trains, and on which devices."""

import dataclasses

from darts_adv_tf.config.setting import check_fields, setting
from darts_adv_tf.system.errors import ConfigurationError


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How long, how fast and towards what (paper, sections 2.3 and 3.2)."""

    batch_size: int = setting(
        4, "Cases in a step, over all replicas together. The paper does not state it.", minimum=1
    )
    search_epochs: int = setting(
        10,
        "Length of the search in passes over train, half of the training cases. The paper does "
        "not state it.",
        minimum=1,
    )
    retrain_epochs: int = setting(
        40,
        "Length of the training after the search in passes over all training cases; 0 ends the "
        "search once the genotype is derived. Paper: 50.",
        minimum=0,
    )
    learning_rate: float = setting(
        1e-3,
        "Learning rate of Adam for the weights of segmenter and discriminator, constant. "
        "Paper: 1e-4.",
        is_positive=True,
    )
    architecture_learning_rate: float = setting(
        1e-2,
        "Learning rate of Adam for the architecture, alpha in Alg. 1, constant; large enough to "
        "move alpha in the few steps of a small search. Paper: 1e-4.",
        is_positive=True,
    )
    adversarial_weight: float = setting(
        0.01, "Weight of the adversarial loss, lambda_adv in Eq. 1. Paper: 0.01.", is_positive=True
    )
    unroll_rate: float | None = setting(
        None,
        "Step of the virtual update that the architecture gradient looks ahead by, eta in Eq. 9; "
        "--learning_rate unless given.",
        is_positive=True,
    )
    architecture_gradient: str = setting(
        "exact",
        "Second-order part of the architecture gradient: exact; finite_difference, as in the "
        "paper; or first_order, left out.",
        choices=("exact", "finite_difference", "first_order"),
    )
    architecture_objective: str = setting(
        "discriminator",
        "What alpha descends on the validation half: discriminator, how well D tells masks from "
        "predictions (Eq. 8 of the paper); or segmentation, the cross-entropy of the segmenter "
        "after the virtual step (the first term of Eq. 1).",
        choices=("discriminator", "segmentation"),
        since=4,
    )
    compare_gradient_every: int = setting(
        0,
        "Steps between two measurements of the cosine between the exact and the finite-difference "
        "second-order part, which cost a second method each; 0 for never.",
        minimum=0,
    )
    figure_every: int = setting(
        5,
        "Epochs between two sets of figures in TensorBoard (overlays, alpha, genotype); 0 for "
        "never.",
        minimum=0,
    )

    test_every: int = setting(
        0,
        "Epochs of retraining between two measurements on the test cases, for curves alone: they "
        "select nothing. 0 for the end alone.",
        minimum=0,
        since=4,
    )

    def __post_init__(self):
        check_fields(self)
        if self.architecture_gradient == "first_order":
            if self.architecture_objective == "segmentation":
                raise ConfigurationError(
                    "The segmentation loss depends on the architecture through the virtual step "
                    "alone, which the first-order gradient does not take.",
                    received="--architecture_gradient=first_order "
                    "--architecture_objective=segmentation",
                    remedy="Use --architecture_gradient=exact.",
                )
            if self.unroll_rate is not None:
                raise ConfigurationError(
                    "The first-order architecture gradient takes no virtual step.",
                    received=f"--architecture_gradient=first_order "
                    f"--unroll_rate={self.unroll_rate}",
                    remedy="Leave out --unroll_rate, or use --architecture_gradient=exact.",
                )
            if self.compare_gradient_every:
                raise ConfigurationError(
                    "The first-order architecture gradient has no second-order part to compare.",
                    received=f"--architecture_gradient=first_order "
                    f"--compare_gradient_every={self.compare_gradient_every}",
                    remedy="Leave out --compare_gradient_every, or use "
                    "--architecture_gradient=exact.",
                )

    @property
    def effective_unroll_rate(self) -> float:
        """Eta of Eq. 9: `unroll_rate`, or the learning rate where that is not given."""
        return self.learning_rate if self.unroll_rate is None else self.unroll_rate


@dataclasses.dataclass(frozen=True)
class DistributionConfig:
    """On which devices (paper, section 3.2: two GPUs)."""

    strategy: str = setting(
        "auto",
        "Distribution: one_device; mirrored, a batch split over replicas; multi_worker, split over "
        "the machines that the environment's TF_CONFIG names; auto, mirrored where there are "
        "several GPUs or --num_replicas asks for it.",
        choices=("auto", "one_device", "mirrored", "multi_worker"),
    )
    num_replicas: int | None = setting(
        None,
        "Number of replicas; every GPU unless given. Without a GPU, 2 and more are logical CPUs.",
        minimum=1,
    )

    def __post_init__(self):
        check_fields(self)
        if self.strategy == "one_device" and (self.num_replicas or 1) > 1:
            raise ConfigurationError(
                "One device holds one replica.",
                received=f"--strategy=one_device --num_replicas={self.num_replicas}",
                remedy="Use --strategy=mirrored, or leave out --num_replicas.",
            )
        if self.strategy == "multi_worker" and self.num_replicas is not None:
            raise ConfigurationError(
                "With several machines the replicas are their GPUs, or a CPU each.",
                received=f"--strategy=multi_worker --num_replicas={self.num_replicas}",
                remedy="Leave out --num_replicas; CUDA_VISIBLE_DEVICES hides GPUs.",
            )
