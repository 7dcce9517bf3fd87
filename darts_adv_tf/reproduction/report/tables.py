"""The tables of a report."""

from collections.abc import Sequence

import numpy as np

from darts_adv_tf.reproduction.comparison import PAIRS, ArmSummary, BaselineSummary
from darts_adv_tf.reproduction.paper import SETTING, TABLES, published_iou
from darts_adv_tf.reproduction.report.content import Content
from darts_adv_tf.reproduction.report.table import Cell, Table
from darts_adv_tf.reproduction.report.wording import (
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
from darts_adv_tf.search_space.genotype import EDGES, PRIMITIVES
from darts_adv_tf.training.epoch_log import CELL_KINDS

FIGURE_COLUMNS = {
    "mean_iou": ("mean IoU, %", 100, max),
    "mean_iou_organs": ("mean IoU of organs, %", 100, max),
    "mean_hd95_organs": ("HD95 of organs, px", 1, min),
    "mean_assd_organs": ("ASSD of organs, px", 1, min),
}
"""Heading, factor, and which of two values is the better."""

SIGNIFICANT = 0.05
MINUTE = 60


def figures_table(content: Content, backbone: str) -> Table:
    """The arms of a backbone beside the blind rows and the paper."""
    arms = [each for each in content.summaries if each.backbone == backbone]
    blind = [each for each in content.baselines if each.backbone == backbone]
    best = _best([*arms, *blind])
    has_paper = content.dataset in TABLES
    columns = ["model", "runs", *(heading for heading, _, _ in FIGURE_COLUMNS.values())]
    if has_paper:
        columns.append(f"the paper's mIOU, % ({TABLES[content.dataset]})")
    columns += ["search, min", "retraining, min"]
    rows = []
    for each in arms:
        cells = [Cell(str(each.num_runs)), *_figures(each, best)]
        if has_paper:
            cells.append(Cell(number(published_iou(content.dataset, backbone, each.arm))))
        cells += [_minutes(each.seconds[phase]) for phase in ("search", "retrain")]
        rows.append((model_label(backbone, each.arm), cells))
    for each in blind:
        cells = [Cell(ABSENT), *_figures(each, best)]
        if has_paper:
            cells.append(Cell("not reported"))
        cells += [Cell(ABSENT), Cell(ABSENT)]
        rows.append((BASELINES.get(each.name, each.name), cells))
    return Table(
        f"{backbone_label(backbone)}: means over runs, with 95 % intervals; the best is bold.",
        columns,
        rows,
        frozenset(BASELINES.get(each.name, each.name) for each in blind),
    )


def setting_table(content: Content) -> Table:
    """Where the paper's setting differs."""
    rows = []
    for flag, paper in SETTING.items():
        here = content.settings.get(flag)
        differs = here is not None and not _is_same(here, paper)
        rows.append((f"--{flag}", [Cell(paper), Cell(here or ABSENT, is_best=differs)]))
    return Table(
        "The setting beside the paper's; bold where it differs.",
        ["flag", "the paper", "here"],
        rows,
    )


def differences_table(content: Content, backbone: str) -> Table:
    """Two arms of a seed, case by case."""
    rows = []
    # The seeds of a pair below each other: do they agree?
    comparisons = sorted(
        (each for each in content.comparisons if each.backbone == backbone),
        key=lambda each: (PAIRS.index((each.first, each.second)), each.seed),
    )
    for each in comparisons:
        statistics = each.statistics
        interval = Interval(*statistics[1:4], statistics.count)
        cells = [
            Cell(str(each.seed)),
            Cell(str(statistics.count)),
            Cell(number(100 * statistics.mean, signed=True)),
            Cell(bounds(interval, 100, signed=True) or ABSENT),
            Cell(f"{statistics.wins} / {statistics.losses}"),
            Cell(probability(statistics.p_value)),
            Cell(probability(each.p_holm), is_best=each.p_holm < SIGNIFICANT),
            Cell(number(statistics.effect_size, signed=True)),
        ]
        rows.append((f"{arm_label(each.first)} − {arm_label(each.second)}", cells))
    return Table(
        f"{backbone_label(backbone)}: mean IoU of a test case, first arm minus second.",
        [
            "pair",
            "seed",
            "cases",
            "mean difference, points",
            "95 % interval",
            "wins / losses",
            "Wilcoxon p",
            "Holm p",
            "rank-biserial",
        ],
        rows,
    )


def stability_table(content: Content) -> Table:
    """What the genotypes of several seeds have in common."""
    rows = []
    for each in content.stabilities:
        for kind in CELL_KINDS:
            agreement = each.agreement[kind]
            cells = [
                Cell(kind, is_text=True),
                Cell(str(each.num_seeds)),
                Cell(number(agreement.edges)),
                Cell(number(each.chance.edges)),
                Cell(number(agreement.operations)),
                Cell(number(each.chance.operations)),
                Cell(_counts(each.operations[kind]), is_text=True),
            ]
            rows.append((model_label(each.backbone, each.arm), cells))
    return Table(
        "Genotypes over seeds: share of kept edges that two seeds have in common, 0 to 1.",
        [
            "arm",
            "cell",
            "seeds",
            "same edge",
            "by chance",
            "same edge and operation",
            "by chance",
            "operations derived",
        ],
        rows,
    )


def alpha_table(content: Content) -> Table:
    """Where α ended."""
    rows = []
    for backbone in content.finished_backbones:
        for arm, runs in content.searched(backbone).items():
            for run in runs:
                if run.alpha is None or not len(run.alpha):
                    continue
                cells = [Cell(str(run.seed))]
                for weights in run.alpha[-1]:
                    means = weights.mean(axis=0)
                    strongest = means.argmax()
                    cells += [
                        Cell(number(mean_entropy(weights), 3)),
                        Cell(
                            f"{PRIMITIVES[strongest]} {number(means[strongest], 3)}", is_text=True
                        ),
                    ]
                rows.append((model_label(backbone, arm), cells))
    columns = ["arm", "seed"]
    for kind in CELL_KINDS:
        columns += [f"{kind} cell: entropy", "strongest operation, its mean weight"]
    return Table(
        "Where α ended. Entropy 1: all operations weigh the same (1/8 = 0.125); 0: one weighs all.",
        columns,
        rows,
    )


def cost_table(content: Content) -> Table:
    """What the search costs beside what it is for."""
    rows = []
    for backbone in content.finished_backbones:
        arms = {each.arm: each for each in content.summaries if each.backbone == backbone}
        alone = _total(arms["none"]) if "none" in arms else np.nan
        for arm, each in arms.items():
            search, retrain = (each.seconds[phase].mean for phase in ("search", "retrain"))
            cells = [
                _minutes(each.seconds["search"]),
                _minutes(each.seconds["retrain"]),
                Cell(number(_total(each) / MINUTE, 1)),
                Cell(number(_ratio(search, retrain) if search else np.nan, 1)),
                Cell(number(_ratio(_total(each), alone), 1)),
            ]
            rows.append((model_label(backbone, arm), cells))
    return Table(
        "Mean time of a run's steps, with 95 % intervals over runs.",
        [
            "model",
            "search, min",
            "retraining, min",
            "together, min",
            "search / retraining",
            "together / alone",
        ],
        rows,
    )


def failures_table(content: Content) -> Table:
    """What failed, and what it said."""
    rows = [
        (each.name, [Cell(each.message, is_text=True), Cell(each.log, is_text=True)])
        for each in content.failed
    ]
    return Table("Runs that failed.", ["run", "message", "log"], rows)


def mean_entropy(weights: np.ndarray) -> float | np.ndarray:
    """The mean over edges of the entropy of their weights, as a share of the most there can be.

    Args:
        weights: (..., 14 edges, 8 operations).

    Returns:
        (...), 0 (one operation weighs all) to 1 (all weigh the same).
    """
    assert weights.shape[-2:] == (len(EDGES), len(PRIMITIVES)), weights.shape
    # 0 · log 0 is 0.
    logarithms = np.log(np.where(weights > 0, weights, 1))
    return -(weights * logarithms).sum(axis=-1).mean(axis=-1) / np.log(len(PRIMITIVES))


def _is_same(here: str, paper: str) -> bool:
    try:
        return float(here) == float(paper)
    except ValueError:
        return here == paper


def _best(rows: Sequence[ArmSummary | BaselineSummary]) -> dict[str, str]:
    """The best text of each figure: what prints alike is as good."""
    best = {}
    for name, (_, scale, better) in FIGURE_COLUMNS.items():
        means = [each.figures[name].mean * scale for each in rows if name in each.figures]
        if means:
            best[name] = number(better(means))
    return best


def _figures(row: ArmSummary | BaselineSummary, best: dict[str, str]) -> list[Cell]:
    cells = []
    for name, (_, scale, _) in FIGURE_COLUMNS.items():
        interval = row.figures.get(name)
        if interval is None:
            cells.append(Cell(ABSENT))
            continue
        text = number(interval.mean * scale)
        cells.append(Cell(text, bounds(interval, scale), is_best=text == best[name]))
    return cells


def _minutes(seconds: Interval) -> Cell:
    if seconds.mean == 0:
        return Cell(ABSENT)
    return Cell(number(seconds.mean / MINUTE, 1), bounds(seconds, 1 / MINUTE, 1))


def _total(summary: ArmSummary) -> float:
    return summary.seconds["search"].mean + summary.seconds["retrain"].mean


def _ratio(first: float, second: float) -> float:
    return first / second if second else np.nan


def _counts(operations: dict[str, int]) -> str:
    ordered = sorted(operations.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count}" for name, count in ordered if count)
