"""The tables of a report."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from darts_adv_tf.reproduction.averages import PHASES, ArmSummary
from darts_adv_tf.reproduction.comparison import pairs_among
from darts_adv_tf.reproduction.paper import SETTING, TABLES, published_iou
from darts_adv_tf.reproduction.report.content import Content
from darts_adv_tf.reproduction.report.formatting import (
    ABSENT,
    BASELINES,
    arm_label,
    backbone_label,
    bounds,
    model_label,
    number,
    probability,
)
from darts_adv_tf.reproduction.statistics import Interval
from darts_adv_tf.search_space.space import CELL_KINDS


class MetricColumn(NamedTuple):
    """How a metric is shown: a heading, a factor, and which of two values is the better."""

    heading: str
    scale: float
    better: Callable[[Sequence[float]], float]


METRIC_COLUMNS: Mapping[str, MetricColumn] = {
    "mean_iou": MetricColumn("mean IoU, %", 100, max),
    "mean_iou_organs": MetricColumn("foreground mean IoU, %", 100, max),
    "mean_hd95_organs": MetricColumn("foreground HD95, px", 1, min),
    "mean_assd_organs": MetricColumn("foreground ASSD, px", 1, min),
}
SIGNIFICANT = 0.05
MINUTE = 60


class Cell(NamedTuple):
    """A number or name, and a note such as its interval; words (`is_text`) are set to the left."""

    text: str
    note: str = ""
    is_best: bool = False
    is_text: bool = False


class Table(NamedTuple):
    """Rows under headings.

    Attributes:
        caption: What it shows.
        columns: Headings; the first is that of the rows' own headings.
        rows: The heading and the cells of each row.
        set_off: Headings of rows that are printed apart, in grey.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    set_off: frozenset[str] = frozenset()


def metrics_table(content: Content, backbone: str) -> Table:
    """The arms of a backbone, the trivial baselines and the paper's numbers."""
    arms, baselines = content.arms_of(backbone), content.baselines_of(backbone)
    best = _best([*(each.metrics for each in arms), *(each.metrics for each in baselines)])
    has_paper = content.dataset in TABLES
    columns = ["model", "runs", *(each.heading for each in METRIC_COLUMNS.values())]
    columns += [f"the paper's mIOU, % ({TABLES[content.dataset]})"] if has_paper else []
    columns += ["search, min", "retraining, min"]
    rows = []
    for arm in arms:
        paper = [Cell(number(published_iou(content.dataset, backbone, arm.arm)))]
        minutes = [_minutes(arm.seconds[phase]) for phase in PHASES]
        cells = [Cell(str(arm.num_runs)), *_metrics(arm.metrics, best)]
        rows.append(
            (model_label(backbone, arm.arm), [*cells, *(paper if has_paper else []), *minutes])
        )
    labels = []
    for row in baselines:
        labels.append(BASELINES.get(row.name, row.name))
        paper = [Cell("not reported")] if has_paper else []
        cells = [Cell(ABSENT), *_metrics(row.metrics, best), *paper, Cell(ABSENT), Cell(ABSENT)]
        rows.append((labels[-1], cells))
    caption = f"{backbone_label(backbone)}: means over runs, with 95 % intervals; the best is bold."
    return Table(caption, columns, rows, frozenset(labels))


def setting_table(content: Content) -> Table:
    """Where the paper's setting differs."""
    rows = []
    for flag, paper in SETTING.items():
        here = content.settings.get(flag)
        differs = here is not None and not _is_same(here, paper)
        rows.append((f"--{flag}", [Cell(paper), Cell(here or ABSENT, is_best=differs)]))
    caption = "The paper's setting and ours; bold where they differ."
    return Table(caption, ["flag", "the paper", "here"], rows)


def setting_differs(content: Content) -> bool:
    return any(here.is_best for _, (_, here) in setting_table(content).rows)


def differences_table(content: Content, backbone: str) -> Table:
    """Two arms of a seed, case by case; the seeds of a pair are below each other."""
    pairs = pairs_among(content.runs_by_arm(backbone))
    rows = []
    for each in sorted(
        (each for each in content.comparisons if each.backbone == backbone),
        key=lambda each: (pairs.index((each.first, each.second)), each.seed),
    ):
        found = each.statistics
        interval = Interval(found.mean, found.low, found.high, found.num_cases)
        cells = [
            Cell(str(each.seed)),
            Cell(str(found.num_cases)),
            Cell(number(100 * found.mean, signed=True)),
            Cell(bounds(interval, 100, signed=True) or ABSENT),
            Cell(f"{found.wins} / {found.losses}"),
            Cell(probability(found.p_value)),
            Cell(probability(each.p_holm), is_best=each.p_holm < SIGNIFICANT),
            Cell(number(found.effect_size, signed=True)),
        ]
        rows.append((f"{arm_label(each.first)} − {arm_label(each.second)}", cells))
    caption = f"{backbone_label(backbone)}: mean IoU of a test case, first arm minus second."
    columns = ["pair", "seed", "cases", "mean difference, points", "95 % interval"]
    columns += ["wins / losses", "Wilcoxon p", "Holm p", "rank-biserial"]
    return Table(caption, columns, rows)


def stability_table(content: Content) -> Table:
    """What the genotypes of several seeds have in common."""
    rows = []
    for each in content.stabilities:
        for kind in CELL_KINDS:
            found = each.agreement[kind]
            shares = (found.edges, each.chance.edges, found.operations, each.chance.operations)
            cells = [Cell(kind, is_text=True), Cell(str(each.num_seeds))]
            cells += [Cell(number(share)) for share in shares]
            cells.append(Cell(_counts(each.operations[kind]), is_text=True))
            rows.append((model_label(each.backbone, each.arm), cells))
    columns = ["arm", "cell", "seeds", "same edge", "by chance", "same edge and operation"]
    columns += ["by chance", "operations derived"]
    caption = "Genotypes over seeds: share of kept edges that two seeds have in common, 0 to 1."
    return Table(caption, columns, rows)


def alpha_table(content: Content) -> Table:
    """Where α ended."""
    rows = []
    for backbone in content.finished_backbones:
        for arm, runs in content.searched(backbone).items():
            for run in runs:
                if run.alpha is None or run.genotype is None or not len(run.alpha):
                    continue
                operations = run.genotype.space.operations
                cells = [Cell(str(run.seed))]
                for weights in run.alpha[-1]:
                    means = weights.mean(axis=0)
                    strongest = f"{operations[means.argmax()]} {number(means.max(), 3)}"
                    entropy = number(float(mean_entropy(weights)), 3)
                    cells += [Cell(entropy), Cell(strongest, is_text=True)]
                rows.append((model_label(backbone, arm), cells))
    columns = ["arm", "seed"]
    for kind in CELL_KINDS:
        columns += [f"{kind} cell: entropy", "strongest operation, its mean weight"]
    caption = "Where α ended. Entropy 1: all operations weigh the same; 0: one has all the weight."
    return Table(caption, columns, rows)


def cost_table(content: Content) -> Table:
    """What the search costs, compared with the training that it is for."""
    rows = []
    for backbone in content.finished_backbones:
        arms = {each.arm: each for each in content.arms_of(backbone)}
        baseline = _total(arms["none"]) if "none" in arms else np.nan
        for arm, each in arms.items():
            search, retrain = (each.seconds[phase].mean for phase in PHASES)
            cells = [
                *(_minutes(each.seconds[phase]) for phase in PHASES),
                Cell(number(_total(each) / MINUTE, 1)),
                Cell(number(_ratio(search, retrain) if search else np.nan, 1)),
                Cell(number(_ratio(_total(each), baseline), 1)),
            ]
            rows.append((model_label(backbone, arm), cells))
    columns = ["model", "search, min", "retraining, min", "together, min", "search / retraining"]
    columns.append("together / no discriminator")
    return Table("Mean time of a run's steps, with 95 % intervals over runs.", columns, rows)


def failures_table(content: Content) -> Table:
    rows = [
        (each.name, [Cell(each.message, is_text=True), Cell(each.log, is_text=True)])
        for each in content.failed
    ]
    return Table("Runs that failed.", ["run", "message", "log"], rows)


def mean_entropy(weights: np.ndarray) -> np.ndarray:
    """Mean over edges of the entropy of their weights, as a share of the largest possible one.

    Args:
        weights: (..., edges, operations).

    Returns:
        (...), 0 (one operation has all the weight) to 1 (all weigh the same).
    """
    # 0 · log 0 is 0.
    logarithms = np.log(np.where(weights > 0, weights, 1))
    return -(weights * logarithms).sum(axis=-1).mean(axis=-1) / np.log(weights.shape[-1])


def _is_same(here: str, paper: str) -> bool:
    try:
        return float(here) == float(paper)
    except ValueError:
        return here == paper


def _best(rows: Sequence[Mapping[str, Interval]]) -> dict[str, str]:
    """The best text of each metric: what prints alike is as good."""
    best = {}
    for name, (_, scale, better) in METRIC_COLUMNS.items():
        means = [row[name].mean * scale for row in rows if name in row]
        if means:
            best[name] = number(better(means))
    return best


def _metrics(metrics: Mapping[str, Interval], best: Mapping[str, str]) -> list[Cell]:
    cells = []
    for name, (_, scale, _) in METRIC_COLUMNS.items():
        if name in metrics:
            text = number(metrics[name].mean * scale)
            cells.append(Cell(text, bounds(metrics[name], scale), is_best=text == best[name]))
        else:
            cells.append(Cell(ABSENT))
    return cells


def _minutes(seconds: Interval) -> Cell:
    if seconds.mean == 0:
        return Cell(ABSENT)
    return Cell(number(seconds.mean / MINUTE, 1), bounds(seconds, 1 / MINUTE, 1))


def _total(summary: ArmSummary) -> float:
    return sum(summary.seconds[phase].mean for phase in PHASES)


def _ratio(first: float, second: float) -> float:
    return first / second if second else np.nan


def _counts(operations: Mapping[str, int]) -> str:
    ordered = sorted(operations.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count}" for name, count in ordered if count)
