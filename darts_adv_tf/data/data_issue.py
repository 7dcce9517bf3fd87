"""What is found wrong, or worth knowing, about a case."""

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class Finding:
    """One fault of one case.

    Attributes:
        case: The case's name; empty of what concerns them all.
        kind: The sort of fault, one of `KINDS`.
        message: What was found and what was done about it, without the case's name.
        spoils: Whether training on it would be in vain, so that it must not begin.
        other: Another case that it is about, such as the one of which this is a copy.
    """

    case: str
    kind: str
    message: str
    spoils: bool = False
    other: str | None = None

    def __str__(self):
        return f"{self.case}: {self.message}" if self.case else self.message


KINDS = {
    "split": "the cases cannot be split as the flags say",
    "unreadable": "a file is missing, damaged, or no image",
    "size_mismatch": "a mask is not as large as its image",
    "channels": "an image has other channels than the first",
    "range": "intensities of another kind than the first image's",
    "empty_mask": "an organ without a pixel where each case has it",
    "all_background": "no organ at all",
    "constant": "an image without contrast",
    "patient": "a patient on both sides of the split",
    "duplicate": "the same image twice",
    "swapped": "masks of heart and lung exchanged, put right",
    "mirrored": "a left organ on the viewer's left",
    "unusual": "organs unlike those of a chest radiograph",
    "near_duplicate": "nearly the same image twice",
    "vanished": "an organ without a pixel at the training resolution",
    "overlap": "a pixel in more than one organ, by priority given to one",
    "stray": "an organ in more than one part",
    "low_contrast": "an image with hardly any contrast",
    "unlisted": "a mask without an image, or a case that is left out",
}
"""What each kind of finding says, for the report's legend; the gravest kind comes first."""


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """What spoils training, then by kind in the order of `KINDS`, then by case."""
    kinds = list(KINDS)

    def severity(finding: Finding) -> tuple:
        return not finding.spoils, kinds.index(finding.kind), finding.case, finding.message

    return tuple(sorted(findings, key=severity))
