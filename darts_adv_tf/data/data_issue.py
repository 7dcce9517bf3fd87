"""Issues of a data set: what is wrong with a case, or worth knowing about it."""

import dataclasses
from collections.abc import Iterable


@dataclasses.dataclass(frozen=True)
class DataIssue:
    """One issue of one case.

    Attributes:
        case: The case's name; empty if the issue concerns the whole data set.
        kind: One of `KINDS`.
        message: What was found and what was done about it, without the case's name.
        is_fatal: Whether training must not start.
        other: The other case involved, such as the one that this case is a copy of.
        crosses_split: Whether one of the two cases is a training case and the other a test case,
            so that test metrics may be too good.
    """

    case: str
    kind: str
    message: str
    is_fatal: bool = False
    other: str | None = None
    crosses_split: bool = False

    def __str__(self):
        return f"{self.case}: {self.message}" if self.case else self.message


KINDS = {
    "split": "the cases cannot be split as the flags say",
    "unreadable": "a file is missing, damaged, or no image",
    "size_mismatch": "a mask is not as large as its image",
    "headers": "an image and its mask lie in different places by their headers",
    "channels": "an image has other channels than most",
    "range": "intensities of another kind than the first image's",
    "empty_mask": "a class without a pixel, where every case must have all classes",
    "all_background": "only background",
    "absent": "a class that no case has, or none to train on or to test with",
    "constant": "an image without contrast",
    "patient": "a patient on both sides of the split",
    "duplicate": "the same image twice",
    "swapped": "masks of heart and lung swapped, corrected",
    "mirrored": "a left structure on the viewer's left",
    "unusual": "organs unlike those of a chest radiograph",
    "near_duplicate": "nearly the same image twice",
    "vanished": "a class without a pixel at the training resolution",
    "overlap": "pixels in more than one mask, given to one class by priority",
    "stray": "a class in more than one part",
    "interpreted": "read otherwise than it is stored",
    "low_contrast": "an image with hardly any contrast",
    "unlisted": "a mask without an image, or a case that is left out",
}
"""The kinds of issues and what each means, for the report's legend; the gravest first."""


def worst_first(issues: Iterable[DataIssue]) -> tuple[DataIssue, ...]:
    """Sorts issues: fatal ones first, then by kind in the order of `KINDS`, then by case."""
    kinds = list(KINDS)

    def severity(issue: DataIssue) -> tuple:
        return not issue.is_fatal, kinds.index(issue.kind), issue.case, issue.message

    return tuple(sorted(issues, key=severity))
