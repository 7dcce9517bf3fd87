"""Warnings of the known ways in which a search or adversarial training collapses."""

import collections
import dataclasses
import json
import math
import statistics
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from darts_adv_tf.search_space.space import CELL_KINDS, PUBLISHED_SPACE, SearchSpace
from darts_adv_tf.training.alpha_metrics import WATCHED_OPERATIONS, watched_operations
from darts_adv_tf.training.callbacks import Callback, Report, Warn
from darts_adv_tf.training.metric_names import (
    FAKE_ACCURACY,
    REAL_ACCURACY,
    VAL_MEAN_IOU,
    alpha_edge_share,
    alpha_entropy,
)

GAME_METRICS = (REAL_ACCURACY, FAKE_ACCURACY)
"""The metrics by which the game is judged, which each of its steps must report."""
SHORTEST_SEARCH = 20
"""Steps of a search whose entropy is judged; shorter ones are trials, which decide nothing."""


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """From where on a metric is a sign of collapse; see `CollapseDetector`."""

    edge_share: float
    entropy_change: float
    accuracy_margin: float
    iou_fall: float
    window: int


@dataclasses.dataclass(frozen=True)
class Collapse:
    """A warning: its kind, the steps done when it began, what was seen and what to do about it."""

    kind: str
    step: int
    message: str


class CollapseDetector:
    """Looks at the metrics of every step and warns of each kind of collapse when it begins.

    - `skip_connect/normal`, `skip_connect/reduction`: Skip connections are the strongest operation
      on more than `edge_share` of the edges. Having no weights to train they win early, and a
      search that goes on derives little else (Zela et al., ICLR 2020; Chu et al., Fair DARTS, ECCV
      2020). DARTS+ (Liang et al., 2019) stops at two of them in a normal cell.
    - `none/normal`, `none/reduction`: `none` has the largest weight on more than `edge_share` of
      the edges, as in github.com/quark0/darts, issue 32. It is never derived, so that the derived
      cell is not the one that was searched.
    - `entropy/normal`, `entropy/reduction`: From the half of the search on (of 20 steps or more),
      alpha's mean entropy is less than `entropy_change` nats below its start. What is derived is
      then little more than the noise that alpha started from.
    - `accuracy/one`: The discriminator's accuracy is within `accuracy_margin` of 1. The segmenter's
      gradient vanishes or, with the -log g of `gan`, becomes unstable (Arjovsky and Bottou, ICLR
      2017, Theorems 2.4 and 2.6); Eq. 8 is near its minimum, so that alpha's gradient vanishes too.
    - `accuracy/half`: It is within `accuracy_margin` of 1/2: the discriminator guesses, and nobody
      learns from it.
    - `val_iou`: At two evaluations in a row the mean IoU on the validation cases is `iou_fall` or
      more below its best.

    Edges and accuracy are judged by their mean over the last `window` steps, and not before there
    are as many: at first the strongest operation is noise. A kind that is seen no more has
    recovered, and is judged anew on as many new values. A metric that is absent or not finite
    changes nothing.

    Args:
        thresholds: The limits named above.
        num_steps: Length of the stage.
        start_entropy: Of alpha where all operations weigh the same, in nats.

    Example:
        >>> detector = CollapseDetector(Thresholds(0.5, 0.001, 0.02, 0.05, window=2), num_steps=100)
        >>> metrics = {"accuracy/real": 1.0, "accuracy/fake": 1.0}
        >>> [[warning.kind for warning in detector.observe(step, metrics)] for step in (1, 2, 3)]
        [[], ['accuracy/one'], []]
    """

    def __init__(
        self,
        thresholds: Thresholds,
        num_steps: int,
        start_entropy: float = PUBLISHED_SPACE.largest_entropy,
    ):
        self.thresholds = thresholds
        self.num_steps = num_steps
        self.start_entropy = start_entropy
        edges = [f"{operation}/{cell}" for operation in WATCHED_OPERATIONS for cell in CELL_KINDS]
        num_values = dict.fromkeys([*edges, "accuracy/one", "accuracy/half"], thresholds.window)
        num_values |= {"entropy/normal": 1, "entropy/reduction": 1, "val_iou": 2}
        self._recent: dict[str, collections.deque[float]] = {
            kind: collections.deque(maxlen=num) for kind, num in num_values.items()
        }
        self._best_mean_iou = 0.0
        self._present: set[str] = set()
        self.warnings: tuple[Collapse, ...] = ()

    def observe(self, step: int, metrics: Mapping[str, float]) -> list[Collapse]:
        """Takes in metrics and returns the warnings that begin with them.

        Args:
            step: How many steps are done.
            metrics: Of a step, or `val/mean_iou` of an evaluation, by the names of their curves.
        """
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        begun = []
        for kind, value in self._values(step, collections.defaultdict(lambda: math.nan, finite)):
            if math.isnan(value):
                continue
            recent = self._recent[kind]
            recent.append(value)
            message = self._message(kind) if len(recent) == recent.maxlen else None
            if message and kind not in self._present:
                self._present.add(kind)
                begun.append(Collapse(kind, step, message))
            elif not message and kind in self._present:
                self._present.remove(kind)
                recent.clear()
        self.warnings += tuple(begun)
        return begun

    def state(self) -> dict[str, Any]:
        """The warnings, and all that later ones depend on, as JSON knows it."""
        return {
            "warnings": [dataclasses.asdict(warning) for warning in self.warnings],
            "present": sorted(self._present),
            "recent": {kind: list(values) for kind, values in self._recent.items()},
            "best_mean_iou": self._best_mean_iou,
        }

    def restore(self, state: Any) -> None:
        """Goes on from where `state` was taken.

        Raises:
            ValueError: It is no state of a detector with the same window; nothing changes.
        """
        restored = CollapseDetector(self.thresholds, self.num_steps, self.start_entropy)
        try:
            for kind, values in restored._recent.items():
                values.extend(map(float, state["recent"][kind]))
            restored._best_mean_iou = float(state["best_mean_iou"])
            restored._present = set(state["present"])
            restored.warnings = tuple(
                Collapse(warning["kind"], int(warning["step"]), str(warning["message"]))
                for warning in state["warnings"]
            )
            warned = {warning.kind for warning in restored.warnings}
            # Accept the state only if it round-trips exactly.
            texts = {
                json.dumps(each, sort_keys=True, allow_nan=False)
                for each in (state, restored.state())
            }
            is_sound = restored._present <= warned <= set(self._recent) and len(texts) == 1
        except (KeyError, OverflowError, TypeError, ValueError):
            is_sound = False
        if not is_sound:
            raise ValueError(
                "A detector must be restored from what `state` returned for the same window. "
                f"Received: state={state!r}"
            )
        vars(self).update(vars(restored))

    def _values(self, step: int, metrics: Mapping[str, float]) -> Iterator[tuple[str, float]]:
        """What there is to judge, by kind; nan where a metric is absent."""
        for cell in CELL_KINDS:
            for operation in WATCHED_OPERATIONS:
                yield f"{operation}/{cell}", metrics[alpha_edge_share(operation, cell)]
            if 2 * step >= self.num_steps >= SHORTEST_SEARCH:
                yield f"entropy/{cell}", self.start_entropy - metrics[alpha_entropy(cell)]
        accuracy = (metrics[REAL_ACCURACY] + metrics[FAKE_ACCURACY]) / 2
        yield "accuracy/one", accuracy
        yield "accuracy/half", accuracy
        mean_iou = metrics[VAL_MEAN_IOU]
        if mean_iou > self._best_mean_iou:
            self._best_mean_iou = mean_iou
        yield "val_iou", self._best_mean_iou - mean_iou

    def _message(self, kind: str) -> str | None:
        """What the recent values say; nothing where they are no sign of this kind."""
        limits, recent = self.thresholds, self._recent[kind]
        mean = statistics.fmean(recent)
        over = f"over {limits.window} steps"
        share = f"{mean:.3g} of the edges {over} (--collapse_edge_share={limits.edge_share:g})"
        accuracy = f"{mean:.4g} {over} (--collapse_accuracy_margin={limits.accuracy_margin:g})"
        match kind.split("/"):
            case operation, cell if operation in WATCHED_OPERATIONS and mean > limits.edge_share:
                seen = f"{cell} cell: {operation} is the strongest operation on {share}"
                remedy = "lower --search_epochs or --architecture_learning_rate"
            case "entropy", cell if mean < limits.entropy_change:
                change = f"{mean:.2g} nats (--collapse_entropy_change={limits.entropy_change:g})"
                seen = f"{cell} cell: little is decided, alpha's entropy has fallen by {change}"
                remedy = "raise --architecture_learning_rate or --search_epochs"
            case "accuracy", "one" if 1 - mean <= limits.accuracy_margin:
                seen = f"the discriminator is hardly ever wrong, its accuracy is {accuracy}"
                remedy = "lower --discriminator_channels or raise --adversarial_weight"
            case "accuracy", "half" if abs(mean - 1 / 2) <= limits.accuracy_margin:
                seen = f"the discriminator guesses, its accuracy is {accuracy}"
                remedy = "raise --discriminator_channels or lower --adversarial_weight"
            case ["val_iou"] if min(recent) >= limits.iou_fall:
                fall = f"{recent[-1]:.3g} below its best (--collapse_iou_fall={limits.iou_fall:g})"
                seen = f"the mean IoU of validation cases is {fall} for the second time in a row"
                remedy = "lower --learning_rate, --adversarial_weight or --search_epochs"
            case _:
                return None
        return f"{seen}; {remedy}"


class CollapseWarnings(Callback):
    """Reports the warnings of a `CollapseDetector`.

    Args:
        detector: Looks at the metrics.
        required: Names of the metrics that each step must have. A step without one is an error:
            a metric that was renamed on one side only would silence its warning.
    """

    # As checkpoints have called it from the first version on.
    state_name = "watch"

    def __init__(self, detector: CollapseDetector, required: Collection[str]):
        self.detector = detector
        self.required = required

    def on_step(self, report: Report) -> None:
        missing = [name for name in self.required if name not in report.metrics]
        if missing:
            raise KeyError(f"A step must report {', '.join(missing)}.")
        self._observe(report)

    def on_epoch(self, epoch: int, report: Report) -> None:
        self._observe(report)

    def state(self) -> Mapping[str, Any]:
        return self.detector.state()

    def restore(self, state: Any) -> None:
        self.detector.restore(state)

    def _observe(self, report: Report) -> None:
        for collapse in self.detector.observe(report.done, report.metrics):
            report.warnings.append(Warn(f"collapse/{collapse.kind}", collapse.message))


def search_metrics(space: SearchSpace, cells: Collection[str]) -> list[str]:
    """Returns the metrics by which a search is judged, which each of its steps must report."""
    edge_shares = [
        alpha_edge_share(operation, cell)
        for operation in watched_operations(space)
        for cell in cells
    ]
    return [*edge_shares, *map(alpha_entropy, cells), *GAME_METRICS]
