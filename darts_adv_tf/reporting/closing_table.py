"""The last lines of a command: what came out, and where it lies."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

CONTENTS = {
    "config.json": "every setting, with versions",
    "cases.csv": "which case trained, validated, tested",
    "genotype.json": "the derived architecture",
    "genotype_normal.png": "its normal cell, drawn",
    "genotype_reduction.png": "its reduction cell, drawn",
    "checkpoints": "weights and optimizers",
    "tensorboard": "curves and pictures: tensorboard --logdir",
    "metrics.json": "the figures of the test cases",
    "per_case.csv": "the same, case by case",
    "overlays.png": "best, median and worst case",
    "segmenter/1": "the exported SavedModel",
}


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """The segmenter beside the baselines that are blind to the image, as fractions.

    Args:
        metrics: What metrics.json holds.
    """
    rows = {"segmenter": metrics, **metrics["baselines"]}
    lines = [f"{metrics['num_cases']} test cases".ljust(20) + "mean IoU  of organs"]
    for name, row in rows.items():
        figures = (row["mean_iou"], row["mean_iou_organs"])
        lines.append(name.ljust(20) + "  ".join(_fraction(figure) for figure in figures))
    per_case = _fraction(metrics["mean_iou_per_case"])
    lines.append("mean over cases".ljust(20) + per_case)
    lines.append("IoU by class".ljust(20) + _by_class(metrics["iou"]))
    lines.append("Dice by class".ljust(20) + _by_class(metrics["dice"]))
    return "\n".join(lines)


def warnings_table(warnings: Mapping[str, Sequence[str]]) -> str:
    """What went bad in each phase, a line each; empty if nothing did."""
    return "".join(
        f"warning: {phase}, {text}\n" for phase, texts in warnings.items() for text in texts
    )


def files_table(workdir: str | Path) -> str:
    """What of a run's files is there, a line each."""
    workdir = Path(workdir)
    lines = [
        f"{workdir / name}".ljust(len(str(workdir)) + 26) + description
        for name, description in CONTENTS.items()
        if (workdir / name).exists()
    ]
    return "\n".join(lines)


def _fraction(figure: float | None) -> str:
    return "   absent" if figure is None else f"{figure:9.4f}"


def _by_class(figures: Mapping[str, float | None]) -> str:
    return "  ".join(
        f"{name} {'absent' if figure is None else format(figure, '.4f')}"
        for name, figure in figures.items()
    )
