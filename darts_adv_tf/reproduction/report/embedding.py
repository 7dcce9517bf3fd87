"""Pictures as text inside a page."""

import base64
import io

import cv2
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from darts_adv_tf.pages.web_page import as_html

JPEG_QUALITY = 82
PALETTE = 48
"""Colours of a drawing: enough for the smooth edges of its few, at a third of the size."""


def embed_drawing(figure: Figure, alternative: str) -> str:
    """An <img> of a figure's lines, sharp at any size.

    The same figure gives the same text: a report that is written again does not change.
    """
    content = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "report", "svg.fonttype": "path"}):
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    width, height = figure.get_size_inches()
    return _image("svg+xml", content.getvalue(), alternative, round(96 * width), round(96 * height))


def embed_flat_picture(picture: np.ndarray, alternative: str, width: int) -> str:
    """An <img> of (H, W, 3) uint8 RGB with few colours, as PNG, not wider than so many pixels."""
    image = Image.fromarray(_narrowed(picture, width)).quantize(PALETTE, dither=Image.Dither.NONE)
    content = io.BytesIO()
    image.save(content, format="PNG", optimize=True)
    return _image("png", content.getvalue(), alternative, *image.size)


def embed_photograph(picture: np.ndarray, alternative: str, width: int) -> str:
    """An <img> of (H, W, 3) uint8 RGB, as JPEG, not wider than so many pixels."""
    picture = _narrowed(picture, width)
    _, content = cv2.imencode(
        ".jpg",
        cv2.cvtColor(picture, cv2.COLOR_RGB2BGR),
        [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY],
    )
    return _image("jpeg", content.tobytes(), alternative, picture.shape[1], picture.shape[0])


def _narrowed(picture: np.ndarray, width: int) -> np.ndarray:
    if picture.shape[1] <= width:
        return np.ascontiguousarray(picture)
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)


def _image(kind: str, content: bytes, alternative: str, width: int, height: int) -> str:
    text = base64.b64encode(content).decode("ascii")
    return (
        f'<img alt="{as_html(alternative)}" width="{width}" height="{height}" '
        f'src="data:image/{kind};base64,{text}">'
    )
