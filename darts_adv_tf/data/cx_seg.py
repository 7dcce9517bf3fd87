"""Chest radiographs in the folder layout of CX-SEG.

    png/<uid>.png
    mask/left_lung/<uid>.png
    mask/right_lung/<uid>.png
    mask/heart/<uid>.png

All files are 8-bit grey, a mask as large as its image. Left and right are the patient's.

Shapes: N cases, H and W pixels, S the side of a training image.
"""

import itertools
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from darts_adv_tf.data.dataset import CLASS_NAMES, Dataset
from darts_adv_tf.data.images import (
    merge_masks,
    preprocess,
    read_image,
    read_mask,
    resize_labels,
)
from darts_adv_tf.errors import DataError

ORGANS = CLASS_NAMES[1:]
NOTABLE_OVERLAP = 0.02
"""An overlap is reported from this fraction of the heart's pixels on.

Masks drawn by hand meet in seams some pixels wide: at most 0.008 in 150 of 160 cases of CX-SEG. In
the other ten the left lung runs through the heart, and it is 0.05 to 0.47.
"""

INTENSITY_MAXIMUM = 255.0

_TYPICAL_LAYOUT = np.array([0.61, 0.39, 0.56, 0.50, -0.29])
_LAYOUT_DEVIATION = np.array([0.046, 0.065, 0.174, 0.162, 0.180])
_PLAUSIBLE = 25.0


def load_cx_seg(
    data_dir: str | Path,
    image_size: int,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Loads all cases of a folder in the layout of CX-SEG.

    Masks are thresholded at `images.MASK_THRESHOLD` and merged at full resolution, heart over
    lung; then each pixel of the training resolution gets the class with the largest area in it.
    Faults that leave no doubt about what was meant are repaired, and each is told in `repairs`:
    a heart mask exchanged with a lung mask, organs that overlap notably (`NOTABLE_OVERLAP`).
    Told there as well, but left alone: masks without an image, and organs in an unusual place.

    Args:
        data_dir: The folder that holds `png` and `mask`.
        image_size: The side S of the training images, in pixels.
        progress: Called after each case with the number of cases loaded and of all cases.

    Returns:
        The data set, cases sorted by name.

    Raises:
        DataError: If a folder is missing or holds no image, an image lacks a mask, a file cannot
            be read or is not 8-bit grey, a mask is empty or differs from its image in size.
    """
    image_paths, repairs = _find_cases(Path(data_dir))
    images = np.empty((len(image_paths), image_size, image_size, 1), np.float32)
    labels = np.empty(images.shape[:3], np.uint8)
    for index, path in enumerate(image_paths):
        image = read_image(path)
        masks, swap = repair_swap(_read_masks(path, image.shape[:2]))
        merged, num_overlapping = merge_masks(masks)
        images[index] = preprocess(image[np.newaxis], image_size, INTENSITY_MAXIMUM)[0]
        labels[index] = resize_labels(merged, image_size)

        if swap:
            repairs.append(f"{path.stem}: {swap}")
        num_heart = np.count_nonzero(masks[ORGANS.index("heart")])
        if num_overlapping >= NOTABLE_OVERLAP * num_heart:
            repairs.append(
                f"{path.stem}: {num_overlapping} pixels in more than one organ "
                f"({num_overlapping / num_heart:.0%} of the heart), given to heart over lung"
            )
        if progress:
            progress(index + 1, len(image_paths))
    return Dataset(
        name="cx_seg",
        class_names=CLASS_NAMES,
        cases=tuple(path.stem for path in image_paths),
        images=images,
        labels=labels,
        intensity_maximum=INTENSITY_MAXIMUM,
        repairs=tuple(repairs),
    )


def repair_swap(masks: np.ndarray) -> tuple[np.ndarray, str | None]:
    """Finds a heart mask that was exchanged with a lung mask, and puts both right.

    The organs' claimed layout is compared with the two layouts in which the heart has changed
    places with a lung. A layout is described by five numbers that know neither the size of the
    body nor its place nor a mirrored picture: where the heart lies between the lungs, how far
    below them, and how tall each organ is for its width. Its implausibility is their mean squared
    deviation from CX-SEG's usual values, in standard deviations: below 8 in the 159 good cases,
    above 80 for each exchange of heart and lung. An exchange of the two lungs looks like a mirrored
    picture, so it is told and left alone.

    Args:
        masks: bool (3, H, W), in the order of `ORGANS`, none empty.

    Returns:
        masks: bool (3, H, W), exchanged where that is the only plausible layout.
        report: What was found and done, or None.
    """
    places = np.array([_place(mask) for mask in masks])
    left, right, heart = range(len(ORGANS))
    if _implausibility(places) > _PLAUSIBLE:
        orders = {lung: np.arange(len(ORGANS)) for lung in (left, right)}
        for lung, order in orders.items():
            order[[lung, heart]] = heart, lung
        best = min(orders, key=lambda lung: _implausibility(places[orders[lung]]))
        if _implausibility(places[orders[best]]) < _PLAUSIBLE:
            report = f"the masks of {ORGANS[best]} and heart were swapped, put right"
            return masks[orders[best]], report
        return masks, "the organs lie unlike those of a chest radiograph, left as they are"
    if places[left, 0] < places[right, 0]:
        return masks, (
            "left_lung lies on the viewer's left (lungs swapped, or a mirrored picture), "
            "left as it is"
        )
    return masks, None


def _find_cases(data_dir: Path) -> tuple[list[Path], list[str]]:
    """Returns the images, sorted by name, and a line for each mask that has no image."""
    mask_dirs = {organ: data_dir / "mask" / organ for organ in ORGANS}
    for folder in (data_dir, data_dir / "png", *mask_dirs.values()):
        if not folder.is_dir():
            raise DataError(
                "A CX-SEG folder holds png/ and mask/left_lung/, mask/right_lung/, mask/heart/.",
                received="no such folder",
                file=folder,
                remedy="Let --data_dir name the folder that holds png/ and mask/.",
            )
    names = {
        folder: {path.name for path in _list_folder(folder) if _is_image(path)}
        for folder in (data_dir / "png", *mask_dirs.values())
    }
    image_names = names[data_dir / "png"]
    if not image_names:
        raise DataError(
            "A CX-SEG folder holds at least one image png/<uid>.png.",
            received="no .png file",
            file=data_dir / "png",
            remedy="Let --data_dir name the folder that holds png/ and mask/, with its images.",
        )
    missing = [
        folder / name
        for name, folder in itertools.product(sorted(image_names), mask_dirs.values())
        if name not in names[folder]
    ]
    if missing:
        raise DataError(
            "Each image has one mask for each organ, of the same name.",
            received=f"{len(missing)} missing mask(s), the first of them named below",
            file=missing[0],
            remedy="Add the masks, or take their images out of png/.",
        )
    notes = [
        f"{Path(name).stem}: a mask of {organ} without an image, left out"
        for organ, folder in mask_dirs.items()
        for name in sorted(names[folder] - image_names)
    ]
    return [data_dir / "png" / name for name in sorted(image_names)], notes


def _list_folder(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError as error:
        raise DataError(
            "The folders of a data set can be read.",
            received=error.strerror or error,
            file=folder,
            remedy="Give read permission to the folder.",
        ) from error


def _is_image(path: Path) -> bool:
    return path.suffix == ".png" and not path.name.startswith(".")


def _read_masks(image_path: Path, shape: tuple[int, int]) -> np.ndarray:
    """Returns bool (3, H, W), in the order of `ORGANS`."""
    masks = []
    for organ in ORGANS:
        path = image_path.parents[1] / "mask" / organ / image_path.name
        mask = read_mask(path)
        if mask.shape != shape:
            raise DataError(
                "A mask is as large as its image.",
                received="mask {1}x{0}, image {3}x{2} (width x height)".format(*mask.shape, *shape),
                file=path,
                remedy="Restore the mask at the image's size, or take the case out of the folder.",
            )
        if not mask.any():
            raise DataError(
                "A mask marks its organ.",
                received="no pixel of 128 or more",
                file=path,
                remedy="Store masks as 0 and 255, or take the case out of the folder.",
            )
        masks.append(mask)
    return np.stack(masks)


def _place(mask: np.ndarray) -> tuple[float, float, float]:
    """Returns the centre (x, y) in pixels and the logarithm of height over width."""
    moments = cv2.moments(mask.view(np.uint8), binaryImage=True)
    area = moments["m00"]
    # A pixel has an extent of its own, so that a line one pixel wide has a finite shape.
    width, height = moments["mu20"] / area + 1 / 12, moments["mu02"] / area + 1 / 12
    return moments["m10"] / area, moments["m01"] / area, 0.5 * np.log(height / width)


def _implausibility(places: np.ndarray) -> float:
    """Mean squared deviation of a layout from the usual one, in standard deviations.

    Args:
        places: (3, 3), `_place` of left lung, right lung and heart.
    """
    left, right, heart = places
    span = left[0] - right[0]
    if abs(span) < 1.0:
        return np.inf
    along = (heart[0] - right[0]) / span
    below = (heart[1] - (left[1] + right[1]) / 2) / abs(span)
    layout = np.array([along, below, left[2], right[2], heart[2]])
    return float(np.mean(((layout - _TYPICAL_LAYOUT) / _LAYOUT_DEVIATION) ** 2))
