"""The table of cardiothoracic ratios that comes with CX-SEG."""

from functools import partial
from pathlib import Path

from darts_adv_tf.data.table import read_table
from darts_adv_tf.system.errors import DataError
from darts_adv_tf.system.text_files import composed

RATIOS_FILE = "ctr_ground_truth.csv"
"""What CX-SEG calls its table."""

_COLUMNS = ("id", "ctr")


def read_ratios(path: str | Path) -> dict[str, float]:
    """Reads a table of ratios with the columns id and ctr.

    Returns:
        The ratios by id, without the `.png` that CX-SEG's ids end in, as its cases are named.

    Raises:
        DataError: The file cannot be read, or breaks its form.
    """
    table = read_table(path, _COLUMNS, (), partial(_refuse, path))
    ratios: dict[str, float] = {}
    for line, row in table.rows:
        # Where commas do not separate the fields, they may be those of decimal fractions.
        number = row["ctr"] if table.separator == "," else row["ctr"].replace(",", ".")
        name = composed(row["id"].strip()).removesuffix(".png")
        try:
            ratio = float(number)
        except ValueError:
            ratio = 0.0
        if not name or not 0 < ratio <= 1:
            raise _refuse(path, f"line {line}: {table.separator.join(row.values())[:200]}")
        if name in ratios:
            raise _refuse(path, f"line {line}: {name} for the second time", "Remove one of them.")
        ratios[name] = ratio
    return ratios


def _refuse(path: str | Path, received: object, remedy: str | None = None) -> DataError:
    return DataError(
        "A table of cardiothoracic ratios must have the columns id,ctr and name each case once, "
        "with a ratio above 0 and at most 1.",
        received=received,
        file=path,
        remedy=remedy or f"Correct the line, or restore {RATIOS_FILE} from the release.",
    )
