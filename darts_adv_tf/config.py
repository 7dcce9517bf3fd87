"""What a run is made of: frozen, and validated when made.

Every field carries its help text, which states its unit and its place in the paper (Dong et al.,
MICCAI 2019), and the rule that its value has to keep. The flags of the commands take names,
defaults, choices and help from here.
"""

import dataclasses
import math
import re
import types
import typing

from darts_adv_tf.errors import ConfigurationError


def _setting(
    default: object,
    help: str,
    *,
    choices: tuple[str, ...] | None = None,
    minimum: int | None = None,
    maximum: int | None = None,
    is_positive: bool = False,
    may_change: bool = False,
):
    """A field with its help text and the rule for its value (`None`, where allowed, keeps any).

    `may_change` says that a resumed run may have another value: where its files lie, and what
    happens when something goes wrong.
    """
    rules = {
        "help": help,
        "choices": choices,
        "minimum": minimum,
        "maximum": maximum,
        "is_positive": is_positive,
        "may_change": may_change,
    }
    return dataclasses.field(default=default, metadata=rules)


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """Which cases, and how they are split (paper, section 3.2)."""

    dataset: str = _setting(
        "phantom",
        "Data set: phantom, made by the program itself, or cx_seg, chest radiographs in the "
        "folder layout of CX-SEG.",
        choices=("phantom", "cx_seg"),
    )
    data_dir: str | None = _setting(
        None,
        "Folder of the data set; needed for cx_seg, refused for phantom, which has none.",
        may_change=True,
    )
    image_size: int = _setting(
        64, "Edge of the square that images are resized to, in pixels. Paper: 512.", minimum=1
    )
    train_cases: int = _setting(
        32,
        "Number of training cases, drawn by the seed and halved into train and val for the "
        "search; the rest is for the test. Paper: 50.",
        minimum=2,
    )
    phantom_cases: int = _setting(
        80, "Number of cases the phantom is made with (not for other data sets).", minimum=3
    )

    def __post_init__(self):
        _check_fields(self)
        if self.dataset == "phantom":
            if self.data_dir is not None:
                raise ConfigurationError(
                    "The phantom is made by the program and has no folder.",
                    received=f"--dataset=phantom --data_dir={self.data_dir}",
                    remedy="Name the data set too, as --dataset=cx_seg, or leave out --data_dir.",
                )
            if self.train_cases >= self.phantom_cases:
                raise ConfigurationError(
                    "At least one case has to be left for the test.",
                    received=f"--train_cases={self.train_cases} "
                    f"--phantom_cases={self.phantom_cases}",
                    remedy="Raise --phantom_cases or lower --train_cases.",
                )
        elif self.data_dir is None:
            raise ConfigurationError(
                "A data set other than the phantom is read from a folder.",
                received=f"--dataset={self.dataset} without --data_dir",
                remedy="Add --data_dir=<folder>.",
            )
        if self.train_cases % 2:
            raise ConfigurationError(
                "The training cases are halved into train and val, so their number is even.",
                received=f"--train_cases={self.train_cases}",
                remedy=f"Use --train_cases={self.train_cases - 1} or {self.train_cases + 1}.",
            )


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The segmenter S and the discriminator D (paper, sections 2 and 3.2)."""

    backbone: str = _setting(
        "unet", "Segmenter, S in the paper, which uses both.", choices=("unet", "fcn32s")
    )
    segmenter_width: int = _setting(
        16,
        "Channels of the segmenter's first convolution. The published networks have 64.",
        minimum=1,
    )
    discriminator: str = _setting(
        "nas",
        "Discriminator, D in the paper: nas, the derived one of --genotype, or none, training by "
        "cross-entropy alone, where --adversarial_weight and the other --discriminator_... flags "
        "have no effect.",
        choices=("nas", "none"),
    )
    discriminator_channels: int = _setting(
        4,
        "Channels C of the discriminator's first cell; each reduction cell doubles them. Even. "
        "The paper does not state it; flags/paper_*.flags use 16.",
        minimum=2,
    )
    discriminator_cells: str = _setting(
        "NRNRNRN",
        "The discriminator's cells in order, N normal and R reduction. Paper (section 3.2): "
        "NRNRNRN.",
    )
    discriminator_input: str = _setting(
        "masks",
        "What the discriminator judges: masks alone (as in Eq. 1 and 2), or the image beside them.",
        choices=("masks", "images_and_masks"),
    )
    discriminator_normalization: str = _setting(
        "batch",
        "Normalization in the discriminator: batch, over each replica's own batch; sync_batch, "
        "over all replicas; group, over each case, blind to the batch.",
        choices=("batch", "sync_batch", "group"),
    )

    def __post_init__(self):
        _check_fields(self)
        if self.discriminator_channels % 2:
            raise ConfigurationError(
                "A reduction halves the channels between its two paths, so their number is even.",
                received=f"--discriminator_channels={self.discriminator_channels}",
                remedy=f"Use --discriminator_channels={self.discriminator_channels + 1}.",
            )
        if set(self.discriminator_cells) - set("NR"):
            raise ConfigurationError(
                "The discriminator's cells are written as letters, N for normal, R for reduction.",
                received=f"--discriminator_cells={self.discriminator_cells}",
                remedy="Use the paper's --discriminator_cells=NRNRNRN, or a shorter pattern.",
            )


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How long, how fast and towards what (paper, sections 2.3 and 3.2)."""

    batch_size: int = _setting(
        4, "Cases in a step, over all replicas together. The paper does not state it.", minimum=1
    )
    search_epochs: int = _setting(
        10,
        "Length of the search in passes over train, half of the training cases. The paper does "
        "not state it.",
        minimum=1,
    )
    retrain_epochs: int = _setting(
        40,
        "Length of the training after the search in passes over all training cases; 0 ends the "
        "search once the genotype is derived. Paper: 50.",
        minimum=0,
    )
    learning_rate: float = _setting(
        1e-3,
        "Learning rate of Adam for the weights of segmenter and discriminator, constant. "
        "Paper: 1e-4.",
        is_positive=True,
    )
    architecture_learning_rate: float = _setting(
        1e-2,
        "Learning rate of Adam for the architecture, alpha in Alg. 1, constant; large enough to "
        "move alpha in the few steps of a small search. Paper: 1e-4.",
        is_positive=True,
    )
    adversarial_weight: float = _setting(
        0.01, "Weight of the adversarial loss, lambda_adv in Eq. 1. Paper: 0.01.", is_positive=True
    )
    unroll_rate: float | None = _setting(
        None,
        "Step of the virtual update that the architecture gradient looks ahead by, eta in Eq. 9; "
        "--learning_rate unless given.",
        is_positive=True,
    )
    architecture_gradient: str = _setting(
        "exact",
        "Second-order part of the architecture gradient: exact; finite_difference, as in the "
        "paper; or first_order, left out.",
        choices=("exact", "finite_difference", "first_order"),
    )
    compare_gradient_every: int = _setting(
        0,
        "Steps between two measurements of the cosine between the exact and the finite-difference "
        "second-order part, which cost a second method each; 0 for never.",
        minimum=0,
    )
    figure_every: int = _setting(
        5,
        "Epochs between two sets of figures in TensorBoard (overlays, alpha, genotype); 0 for "
        "never.",
        minimum=0,
    )

    def __post_init__(self):
        _check_fields(self)
        if self.architecture_gradient == "first_order":
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

    strategy: str = _setting(
        "auto",
        "Distribution: one_device; mirrored, a batch split over replicas; multi_worker, split over "
        "the machines that the environment's TF_CONFIG names; auto, mirrored where there are "
        "several GPUs or --num_replicas asks for it.",
        choices=("auto", "one_device", "mirrored", "multi_worker"),
    )
    num_replicas: int | None = _setting(
        None,
        "Number of replicas; every GPU unless given. Without a GPU, 2 and more are logical CPUs.",
        minimum=1,
    )

    def __post_init__(self):
        _check_fields(self)
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


@dataclasses.dataclass(frozen=True)
class ReliabilityConfig:
    """What is saved when, and what happens when numbers go bad."""

    checkpoint_every: str = _setting(
        "5m",
        "Time or steps between two checkpoints: 5m for minutes, 200 for steps. A phase's end and a "
        "stop by Ctrl-C or SIGTERM leave one too.",
        may_change=True,
    )
    keep_checkpoints: int = _setting(
        3,
        "Newest checkpoints of a phase that are kept; where one is damaged, the one before serves.",
        minimum=2,
        may_change=True,
    )
    on_nonfinite: str = _setting(
        "stop",
        "When a loss or a gradient stops being finite, its step is left out, and the run: stop, "
        "ends with status 4 and the last good state; skip, goes on with the next batch; rollback, "
        "goes back to the newest checkpoint and on with the next batch. After ten such steps one "
        "after the other the run ends.",
        choices=("stop", "skip", "rollback"),
        may_change=True,
    )

    def __post_init__(self):
        _check_fields(self)
        # Raises where it cannot be read.
        self.interval  # noqa: B018

    @property
    def interval(self) -> tuple[int | None, float | None]:
        """`checkpoint_every` as (steps, None) or (None, seconds)."""
        text = self.checkpoint_every
        if re.fullmatch(r"[1-9]\d*", text):
            return int(text), None
        if re.fullmatch(r"\d+(\.\d+)?m", text) and float(text[:-1]) > 0:
            return None, 60 * float(text[:-1])
        raise ConfigurationError(
            "--checkpoint_every is a number of minutes with an m, or a number of steps.",
            received=f"--checkpoint_every={text}",
            remedy="Use such as --checkpoint_every=5m or --checkpoint_every=200.",
        )


@dataclasses.dataclass(frozen=True)
class CollapseConfig:
    """When the run warns that a search, or the game, goes bad in a known way."""

    collapse_edge_share: float = _setting(
        0.5,
        "Share of a kind of cell's edges, 0 to 1, above which the search warns that skip "
        "connections, or none, are the strongest operation.",
        is_positive=True,
    )
    collapse_entropy_change: float = _setting(
        0.001,
        "Nats by which alpha's mean entropy has to have fallen since its start, ln 8, from the "
        "half of the search on; the search warns below it.",
        is_positive=True,
    )
    collapse_accuracy_margin: float = _setting(
        0.01,
        "Distance of the discriminator's accuracy from 1 (never wrong) or from 1/2 (guessing), as "
        "a fraction, up to which training warns.",
        is_positive=True,
    )
    collapse_iou_fall: float = _setting(
        0.05,
        "Fall of the validation mean IoU below its best, as a fraction, from which the search "
        "warns when two evaluations in a row (--figure_every) show it.",
        is_positive=True,
    )
    collapse_window: int = _setting(
        100,
        "Steps over whose mean the warnings judge edges and accuracy, and before which they say "
        "nothing about them.",
        minimum=1,
    )

    def __post_init__(self):
        _check_fields(self)


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that a run needs to be repeated.

    Args:
        command: `search` or `train`, the commands that begin a run.
        data, model, training, distribution, reliability, collapse: Its parts.
        seed: Of the split, the initial weights, the batches and the phantom.
        workdir: Folder that the run writes to.
        genotype: File with the derived architecture (`train` with a discriminator alone).

    Raises:
        ConfigurationError: A value breaks its rule, or two values contradict each other.
    """

    command: str = _setting("search", "Command that began the run.", choices=("search", "train"))
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: ModelConfig = dataclasses.field(default_factory=ModelConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    distribution: DistributionConfig = dataclasses.field(default_factory=DistributionConfig)
    reliability: ReliabilityConfig = dataclasses.field(default_factory=ReliabilityConfig)
    collapse: CollapseConfig = dataclasses.field(default_factory=CollapseConfig)
    seed: int = _setting(
        0,
        "Seed of the split, the initial weights, the batches and the phantom.",
        minimum=0,
        maximum=2**32 - 1,
    )
    workdir: str | None = _setting(
        None,
        "Folder that the run writes to, new or empty; runs/<command>-<time> unless given.",
        may_change=True,
    )
    genotype: str | None = _setting(
        None, "Derived architecture: the genotype.json of a search (paper, Alg. 1, last line)."
    )

    def __post_init__(self):
        _check_fields(self)
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
        num_halvings = 1 + self.model.discriminator_cells.count("R")
        if self.data.image_size < 2**num_halvings:
            raise ConfigurationError(
                "The discriminator's head and each of its reduction cells halve the image, of "
                "which a pixel has to remain.",
                received=f"--image_size={self.data.image_size} "
                f"--discriminator_cells={self.model.discriminator_cells}",
                remedy=f"Use --image_size={2**num_halvings} or more, or fewer R.",
            )
        cases = self.training.batch_size
        if self.model.discriminator_normalization == "batch":
            cases //= self.distribution.num_replicas or 1
        is_single_pixel = self.data.image_size < 2 ** (num_halvings + 1)
        if self.model.discriminator_normalization != "group" and is_single_pixel and cases == 1:
            raise ConfigurationError(
                "Normalization over a batch needs more than one value a channel; over a single "
                "one its result is zero.",
                received=f"one pixel of one case: --image_size={self.data.image_size} "
                f"--discriminator_cells={self.model.discriminator_cells} "
                f"--batch_size={self.training.batch_size}",
                remedy=f"Use --image_size={2 ** (num_halvings + 1)} or more, a larger "
                "--batch_size, or --discriminator_normalization=group.",
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
                remedy="Train without one by: python -m darts_adv_tf.train --discriminator=none",
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
        if self.model.discriminator == "none" and self.genotype is not None:
            raise ConfigurationError(
                "Training without a discriminator takes no genotype.",
                received=f"--discriminator=none --genotype={self.genotype}",
                remedy="Leave out one of the two.",
            )
        if self.training.retrain_epochs < 1:
            raise ConfigurationError(
                "Training lasts at least one epoch.",
                received=f"--retrain_epochs={self.training.retrain_epochs}",
                remedy="Use --retrain_epochs=1 or more.",
            )


def _fixed_settings(config: object) -> dict[str, object]:
    return {
        field.name: _fixed_settings(value) if dataclasses.is_dataclass(value) else value
        for field in dataclasses.fields(config)
        for value in [getattr(config, field.name)]
        if not field.metadata.get("may_change")
    }


def _check_fields(config: object):
    """Checks type and rule of every field of a configuration on its own."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        _check_type(field, value)
        if value is None or not field.metadata:
            continue
        choices = field.metadata["choices"]
        minimum, maximum = field.metadata["minimum"], field.metadata["maximum"]
        if choices is not None and value not in choices:
            rule = f"--{field.name} is one of {', '.join(choices)}."
        elif minimum is not None and value < minimum:
            rule = f"--{field.name} is {minimum} or more."
        elif maximum is not None and value > maximum:
            rule = f"--{field.name} is {maximum} or less."
        elif value == "":
            rule = f"--{field.name} is not empty."
        elif field.metadata["is_positive"] and not (0 < value < math.inf):
            rule = f"--{field.name} is a positive number."
        else:
            continue
        raise ConfigurationError(
            rule,
            received=f"--{field.name}={value}",
            remedy=_REMEDIES.get(field.name, f"Change it, or leave it out for {field.default}."),
        )


# What a refused value may have been meant for.
_REMEDIES = {
    "adversarial_weight": "To train without a discriminator: "
    "python -m darts_adv_tf.train --discriminator=none",
    "unroll_rate": "To take no virtual step: --architecture_gradient=first_order",
}


def _check_type(field: dataclasses.Field, value: object):
    expected = typing.get_args(field.type) if _is_union(field.type) else (field.type,)
    if float in expected and type(value) is int:
        return
    if type(value) not in expected:
        names = " or ".join(
            "null" if kind is types.NoneType else kind.__name__ for kind in expected
        )
        raise ConfigurationError(
            f"{field.name} is of type {names}.",
            received=f"{field.name}={value!r}",
            remedy=f"Give it a value of that type, such as {field.default!r}.",
        )


def _is_union(annotation: object) -> bool:
    return isinstance(annotation, types.UnionType)
