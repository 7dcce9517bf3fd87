"""The pictures of the page, each with its caption."""

import functools
from collections.abc import Sequence

import cv2

from darts_adv_tf.pages.web_page import as_html
from darts_adv_tf.plots.genotype_plot import draw_cell
from darts_adv_tf.reproduction.report.alpha_curves_plot import MOST_SEEDS, draw_alpha
from darts_adv_tf.reproduction.report.bands import FEWEST_FOR_INTERVAL, Band, band
from darts_adv_tf.reproduction.report.content import Content
from darts_adv_tf.reproduction.report.curves_plot import draw_curves, draw_discriminator
from darts_adv_tf.reproduction.report.embedding import (
    embed_drawing,
    embed_flat_picture,
    embed_photograph,
)
from darts_adv_tf.reproduction.report.wording import arm_label, backbone_label, model_label
from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.search_space.genotype import CellEdges
from darts_adv_tf.training import metric_names

CELL_WIDTH = 900
OVERLAY_WIDTH = 720

DISCRIMINATOR_FIGURES = {
    "share of true masks taken for true": metric_names.REAL_ACCURACY,
    "share of predictions found out": metric_names.FAKE_ACCURACY,
    "adversarial loss, λ · −log g": metric_names.ADVERSARIAL_LOSS,
}
CELL_TITLES = {"normal": "Normal cell", "reduction": "Reduction cell"}


def curves(content: Content, backbone: str) -> str:
    """The test figure over retraining; a sentence where nobody measured it."""
    bands = _bands(content, backbone, metric_names.TEST_MEAN_IOU)
    name = backbone_label(backbone)
    if not bands:
        return "<p>No run measured its test cases during retraining (--test_every).</p>"
    drawn = draw_curves(bands, content.blind_level(backbone), f"{name}: after each epoch")
    alternative = f"{name}: mean IoU of the test cases over the epochs of retraining, a line an arm"
    caption = (
        "Mean IoU over all test pixels during retraining, mean over runs. "
        f"{_bands_meaning(bands)} The test cases select nothing: the last epoch is what the "
        "tables show."
    )
    return _figure(embed_drawing(drawn, alternative), caption)


def discriminators(content: Content, backbone: str) -> str:
    """How the discriminators fared in retraining; empty where there was none."""
    panels = {
        title: bands
        for title, figure in DISCRIMINATOR_FIGURES.items()
        if (bands := _bands(content, backbone, figure))
    }
    if not panels:
        return ""
    name = backbone_label(backbone)
    caption = (
        f"{name}: how the discriminator fared against the segmenter during retraining, means over "
        "the steps of an epoch. Where both shares stay at 1, it tells every prediction from a true "
        "mask; near ½ it guesses. The adversarial loss is that of Eq. 1, with its weight, as it is "
        "added to the cross-entropy."
    )
    alternative = f"{name}: accuracy of the discriminator and adversarial loss over the epochs"
    return _figure(embed_drawing(draw_discriminator(panels), alternative), caption)


def alphas(content: Content, backbone: str) -> str:
    """How α moved, a figure a searched arm."""
    figures = []
    for arm, runs in content.searched(backbone).items():
        known = [run for run in runs if run.alpha is not None and len(run.alpha)]
        if not known:
            continue
        name = model_label(backbone, arm)
        drawn = draw_alpha([run.seed for run in known], [run.alpha for run in known], name)
        caption = (
            "Left: the entropy of the operations' weights, mean over edges, as a share of ln 8, "
            "where all weigh the same (dotted: 1, where α starts). Right: the weight of each "
            "operation, mean over edges."
        )
        if len(known) > MOST_SEEDS:
            caption += f" The weights are those of the first {MOST_SEEDS} seeds."
        alternative = f"{name}: entropy and weights of the operations over the epochs of the search"
        figures.append(_figure(embed_drawing(drawn, alternative), caption))
    return "\n".join(figures)


def genotypes(content: Content, backbone: str) -> str:
    """The derived cells of each searched arm, the first seed's open and the others folded."""
    parts = []
    for arm, runs in content.searched(backbone).items():
        name = model_label(backbone, arm)
        known = [run for run in runs if run.genotype is not None]
        if known:
            parts.append(f"<h3>{as_html(name)}</h3>")
        for index, run in enumerate(known):
            cells = "\n".join(
                _figure(
                    _cell(getattr(run.genotype, kind), title, f"{name}, seed {run.seed}: {title}")
                )
                for kind, title in CELL_TITLES.items()
            )
            state = " open" if index == 0 else ""
            parts.append(f"<details{state}><summary>seed {run.seed}</summary>\n{cells}\n</details>")
    return "\n".join(parts)


def overlays(content: Content, backbone: str) -> str:
    """Best, median and worst case of each arm's first run."""
    figures = []
    for arm, runs in content.runs_by_arm(backbone).items():
        run, name = runs[0], model_label(backbone, arm)
        caption = f"{name}, seed {run.seed}{_drawn(run)}"
        picture = cv2.imread(str(run.workdir / "overlays.png"), cv2.IMREAD_COLOR)
        if picture is None:
            figures.append(_figure("<p>The run left no overlays.png.</p>", caption))
            continue
        alternative = f"{caption}: best, median and worst test case; image, truth, prediction"
        image = embed_photograph(picture[..., ::-1], alternative, OVERLAY_WIDTH)
        figures.append(_figure(image, caption))
    return '<div class="gallery">\n' + "\n".join(figures) + "\n</div>"


# A report is written again after each run, and cells take longest to draw.
@functools.lru_cache(maxsize=256)
def _cell(cell_edges: CellEdges, title: str, alternative: str) -> str:
    return embed_flat_picture(draw_cell(cell_edges, title), alternative, CELL_WIDTH)


def _bands(content: Content, backbone: str, figure: str) -> dict[str, Band]:
    found = {
        arm: band(runs, "retrain", figure) for arm, runs in content.runs_by_arm(backbone).items()
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
                "No band, as a single run"
                if count == 1
                else "Band: from the lower run to the higher"
            )
        kinds.setdefault(kind, []).append(arm)
    return " ".join(f"{kind} ({_names(arms)})." for kind, arms in kinds.items())


def _names(arms: Sequence[str]) -> str:
    return "; ".join(map(arm_label, arms))


def _drawn(run: RunResult) -> str:
    return "" if run.draw is None else f", draw {run.draw}"


def _figure(content: str, caption: str = "") -> str:
    told = f"<figcaption>{as_html(caption)}</figcaption>" if caption else ""
    return f"<figure>{content}{told}</figure>"
