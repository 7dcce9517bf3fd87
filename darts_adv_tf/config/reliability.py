"""What is saved, and what happens when something goes wrong."""

import dataclasses
import re

from darts_adv_tf.config.setting import check_fields, setting
from darts_adv_tf.system.errors import ConfigurationError


@dataclasses.dataclass(frozen=True)
class ReliabilityConfig:
    """What is saved when, and what happens when numbers go bad."""

    checkpoint_every: str = setting(
        "5m",
        "Time or steps between two checkpoints: 5m for minutes, 200 for steps. A phase's end and a "
        "stop by Ctrl-C or SIGTERM leave one too.",
        may_change=True,
    )
    keep_checkpoints: int = setting(
        3,
        "Newest checkpoints of a phase that are kept; where one is damaged, the one before serves.",
        minimum=2,
        may_change=True,
    )
    on_nonfinite: str = setting(
        "stop",
        "When a loss or a gradient stops being finite, its step is left out, and the run: stop, "
        "ends with status 4 and the last good state; skip, goes on with the next batch; rollback, "
        "goes back to the newest checkpoint and on with the next batch. After ten such steps one "
        "after the other the run ends.",
        choices=("stop", "skip", "rollback"),
        may_change=True,
    )

    def __post_init__(self):
        check_fields(self)
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

    collapse_edge_share: float = setting(
        0.5,
        "Share of a kind of cell's edges, 0 to 1, above which the search warns that skip "
        "connections, or none, are the strongest operation.",
        is_positive=True,
    )
    collapse_entropy_change: float = setting(
        0.001,
        "Nats by which alpha's mean entropy has to have fallen since its start, ln 8, from the "
        "half of the search on; the search warns below it.",
        is_positive=True,
    )
    collapse_accuracy_margin: float = setting(
        0.01,
        "Distance of the discriminator's accuracy from 1 (never wrong) or from 1/2 (guessing), as "
        "a fraction, up to which training warns.",
        is_positive=True,
    )
    collapse_iou_fall: float = setting(
        0.05,
        "Fall of the validation mean IoU below its best, as a fraction, from which the search "
        "warns when two evaluations in a row (--figure_every) show it.",
        is_positive=True,
    )
    collapse_window: int = setting(
        100,
        "Steps over whose mean the warnings judge edges and accuracy, and before which they say "
        "nothing about them.",
        minimum=1,
    )

    def __post_init__(self):
        check_fields(self)
