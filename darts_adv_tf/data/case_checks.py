"""Checks of a single case.

Shapes: K classes, of which class 0 is the background, H and W pixels, C channels, S the side of a
training image.
"""

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from darts_adv_tf.data import chest
from darts_adv_tf.data.collection import Case, Collection, size_mismatch
from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.data.formats.decoded_image import DecodedImage

NOTABLE_OVERLAP = 0.02
"""An overlap is reported if it covers at least this fraction of its smallest class.

Masks drawn by hand meet in seams some pixels wide: at most 0.008 in 150 of 160 cases of CX-SEG. In
the other ten the left lung runs through the heart, and it is 0.05 to 0.47.
"""

NOTABLE_STRAY = 0.002
"""Parts besides the largest one are reported from this fraction of the class's pixels on."""

LOW_CONTRAST = 0.02
"""An image is reported whose intensities deviate by less than this fraction of their maximum.

The darkest exposure of CX-SEG has a standard deviation of 0.03.
"""


def check_sizes(decoded: DecodedImage, masks: np.ndarray, case: Case) -> None:
    """Rejects masks (K - 1, H, W) that are not as large as their image.

    Raises:
        SizeMismatch: They are not.
    """
    shape = decoded.pixels.shape[:2]
    if masks.shape[1:] != shape:
        file = case.files[-1] if case.files else case.name
        raise size_mismatch(masks.shape[1:], shape, file, decoded)


def check_image(decoded: DecodedImage, case: Case) -> list[DataIssue]:
    """Reports images without contrast."""
    pixels = decoded.pixels
    lowest, highest = pixels.min(), pixels.max()
    if lowest == highest:
        message = f"every pixel of the image is {lowest:g}"
        return [DataIssue(case.name, "constant", message, is_fatal=True)]
    deviation = float(pixels.std(dtype=np.float64))
    scale = decoded.intensity_maximum or float(np.abs(pixels).max())
    if deviation < LOW_CONTRAST * scale:
        message = (
            f"hardly any contrast: a standard deviation of {deviation:.3g}, {scale:g} being white"
        )
        return [DataIssue(case.name, "low_contrast", message)]
    return []


def check_masks(
    masks: np.ndarray, case: Case, collection: Collection
) -> tuple[np.ndarray, list[DataIssue]]:
    """Checks masks, and corrects those whose intended content is beyond doubt.

    Args:
        masks: bool (K - 1, H, W).
        case, collection: Whose masks they are.

    Returns:
        masks: bool (K - 1, H, W), corrected.
        issues: What was found.
    """
    classes = collection.class_names[1:]
    issues = []

    def find(kind: str, message: str, is_fatal: bool = False):
        issues.append(DataIssue(case.name, kind, message, is_fatal))

    areas = masks.sum(axis=(1, 2))
    if not areas.any():
        find(
            "all_background",
            "only background: no pixel of any class",
            collection.has_whole_organs,
        )
        return masks, issues
    if collection.has_whole_organs:
        empty = [name for name, area in zip(classes, areas, strict=True) if not area]
        if empty:
            find("empty_mask", f"no pixel of {', '.join(empty)}", is_fatal=True)
        else:
            masks, found = _check_places(masks, classes)
            areas = masks.sum(axis=(1, 2))
            for kind, report in found:
                find(kind, report)
        for name, mask in zip(classes, masks, strict=True):
            num_parts, num_stray = _stray_pixels(mask)
            if num_stray >= NOTABLE_STRAY * mask.sum() and num_stray:
                find(
                    "stray",
                    f"{name} is in {num_parts} parts, {num_stray} pixels outside the largest",
                )
    claims = masks.sum(axis=0, dtype=np.uint8)
    disputed = claims > 1
    num_disputed = int(np.count_nonzero(disputed))
    if num_disputed:
        disputing = [index for index, mask in enumerate(masks) if mask[disputed].any()]
        smallest = min(disputing, key=lambda index: areas[index])
        share = num_disputed / areas[smallest]
        if share >= NOTABLE_OVERLAP:
            winners = [index - 1 for index in collection.class_priority]
            order = " over ".join(classes[index] for index in winners if index in disputing)
            find(
                "overlap",
                f"{num_disputed} pixels in more than one mask ({share:.0%} of "
                f"{classes[smallest]}), given to {order}",
            )
    return masks, issues


def check_prepared(
    image: np.ndarray,
    labels: np.ndarray,
    issues: Sequence[DataIssue],
    case: Case,
    classes: Mapping[int, str],
) -> list[DataIssue]:
    """Reports what was lost only by preparing the case.

    Args:
        image: float32 (S, S, C), as training sees it.
        labels: uint8 (S, S), likewise.
        issues: Issues of the stored case.
        case: Whose they are.
        classes: The names of the foreground classes that the case has, by their indices.
    """
    known = {issue.kind for issue in issues}
    lost = []
    if image.min() == image.max() and "constant" not in known:
        message = f"every pixel is {image.min():g} once prepared: --normalization cuts off the rest"
        lost.append(DataIssue(case.name, "constant", message, is_fatal=True))
    if known.isdisjoint(("all_background", "empty_mask")):
        present = np.unique(labels)
        vanished = [name for index, name in classes.items() if index not in present]
        if vanished:
            message = (
                f"no pixel of {', '.join(vanished)} is left at {labels.shape[1]}x{labels.shape[0]}"
            )
            lost.append(DataIssue(case.name, "vanished", message))
    return lost


def _check_places(
    masks: np.ndarray, organs: Sequence[str]
) -> tuple[np.ndarray, list[tuple[str, str]]]:
    """Corrects swapped heart and lung masks, and reports organs on the wrong side.

    Args:
        masks: bool (K - 1, H, W), none empty.
        organs: Their names. Left and right are the patient's, seen from the front.

    Returns:
        masks: bool (K - 1, H, W), corrected.
        issues: Kind and message of each.
    """
    issues: list[tuple[str, str]] = []
    if set(chest.ORGANS) <= set(organs):
        places = [organs.index(name) for name in chest.ORGANS]
        repaired, kind, report = chest.repair_swap(masks[places])
        if kind == "swapped":
            masks = masks.copy()
            masks[places] = repaired
        if kind in ("swapped", "unusual") and report is not None:
            issues.append((kind, report))
    if not issues:
        mirrored = [
            name
            for index, name in enumerate(organs)
            if name.startswith("left_")
            and (twin := f"right_{name.removeprefix('left_')}") in organs
            and _centre(masks[index]) < _centre(masks[organs.index(twin)])
        ]
        if mirrored:
            verb = "is" if len(mirrored) == 1 else "are"
            report = (
                f"{', '.join(mirrored)} {verb} on the viewer's left (left and right swapped, or a "
                "mirrored image), left unchanged"
            )
            issues.append(("mirrored", report))
    return masks, issues


def _centre(mask: np.ndarray) -> float:
    """The horizontal centre of a mask, in pixels."""
    columns = mask.sum(axis=0)
    return float(np.average(np.arange(len(columns)), weights=columns))


def _stray_pixels(mask: np.ndarray) -> tuple[int, int]:
    """Number of connected parts, and of pixels outside the largest."""
    num_labels, _, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    areas = statistics[1:, cv2.CC_STAT_AREA]
    return num_labels - 1, int(areas.sum() - areas.max()) if len(areas) else 0
