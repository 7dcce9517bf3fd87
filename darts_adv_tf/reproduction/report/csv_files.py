"""The report's numbers for other programs: CSV files in the units of a run's own files.

IoU and its differences are fractions, distances are in pixels of the training resolution, times in
seconds. What is not defined is empty. The column `figure` holds the name of a metric.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence

from darts_adv_tf.reproduction.averages import METRICS, PHASES
from darts_adv_tf.reproduction.claims import CLAIM_METRICS
from darts_adv_tf.reproduction.paper import published_difference, published_iou
from darts_adv_tf.reproduction.report.bands import FEWEST_FOR_INTERVAL, band
from darts_adv_tf.reproduction.report.content import Content
from darts_adv_tf.reproduction.statistics import Interval
from darts_adv_tf.search_space.space import CELL_KINDS
from darts_adv_tf.terminal.printable import printable
from darts_adv_tf.training import metric_names

CURVES = {
    "search": (
        metric_names.VALIDATION_LOSS,
        metric_names.SEGMENTATION_LOSS,
        metric_names.ADVERSARIAL_LOSS,
        metric_names.DISCRIMINATOR_LOSS,
    ),
    "retrain": (
        metric_names.TEST_MEAN_IOU,
        metric_names.TEST_MEAN_IOU_ORGANS,
        metric_names.SEGMENTATION_LOSS,
        metric_names.ADVERSARIAL_LOSS,
        metric_names.DISCRIMINATOR_LOSS,
        metric_names.REAL_ACCURACY,
        metric_names.FAKE_ACCURACY,
    ),
}
"""The metrics of curves.csv, by phase."""

Rows = Iterable[Sequence[object]]


def csv_files(content: Content) -> dict[str, str]:
    """Returns the files' texts by name."""
    # All runs of a matrix share a search space.
    operations = [
        name for each in content.stabilities[:1] for name in each.operations[CELL_KINDS[0]]
    ]
    ends = [f"{metric}{end}" for metric in METRICS for end in ("", "_low", "_high")]
    return {
        "table.csv": _table(
            ["backbone", "model", "runs", "seeds", *ends]
            + ["paper_mean_iou", "search_seconds", "retrain_seconds"],
            _metrics(content),
        ),
        "differences.csv": _table(
            ["backbone", "first", "second", "seed", "cases", "mean_difference", "low", "high"]
            + ["wins", "losses", "p_wilcoxon", "p_holm", "rank_biserial"],
            _differences(content),
        ),
        "claims.csv": _table(
            ["figure", "backbone", "claim", "first", "second", "margin", "verdict"]
            + ["seeds", "mean_difference", "low", "high", "paper_difference"],
            _claims(content),
        ),
        "curves.csv": _table(
            ["backbone", "arm", "phase", "figure", "epoch", "runs", "mean", "low", "high", "band"],
            _curves(content),
        ),
        "stability.csv": _table(
            ["backbone", "arm", "cell", "seeds", "same_edge", "same_edge_by_chance"]
            + ["same_operation", "same_operation_by_chance", *operations],
            _stability(content, operations),
        ),
    }


def _metrics(content: Content) -> Rows:
    for backbone in content.finished_backbones:
        for arm in content.arms_of(backbone):
            paper = _fraction(published_iou(content.dataset, backbone, arm.arm))
            seconds = (arm.seconds[phase].mean for phase in PHASES)
            counts = (arm.num_runs, arm.num_seeds)
            yield backbone, arm.arm, *counts, *_ends(arm.metrics), paper, *seconds
        for row in content.baselines_of(backbone):
            yield backbone, row.name, None, row.num_seeds, *_ends(row.metrics), None, None, None


def _differences(content: Content) -> Rows:
    for each in content.comparisons:
        found = each.statistics
        yield (
            *(each.backbone, each.first, each.second, each.seed, found.num_cases),
            *(found.mean, found.low, found.high, found.wins, found.losses),
            *(found.p_value, each.p_holm, found.effect_size),
        )


def _claims(content: Content) -> Rows:
    verdicts = [(metric, verdict) for (metric, _, _), verdict in content.verdicts.items()]
    verdicts += [(CLAIM_METRICS[0], verdict) for verdict in content.mean_mask_verdicts]
    for metric, verdict in verdicts:
        backbone, claim = verdict.backbone, verdict.claim
        paper = None
        if metric == CLAIM_METRICS[0]:
            paper = published_difference(content.dataset, backbone, claim.first, claim.second)
        yield (
            *(metric, backbone, claim.text, claim.first, claim.second, claim.margin),
            *(verdict.verdict, verdict.num_seeds, *verdict.interval[:3], _fraction(paper)),
        )


def _curves(content: Content) -> Rows:
    for backbone in content.finished_backbones:
        for arm, runs in content.runs_by_arm(backbone).items():
            for phase, metrics in CURVES.items():
                for metric in metrics:
                    found = band(runs, phase, metric)
                    for epoch, count, *ends in zip(*found, strict=True) if found else ():
                        kind = "t95" if count >= FEWEST_FOR_INTERVAL else "range"
                        yield backbone, arm, phase, metric, epoch, count, *ends, kind


def _stability(content: Content, operations: Sequence[str]) -> Rows:
    for each in content.stabilities:
        for kind in CELL_KINDS:
            found, chance = each.agreement[kind], each.chance
            counts = (each.operations[kind][name] for name in operations)
            agreements = (found.edges, chance.edges, found.operations, chance.operations)
            yield each.backbone, each.arm, kind, each.num_seeds, *agreements, *counts


def _ends(metrics: Mapping[str, Interval]) -> list[float | None]:
    missing = (None, None, None)
    return [end for name in METRICS for end in (metrics[name][:3] if name in metrics else missing)]


def _fraction(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _table(columns: Sequence[str], rows: Rows) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_text(value) for value in row] for row in rows)
    return text.getvalue()


def _text(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.6g}" if isinstance(value, float) else printable(str(value))
