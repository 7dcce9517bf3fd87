"""Draws the mixing weights of a cell's edges as a heat map.

Shapes: E = 14 edges, O = 8 operations.
"""

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.patches import Rectangle

from darts_adv_tf.plots.images import make_figure, rasterize
from darts_adv_tf.search_space.genotype import EDGES, PRIMITIVES, TARGETS, derive_cell

INPUT_NAMES = (r"$c_{k-2}$", r"$c_{k-1}$")
FRAME_COLOUR = "#C44E00"


def draw_op_weights(op_weights: np.ndarray, title: str) -> np.ndarray:
    """Draws one cell's mixing weights, an edge a row, with frames around what would be derived.

    Args:
        op_weights: (E, O), softmax of α over all operations.
        title: Stands above the drawing.

    Returns:
        (H, W, 3) uint8 RGB, of one size for all weights; dark is 1 and white is 0.

    Raises:
        ValueError: Weights of another shape, or rows that are no softmax.
    """
    op_weights = np.asarray(op_weights)
    derived = derive_cell(op_weights)
    figure = make_figure(9.4, 6.2)
    axes = figure.add_axes((0.095, 0.07, 0.89, 0.79))
    # The root spreads the colours where the weights lie: around 1 / O through most of a search.
    shades = PowerNorm(gamma=0.5, vmin=0, vmax=1)
    axes.imshow(op_weights, cmap="Blues", norm=shades, aspect="auto")
    for (row, column), weight in np.ndenumerate(op_weights):
        colour = "white" if weight > 0.36 else "black"
        axes.text(column, row, f"{weight:.3f}", color=colour, fontsize=9, ha="center", va="center")
    for target, kept in zip(TARGETS, derived, strict=True):
        for operation, source in kept:
            column, row = PRIMITIVES.index(operation), EDGES.index((source, target))
            axes.add_patch(
                Rectangle(
                    (column - 0.47, row - 0.42),
                    0.94,
                    0.84,
                    fill=False,
                    edgecolor=FRAME_COLOUR,
                    linewidth=2.2,
                )
            )
        if target != TARGETS[-1]:
            axes.axhline(EDGES.index((0, target + 1)) - 0.5, color="#666666", linewidth=1)
    axes.set_yticks(range(len(EDGES)), [edge_name(*edge) for edge in EDGES], fontsize=11)
    axes.set_xticks(range(len(PRIMITIVES)), PRIMITIVES, fontsize=9)
    axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    axes.set_xlabel("framed: what would be derived", fontsize=11, color=FRAME_COLOUR, labelpad=6)
    axes.set_title(title, fontsize=14, weight="bold", pad=10)
    return rasterize(figure)


def edge_name(source: int, target: int) -> str:
    """Names an edge by its nodes as the drawn cell does: inputs by cell, the others from 0."""
    names = [*INPUT_NAMES, *map(str, range(len(TARGETS)))]
    return f"{names[source]} → {names[target]}"
