"""Draws a predicted segmentation over its image.

Shapes: H, W, C channels, K classes, of which class 0 is the background.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib.lines import Line2D

from darts_adv_tf.plots.images import make_figure, rasterize
from darts_adv_tf.plots.overlays import class_colours, draw_contours, draw_image

LONGEST_SIDE = 880
"""Pixels of the drawing: larger images are shrunk, smaller ones enlarged."""

DOTS_PER_INCH = 110
LEGEND_COLUMNS = 3
LEGEND_ROW = 0.28
# Of an image that is one pixel wide something is to be seen, too.
NARROWEST = 0.25
LEGEND_WIDTH = 4.5


def draw_prediction(
    image: np.ndarray, labels: np.ndarray, class_names: Sequence[str]
) -> np.ndarray:
    """Draws the image with the contours of the foreground classes over it, and their names below.

    Args:
        image: (H, W, C) intensities, any real numbers.
        labels: (H, W), class indices.
        class_names: K names.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    height, width = labels.shape
    scale = LONGEST_SIDE / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        # Of other numbers of channels the mean is shown, and OpenCV takes only four.
        image = image if image.shape[-1] == 3 else image.mean(axis=-1, dtype=np.float32)
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        image = image.reshape(size[1], size[0], -1)
        labels = cv2.resize(labels.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    inches = [max(NARROWEST, side * scale / DOTS_PER_INCH) for side in (height, width)]
    legend_height = (-(-(len(class_names) - 1) // LEGEND_COLUMNS) + 0.5) * LEGEND_ROW
    figure_width, figure_height = max(inches[1], LEGEND_WIDTH), inches[0] + legend_height
    figure = make_figure(figure_width, figure_height, DOTS_PER_INCH)
    axes = figure.add_axes(
        (
            (1 - inches[1] / figure_width) / 2,
            legend_height / figure_height,
            inches[1] / figure_width,
            inches[0] / figure_height,
        )
    )
    colours = class_colours(len(class_names))
    draw_image(axes, image)
    draw_contours(axes, labels, colours)
    figure.legend(
        handles=[
            Line2D([], [], color=colour, linewidth=4, label=name[:24])
            for name, colour in zip(class_names[1:], colours, strict=True)
        ],
        loc="lower center",
        ncols=LEGEND_COLUMNS,
        fontsize=9,
        facecolor="#333333",
        labelcolor="white",
        borderaxespad=0.2,
    )
    return rasterize(figure)
