"""What held of the paper's claims and what did not, in words."""

from collections import Counter
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

GROUNDS = (
    "Each verdict rests on the seeds: the difference of the two arms' mean IoU over all test "
    "pixels, background included, paired by seed, with Student's 95 % interval of its mean. Held: "
    "the whole interval is above 0; contradicted: the whole interval is below 0; undecided: "
    "neither, or fewer than two seeds. “Matches or beats” allows "
    f"{number(100 * MARGIN, 0)} point less. A point is a hundredth of the IoU. Each claim is "
    "judged by itself: of many, some come out by chance."
)


def overview(content: Content) -> str:
    """How many claims of how many held, backbone by backbone."""
    told = []
    for backbone in content.backbones:
        verdicts = [content.verdicts[CLAIM_FIGURES[0], backbone, each] for each in content.claims]
        found = Counter(verdict.verdict for verdict in verdicts)
        counts = ", ".join(f"{found[name]} {name}" for name in SIGNS if found[name])
        told.append(f"with {backbone_label(backbone)} {counts}")
    return f"{counted(len(content.claims), 'claim')}: {'; '.join(told)}."


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
        verdict: As of a claim: what all arms have in common, else undecided.
        evidence: How many arms of how many, and what the mean training mask reaches.
        others: The arms for which it did not hold; empty where there are none.
    """

    verdict: str
    evidence: str
    others: str


def against_blind(content: Content, backbone: str) -> AgainstBlind:
    """Puts together the verdicts of a backbone's arms."""
    blind = content.blind_level(backbone)
    arms: dict[str, list[str]] = {}
    for each in content.blind_verdicts:
        if each.backbone == backbone:
            arms.setdefault(each.verdict, []).append(arm_label(each.claim.first))
    if blind is None or not arms:
        return AgainstBlind("not run", "", "")
    total = sum(map(len, arms.values()))
    return AgainstBlind(
        next(iter(arms)) if len(arms) == 1 else "undecided",
        f"{len(arms.get('held', []))} of {counted(total, 'arm')}; the mean training mask reaches "
        f"{number(100 * blind)} %",
        "; ".join(f"{name}: {', '.join(them)}" for name, them in arms.items() if name != "held"),
    )
