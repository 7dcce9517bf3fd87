"""Writes the report of a matrix of runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from darts_adv_tf.pages.rendering import render_html, render_markdown
from darts_adv_tf.reproduction.report import claim_rows, formatting, plots, tables
from darts_adv_tf.reproduction.report.content import FailedRun, gather
from darts_adv_tf.reproduction.report.csv_files import csv_files
from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.system.files import write_text


def write_report(
    folder: Path,
    results: Sequence[RunResult],
    failed: Sequence[FailedRun],
    settings: Mapping[str, str],
    planned: int,
) -> Path:
    """Writes report.html, report.md, table.csv, differences.csv, claims.csv, curves.csv and
    stability.csv, each of them as a whole.

    Args:
        folder: An existing folder.
        results: The finished runs, any number of them, of the same data.
        failed: Those that ended without their files.
        settings: Values of flags, by name; `dataset` selects the paper's numbers to compare with,
            `backbones` names those that have no run yet.
        planned: How many runs the matrix has.

    Returns:
        The path of report.html.

    Raises:
        StorageError: The system refused to write.
    """
    content = gather(results, failed, settings, planned)
    for name, text in csv_files(content).items():
        write_text(folder / name, text)
    parts = {
        "content": content,
        "claim_rows": claim_rows,
        "tables": tables,
        "title": formatting.title(content.dataset),
        "backbone_label": formatting.backbone_label,
    }
    write_text(folder / "report.md", render_markdown("report.md", plots=None, **parts))
    page = folder / "report.html"
    # Last: where there is a page, all other files are there too.
    write_text(page, render_html("report.html", plots=plots, **parts))
    return page
