"""The report's figures for other programs: CSV files in the units of a run's own files.

Overlaps and their differences are fractions, distances pixels of the training resolution, times
seconds. What is not defined is empty.
"""

import csv
import io
import math
from collections.abc import Iterable, Sequence

from darts_adv_tf.reproduction.comparison import FIGURES
from darts_adv_tf.reproduction.paper import published_difference, published_iou
from darts_adv_tf.reproduction.report.bands import FEWEST_FOR_INTERVAL, band
from darts_adv_tf.reproduction.report.content import Content
from darts_adv_tf.reproduction.statistics import Interval
from darts_adv_tf.search_space.genotype import PRIMITIVES
from darts_adv_tf.terminal.printable import printable
from darts_adv_tf.training import metric_names
from darts_adv_tf.training.epoch_log import CELL_KINDS

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
"""By phase, the figures of curves.csv."""


def csv_files(content: Content) -> dict[str, str]:
    """The files' texts by name."""
    return {
        "table.csv": _figures(content),
        "differences.csv": _differences(content),
        "claims.csv": _claims(content),
        "curves.csv": _curves(content),
        "stability.csv": _stability(content),
    }


def _figures(content: Content) -> str:
    columns = ["backbone", "model", "runs", "seeds"]
    for name in FIGURES:
        columns += [name, f"{name}_low", f"{name}_high"]
    columns += ["paper_mean_iou", "search_seconds", "retrain_seconds"]
    rows = []
    for backbone in content.finished_backbones:
        for each in (arm for arm in content.summaries if arm.backbone == backbone):
            printed = published_iou(content.dataset, backbone, each.arm)
            rows.append(
                [
                    *(backbone, each.arm, each.num_runs, each.num_seeds),
                    *_bounds_of(each.figures),
                    None if printed is None else printed / 100,
                    *(each.seconds[phase].mean for phase in ("search", "retrain")),
                ]
            )
        for each in (blind for blind in content.baselines if blind.backbone == backbone):
            figures = _bounds_of(each.figures)
            rows.append([backbone, each.name, None, each.num_seeds, *figures, None, None, None])
    return _table(columns, rows)


def _differences(content: Content) -> str:
    columns = ["backbone", "first", "second", "seed", "cases", "mean_difference", "low", "high"]
    columns += ["wins", "losses", "p_wilcoxon", "p_holm", "rank_biserial"]
    rows = (
        [
            *(each.backbone, each.first, each.second, each.seed),
            *each.statistics[:4],
            *(each.statistics.wins, each.statistics.losses),
            *(each.statistics.p_value, each.p_holm, each.statistics.effect_size),
        ]
        for each in content.comparisons
    )
    return _table(columns, rows)


def _claims(content: Content) -> str:
    columns = ["figure", "backbone", "claim", "first", "second", "margin", "verdict"]
    columns += ["seeds", "mean_difference", "low", "high", "paper_difference"]
    rows = []
    verdicts = [(figure, verdict) for (figure, _, _), verdict in content.verdicts.items()]
    verdicts += [("mean_iou", verdict) for verdict in content.blind_verdicts]
    for figure, verdict in verdicts:
        backbone, claim = verdict.backbone, verdict.claim
        printed = None
        if figure == "mean_iou":
            printed = published_difference(content.dataset, backbone, claim.first, claim.second)
        rows.append(
            [
                *(figure, backbone, claim.text, claim.first, claim.second, claim.margin),
                *(verdict.verdict, verdict.num_seeds, *verdict.interval[:3]),
                None if printed is None else printed / 100,
            ]
        )
    return _table(columns, rows)


def _curves(content: Content) -> str:
    columns = ["backbone", "arm", "phase", "figure", "epoch", "runs", "mean", "low", "high", "band"]
    rows = []
    for backbone in content.finished_backbones:
        for arm, runs in content.runs_by_arm(backbone).items():
            for phase, figures in CURVES.items():
                for figure in figures:
                    found = band(runs, phase, figure)
                    for epoch, count, *ends in zip(*found, strict=True) if found else ():
                        kind = "t95" if count >= FEWEST_FOR_INTERVAL else "range"
                        rows.append([backbone, arm, phase, figure, epoch, count, *ends, kind])
    return _table(columns, rows)


def _stability(content: Content) -> str:
    operations = [name for name in PRIMITIVES if name != "none"]
    columns = ["backbone", "arm", "cell", "seeds", "same_edge", "same_edge_by_chance"]
    columns += ["same_operation", "same_operation_by_chance", *operations]
    rows = [
        [
            *(each.backbone, each.arm, kind, each.num_seeds),
            *(each.agreement[kind].edges, each.chance.edges),
            *(each.agreement[kind].operations, each.chance.operations),
            *(each.operations[kind][name] for name in operations),
        ]
        for each in content.stabilities
        for kind in CELL_KINDS
    ]
    return _table(columns, rows)


def _bounds_of(figures: dict[str, Interval]) -> list[float | None]:
    row = []
    for name in FIGURES:
        row += figures[name][:3] if name in figures else [None] * 3
    return row


def _table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_written(value) for value in row] for row in rows)
    return text.getvalue()


def _written(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return printable(str(value))
