"""A table that is written alike as HTML and as Markdown."""

import dataclasses
import html
import re
from collections.abc import Sequence

from darts_adv_tf.pages.web_page import as_html
from darts_adv_tf.terminal.printable import printable

NARROW = 4
"""Columns of a table that does not fill the page."""

# What Markdown would read as more than a sign; a number's or a name's dots and dashes stay.
_MARKUP = re.compile(r"([\\`*_\[\]|~#])")


@dataclasses.dataclass(frozen=True)
class Cell:
    """What stands at one place.

    Attributes:
        text: The figure or name.
        note: Stands behind it, smaller: an interval.
        is_best: Whether it is printed bold.
        is_text: Whether it is words, which begin at the left, and no figure.
    """

    text: str
    note: str = ""
    is_best: bool = False
    is_text: bool = False


@dataclasses.dataclass(frozen=True)
class Table:
    """Rows under headings.

    Attributes:
        caption: What it shows.
        columns: Headings, that of the row's own heading first.
        rows: Of each row, its heading and its cells.
        set_off: Headings of rows that are printed apart, in grey.
    """

    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    set_off: frozenset[str] = frozenset()

    def html(self) -> str:
        kinds = ["", *("" if cell.is_text else ' class="number"' for cell in self._first())]
        head = "".join(
            f'<th scope="col"{kind}>{as_html(name)}</th>'
            for kind, name in zip(kinds, self.columns, strict=True)
        )
        width = " narrow" if len(self.columns) <= NARROW else ""
        headings = [None, *(heading for heading, _ in self.rows)]
        body = "\n".join(
            self._html_row(heading, cells, heading == before)
            for before, (heading, cells) in zip(headings, self.rows, strict=False)
        )
        return (
            f'<div class="wide"><table class="figures{width}">'
            f"<caption>{as_html(self.caption)}</caption>\n"
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
        )

    def markdown(self) -> str:
        lines = [
            as_markdown(self.caption),
            "",
            "| " + " | ".join(as_markdown(name) for name in self.columns) + " |",
            "| --- |" + self._alignments(),
        ]
        for heading, cells in self.rows:
            texts = (as_markdown(heading), *(_markdown_cell(cell) for cell in cells))
            lines.append("| " + " | ".join(texts) + " |")
        return "\n".join(lines)

    def _alignments(self) -> str:
        return "".join(" --- |" if cell.is_text else " ---: |" for cell in self._first())

    def _first(self) -> Sequence[Cell]:
        """The first row's cells, whose kind is that of their columns."""
        return self.rows[0][1] if self.rows else [Cell("")] * (len(self.columns) - 1)

    def _html_row(self, heading: str, cells: Sequence[Cell], is_repeated: bool) -> str:
        kind = ' class="repeated"' if is_repeated else ""
        if heading in self.set_off:
            kind = ' class="apart"'
        row = "".join(_html_cell(cell) for cell in cells)
        return f'<tr{kind}><th scope="row">{as_html(heading)}</th>{row}</tr>'


def as_markdown(text: str) -> str:
    """Foreign text, as text: no markup of it is obeyed, HTML's neither."""
    return _MARKUP.sub(r"\\\1", html.escape(printable(text), quote=False))


def _html_cell(cell: Cell) -> str:
    text = f"<strong>{as_html(cell.text)}</strong>" if cell.is_best else as_html(cell.text)
    note = f" <small>{as_html(cell.note)}</small>" if cell.note else ""
    kind = "" if cell.is_text else ' class="number"'
    return f"<td{kind}>{text}{note}</td>"


def _markdown_cell(cell: Cell) -> str:
    text = as_markdown(cell.text)
    note = f" ({as_markdown(cell.note)})" if cell.note else ""
    return f"**{text}**{note}" if cell.is_best else f"{text}{note}"
