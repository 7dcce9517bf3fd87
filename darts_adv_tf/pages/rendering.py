"""Renders the templates of this folder as HTML pages and as Markdown.

A page holds everything that it shows: it loads nothing and runs nothing. Whatever a value holds, a
name of a file or the text of an error, is shown as text and never obeyed as markup; only the
templates hold markup.
"""

import base64
import dataclasses
import html
import re
from typing import Any, NamedTuple

import cv2
import jinja2
import numpy as np
from markupsafe import Markup

from darts_adv_tf.terminal.printable import printable

JPEG_QUALITY = 82

# What Markdown would read as markup; the dots and dashes of numbers and names stay.
_MARKDOWN_SYNTAX = re.compile(r"([\\`*_\[\]|~#])")


@dataclasses.dataclass(frozen=True)
class EmbeddedImage:
    """An image inside a page.

    Attributes:
        kind: `png`, `jpeg` or `svg+xml`.
        content: The content of such a file.
        alternative: Its text for who cannot see it.
        width, height: On the page, in pixels.
    """

    kind: str
    content: bytes
    alternative: str
    width: int
    height: int

    @property
    def url(self) -> str:
        return f"data:image/{self.kind};base64,{base64.b64encode(self.content).decode('ascii')}"


class Figure(NamedTuple):
    """An image, or None where there is none to show, and the text below it."""

    image: EmbeddedImage | None
    caption: str


def embed_jpeg(image: np.ndarray, alternative: str) -> EmbeddedImage:
    """Embeds (H, W, 3) uint8 RGB as JPEG."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, content = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), settings)
    height, width = image.shape[:2]
    return EmbeddedImage("jpeg", content.tobytes(), alternative, width, height)


def render_html(template: str, **values: Any) -> str:
    """Returns the page of a template, in UTF-8."""
    return _HTML.get_template(template).render(**values)


def render_markdown(template: str, **values: Any) -> str:
    """Returns the Markdown of a template, in UTF-8, with single empty lines."""
    text = _MARKDOWN.get_template(template).render(**values)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _make_environment(**options: Any) -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("darts_adv_tf.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )


def _printable(value: Any) -> Any:
    """What Jinja then escapes for HTML."""
    return value if isinstance(value, Markup) else printable(str(value))


def _markdown(value: Any) -> Markup:
    if isinstance(value, Markup):  # Of a macro, which has escaped what it was given.
        return value
    text = html.escape(printable(str(value)), quote=False)
    return Markup(_MARKDOWN_SYNTAX.sub(r"\\\1", text))


def _verbatim(value: Any) -> Markup:
    """For a line of indented code, whose signs Markdown shows as they are."""
    return Markup(printable(str(value)))


_HTML = _make_environment(finalize=_printable)
_MARKDOWN = _make_environment(finalize=_markdown)
_MARKDOWN.filters["verbatim"] = _verbatim
