"""Draws a derived cell as a graph.

The nodes descend as a staircase, so that an edge leaves its source downwards and enters its target
from the left, where the target's operations stand one above the other. Every label has a place of
its own in that way, whatever the genotype, and no edge passes below a label.

Nodes have the numbers of genotype.json: 0 and 1 for the inputs, from 2 on the intermediate ones.
"""

import dataclasses
import os
from collections.abc import Collection
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Curve

from darts_adv_tf.plots.images import make_figure, rasterize, save_png
from darts_adv_tf.search_space.genotype import CellEdges, Genotype
from darts_adv_tf.search_space.space import CELL_KINDS, NUM_INPUT_NODES

KINDS = {
    "pool": ("pooling", "#0072B2"),
    "skip": ("skip connection", "#7B4397"),
    "sep": ("separable convolution", "#C44E00"),
    "dil": ("dilated convolution", "#007A57"),
    "conv": ("convolution", "#A8326E"),
}
"""By a part of an operation's name: what it is, and its colour. The first that fits."""
OTHER_KIND = ("other operation", "#5A5A5A")
INPUT_NAMES = (r"$c_{k-2}$", r"$c_{k-1}$")
"""The outputs of the two cells before, as DARTS names them."""
CONCATENATION_COLOUR = "#9A9A9A"

# All lengths in inches.
COLUMN = 1.95
ROW = 0.95
NODE_RADIUS = 0.27
LABEL_WIDTH, LABEL_HEIGHT = 1.12, 0.27
LABEL_GAP = 0.26
LONGEST_LABEL = 13
"""Letters that fit into a label; longer names are smaller."""
LANE = 0.19
PORT = 0.085
MARGIN = 0.45


@dataclasses.dataclass(frozen=True)
class DrawnEdge:
    """An edge from its source to its label, and from there to its target.

    Attributes:
        operation: What the label says.
        label: Centre (x, y) of the label.
        incoming, outgoing: Four control points (x, y) each, of the cubic curves before and after
            the label.
    """

    operation: str
    label: tuple[float, float]
    incoming: np.ndarray
    outgoing: np.ndarray


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where everything lies, in inches, y upwards.

    Attributes:
        nodes: Centre (x, y) of each node, the output last.
        edges: The kept edges.
        concatenations: Control points of the curves from the intermediate nodes to the output.
    """

    nodes: tuple[tuple[float, float], ...]
    edges: tuple[DrawnEdge, ...]
    concatenations: tuple[np.ndarray, ...]


def lay_out(cell_edges: CellEdges) -> Layout:
    """Places the nodes, labels and curves of a cell."""
    num_nodes = NUM_INPUT_NODES + len(cell_edges)
    row_height = ROW + 2 * LANE * max(0, max(map(len, cell_edges)) - 2)
    # The input nodes share the first row.
    rows = [0, 0, *range(1, len(cell_edges) + 1)]
    nodes = [(COLUMN * node, -row_height * rows[node]) for node in range(num_nodes)]
    output = (COLUMN * num_nodes, -row_height * (len(cell_edges) + 1) / 2)

    targets_of: dict[int, list[int]] = {source: [] for source in range(num_nodes)}
    for target, kept in enumerate(cell_edges, start=NUM_INPUT_NODES):
        for _, source in kept:
            targets_of[source].append(target)

    edges = []
    for target, kept in enumerate(cell_edges, start=NUM_INPUT_NODES):
        target_x, target_y = nodes[target]
        for lane, (operation, source) in enumerate(sorted(kept, key=lambda edge: edge[1])):
            # The nearer source takes the upper lane and the farther target the left port:
            # edges of one target or of one source never cross.
            y = target_y + LANE * (2 * lane - len(kept) + 1)
            label_x = target_x - NODE_RADIUS - LABEL_GAP - LABEL_WIDTH / 2
            place = targets_of[source][::-1].index(target)
            source_x = nodes[source][0] + PORT * (place - (len(targets_of[source]) - 1) / 2)
            source_y = nodes[source][1]
            left, right = label_x - LABEL_WIDTH / 2, label_x + LABEL_WIDTH / 2
            corner = (source_x, y)
            end = _left_port(nodes[target], (y - target_y) / max(3, len(kept)))
            bend = LABEL_GAP / 2
            edges.append(
                DrawnEdge(
                    operation=operation,
                    label=(label_x, y),
                    incoming=np.array([(source_x, source_y), corner, corner, (left, y)]),
                    outgoing=np.array(
                        [(right, y), (right + bend, y), (end[0] - bend, end[1]), end]
                    ),
                )
            )

    concatenations = []
    for index, (x, y) in enumerate(nodes[NUM_INPUT_NODES:]):
        end = _left_port(output, -1.4 * PORT * (index - (len(cell_edges) - 1) / 2))
        middle = (x + output[0]) / 2
        concatenations.append(np.array([(x + NODE_RADIUS, y), (middle, y), (middle, end[1]), end]))
    return Layout(nodes=(*nodes, output), edges=tuple(edges), concatenations=tuple(concatenations))


def draw_cell(cell_edges: CellEdges, title: str) -> np.ndarray:
    """Draws one cell.

    Args:
        cell_edges: For each target, its kept edges as (operation, source).
        title: Stands above the plot.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    layout = lay_out(cell_edges)
    right, bottom = layout.nodes[-1][0], layout.nodes[-2][1]
    left_limit, right_limit = -NODE_RADIUS - MARGIN, right + NODE_RADIUS + MARGIN
    bottom_limit, top_limit = bottom - NODE_RADIUS - MARGIN, NODE_RADIUS + 2 * MARGIN

    figure = make_figure(right_limit - left_limit, top_limit - bottom_limit)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(left_limit, right_limit), ylim=(bottom_limit, top_limit))
    axes.axis("off")
    axes.text(-NODE_RADIUS, top_limit - 0.4, title, fontsize=15, weight="bold", va="center")

    for curve in layout.concatenations:
        _draw_curve(axes, curve, CONCATENATION_COLOUR, arrow=True, dashed=True)
    for edge in layout.edges:
        colour = _kind(edge.operation)[1]
        _draw_curve(axes, edge.incoming, colour)
        _draw_curve(axes, edge.outgoing, colour, arrow=True)
    for edge in layout.edges:
        _draw_label(axes, edge)
    *numbered, output = layout.nodes
    for number, centre in enumerate(numbered):
        _draw_node(axes, centre, str(number), inner=number >= NUM_INPUT_NODES)
    _draw_node(axes, output, r"$c_k$", inner=False)
    for (x, y), name in zip(numbered, INPUT_NAMES, strict=False):
        axes.text(x, y + NODE_RADIUS + 0.14, name, fontsize=11, ha="center", va="center")
    _draw_legend(axes, layout)
    return rasterize(figure)


def save_genotype_figures(
    genotype: Genotype, workdir: str | os.PathLike, cells: Collection[str] = CELL_KINDS
) -> None:
    """Writes genotype_normal.png and genotype_reduction.png.

    Args:
        genotype: The derived cells.
        workdir: Folder of the run.
        cells: The kinds of cell that the discriminator has; others are not plotted.

    Raises:
        StorageError: The system refused to write.
    """
    workdir = Path(workdir)
    titles = {
        "normal": "Normal cell",
        "reduction": "Reduction cell: stride 2 on the edges from its inputs",
    }
    for kind in cells:
        plot = draw_cell(getattr(genotype, kind), titles[kind])
        save_png(workdir / f"genotype_{kind}.png", plot)


def _kind(operation: str) -> tuple[str, str]:
    """Name and colour of an operation's kind."""
    parts = operation_label(operation).split("_")
    return next((kind for part, kind in KINDS.items() if part in parts), OTHER_KIND)


def operation_label(operation: str) -> str:
    """The name of an operation, of a user's own without its module."""
    return operation.rpartition(":")[2]


def _left_port(centre: tuple[float, float], height: float) -> tuple[float, float]:
    """The point on a node's left side that lies so much above its centre."""
    return centre[0] - (NODE_RADIUS**2 - height**2) ** 0.5, centre[1] + height


def _draw_curve(
    axes: Axes, curve: np.ndarray, colour: str, arrow: bool = False, dashed: bool = False
) -> None:
    codes = [Curve.MOVETO, Curve.CURVE4, Curve.CURVE4, Curve.CURVE4]
    style = (0, (4, 3)) if dashed else "solid"
    line = Curve(curve, codes)
    # A white seam lets the line below appear to pass under this one where they cross.
    for stroke, width, pattern in (("white", 5, "solid"), (colour, 1.8, style)):
        axes.add_patch(
            PathPatch(line, facecolor="none", edgecolor=stroke, linewidth=width, linestyle=pattern)
        )
    if arrow:
        x, y = curve[-1]
        tip = [(x, y), (x - 0.11, y + 0.055), (x - 0.11, y - 0.055)]
        axes.add_patch(Polygon(tip, facecolor=colour, edgecolor="none", zorder=3))


def _draw_label(axes: Axes, edge: DrawnEdge) -> None:
    x, y = edge.label
    axes.add_patch(
        FancyBboxPatch(
            (x - LABEL_WIDTH / 2, y - LABEL_HEIGHT / 2),
            LABEL_WIDTH,
            LABEL_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor=_kind(edge.operation)[1],
            edgecolor="none",
            zorder=3,
        )
    )
    label = operation_label(edge.operation)
    size = 10 * min(1, LONGEST_LABEL / len(label))
    axes.text(x, y - 0.01, label, color="white", fontsize=size, ha="center", va="center", zorder=4)


def _draw_node(axes: Axes, centre: tuple[float, float], name: str, inner: bool) -> None:
    face, edge = ("#FFF3D6", "#B98900") if inner else ("#E4E9F2", "#44546A")
    axes.add_patch(
        Circle(centre, NODE_RADIUS, facecolor=face, edgecolor=edge, linewidth=1.6, zorder=5)
    )
    axes.text(*centre, name, fontsize=13, ha="center", va="center", zorder=6)


def _draw_legend(axes: Axes, layout: Layout) -> None:
    shown = dict.fromkeys(_kind(edge.operation) for edge in layout.edges)
    lines = [
        Line2D([], [], color=colour, linewidth=5, label=name)
        for name, colour in (*KINDS.values(), OTHER_KIND)
        if (name, colour) in shown
    ]
    lines.append(
        Line2D(
            [], [], color=CONCATENATION_COLOUR, linewidth=2, linestyle="--", label="concatenation"
        )
    )
    axes.legend(handles=lines, loc="upper right", frameon=False, fontsize=11, borderaxespad=1.2)
