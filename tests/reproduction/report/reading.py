"""Reads reports back: the page by a parser of its own, Markdown and CSV line by line."""

import csv
import html
import re
from html.parser import HTMLParser

VOID = frozenset({"meta", "img"})


class Page(HTMLParser):
    """A page's elements, its text, and its tables.

    Attributes:
        elements: (tag, attributes) of each.
        text: All of it, without the style.
        tables: By caption, the rows, each a list of texts; a note stands in parentheses.
        open: Elements that were never closed.
    """

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.text, self.tables = [], [], "", {}
        self._caption, self._rows = "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self._caption, self._rows = "", []
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")
        elif tag == "small":
            self._rows[-1][-1] += "("

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "small":
            self._rows[-1][-1] += ")"
        elif tag == "table":
            assert self._caption not in self.tables
            self.tables[self._caption] = self._rows

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.text += data
        if "caption" in self.open:
            self._caption += data
        elif "td" in self.open or "th" in self.open:
            self._rows[-1][-1] += data

    def attributes(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def markdown_tables(text):
    """By caption, the rows of each table of a Markdown text, unescaped and without bold."""
    tables, lines = {}, text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("| ---"):
            rows = [_cells(lines[number - 1])]
            caption = _plain(lines[number - 3])
            for row in lines[number + 1 :]:
                if not row.startswith("|"):
                    break
                rows.append(_cells(row))
            assert caption not in tables
            tables[caption] = rows
    return tables


def read_csv(path):
    """The rows of a CSV file, by column."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def number_in(text):
    """The number that a cell begins with."""
    return float(text.split(" ")[0].replace("−", "-"))


def _cells(line):
    cells = re.split(r"(?<!\\)\|", line)
    assert cells[0] == cells[-1] == ""
    return [_plain(cell.strip()) for cell in cells[1:-1]]


def _plain(text):
    without_bold = text.replace("**", "")
    return html.unescape(re.sub(r"\\(.)", r"\1", without_bold))
