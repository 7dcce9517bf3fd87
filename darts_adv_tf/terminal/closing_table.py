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
    "epochs_search.csv": "figures of the search by epoch",
    "alpha.csv": "the weight of each operation by epoch",
    "epochs_retrain.csv": "figures of the training by epoch",
    "tensorboard": "curves and pictures: tensorboard --logdir",
    "metrics.json": "the figures of the test cases",
    "per_case.csv": "the same, case by case",
    "overlays.png": "best, median and worst case",
    "segmenter/1": "the exported SavedModel",
}


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """The segmenter beside the baselines that are blind to the image.

    Overlaps are fractions, distances pixels of the training resolution, and mm where known.

    Args:
        metrics: What metrics.json holds.
    """
    rows = {"segmenter": metrics, **metrics["baselines"]}
    lines = [
        _line(f"{metrics['num_cases']} test cases", " mean IoU  of organs  HD95, px  ASSD, px")
    ]
    for name, row in rows.items():
        overlaps = (row["mean_iou"], row["mean_iou_organs"])
        distances = (row["mean_hd95_organs"], row["mean_assd_organs"])
        figures = (*map(_fraction, overlaps), *map(_distance, distances))
        lines.append(_line(name, "  ".join(figures)))
    lines += [
        _line("mean over cases", _fraction(metrics["mean_iou_per_case"])),
        _line("IoU by class", _by_class(metrics["iou"])),
        _line("Dice by class", _by_class(metrics["dice"])),
        _line("HD95 by organ", _distances_by_organ(metrics, "hd95")),
        _line("ASSD by organ", _distances_by_organ(metrics, "assd")),
    ]
    missing = {organ: number for organ, number in metrics["num_missing"].items() if number}
    if missing:
        counts = "  ".join(f"{organ} {number}" for organ, number in missing.items())
        lines.append(_line("missed or invented", counts))
    for reference, agreement in metrics.get("cardiothoracic_ratio", {}).items():
        lines.append(_line("heart to thorax", _agreement(reference, agreement)))
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


def _line(name: str, text: str) -> str:
    return name.ljust(20) + text


def _fraction(figure: float | None) -> str:
    return "   absent" if figure is None else f"{figure:9.4f}"


def _distance(figure: float | None) -> str:
    return "  absent" if figure is None else f"{figure:8.2f}"


def _by_class(figures: Mapping[str, float | None]) -> str:
    return "  ".join(
        f"{name} {'absent' if figure is None else format(figure, '.4f')}"
        for name, figure in figures.items()
    )


def _distances_by_organ(metrics: Mapping[str, Any], name: str) -> str:
    millimetres = metrics.get(f"{name}_mm", {})
    texts = []
    for organ, distance in metrics[name].items():
        if distance is None:
            texts.append(f"{organ} absent")
        elif millimetres.get(organ) is None:
            texts.append(f"{organ} {distance:.2f} px")
        else:
            texts.append(f"{organ} {distance:.2f} px, {millimetres[organ]:.2f} mm")
    return "  ".join(texts)


def _agreement(reference: str, agreement: Mapping[str, Any]) -> str:
    error, correlation = agreement["mean_absolute_error"], agreement["correlation"]
    texts = [f"{agreement['num_cases']} cases against {reference}"]
    if error is not None:
        texts.append(f"mean error {error:.4f}")
    if correlation is not None:
        texts.append(f"correlation {correlation:.3f}")
    if agreement["num_missing"]:
        texts.append(f"{agreement['num_missing']} without a prediction")
    return ", ".join(texts)
