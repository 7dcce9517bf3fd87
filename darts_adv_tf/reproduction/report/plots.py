"""The plots of the page, each with its caption."""

import functools
import io

import cv2
import matplotlib
import numpy as np
from matplotlib import figure
from PIL import Image

from darts_adv_tf.pages.rendering import EmbeddedImage, Figure, embed_jpeg
from darts_adv_tf.plots.genotype_plot import draw_cell
from darts_adv_tf.reproduction.report.alpha_curves_plot import MOST_SEEDS, draw_alpha
from darts_adv_tf.reproduction.report.bands import FEWEST_FOR_INTERVAL, Band, band
from darts_adv_tf.reproduction.report.content import Content
from darts_adv_tf.reproduction.report.curves_plot import draw_curves, draw_discriminator
from darts_adv_tf.reproduction.report.formatting import arm_label, backbone_label, model_label
from darts_adv_tf.search_space.genotype import CellEdges
from darts_adv_tf.search_space.space import CELL_KINDS
from darts_adv_tf.training import metric_names

CELL_WIDTH = 900
OVERLAY_WIDTH = 720
PALETTE = 48
"""Colours of a cell's plot: enough for the smooth edges of its few, at a third of the size."""

DISCRIMINATOR_METRICS = {
    "D accuracy on real masks": metric_names.REAL_ACCURACY,
    "D accuracy on predicted masks": metric_names.FAKE_ACCURACY,
    "weighted adversarial loss": metric_names.ADVERSARIAL_LOSS,
}


def curves(content: Content, backbone: str) -> list[Figure]:
    """The mean IoU on the test cases during retraining; none where no run measured it."""
    bands = _bands(content, backbone, metric_names.TEST_MEAN_IOU)
    if not bands:
        return []
    name = backbone_label(backbone)
    drawn = draw_curves(bands, content.mean_mask_iou(backbone), f"{name}: after each epoch")
    alternative = f"{name}: mean IoU on the test cases over the epochs of retraining, by arm"
    caption = (
        "Mean IoU over all test pixels during retraining, mean over runs. "
        f"{_bands_meaning(bands)} The test cases select nothing: the tables show the last epoch."
    )
    return [Figure(_embed_lines(drawn, alternative), caption)]


def discriminators(content: Content, backbone: str) -> list[Figure]:
    """Accuracy and loss of the discriminators in retraining; none without a discriminator."""
    panels = {
        title: bands
        for title, metric in DISCRIMINATOR_METRICS.items()
        if (bands := _bands(content, backbone, metric))
    }
    if not panels:
        return []
    name = backbone_label(backbone)
    caption = (
        f"{name}: the discriminator during retraining, means over the steps of an epoch. Where "
        "both accuracies stay at 1, it separates all predictions from real masks; near ½ it "
        "guesses. The adversarial loss is the segmenter's, times its weight λ (Eq. 1), as it is "
        "added to the segmentation loss."
    )
    alternative = f"{name}: accuracy of the discriminator and adversarial loss over the epochs"
    return [Figure(_embed_lines(draw_discriminator(panels), alternative), caption)]


def alphas(content: Content, backbone: str) -> list[Figure]:
    """How α changed, a plot for each searched arm."""
    plots = []
    for arm, runs in content.searched(backbone).items():
        known = {run.seed: run.alpha for run in runs if run.alpha is not None and len(run.alpha)}
        # All runs of a matrix share a search space.
        spaces = [run.genotype.space for run in runs if run.genotype is not None]
        if not known or not spaces:
            continue
        name = model_label(backbone, arm)
        caption = (
            "Left: entropy of the operations' weights, mean over edges, as a share of its largest "
            "value, where all weigh the same (dotted: 1, where α starts). Right: weight of each "
            "operation, mean over edges."
        )
        if len(known) > MOST_SEEDS:
            caption += f" Weights are shown for the first {MOST_SEEDS} seeds."
        alternative = f"{name}: entropy and weights of the operations over the epochs of the search"
        drawn = draw_alpha(list(known), list(known.values()), spaces[0].operations, name)
        plots.append(Figure(_embed_lines(drawn, alternative), caption))
    return plots


def genotypes(content: Content, backbone: str) -> dict[str, dict[int, list[Figure]]]:
    """The derived cells by model and seed."""
    found: dict[str, dict[int, list[Figure]]] = {}
    for arm, runs in content.searched(backbone).items():
        name = model_label(backbone, arm)
        for run in runs:
            if run.genotype is not None:
                found.setdefault(name, {})[run.seed] = [
                    _cell(getattr(run.genotype, kind), kind, f"{name}, seed {run.seed}")
                    for kind in CELL_KINDS
                ]
    return found


def overlays(content: Content, backbone: str) -> list[Figure]:
    """Best, median and worst case of each arm's first run."""
    plots = []
    for arm, runs in content.runs_by_arm(backbone).items():
        run, draw = runs[0], "" if runs[0].draw is None else f", draw {runs[0].draw}"
        caption = f"{model_label(backbone, arm)}, seed {run.seed}{draw}"
        stored = cv2.imread(str(run.workdir / "overlays.png"), cv2.IMREAD_COLOR)
        if stored is None:
            plots.append(Figure(None, f"{caption}: the run left no overlays.png."))
            continue
        alternative = f"{caption}: best, median and worst test case; image, truth, prediction"
        image = _narrowed(stored[..., ::-1], OVERLAY_WIDTH)
        plots.append(Figure(embed_jpeg(image, alternative), caption))
    return plots


# A report is written again after each run, and cells take longest to draw.
@functools.lru_cache(maxsize=256)
def _cell(cell_edges: CellEdges, kind: str, name: str) -> Figure:
    title = f"{kind.capitalize()} cell"
    drawn = _narrowed(draw_cell(cell_edges, title), CELL_WIDTH)
    image = Image.fromarray(drawn).quantize(PALETTE, dither=Image.Dither.NONE)
    content = io.BytesIO()
    image.save(content, format="PNG", optimize=True)
    return Figure(EmbeddedImage("png", content.getvalue(), f"{name}: {title}", *image.size), "")


def _bands(content: Content, backbone: str, metric: str) -> dict[str, Band]:
    found = {
        arm: band(runs, "retrain", metric) for arm, runs in content.runs_by_arm(backbone).items()
    }
    return {arm: each for arm, each in found.items() if each is not None}


def _bands_meaning(bands: dict[str, Band]) -> str:
    kinds: dict[str, list[str]] = {}
    for arm, each in bands.items():
        count = each.num_runs.max()
        if count >= FEWEST_FOR_INTERVAL:
            kind = "Band: Student's 95 % interval of the mean"
        else:
            kind = (
                "No band for a single run"
                if count == 1
                else "Band: from the lower run to the higher"
            )
        kinds.setdefault(kind, []).append(arm)
    return " ".join(f"{kind} ({'; '.join(map(arm_label, arms))})." for kind, arms in kinds.items())


def _embed_lines(drawn: figure.Figure, alternative: str) -> EmbeddedImage:
    """As SVG, sharp at any size; the same plot gives the same text."""
    content = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "report", "svg.fonttype": "path"}):
        drawn.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    width, height = (round(96 * side) for side in drawn.get_size_inches())
    return EmbeddedImage("svg+xml", content.getvalue(), alternative, width, height)


def _narrowed(image: np.ndarray, width: int) -> np.ndarray:
    if image.shape[1] <= width:
        return np.ascontiguousarray(image)
    height = max(1, round(image.shape[0] * width / image.shape[1]))
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
