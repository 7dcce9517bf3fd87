"""The cases of a data set before they are read.

Shapes: K classes, of which class 0 is the background, H and W pixels.
"""

import dataclasses
from collections.abc import Callable, Sequence
from collections.abc import Collection as Names
from functools import partial
from pathlib import Path
from typing import Never

import numpy as np

from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.system.errors import ConfigurationError, DataError


class SizeMismatch(DataError):
    """The image and the masks of a case are not all of one size."""


def size_mismatch(
    mask: tuple[int, ...],
    image: tuple[int, ...],
    file: str | Path,
    decoded: DecodedImage | None = None,
) -> SizeMismatch:
    """The error for a mask of another size than its image, with the remedy of the likely cause.

    Args:
        mask, image: Their (H, W).
        file: The mask.
        decoded: The image; None if the size of another mask is expected.
    """
    other = "expected" if decoded is None else "image"
    received = f"mask {mask[1]}x{mask[0]}, {other} {image[1]}x{image[0]} (width x height)"
    remedy = "Resize the mask to its image, or remove the case from the data set."
    turns = [] if decoded is None else [r for r in decoded.remarks if "EXIF orientation" in r]
    if mask == image[::-1]:
        remedy = "Turn the mask, whose width and height are those of the image exchanged."
        if turns:
            received += f"; the image was {turns[0]}"
            remedy = (
                "Turn the mask as the image is shown; or, if it was drawn on the image as stored, "
                "remove the orientation from the image."
            )
    return SizeMismatch(
        "A mask must be as large as its image.", received=received, file=file, remedy=remedy
    )


@dataclasses.dataclass(frozen=True)
class Case:
    """An image and its masks, still on the disk.

    Attributes:
        name: Distinct within the collection.
        patient: Whose image it is; a patient's cases stay on one side of a split.
        read: Returns the image (H, W, C) and the classes' masks, bool (K - 1, H, W), which may
            overlap. Raises DataError, SizeMismatch if their sizes differ.
        files: The files that `read` reads, the image first.
        error: Why the case cannot be read, if that is known in advance; `read` raises it.
    """

    name: str
    patient: str
    read: Callable[[], tuple[DecodedImage, np.ndarray]]
    files: tuple[Path, ...] = ()
    error: DataError | None = None


def cases_or_error(
    name: str, make: Callable[..., Sequence[Case]], *arguments: object
) -> Sequence[Case]:
    """Returns the cases of one image, or one case that holds the error.

    An unreadable image thus does not hide problems of the others.

    Args:
        name: The image's name, and that of the case with the error.
        make: Returns the cases, or raises DataError.
        *arguments: Arguments of `make`.
    """
    try:
        return make(*arguments)
    except DataError as error:
        files = () if error.file is None else (Path(error.file),)
        return [Case(name, name, partial(_raise, error), files, error)]


@dataclasses.dataclass(frozen=True)
class Collection:
    """The cases of a data set and what their masks mean.

    Attributes:
        name: The source, as `--dataset` names it.
        class_names: K names, the background first.
        cases: In the order of their indices.
        priority: Classes by priority where masks overlap, the highest first; classes not named
            follow, the later one before the earlier.
        has_whole_organs: Whether every case shows every organ, each in one part, as a chest
            radiograph does; else classes may be absent, or in several parts.
        folds: The fold of each case in the source's own split; empty if it has none.
        issues: Issues found while listing the cases.

    Raises:
        DataError: Two cases have one name.
    """

    name: str
    class_names: tuple[str, ...]
    cases: tuple[Case, ...]
    priority: tuple[str, ...] = ()
    has_whole_organs: bool = False
    folds: tuple[str, ...] = ()
    issues: tuple[DataIssue, ...] = ()

    def __post_init__(self):
        seen = set()
        for case in self.cases:
            if case.name in seen:
                raise DataError(
                    "Each case must have a unique name.",
                    received=f"{case.name} for a second time",
                    file=case.files[0] if case.files else None,
                    remedy="Rename one of the two files.",
                )
            seen.add(case.name)

    @property
    def class_priority(self) -> tuple[int, ...]:
        """Indices of all foreground classes, the highest priority first."""
        named = [self.class_names.index(name) for name in self.priority]
        others = reversed(range(1, len(self.class_names)))
        return (*named, *(index for index in others if index not in named))

    def only(self, names: Names[str]) -> "Collection":
        """Only the cases with these names, in the collection's order."""
        kept = [index for index, case in enumerate(self.cases) if case.name in names]
        return dataclasses.replace(
            self,
            cases=tuple(self.cases[index] for index in kept),
            folds=tuple(self.folds[index] for index in kept) if self.folds else (),
            issues=tuple(issue for issue in self.issues if issue.case in names),
        )

    def with_patients(self, patients: dict[str, str]) -> "Collection":
        """With the patients of the cases named."""
        cases = (
            dataclasses.replace(case, patient=patients.get(case.name, case.patient))
            for case in self.cases
        )
        return dataclasses.replace(self, cases=tuple(cases))

    def with_classes(self, classes: Sequence[str]) -> "Collection":
        """Only these classes, in this order; all others become background.

        Raises:
            ConfigurationError: A class is unknown or named twice.
        """
        unknown = [name for name in classes if name not in self.class_names[1:]]
        if unknown or len(set(classes)) != len(classes):
            raise ConfigurationError(
                f"--classes must name classes of {self.name}, each once, without the background.",
                received=f"--classes={','.join(classes)}",
                remedy=f"Choose from {', '.join(self.class_names[1:])}.",
            )
        kept = [self.class_names.index(name) - 1 for name in classes]

        def selecting(read):
            def read_selected():
                decoded, masks = read()
                return decoded, masks[kept]

            return read_selected

        return dataclasses.replace(
            self,
            class_names=(self.class_names[0], *classes),
            cases=tuple(
                dataclasses.replace(case, read=selecting(case.read)) for case in self.cases
            ),
            priority=tuple(name for name in self.priority if name in classes),
        )


def _raise(error: DataError) -> Never:
    raise error
