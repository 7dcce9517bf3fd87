"""What held of the paper's claims and what did not, in words."""

from typing import NamedTuple

from darts_adv_tf.reproduction.comparison import MARGIN, Claim, Verdict
from darts_adv_tf.reproduction.paper import published_difference
from darts_adv_tf.reproduction.report.content import CLAIM_FIGURES, Content
from darts_adv_tf.reproduction.report.wording import (
    arm_label,
    backbone_label,
    bounds,
    counted,
    number,
)

SIGNS = {"held": "✓", "contradicted": "✗", "undecided": "?", "not run": "–"}
"""Beside the word of each verdict, so that it is not told by colour alone."""

BLIND_CLAIM = "The segmenter beats a mask that is blind to the image."
"""Not the paper's: what lies below has not shown that it looks at all."""

GROUNDS = (
    "Each verdict rests on the seeds: the difference of the two arms' mean IoU over all test "
    "pixels, background included, paired by seed, with Student's 95 % interval of its mean. Held: "
    "the whole interval is above 0; contradicted: the whole interval is below 0; undecided: "
    "neither, or fewer than two seeds. “Matches or beats” allows "
    f"{number(100 * MARGIN, 0)} point less. A point is a hundredth of the IoU. Each claim is "
    "judged by itself: of many, some come out by chance."
)


def overview(content: Content) -> str:
    """How many claims of how many held."""
    counts = dict.fromkeys(SIGNS, 0)
    for (figure, _, _), verdict in content.verdicts.items():
        counts[verdict.verdict] += figure == CLAIM_FIGURES[0]
    told = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    return f"{counted(len(content.claims), 'claim')} with {_backbones(content)}: {told}."


def progress(content: Content) -> str:
    """How much of the matrix has run."""
    text = f"{len(content.results)} of {counted(content.planned, 'run')} finished"
    return f"{text}, {len(content.failed)} failed." if content.failed else f"{text}."


def difference(verdict: Verdict) -> str:
    """The difference in points; empty where there is none."""
    if verdict.verdict == "not run":
        return ""
    return f"{number(100 * verdict.interval.mean, signed=True)} points"


def evidence(verdict: Verdict) -> str:
    """What the difference rests on; empty where there is none."""
    if verdict.verdict == "not run":
        return ""
    ends = bounds(verdict.interval, 100, signed=True)
    interval = f"95 % interval {ends}" if ends else "no interval"
    return f"{interval}, {counted(verdict.num_seeds, 'seed')}"


def paper_difference(content: Content, backbone: str, claim: Claim) -> str:
    """The same of the paper's tables; empty where they do not have it."""
    printed = published_difference(content.dataset, backbone, claim.first, claim.second)
    return "" if printed is None else f"paper: {number(printed, signed=True)}"


def without_background(content: Content, backbone: str, claim: Claim) -> str:
    """The verdict and the difference of the organs alone."""
    verdict = content.verdicts[CLAIM_FIGURES[1], backbone, claim]
    if verdict.verdict == "not run":
        return ""
    mean = number(100 * verdict.interval.mean, signed=True)
    return f"organs alone: {mean}, {verdict.verdict}"


def sentence(content: Content, claim: Claim) -> str:
    """What became of a claim, backbone by backbone."""
    by_verdict: dict[str, list[str]] = {}
    for backbone in content.backbones:
        verdict = content.verdicts[CLAIM_FIGURES[0], backbone, claim].verdict
        by_verdict.setdefault(verdict, []).append(backbone_label(backbone))
    told = "; ".join(f"{name} with {' and '.join(them)}" for name, them in by_verdict.items())
    return f"{told[:1].upper()}{told[1:]}."


class AgainstBlind(NamedTuple):
    """Which arms of a backbone see more than the mean training mask knows.

    Attributes:
        verdict: As of a claim: held where all do, contradicted where none does.
        count: How many of how many.
        level: What the mean training mask reaches.
        others: The arms that do not; empty where there are none.
    """

    verdict: str
    count: str
    level: str
    others: str


def against_blind(content: Content, backbone: str) -> AgainstBlind:
    """Compares the mean over runs of each arm with the blind mean training mask."""
    blind = content.blind_level(backbone)
    means = {
        each.arm: each.figures["mean_iou"].mean
        for each in content.summaries
        if each.backbone == backbone and "mean_iou" in each.figures
    }
    if blind is None or not means:
        return AgainstBlind("not run", "", "", "")
    others = [arm_label(arm) for arm, mean in means.items() if mean <= blind]
    num_above = len(means) - len(others)
    verdict = "held" if not others else "undecided" if num_above else "contradicted"
    return AgainstBlind(
        verdict,
        f"{num_above} of {counted(len(means), 'arm')}",
        f"the mean training mask reaches {number(100 * blind)} %",
        f"not above it: {'; '.join(others)}" if others else "",
    )


def _backbones(content: Content) -> str:
    return " and ".join(backbone_label(name) for name in content.backbones) or "no backbone"
