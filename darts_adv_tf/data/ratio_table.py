"""The table of cardiothoracic ratios that comes with CX-SEG."""

import csv
from pathlib import Path

from darts_adv_tf.system.errors import DataError

RATIOS_FILE = "ctr_ground_truth.csv"
"""What CX-SEG calls its table."""

_HEADER = ["id", "ctr"]


def read_ratios(path: str | Path) -> dict[str, float]:
    """Reads a table of ratios with the columns id and ctr.

    Returns:
        The ratios by id, without the `.png` that CX-SEG's ids end in, as its cases are named.

    Raises:
        DataError: The file cannot be read, or breaks its form.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            header, *rows = list(csv.reader(file, strict=True)) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _refuse(path, getattr(error, "strerror", None) or error) from error
    if header != _HEADER:
        raise _refuse(path, f"line 1: {','.join(header)[:200]}")
    ratios: dict[str, float] = {}
    for line, row in enumerate(rows, start=2):
        if not row:
            continue
        try:
            name, ratio = row[0].removesuffix(".png"), float(row[1])
        except (IndexError, ValueError):
            name, ratio = "", 0.0
        if len(row) != len(_HEADER) or not name or not 0 < ratio <= 1:
            raise _refuse(path, f"line {line}: {','.join(row)[:200]}")
        if name in ratios:
            raise _refuse(path, f"line {line}: {name} for the second time")
        ratios[name] = ratio
    return ratios


def _refuse(path: str | Path, received: object) -> DataError:
    return DataError(
        "A table of cardiothoracic ratios must have the columns id,ctr and name each case once, "
        "with a ratio above 0 and at most 1.",
        received=received,
        file=path,
        remedy=f"Restore {RATIOS_FILE} from the release, or remove the file.",
    )
