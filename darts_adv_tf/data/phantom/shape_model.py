"""A statistical shape model of both lungs and the heart.

`chest_shapes.json` holds its figures and says where they are from; `tools/fit_chest_shapes.py`
fits them to masks. A chest is a set of points on the organs' contours: the mean, and modes that
vary together as they did in the cases (a point distribution model, Cootes et al., Computer Vision
and Image Understanding 61(1), 1995), at a place and a size drawn beside them.

Shapes: P points, M modes. Coordinates are fractions of the image's width and height, x to the
viewer's right, y downwards.
"""

import dataclasses
import functools
import json
from pathlib import Path

import numpy as np

from darts_adv_tf.data.phantom.contours import spline

FORMAT = "darts_adv_tf.chest_shapes"
VERSION = 1
LARGEST_DEVIATION = 2.5
"""No coefficient is drawn from further out, in standard deviations."""

_FILE = Path(__file__).with_name("chest_shapes.json")

# A contour is made of smooth pieces that meet in corners; each is a chain of paths, some backwards.
_OUTLINES = {
    "left_lung": (("left_inner", "left_outer"), ("left_base",), ("-left_seam",)),
    "right_lung": (("right_inner", "right_outer"), ("right_base",), ("-right_seam",)),
    "heart": (("heart_top",), ("left_seam",), ("heart_bottom",), ("-right_seam",)),
}


@dataclasses.dataclass(frozen=True)
class Chest:
    """The contours of one chest.

    Attributes:
        points: (P, 2).
        paths: The places of a path's points in `points`, in order along the path. A lung's apex
            begins its `outer` path, which ends in its costophrenic angle; from there `base` runs
            to the heart, `seam` along it, `inner` back to the apex. The heart's contour is
            `heart_top`, `left_seam`, `heart_bottom` and `right_seam`. Left is the patient's.
    """

    points: np.ndarray
    paths: dict[str, list[int]]

    def path(self, name: str) -> np.ndarray:
        """The points of a path, (P, 2)."""
        return self.points[self.paths[name]]

    def outline(self, organ: str) -> np.ndarray:
        """The closed contour of an organ, (P, 2). Lung and heart share their common border."""
        return np.concatenate([spline(self._chain(piece)) for piece in _OUTLINES[organ]])

    def turned(self, angle: float) -> "Chest":
        """This chest turned clockwise about the middle of the image, by radians."""
        cosine, sine = np.cos(angle), np.sin(angle)
        points = (self.points - 0.5) @ np.array([[cosine, sine], [-sine, cosine]]) + 0.5
        return dataclasses.replace(self, points=points)

    def brought_inside(self) -> "Chest":
        """This chest, moved into the image as far as it lies outside; too large, centred."""
        low, high = self.points.min(axis=0), self.points.max(axis=0)
        inside = np.maximum(0.0, -low) - np.maximum(0.0, high - 1.0)
        shift = np.where(high - low <= 1.0, inside, 0.5 - (low + high) / 2)
        return dataclasses.replace(self, points=self.points + shift)

    def _chain(self, piece: tuple[str, ...]) -> np.ndarray:
        curves = [
            self.path(name.removeprefix("-"))[:: -1 if name.startswith("-") else 1]
            for name in piece
        ]
        # The point that two paths share is kept once.
        return np.concatenate([curves[0], *(curve[1:] for curve in curves[1:])])


@dataclasses.dataclass(frozen=True)
class ShapeModel:
    """The distribution of chests.

    Attributes:
        paths: As in `Chest`.
        pose_mean: (3,), x and y of the points' mean, and the logarithm of their root mean square
            distance from it.
        pose_slopes: (3, M), how these follow the coefficients, in standard deviations.
        pose_covariance: (3, 3), of what then remains of them.
        mean: (P, 2), at the origin, of size 1.
        modes: (M, P, 2), each of norm 1.
        standard_deviations: (M,), of the modes' coefficients.
    """

    paths: dict[str, list[int]]
    pose_mean: np.ndarray
    pose_slopes: np.ndarray
    pose_covariance: np.ndarray
    mean: np.ndarray
    modes: np.ndarray
    standard_deviations: np.ndarray

    @classmethod
    def read(cls, path: Path) -> "ShapeModel":
        """Reads what `tools/fit_chest_shapes.py` wrote."""
        stored = json.loads(path.read_text(encoding="utf-8"))
        assert (stored["format"], stored["version"]) == (FORMAT, VERSION), path
        names = [field.name for field in dataclasses.fields(cls) if field.name != "paths"]
        return cls(stored["paths"], *(np.array(stored[name]) for name in names))

    def draw(self, rng: np.random.Generator, pose_spread: float = 1.0) -> Chest:
        """Draws a chest.

        Args:
            rng: Gives a fixed number of draws, whatever `pose_spread` is.
            pose_spread: Multiplies the deviations of place and size from their mean.
        """
        coefficients = _truncated_normal(rng, len(self.modes))
        shape = self.mean + np.tensordot(
            coefficients * self.standard_deviations, self.modes, axes=1
        )
        remainder = np.linalg.cholesky(self.pose_covariance) @ _truncated_normal(rng, 3)
        deviation = pose_spread * (self.pose_slopes @ coefficients + remainder)
        x, y, log_size = self.pose_mean + deviation
        return Chest(np.exp(log_size) * shape + (x, y), self.paths)


@functools.cache
def chest_shapes() -> ShapeModel:
    """The model that comes with the program."""
    return ShapeModel.read(_FILE)


def _truncated_normal(rng: np.random.Generator, number: int) -> np.ndarray:
    """Standard normal draws; those beyond `LARGEST_DEVIATION` are drawn again, evenly within."""
    draws = rng.normal(size=number)
    again = rng.uniform(-LARGEST_DEVIATION, LARGEST_DEVIATION, number)
    return np.where(np.abs(draws) > LARGEST_DEVIATION, again, draws)
