"""Draws the mixing weights of a cell's edges as a heat map.

Shapes: E edges, O operations.
"""

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.patches import Rectangle

from darts_adv_tf.plots.genotype_plot import INPUT_NAMES, operation_label
from darts_adv_tf.plots.images import make_figure, rasterize
from darts_adv_tf.search_space.genotype import derive_cell
from darts_adv_tf.search_space.space import SearchSpace

FRAME_COLOUR = "#C44E00"

# All lengths in inches.
COLUMN, ROW = 1.0, 0.35
LEFT, RIGHT, BOTTOM, TOP = 1.02, 0.14, 0.43, 0.87


def draw_op_weights(op_weights: np.ndarray, space: SearchSpace, title: str) -> np.ndarray:
    """Draws one cell's mixing weights, an edge a row, with frames around what would be derived.

    Args:
        op_weights: (E, O), softmax of α over all operations.
        space: What is searched.
        title: Stands above the map.

    Returns:
        (H, W, 3) uint8 RGB, of one size for all weights; dark is 1 and white is 0.

    Raises:
        ValueError: Weights of another shape, or rows that are no softmax.
    """
    op_weights = np.asarray(op_weights)
    derived = derive_cell(op_weights, space)
    num_edges, num_operations = space.alpha_shape
    map_width, map_height = COLUMN * num_operations, ROW * num_edges
    width, height = LEFT + map_width + RIGHT, BOTTOM + map_height + TOP
    figure = make_figure(width, height)
    axes = figure.add_axes((LEFT / width, BOTTOM / height, map_width / width, map_height / height))
    # The root spreads the colours where the weights lie: around 1 / O through most of a search.
    shades = PowerNorm(gamma=0.5, vmin=0, vmax=1)
    axes.imshow(op_weights, cmap="Blues", norm=shades, aspect="auto")
    for (row, column), weight in np.ndenumerate(op_weights):
        colour = "white" if weight > 0.36 else "black"
        axes.text(column, row, f"{weight:.3f}", color=colour, fontsize=9, ha="center", va="center")
    for target, kept in zip(space.targets, derived, strict=True):
        for operation, source in kept:
            column, row = space.operations.index(operation), space.edges.index((source, target))
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
        if target != space.targets[-1]:
            first_of_next = space.edges.index((0, target + 1))
            axes.axhline(first_of_next - 0.5, color="#666666", linewidth=1)
    axes.set_yticks(range(num_edges), [edge_name(*edge) for edge in space.edges], fontsize=11)
    names = [operation_label(name) for name in space.operations]
    axes.set_xticks(range(num_operations), names, fontsize=9)
    axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    axes.set_xlabel("framed: what would be derived", fontsize=11, color=FRAME_COLOUR, labelpad=6)
    axes.set_title(title, fontsize=14, weight="bold", pad=10)
    return rasterize(figure)


def edge_name(source: int, target: int) -> str:
    """Names an edge by the numbers of its nodes in genotype.json, an input also by its cell."""
    inputs = {index: f" ({name})" for index, name in enumerate(INPUT_NAMES)}
    return f"{source}{inputs.get(source, '')} → {target}"
