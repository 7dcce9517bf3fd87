"""Draws true and predicted segmentations over their images.

Shapes: N cases, H, W, C channels, K classes, of which class 0 is the background.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from darts_adv_tf.plots.images import make_figure, rasterize

# Bright and apart from each other on grey, also for the colour-blind (Okabe and Ito, 2008).
COLOURS = ("#56B4E9", "#F0E442", "#00D28F", "#FF9DDB", "#E69F00", "#9D8CFF")
ERROR_COLOURS = {"missed": "#D55E00", "invented": "#0072B2", "wrong class": "#FFFFFF"}
"""Wrong pixels: a structure predicted as background, the reverse, and one taken for another."""
ERROR_OPACITY = 0.6

PANEL = 3.0
GAP = 0.08
TITLE_HEIGHT = 0.36
HEADER_HEIGHT = 0.34
LEGEND_COLUMNS = 4
LEGEND_ROW = 0.28


def class_colours(num_classes: int) -> list[str]:
    """A colour, as #rrggbb, for each class but the background, any number of them."""
    num_foreground = num_classes - 1
    if num_foreground <= len(COLOURS):
        return list(COLOURS[:num_foreground])
    # From orange to pink.
    return [to_hex(colormaps["hsv"](hue)) for hue in np.linspace(0.08, 0.9, num_foreground)]


def draw_overlays(
    images: np.ndarray,
    labels: np.ndarray,
    predictions: np.ndarray,
    titles: Sequence[str],
    class_names: Sequence[str],
) -> np.ndarray:
    """Draws one row per case: the image, the truth over it, the prediction over it.

    Both are drawn as contours in the colours of their classes; over the prediction the pixels on
    which it is wrong are shaded by the kind of error. Intensities are stretched, image by image, so
    that a dark exposure can be judged too.

    Args:
        images: (N, H, W, C) intensities; three channels are shown as red, green and blue, of any
            other number the mean in grey.
        labels, predictions: (N, H, W), class indices.
        titles: N texts, one above each row.
        class_names: K names, the background first.

    Returns:
        (height, width, 3) uint8 RGB.
    """
    num_cases, image_height, image_width = labels.shape
    panel_height = PANEL * image_height / image_width
    row_height = TITLE_HEIGHT + panel_height + GAP
    width = 3 * PANEL + 4 * GAP
    legend_rows = -(-(len(class_names) + 2) // LEGEND_COLUMNS)
    legend_height = (legend_rows + 1) * LEGEND_ROW
    height = HEADER_HEIGHT + num_cases * row_height + legend_height
    figure = make_figure(width, height)
    colours = class_colours(len(class_names))

    for case in range(num_cases):
        top = height - HEADER_HEIGHT - case * row_height
        figure.text(
            GAP / width, (top - 0.6 * TITLE_HEIGHT) / height, titles[case], fontsize=11, va="center"
        )
        for panel, name in enumerate(("image", "truth", "prediction")):
            left = GAP + panel * (PANEL + GAP)
            bottom = top - TITLE_HEIGHT - panel_height
            axes = figure.add_axes(
                (left / width, bottom / height, PANEL / width, panel_height / height)
            )
            draw_image(axes, images[case])
            if name == "truth":
                draw_contours(axes, labels[case], colours)
            if name == "prediction":
                _shade_errors(axes, labels[case], predictions[case])
                draw_contours(axes, predictions[case], colours)
            if case == 0:
                figure.text(
                    (left + PANEL / 2) / width,
                    (height - 0.6 * HEADER_HEIGHT) / height,
                    name,
                    fontsize=13,
                    weight="bold",
                    ha="center",
                    va="center",
                )
    handles: list[Artist] = [
        Line2D([], [], color=colour, linewidth=4, label=name)
        for name, colour in zip(class_names[1:], colours, strict=True)
    ]
    handles += [
        Patch(facecolor=colour, alpha=ERROR_OPACITY, label=error)
        for error, colour in ERROR_COLOURS.items()
        if error != "wrong class" or len(class_names) > 2
    ]
    figure.legend(
        handles=handles,
        loc="lower center",
        ncols=LEGEND_COLUMNS,
        fontsize=11,
        facecolor="#333333",
        labelcolor="white",
        borderaxespad=0.4,
    )
    return rasterize(figure)


def draw_image(axes: Axes, image: np.ndarray) -> None:
    shown = image if image.shape[-1] == 3 else image.mean(axis=-1)
    # One stretch for all channels, which keeps the hues.
    darkest, brightest = np.percentile(shown, (0.5, 99.5))
    # Room above the brightest keeps it darker than the contours.
    headroom = 0.25 * (brightest - darkest) + 1e-6
    stretched = np.clip((shown - darkest) / (brightest + headroom - darkest), 0, 1)
    axes.axis("off")
    axes.imshow(stretched, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="bilinear")


def draw_contours(axes: Axes, labels: np.ndarray, colours: Sequence) -> None:
    # A rim of background closes the contours of what touches the border.
    padded = np.pad(labels, 1)
    height, width = labels.shape
    places = np.arange(-1, width + 1), np.arange(-1, height + 1)
    for index, colour in enumerate(colours, start=1):
        mask = padded == index
        if mask.any():
            axes.contour(*places, mask, levels=[0.5], colors=[colour], linewidths=2)
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))


def _shade_errors(axes: Axes, labels: np.ndarray, predictions: np.ndarray) -> None:
    wrong = {
        "missed": (labels != 0) & (predictions == 0),
        "invented": (labels == 0) & (predictions != 0),
        "wrong class": (labels != 0) & (predictions != 0) & (labels != predictions),
    }
    layer = np.zeros((*labels.shape, 4))
    for error, pixels in wrong.items():
        layer[pixels] = to_rgba(ERROR_COLOURS[error], ERROR_OPACITY)
    axes.imshow(layer, aspect="auto", interpolation="nearest")
