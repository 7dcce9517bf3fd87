"""Tables of text, as people and spreadsheets write them: CSV and its relatives."""

import csv
import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from darts_adv_tf.system.errors import DataError
from darts_adv_tf.system.text_files import decode_text

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_LONGEST_SHOWN = 200

MakeError = Callable[[object, str], DataError]
"""Makes the error for what was received, with the remedy."""


@dataclasses.dataclass(frozen=True)
class Table:
    """The rows of a table.

    Attributes:
        rows: Each row's line in the file, from 1, and its fields by column. Fields are as they are
            written, spaces included.
        separator: What separates the fields.
        liberties: What was read otherwise than it is written, for the user to check.
    """

    rows: tuple[tuple[int, Mapping[str, str]], ...]
    separator: str
    liberties: tuple[str, ...]


def read_table(
    path: str | Path, columns: Sequence[str], optional: Sequence[str], make_error: MakeError
) -> Table:
    """Reads a table with a line of column names.

    The fields may be separated by commas, semicolons, tabs or vertical bars: the separator is the
    one that makes the first line name the columns. (`csv.Sniffer` guesses it from the frequency of
    all characters, and fails on short tables.) Columns may be in any order, their names in any
    letter case. Blank lines, and columns without a name, are passed over. The text is UTF-8, or
    UTF-16 with a byte order mark.

    Args:
        path: The file.
        columns: The names of the columns that must be there, in small letters.
        optional: The names of those that may be.
        make_error: Makes the error.

    Raises:
        DataError: The file cannot be read, or is no such table; made by `make_error`.
    """
    expected = f"{','.join(columns)}{''.join(f'[,{name}]' for name in optional)}"
    try:
        text = decode_text(Path(path).read_bytes())
    except UnicodeDecodeError as error:
        raise make_error(error, "Save the table again as CSV in UTF-8.") from error
    except (OSError, ValueError) as error:
        received = getattr(error, "strerror", None) or error
        raise make_error(received, "Name a file that exists and that you may read.") from error
    # Spreadsheets may name the separator in a line of its own.
    lines = text.splitlines(keepends=True)
    num_skipped = 1 if lines and lines[0].strip().lower().startswith("sep=") else 0
    text = "".join(lines[num_skipped:])
    for separator in _SEPARATORS:
        try:
            records = _records(text, separator)
        except csv.Error as error:
            if separator in text.partition("\n")[0]:
                remedy = 'Close each quotation mark (") that opens a field.'
                raise make_error(error, remedy) from error
            continue
        header = [name.strip().lower() for name in records[0][1]] if records else []
        named = [name for name in header if name]
        if set(columns) <= set(named) <= {*columns, *optional} and len(set(named)) == len(named):
            break
    else:
        first = next((line for line in lines[num_skipped:] if line.strip()), "")
        raise make_error(
            f"line 1: {first.strip()[:_LONGEST_SHOWN]}", f"Begin the table with a line {expected}."
        )
    rows = []
    for line, fields in records[1:]:
        line += num_skipped
        # Spreadsheets fill lines up with empty fields.
        while len(fields) > len(header) and not fields[-1].strip():
            fields = fields[:-1]
        if len(fields) != len(header):
            raise make_error(
                f"line {line}: {separator.join(fields)[:_LONGEST_SHOWN]}",
                f"Give this line {len(header)} fields, separated by {_SEPARATORS[separator]}; put "
                'a field that holds the separator in quotation marks (").',
            )
        pairs = zip(header, fields, strict=True)
        rows.append((line, {name: field for name, field in pairs if name}))
    liberties = () if separator == "," else (f"fields separated by {_SEPARATORS[separator]}",)
    return Table(tuple(rows), separator, liberties)


def _records(text: str, separator: str) -> list[tuple[int, list[str]]]:
    """The lines that hold something, each with its number."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    return [(reader.line_num, fields) for fields in reader if any(map(str.strip, fields))]
