"""The verify command: inspects a data set, prints its issues and writes the report."""

import csv
import dataclasses
import io
import random
from pathlib import Path

import numpy as np

from darts_adv_tf.config.verify import VerifyConfig
from darts_adv_tf.data.inspection import Inspection, inspect
from darts_adv_tf.pages.rendering import Figure, embed_jpeg
from darts_adv_tf.pages.verification_page import verification_page
from darts_adv_tf.plots.verification_images import draw_prepared, draw_stored
from darts_adv_tf.run.cases import find_cases, make_preparation, split_cases
from darts_adv_tf.system.errors import DataError
from darts_adv_tf.system.files import write_text
from darts_adv_tf.terminal.printable import printable
from darts_adv_tf.terminal.progress import LoadingProgress
from darts_adv_tf.terminal.verification_table import inspection_table

REPORT_FILE = "report.html"
ISSUES_FILE = "findings.csv"
ISSUES_HEADER = ("case", "kind", "spoils", "message")
SAMPLE_SIZE = 6
"""Cases on the page if there is no issue."""
MAXIMUM_PICTURED = 200
"""Cases with pictures on the page, of some 30 KiB each: the worst ones."""


def verify(config: VerifyConfig) -> None:
    """Prints a table of what is wrong with a data set, and writes report.html and findings.csv.

    Raises:
        DataError: An issue is fatal; the report is printed and written before.
        StorageError: A file could not be written.
    """
    workdir = Path(config.workdir or ".")
    collection = find_cases(config.data, config.seed, workdir)
    with LoadingProgress("verify") as progress:
        inspection = inspect(
            collection,
            make_preparation(config.data),
            lambda dataset: split_cases(dataset, config.data, config.seed, workdir),
            progress,
        )
    print(inspection_table(inspection))
    report = workdir / REPORT_FILE
    shown = list(inspection.issues_by_case())[:MAXIMUM_PICTURED]
    if shown:
        figures = {case: draw_case(inspection, case) for case in shown}
    else:
        figures = draw_sample(inspection, config.seed)
    write_text(report.with_name(ISSUES_FILE), issues_table(inspection))
    write_text(report, verification_page(inspection, _settings(config), figures))
    print(f"{'report':<17}{report}", flush=True)
    if inspection.fatal_issues:
        worst = inspection.fatal_issues[0]
        raise DataError(
            "A data set must have no fatal issues.",
            received=f"{len(inspection.fatal_issues)} fatal issue(s), the first: "
            f"{printable(str(worst))}",
            file=report,
            remedy="Repair these cases, or remove them from the data set.",
        )


def draw_case(inspection: Inspection, case: str) -> list[Figure]:
    """Draws a case as it is stored, as training sees it, and the one that it is a copy of."""
    if case not in inspection.readings:
        return []
    reading = inspection.readings[case]
    figures = []
    try:
        picture, masks = reading.case.read()
    except DataError:
        # There is nothing to show; an issue says why.
        pass
    else:
        drawn = draw_stored(picture.pixels, masks, len(inspection.collection.class_names))
        figures.append(_figure(drawn, "as stored"))
    figures += _draw_prepared(inspection, case, "as training sees it")
    others = {issue.other for issue in reading.issues if issue.other}
    others |= {f.other for f in inspection.issues_by_case()[case] if f.other}
    for other in sorted(others):
        figures += _draw_prepared(inspection, other, f"the other case, {other}")
    return figures


def draw_sample(inspection: Inspection, seed: int) -> dict[str, list[Figure]]:
    """Draws some cases as training sees them, to see that masks and images fit."""
    names = random.Random(seed).sample(
        sorted(inspection.readings), min(SAMPLE_SIZE, len(inspection.readings))
    )
    return {name: _draw_prepared(inspection, name, name) for name in sorted(names)}


def _draw_prepared(inspection: Inspection, case: str, caption: str) -> list[Figure]:
    """The case as training sees it; nothing where it cannot be used."""
    reading = inspection.readings[case]
    if reading.image is None or reading.labels is None:
        return []
    num_classes = len(inspection.collection.class_names)
    return [_figure(draw_prepared(reading.image, reading.labels, num_classes), caption)]


def _figure(drawn: np.ndarray, caption: str) -> Figure:
    return Figure(embed_jpeg(drawn, caption), caption)


def issues_table(inspection: Inspection) -> str:
    """CSV with columns case, kind, spoils (is it fatal: yes or no) and message, worst first."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(ISSUES_HEADER)
    for issue in inspection.issues:
        fatal = "yes" if issue.is_fatal else "no"
        row = (issue.case, issue.kind, fatal, issue.message)
        writer.writerow([printable(cell) for cell in row])
    return table.getvalue()


def _settings(config: VerifyConfig) -> dict[str, str]:
    """The flags that are not as they are unless given, and those that are always asked after."""
    data = config.data
    shown = {
        field.name: getattr(data, field.name)
        for field in dataclasses.fields(data)
        if field.name in ("dataset", "image_size") or getattr(data, field.name) != field.default
    }
    return {name: str(value) for name, value in (shown | {"seed": config.seed}).items()}
