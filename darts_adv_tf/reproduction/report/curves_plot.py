"""Draws metrics over the epochs of retraining, one line per arm."""

from collections.abc import Mapping

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from darts_adv_tf.plots.images import make_figure
from darts_adv_tf.reproduction.arms import ARMS, arm_named
from darts_adv_tf.reproduction.averages import MEAN_MASK
from darts_adv_tf.reproduction.report.bands import Band
from darts_adv_tf.reproduction.report.formatting import BASELINES, arm_label, counted

BASELINE_COLOUR = "#777777"
GRID_COLOUR = "#E3E3E3"
WIDTH = 12.2
"""In inches, of which the page shows 96 pixels each."""
BAND_OPACITY = 0.1
MARGIN = 0.03
"""Above and below the lines, as a share of the axis."""


def draw_curves(bands: Mapping[str, Band], mean_mask: float | None, title: str) -> Figure:
    """Draws the mean IoU on the test cases.

    Args:
        bands: By arm.
        mean_mask: Mean IoU of the mean-mask baseline.
        title: Printed above.

    Returns:
        A plot; bands that would leave it are cut off.
    """
    figure = make_figure(WIDTH, 5.2)
    axes = figure.add_axes((0.055, 0.105, 0.655, 0.82))
    draw_bands(axes, bands)
    levels = [np.concatenate([each.mean for each in bands.values()])]
    if mean_mask is not None:
        axes.axhline(
            mean_mask,
            color=BASELINE_COLOUR,
            linewidth=1.6,
            linestyle=(0, (2, 2)),
            label=BASELINES[MEAN_MASK],
        )
        levels.append(np.array([mean_mask]))
    lowest, highest = np.concatenate(levels).min(), np.concatenate(levels).max()
    room = max(MARGIN * (highest - lowest), 0.01)
    axes.set_ylim(max(0, lowest - room), min(1, highest + 2 * room))
    axes.set_title(title, fontsize=12, weight="bold", loc="left", parse_math=False)
    axes.set_ylabel("mean IoU on the test cases", fontsize=10.5)
    figure.legend(loc="upper left", bbox_to_anchor=(0.715, 0.94), frameon=False, fontsize=10.5)
    return figure


def draw_discriminator(panels: Mapping[str, Mapping[str, Band]]) -> Figure:
    """Draws metrics of the discriminator, one panel per metric.

    Args:
        panels: By title, the bands by arm; an accuracy's axis is from 0 to 1.
    """
    figure = make_figure(WIDTH, 3.7)
    shown: dict[str, Artist] = {}
    for index, (title, bands) in enumerate(panels.items()):
        axes = figure.add_axes((0.05 + 0.325 * index, 0.27, 0.27, 0.62))
        draw_bands(axes, bands)
        axes.set_title(title, fontsize=10.5, weight="bold", loc="left")
        if "accuracy" in title:
            axes.set_ylim(-0.02, 1.02)
            axes.axhline(0.5, color=BASELINE_COLOUR, linewidth=1, linestyle=(0, (2, 2)), zorder=1)
        else:
            means = np.concatenate([each.mean for each in bands.values()])
            room = MARGIN * (means.max() - means.min()) + 1e-3
            axes.set_ylim(means.min() - room, means.max() + room)
        handles, labels = axes.get_legend_handles_labels()
        shown |= dict(zip(labels, handles, strict=True))
    figure.legend(
        shown.values(), shown.keys(), loc="lower center", ncols=4, frameon=False, fontsize=10.5
    )
    return figure


def draw_bands(axes: Axes, bands: Mapping[str, Band]) -> None:
    users = [arm for arm in bands if arm not in ARMS]
    for arm, each in bands.items():
        kind = arm_named(arm, users.index(arm) if arm in users else 0)
        axes.plot(
            each.epochs,
            each.mean,
            color=kind.colour,
            linestyle=kind.dashes,
            linewidth=2,
            marker="o" if len(each.epochs) < 2 else None,
            label=f"{arm_label(arm)}, {counted(int(each.num_runs.max()), 'run')}",
            zorder=3,
        )
        axes.fill_between(
            each.epochs, each.low, each.high, color=kind.colour, alpha=BAND_OPACITY, linewidth=0
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
    axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))
