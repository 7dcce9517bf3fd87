"""Writes the report of a matrix of runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from darts_adv_tf.reproduction.report.comma_separated import csv_files
from darts_adv_tf.reproduction.report.content import gather
from darts_adv_tf.reproduction.report.failed_run import FailedRun
from darts_adv_tf.reproduction.report.markdown import report_markdown
from darts_adv_tf.reproduction.report.page import report_page
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
        folder: Where; it exists.
        results: The finished runs, any number of them, of the same data.
        failed: Those that ended without their files.
        settings: Values of flags, by name; `dataset` decides whether the paper's figures stand
            beside ours, `backbones` names those that have no run yet.
        planned: How many runs the matrix has.

    Returns:
        The page's path.

    Raises:
        StorageError: The system refused to write.
    """
    content = gather(results, failed, settings, planned)
    for name, text in csv_files(content).items():
        write_text(folder / name, text)
    write_text(folder / "report.md", report_markdown(content))
    page = folder / "report.html"
    # Last: where the page stands, the rest stands too.
    write_text(page, report_page(content))
    return page
