"""One HTML file with all that it shows inside, which loads and runs nothing."""

import html
from collections.abc import Sequence

from darts_adv_tf.terminal.printable import printable


def as_html(text: str) -> str:
    """Foreign text, as text."""
    return html.escape(printable(text))


def web_page(title: str, style: str, body: Sequence[str]) -> str:
    """The page, in UTF-8, under its title as a heading.

    Args:
        title: Foreign text.
        style: CSS.
        body: HTML, what stands below the heading.
    """
    heading = as_html(title)
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        # Whatever a name may hold, the page fetches nothing and runs nothing.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">",
        '<meta name="viewport" content="width=device-width">',
        f"<title>{heading}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        f"<h1>{heading}</h1>",
        *body,
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"
