"""Fits the statistical shape model that the phantom draws its lungs and hearts from.

    python tools/fit_chest_shapes.py --masks=<folder> --output=chest_shapes.json \
        --source="<where the masks are from>" --licence="<theirs>"

Reads `<masks>/left_lung/<case>.png`, `<masks>/right_lung/<case>.png`, `<masks>/heart/<case>.png`,
8-bit grey. Each case becomes the same points on the same places of its three contours:

- Corners, by anatomy: for each lung its apex (the highest point), its costophrenic angle (the
  lowest and outermost), and the two ends of the stretch that it shares with the heart.
- Between two corners, points at equal distances along the contour. What lung and heart share is
  one curve, the heart's, so that no drawn shape has a gap or an overlap there.

Place and size of each chest (the mean of its points, and their root mean square distance from it)
are taken out; a principal component analysis of the rest gives the modes, all organs together.
Place and size are then a linear function of the modes' coefficients and a normal remainder. The
same masks always give the same file.

Shapes: N cases, P points, M modes, H and W pixels. Coordinates are fractions of the picture's width
and height, x to the viewer's right, y downwards.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
from absl import app, flags

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from darts_adv_tf.data.chest import ORGANS
from darts_adv_tf.data.phantom.shape_model import FORMAT, VERSION, Chest
from darts_adv_tf.system.errors import DataError, UserError
from darts_adv_tf.system.files import write_text

NUM_POINTS = {
    "left_seam": 10, "left_base": 9, "left_outer": 16, "left_inner": 11,
    "right_seam": 9, "right_base": 11, "right_outer": 16, "right_inner": 11,
    "heart_top": 9, "heart_bottom": 12,
}  # fmt: skip
"""Points of each path, both of its corners counted."""

SMALLEST_NUMBER = 12
CASES_PER_MODE = 3
"""So many cases at least stand behind each mode, or it would be a case's own."""

SMALLEST_AGREEMENT = 0.9
"""A case is left out where the outlines through its points cover its masks worse (their IoU)."""

CONTACT = 0.014
"""A lung touches the heart where they come this near, as a fraction of the picture's side.

In CX-SEG hand-drawn seams are up to about 0.01 wide.
"""

MASKS = flags.DEFINE_string("masks", None, "Folder with a folder of masks for each organ.")
OUTPUT = flags.DEFINE_string("output", None, "The JSON file to write.")
SOURCE = flags.DEFINE_string("source", None, "Where the masks are from; kept in the file.")
LICENCE = flags.DEFINE_string("licence", None, "The masks' licence; kept in the file.")
VARIANCE = flags.DEFINE_float("variance", 0.98, "Share of the variance that the modes explain.")


class UntraceableError(Exception):
    """The masks of a case have no such corners; the message says why, and the case is left out."""


def read_case(masks_dir: Path, name: str) -> np.ndarray:
    """Returns bool (3, H, W), in the order of `ORGANS`."""
    masks = []
    for organ in ORGANS:
        path = masks_dir / organ / name
        stored = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if stored is None:
            raise DataError(
                "Each case has a readable mask of every organ.",
                received="no image that OpenCV can decode",
                file=path,
                remedy="Restore the mask, or take the case out of all folders.",
            )
        masks.append(stored >= 128)
    if len({mask.shape for mask in masks}) > 1:
        raise DataError(
            "The masks of a case are of one size.",
            received=", ".join(f"{mask.shape[1]}x{mask.shape[0]}" for mask in masks),
            file=masks_dir / ORGANS[0] / name,
            remedy="Restore the masks, or take the case out of all folders.",
        )
    return np.stack(masks)


def largest_contour(mask: np.ndarray) -> np.ndarray:
    """The outline of the largest part, clockwise as seen, (P, 2), in fractions of the picture."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        raise UntraceableError("an organ is missing")
    contour = max(contours, key=cv2.contourArea)[:, 0] + 0.5
    if cv2.contourArea(contour.astype(np.float32), oriented=True) < 0.0:
        contour = contour[::-1]
    height, width = mask.shape
    return contour / (width, height)


def walk(contour: np.ndarray, start: int, end: int) -> np.ndarray:
    """The part of a closed contour from `start` onwards to `end`, both included."""
    num_points = len(contour)
    return contour[np.arange(start, start + (end - start) % num_points + 1) % num_points]


def resample(curve: np.ndarray, num_points: int) -> np.ndarray:
    """Points at equal distances along an open curve, its ends included."""
    lengths = np.linalg.norm(np.diff(curve, axis=0), axis=1)
    position = np.concatenate([[0.0], np.cumsum(lengths)])
    wanted = np.linspace(0.0, position[-1], num_points)
    return np.stack([np.interp(wanted, position, curve[:, axis]) for axis in (0, 1)], axis=1)


def nearest(contour: np.ndarray, point: np.ndarray) -> int:
    return int(np.argmin(np.linalg.norm(contour - point, axis=1)))


def trace_left_lung(lung: np.ndarray, heart: np.ndarray) -> tuple[dict[str, np.ndarray], list[int]]:
    """Finds the corners of a lung that lies to the viewer's right of the heart.

    Args:
        lung: (P, 2), its contour, clockwise.
        heart: (P, 2), the heart's.

    Returns:
        paths: The curves `base`, `outer` and `inner`.
        ends: The points of the heart's contour where the shared stretch begins and ends, the upper
            and the lower.
    """
    apex = int(np.argmin(lung[:, 1]))
    angle = int(np.argmax(lung[:, 1] + 0.5 * lung[:, 0]))
    inward = walk(lung, angle, apex)
    distances = np.min(np.linalg.norm(inward[:, np.newaxis] - heart, axis=2), axis=1)
    touching = np.flatnonzero(distances <= CONTACT)
    if not touching.size or touching[-1] - touching[0] < 2:
        raise UntraceableError("a lung does not touch the heart")
    lower, upper = touching[0], touching[-1]
    ends = [nearest(heart, inward[upper]), nearest(heart, inward[lower])]
    paths = {
        "outer": walk(lung, apex, angle),
        "base": np.concatenate([inward[:lower], heart[ends[1:]]]),
        "inner": np.concatenate([heart[ends[:1]], inward[upper + 1 :]]),
    }
    return paths, ends


def trace_chest(masks: np.ndarray) -> dict[str, np.ndarray]:
    """Turns masks, bool (3, H, W), into the points of each path, (`NUM_POINTS`, 2).

    Raises:
        UntraceableError: If the organs do not lie as in a chest radiograph.
    """
    heart_mask = masks[2]
    heart = largest_contour(heart_mask)
    left, right = (largest_contour(lung & ~heart_mask) for lung in masks[:2])
    if not right[:, 0].mean() < heart[:, 0].mean() < left[:, 0].mean():
        raise UntraceableError("the heart does not lie between the lungs")
    left_paths, (left_upper, left_lower) = trace_left_lung(left, heart)
    # The right lung is traced in the mirror, where clockwise runs the other way.
    mirror = np.array([-1.0, 1.0])
    right_paths, ends = trace_left_lung(right[::-1] * mirror, heart[::-1] * mirror)
    right_upper, right_lower = (len(heart) - 1 - end for end in ends)
    curves = {f"left_{name}": curve for name, curve in left_paths.items()}
    curves |= {f"right_{name}": curve * mirror for name, curve in right_paths.items()}
    curves |= {
        "heart_top": walk(heart, right_upper, left_upper),
        "left_seam": walk(heart, left_upper, left_lower),
        "heart_bottom": walk(heart, left_lower, right_lower),
        "right_seam": walk(heart, right_lower, right_upper)[::-1],
    }
    return {path: resample(curves[path], number) for path, number in NUM_POINTS.items()}


def agreement(chest: Chest, masks: np.ndarray) -> float:
    """The smallest intersection over union of a drawn outline and its mask, bool (3, H, W)."""
    height, width = masks.shape[1:]
    drawn = np.zeros(masks.shape, np.uint8)
    for layer, organ in zip(drawn, ORGANS, strict=True):
        pixels = np.round(chest.outline(organ) * (width, height) - 0.5).astype(np.int32)
        cv2.fillPoly(layer, [pixels], 1)
    lungs_without_heart = masks & ~np.stack([masks[2], masks[2], np.zeros_like(masks[2])])
    common = np.sum(drawn & lungs_without_heart, axis=(1, 2))
    return float(np.min(common / np.sum(drawn | lungs_without_heart, axis=(1, 2))))


def index_paths() -> dict[str, list[int]]:
    """Numbers the points, each corner once, though it ends two or three paths."""
    corners = {
        "left_seam": ("left_upper", "left_lower"),
        "left_base": ("left_angle", "left_lower"),
        "left_outer": ("left_apex", "left_angle"),
        "left_inner": ("left_upper", "left_apex"),
        "right_seam": ("right_upper", "right_lower"),
        "right_base": ("right_angle", "right_lower"),
        "right_outer": ("right_apex", "right_angle"),
        "right_inner": ("right_upper", "right_apex"),
        "heart_top": ("right_upper", "left_upper"),
        "heart_bottom": ("left_lower", "right_lower"),
    }
    names = sorted({name for ends in corners.values() for name in ends})
    number = {name: index for index, name in enumerate(names)}
    paths, next_index = {}, len(names)
    for path, (start, end) in corners.items():
        inner = range(next_index, next_index + NUM_POINTS[path] - 2)
        paths[path] = [number[start], *inner, number[end]]
        next_index = inner.stop
    return paths


def gather(curves: dict[str, np.ndarray], paths: dict[str, list[int]]) -> np.ndarray:
    """The points of a chest, (P, 2), in the numbering of `index_paths`."""
    points = np.empty((1 + max(max(indices) for indices in paths.values()), 2))
    for path, indices in paths.items():
        points[indices] = curves[path]
    return points


def fit(chests: np.ndarray, variance: float) -> dict[str, np.ndarray]:
    """Fits place, size and modes to the points of all cases.

    Args:
        chests: (N, P, 2).
        variance: Share of the variance that the modes explain, in (0, 1].

    Returns:
        The figures of `shape_model.ShapeModel` by name.
    """
    centres = chests.mean(axis=1)
    centred = chests - centres[:, np.newaxis]
    sizes = np.sqrt(np.mean(np.sum(centred**2, axis=2), axis=1))
    shapes = centred / sizes[:, np.newaxis, np.newaxis]
    poses = np.column_stack([centres, np.log(sizes)])
    mean = shapes.mean(axis=0)
    _, singular_values, modes = np.linalg.svd(
        (shapes - mean).reshape(len(shapes), -1), full_matrices=False
    )
    explained = np.cumsum(singular_values**2) / np.sum(singular_values**2)
    num_modes = min(1 + int(np.searchsorted(explained, variance)), len(chests) // CASES_PER_MODE)
    modes = modes[:num_modes]
    # A mode's sign is arbitrary, and differs between libraries of linear algebra.
    modes *= np.sign(modes[np.arange(num_modes), np.abs(modes).argmax(axis=1)])[:, np.newaxis]
    standard_deviations = singular_values[:num_modes] / np.sqrt(len(chests) - 1)
    coefficients = (shapes - mean).reshape(len(shapes), -1) @ modes.T / standard_deviations
    pose_slopes = (poses - poses.mean(axis=0)).T @ coefficients / (len(chests) - 1)
    return {
        "pose_mean": poses.mean(axis=0),
        "pose_slopes": pose_slopes,
        "pose_covariance": np.cov((poses - coefficients @ pose_slopes.T).T),
        "mean": mean,
        "modes": modes.reshape(num_modes, *mean.shape),
        "standard_deviations": standard_deviations,
    }


def read_chests(masks_dir: Path, paths: dict[str, list[int]]) -> tuple[np.ndarray, list[str]]:
    """Traces all cases of a folder.

    Returns:
        chests: (N, P, 2).
        left_out: A line for each case that could not be traced.
    """
    chests, left_out = [], []
    for name in sorted(path.name for path in (masks_dir / ORGANS[0]).glob("*.png")):
        masks = read_case(masks_dir, name)
        try:
            chest = Chest(gather(trace_chest(masks), paths), paths)
            if agreement(chest, masks) < SMALLEST_AGREEMENT:
                raise UntraceableError("the outlines through its points miss its masks")
            chests.append(chest.points)
        except UntraceableError as error:
            left_out.append(f"{Path(name).stem}: {error}")
    if len(chests) < SMALLEST_NUMBER:
        raise DataError(
            f"A shape model is fitted to {SMALLEST_NUMBER} cases or more.",
            received=f"{len(chests)} usable cases, {len(left_out)} others",
            file=masks_dir,
            remedy="Let --masks name the folder that holds left_lung/, right_lung/ and heart/.",
        )
    return np.stack(chests), left_out


def write_model() -> None:
    """Fits the model that the flags ask for."""
    paths = index_paths()
    chests, left_out = read_chests(Path(MASKS.value), paths)
    for line in left_out:
        print(f"left out {line}")
    fitted = fit(chests, VARIANCE.value)
    digits = dict.fromkeys(fitted, 4) | {"pose_covariance": 7}
    model = {
        "format": FORMAT,
        "version": VERSION,
        "source": SOURCE.value,
        "licence": LICENCE.value,
        "command": (
            f"python tools/fit_chest_shapes.py --masks=<folder> --variance={VARIANCE.value:g}"
        ),
        "num_cases": len(chests),
        "left_out": left_out,
        "paths": paths,
        **{name: np.round(fitted[name], digits[name]).tolist() for name in fitted},
    }
    lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in model.items())
    write_text(OUTPUT.value, f"{{\n{lines}\n}}\n")
    print(f"{len(chests)} cases, {chests.shape[1]} points, {len(fitted['modes'])} modes")


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"Everything is said by flags. Received: {argv[1:]}")
    try:
        write_model()
    except UserError as error:
        print(f"fit_chest_shapes: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


if __name__ == "__main__":
    flags.mark_flags_as_required(["masks", "output", "source", "licence"])
    app.run(main)
