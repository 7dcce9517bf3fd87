"""Draws how α changes in the search: entropies, and the weight of each operation.

Shapes: T epochs, E edges, O operations.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from darts_adv_tf.plots.genotype_plot import KINDS, operation_label
from darts_adv_tf.plots.images import make_figure
from darts_adv_tf.reproduction.arms import DASHED, SOLID, Dashes
from darts_adv_tf.reproduction.report.curves_plot import BASELINE_COLOUR, WIDTH, style_axes
from darts_adv_tf.reproduction.report.tables import mean_entropy
from darts_adv_tf.search_space.space import CELL_KINDS

SEED_COLOURS = ("#222222", "#0072B2", "#D0440E", "#007A57", "#CC79A7", "#E69F00")
NONE_COLOUR = "#888888"
MOST_SEEDS = 4
"""With a panel of their own; the entropy is drawn for all."""


def draw_alpha(
    seeds: Sequence[int], alphas: Sequence[np.ndarray], operations: Sequence[str], title: str
) -> Figure:
    """Draws one row per kind of cell: entropy with one line per seed, then one panel per seed with
    one line per operation.

    Args:
        seeds: Of the runs.
        alphas: (T, 2, E, O) of each, the weights after each epoch.
        operations: The names of the O operations.
        title: Printed above.
    """
    shown = list(zip(seeds, alphas, strict=True))[:MOST_SEEDS]
    figure = make_figure(WIDTH, 5.2)
    figure.text(0.012, 0.968, title, fontsize=12, weight="bold", va="center", parse_math=False)
    columns = 1 + len(shown)
    grid = figure.add_gridspec(
        2, columns, left=0.062, right=0.985, bottom=0.215, top=0.865, wspace=0.3, hspace=0.34
    )
    most = max(float(alpha.mean(axis=2).max()) for _, alpha in shown)
    least = min(float(mean_entropy(alpha).min()) for alpha in alphas)
    for row, kind in enumerate(CELL_KINDS):
        axes = figure.add_subplot(grid[row, 0])
        for index, (seed, alpha) in enumerate(zip(seeds, alphas, strict=True)):
            colour = SEED_COLOURS[index % len(SEED_COLOURS)]
            entropy = mean_entropy(alpha[:, row])
            axes.plot(_epochs(alpha), entropy, color=colour, label=f"seed {seed}", **_mark(alpha))
        axes.axhline(1, color=BASELINE_COLOUR, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
        # At least a tenth of the whole range: noise about 1 must not look like a change.
        axes.set_ylim(min(0.9, least - 0.02), 1.008)
        axes.set_title(f"{kind} cell: entropy", fontsize=10, loc="left")
        style_axes(axes)
        axes.legend(frameon=False, fontsize=8.5, loc="lower left")
        for column, (seed, alpha) in enumerate(shown, start=1):
            axes = figure.add_subplot(grid[row, column])
            for name, weights in zip(operations, alpha[:, row].mean(axis=1).T, strict=True):
                colour, dashes = _line(name)
                axes.plot(
                    _epochs(alpha),
                    weights,
                    color=colour,
                    linestyle=dashes,
                    label=name,
                    **_mark(alpha),
                )
            axes.set_ylim(0, max(0.25, 1.05 * most))
            axes.set_title(f"{kind}, seed {seed}: weights", fontsize=10, loc="left")
            style_axes(axes)
        if row == 0:
            for axes in figure.axes:
                axes.set_xlabel("")
    handles, labels = figure.axes[-1].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="lower center",
        ncols=-(-len(operations) // 2),
        frameon=False,
        fontsize=9.5,
    )
    return figure


def _epochs(alpha: np.ndarray) -> np.ndarray:
    return np.arange(1, len(alpha) + 1)


def _mark(alpha: np.ndarray) -> dict[str, Any]:
    return {"linewidth": 1.7, "marker": "o" if len(alpha) < 2 else None}


def _line(operation: str) -> tuple[str, Dashes]:
    """A colour by the operation's kind; the second of a kind is dashed."""
    parts = operation_label(operation).split("_")
    colour = next((colour for part, (_, colour) in KINDS.items() if part in parts), NONE_COLOUR)
    dashed = "avg" in parts or "5x5" in parts
    return colour, DASHED if dashed else SOLID
