"""Checkpoints, and what a run does when something goes wrong."""

import dataclasses

from darts_adv_tf.config.setting import check_fields, setting
from darts_adv_tf.config.text_form import INTERVAL, Interval


@dataclasses.dataclass(frozen=True)
class ReliabilityConfig:
    """When checkpoints are written, and what happens when training is not finite."""

    checkpoint_every: Interval = setting(
        Interval(None, 300.0),
        "Minutes (5m) or steps (200) between two checkpoints. One is also written at the end of "
        "each stage and on Ctrl-C or SIGTERM.",
        text=INTERVAL,
        may_change=True,
        known_as=("save_every", "save_interval"),
    )
    keep_checkpoints: int = setting(
        3,
        "Number of latest checkpoints to keep per stage; if one is damaged, the previous one is "
        "used.",
        minimum=2,
        may_change=True,
    )
    on_nonfinite: str = setting(
        "stop",
        "What to do when a loss or a gradient is not finite: stop with exit status 4, skip the "
        "batch, or rollback to the latest checkpoint. After ten such steps in a row the run stops.",
        choices=("stop", "skip", "rollback"),
        may_change=True,
    )

    def __post_init__(self):
        check_fields(self)


@dataclasses.dataclass(frozen=True)
class CollapseConfig:
    """When a run warns that the search or the adversarial game is collapsing."""

    collapse_edge_share: float = setting(
        0.5,
        "Warn if skip connections, or none, are the strongest operation on more than this share "
        "of the edges of a cell type (0 to 1).",
        is_positive=True,
    )
    collapse_entropy_change: float = setting(
        0.001,
        "Warn if, in the second half of the search, alpha's mean entropy has dropped by less than "
        "this many nats.",
        is_positive=True,
    )
    collapse_accuracy_margin: float = setting(
        0.01,
        "Warn if the discriminator's accuracy is within this distance of 1 (always right) or of "
        "0.5 (guessing).",
        is_positive=True,
    )
    collapse_iou_fall: float = setting(
        0.05,
        "Warn if the validation mean IoU is this far below its best in two evaluations in a row "
        "(--plot_every).",
        is_positive=True,
    )
    collapse_window: int = setting(
        100,
        "Number of steps that the warnings about edges and accuracy are averaged over.",
        minimum=1,
    )

    def __post_init__(self):
        check_fields(self)
