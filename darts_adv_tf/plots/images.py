"""Matplotlib figures as arrays, arrays as PNG files.

Without pyplot, which would keep each figure alive and look for a screen.
"""

import os

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from darts_adv_tf.system.files import write_bytes


def make_figure(width: float, height: float, dots_per_inch: int = 110) -> Figure:
    """Makes an empty white figure of the given size in inches."""
    return Figure(figsize=(width, height), dpi=dots_per_inch, facecolor="white")


def rasterize(figure: Figure) -> np.ndarray:
    """Draws a figure of `make_figure` into an array (H, W, 3), uint8 RGB."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def save_png(path: str | os.PathLike, image: np.ndarray) -> None:
    """Writes (H, W, 3) uint8 RGB as PNG, atomically.

    Raises:
        StorageError: The system refused to write.
    """
    write_bytes(path, encode_png(image))


def encode_png(image: np.ndarray) -> bytes:
    """The content of a PNG file that shows (H, W, 3) uint8 RGB."""
    _, encoded = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return encoded.tobytes()
