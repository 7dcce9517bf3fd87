"""The claims and their verdicts as the report words them."""

from collections import Counter
from typing import NamedTuple

from darts_adv_tf.reproduction.averages import best
from darts_adv_tf.reproduction.claims import CLAIM_METRICS, MEAN_MASK_CLAIM, Verdict
from darts_adv_tf.reproduction.paper import published_difference
from darts_adv_tf.reproduction.report.content import Content
from darts_adv_tf.reproduction.report.formatting import (
    BASELINES,
    arm_label,
    backbone_label,
    bounds,
    counted,
    model_label,
    number,
)

SIGNS = {"held": "✓", "contradicted": "✗", "undecided": "?", "not judged": "–", "not run": "–"}
"""Before the word of each verdict, so that it is not shown by colour alone."""


class ClaimCell(NamedTuple):
    """What the runs of a backbone say of a claim.

    Attributes:
        backbone: Its label.
        verdict: As in `Verdict`.
        difference: In points; empty where there is none.
        evidence: Interval and number of seeds, or of arms; empty where there is none.
        notes: What else there is to say; may be empty.
    """

    backbone: str
    verdict: str
    difference: str = ""
    evidence: str = ""
    notes: str = ""

    @property
    def sign(self) -> str:
        return SIGNS[self.verdict]


class ClaimRow(NamedTuple):
    """A claim, with a sentence about it and a cell for each backbone."""

    text: str
    sentence: str
    cells: list[ClaimCell]


def claim_rows(content: Content) -> list[ClaimRow]:
    """Returns the claims that are judged, with their verdicts."""
    rows = []
    for claim in content.claims:
        cells, by_verdict = [], dict[str, list[str]]()
        for backbone in content.backbones:
            verdict, foreground = (
                content.verdicts[metric, backbone, claim] for metric in CLAIM_METRICS
            )
            cells.append(_cell(content.dataset, verdict, foreground))
            by_verdict.setdefault(verdict.verdict, []).append(backbone_label(backbone))
        sentence = "; ".join(
            f"{name} with {' and '.join(labels)}" for name, labels in by_verdict.items()
        )
        rows.append(ClaimRow(claim.text, f"{sentence[:1].upper()}{sentence[1:]}.", cells))
    return rows


def mean_mask_row(content: Content) -> ClaimRow:
    """Returns whether the arms beat the mean-mask baseline."""
    sentence = "If not, comparing arms means little: this baseline never looks at the image."
    cells = [_mean_mask_cell(content, backbone) for backbone in content.backbones]
    return ClaimRow(MEAN_MASK_CLAIM, sentence, cells)


def overview(content: Content) -> str:
    """How many claims of how many held, backbone by backbone."""
    texts = []
    for backbone in content.backbones:
        found = Counter(
            content.verdicts[CLAIM_METRICS[0], backbone, claim].verdict for claim in content.claims
        )
        counts = ", ".join(f"{found[name]} {name}" for name in SIGNS if found[name])
        texts.append(f"with {backbone_label(backbone)} {counts}")
    return f"{counted(len(content.claims), 'claim')}: {'; '.join(texts)}."


def progress(content: Content) -> str:
    """How much of the matrix has run."""
    text = f"{len(content.results)} of {counted(content.planned, 'run')} finished"
    return f"{text}, {len(content.failed)} failed." if content.failed else f"{text}."


def unjudged(content: Content) -> list[str]:
    """Returns why claims are not judged: a sentence for each backbone that beats no baseline."""
    sentences = []
    for backbone in content.finished_backbones:
        verdicts = (content.verdicts[CLAIM_METRICS[0], backbone, each] for each in content.claims)
        arm, baseline = best(content.arms_of(backbone)), best(content.baselines_of(backbone))
        if arm and baseline and any(each.verdict == "not judged" for each in verdicts):
            reached, trivial = (
                f"{number(100 * each.metrics['mean_iou'].mean)} %" for each in (arm, baseline)
            )
            sentences.append(
                f"The best arm, {model_label(backbone, arm.arm)}, reaches a mean IoU of {reached}, "
                f"the {BASELINES.get(baseline.name, baseline.name)} {trivial}."
            )
    return sentences


def _cell(dataset: str, verdict: Verdict, foreground: Verdict) -> ClaimCell:
    backbone, claim = verdict.backbone, verdict.claim
    notes = []
    if foreground.verdict != "not run":
        mean = number(100 * foreground.interval.mean, signed=True)
        notes.append(f"foreground classes only: {mean}, {foreground.verdict}")
    printed = published_difference(dataset, backbone, claim.first, claim.second)
    if printed is not None:
        notes.append(f"paper: {number(printed, signed=True)}")
    if verdict.verdict == "not run":
        return ClaimCell(backbone_label(backbone), "not run", notes="; ".join(notes))
    ends = bounds(verdict.interval, 100, signed=True)
    interval = f"95 % interval {ends}" if ends else "no interval"
    return ClaimCell(
        backbone_label(backbone),
        verdict.verdict,
        f"{number(100 * verdict.interval.mean, signed=True)} points",
        f"{interval}, {counted(verdict.num_seeds, 'seed')}",
        "; ".join(notes),
    )


def _mean_mask_cell(content: Content, backbone: str) -> ClaimCell:
    label, baseline = backbone_label(backbone), content.mean_mask_iou(backbone)
    arms: dict[str, list[str]] = {}
    for each in content.mean_mask_verdicts:
        if each.backbone == backbone:
            arms.setdefault(each.verdict, []).append(arm_label(each.claim.first))
    if baseline is None or not arms:
        return ClaimCell(label, "not run")
    total = counted(sum(map(len, arms.values())), "arm")
    return ClaimCell(
        label,
        next(iter(arms)) if len(arms) == 1 else "undecided",
        evidence=f"{len(arms.get('held', []))} of {total}; the baseline reaches "
        f"{number(100 * baseline)} %",
        notes="; ".join(
            f"{name}: {', '.join(them)}" for name, them in arms.items() if name != "held"
        ),
    )
