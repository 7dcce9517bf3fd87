"""Matplotlib figures as arrays, arrays as PNG files.

Figures carry a canvas of their own: pyplot would keep each of them alive and look for a screen.
"""

import os

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from darts_adv_tf.system.files import write_bytes


def make_figure(width: float, height: float, dots_per_inch: int = 110) -> Figure:
    """Makes an empty white figure of the given size in inches."""
    figure = Figure(figsize=(width, height), dpi=dots_per_inch, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def rasterize(figure: Figure) -> np.ndarray:
    """Draws a figure of `make_figure` into an array (H, W, 3), uint8 RGB."""
    figure.canvas.draw()
    return np.array(figure.canvas.buffer_rgba())[..., :3]


def save_png(path: str | os.PathLike, picture: np.ndarray) -> None:
    """Writes (H, W, 3) uint8 RGB as PNG, atomically.

    Raises:
        StorageError: The system refused to write.
    """
    write_bytes(path, encode_png(picture))


def encode_png(picture: np.ndarray) -> bytes:
    """The content of a PNG file that shows (H, W, 3) uint8 RGB."""
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return encoded.tobytes()
