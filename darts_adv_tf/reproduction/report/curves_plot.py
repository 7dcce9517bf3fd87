"""Draws figures over the epochs of retraining, an arm a line."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from darts_adv_tf.plots.images import make_figure
from darts_adv_tf.reproduction.report.bands import Band
from darts_adv_tf.reproduction.report.wording import arm_label, counted

# Apart from each other for the colour-blind too (Okabe and Ito, 2008), and by their dashes.
LINES = {
    "none": ("#222222", "solid"),
    "random": ("#E69F00", (0, (5, 1.5))),
    "resnet10": ("#0072B2", "solid"),
    "resnet18": ("#56B4E9", (0, (5, 1.5))),
    "resnet50": ("#7B4397", (0, (1.5, 1))),
    "nas": ("#D0440E", "solid"),
    "nas_first_order": ("#CC79A7", (0, (5, 1.5))),
    "nas_finite_difference": ("#007A57", (0, (1.5, 1))),
    "nas_segmentation": ("#8C6D1F", (0, (6, 1.5, 1.5, 1.5))),
}
BLIND_COLOUR = "#777777"
GRID_COLOUR = "#E3E3E3"
WIDTH = 12.2
"""In inches, of which the page shows 96 pixels each."""
BAND_OPACITY = 0.1
MARGIN = 0.03
"""Above and below the lines, as a share of the axis."""


def draw_curves(bands: Mapping[str, Band], blind: float | None, title: str) -> Figure:
    """Draws the mean IoU on the test cases.

    Args:
        bands: By arm.
        blind: What the mean training mask reaches, without looking at the image.
        title: Stands above.

    Returns:
        A figure; bands that would leave it are cut off.
    """
    figure = make_figure(WIDTH, 5.2)
    axes = figure.add_axes((0.055, 0.105, 0.655, 0.82))
    draw_bands(axes, bands)
    levels = [np.concatenate([each.mean for each in bands.values()])]
    if blind is not None:
        axes.axhline(
            blind,
            color=BLIND_COLOUR,
            linewidth=1.6,
            linestyle=(0, (2, 2)),
            label="blind: the mean training mask",
        )
        levels.append(np.array([blind]))
    lowest, highest = np.concatenate(levels).min(), np.concatenate(levels).max()
    room = max(MARGIN * (highest - lowest), 0.01)
    axes.set_ylim(max(0, lowest - room), min(1, highest + 2 * room))
    axes.set_title(title, fontsize=12, weight="bold", loc="left", parse_math=False)
    axes.set_ylabel("mean IoU of the test cases", fontsize=10.5)
    figure.legend(loc="upper left", bbox_to_anchor=(0.715, 0.94), frameon=False, fontsize=10.5)
    return figure


def draw_discriminator(panels: Mapping[str, Mapping[str, Band]]) -> Figure:
    """Draws how the discriminator fared, a panel a figure.

    Args:
        panels: By title, the bands by arm; figures that start by "share" go from 0 to 1.
    """
    figure = make_figure(WIDTH, 3.7)
    shown: dict[str, object] = {}
    for index, (title, bands) in enumerate(panels.items()):
        axes = figure.add_axes((0.05 + 0.325 * index, 0.27, 0.27, 0.62))
        draw_bands(axes, bands)
        axes.set_title(title, fontsize=10.5, weight="bold", loc="left")
        if title.startswith("share"):
            axes.set_ylim(-0.02, 1.02)
            axes.axhline(0.5, color=BLIND_COLOUR, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
        else:
            means = np.concatenate([each.mean for each in bands.values()])
            room = MARGIN * (means.max() - means.min()) + 1e-3
            axes.set_ylim(means.min() - room, means.max() + room)
        handles, labels = axes.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    figure.legend(shown.values(), shown, loc="lower center", ncols=4, frameon=False, fontsize=10.5)
    return figure


def draw_bands(axes: Axes, bands: Mapping[str, Band]) -> None:
    for arm, each in bands.items():
        colour, dashes = LINES[arm]
        axes.plot(
            each.epochs,
            each.mean,
            color=colour,
            linestyle=dashes,
            linewidth=2,
            marker="o" if len(each.epochs) < 2 else None,
            label=f"{arm_label(arm)}, {counted(int(each.num_runs.max()), 'run')}",
            zorder=3,
        )
        axes.fill_between(
            each.epochs, each.low, each.high, color=colour, alpha=BAND_OPACITY, linewidth=0
        )
    style_axes(axes)


def style_axes(axes: Axes) -> None:
    axes.set_xlabel("epoch", fontsize=10.5)
    axes.margins(x=0.01)
    axes.grid(color=GRID_COLOUR, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, labelsize=9.5, colors="#444444")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#AAAAAA")
    axes.xaxis.get_major_locator().set_params(integer=True)
