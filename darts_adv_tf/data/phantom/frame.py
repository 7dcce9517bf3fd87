"""Where in the image a chest lies: a map from coordinates of the chest, fitted to its lungs.

Coordinates of the chest: (0, 0) is the midline at the height of the lungs' apices, (1, y) the chest
wall on the viewer's right (the patient's left), y = 1 the height of the costophrenic angles.

Shapes: P points.
"""

import numpy as np

from darts_adv_tf.data.phantom.shape_model import Chest


class ChestFrame:
    """The coordinates of one chest.

    Args:
        chest: The contours, in fractions of the image.
    """

    def __init__(self, chest: Chest):
        walls = {1: chest.path("left_outer"), -1: chest.path("right_outer")}
        top, bottom = (np.mean([wall[end, 1] for wall in walls.values()]) for end in (0, -1))
        heights = np.linspace(top + 0.2 * (bottom - top), top + 0.8 * (bottom - top), 7)
        left, right = (np.interp(heights, *_by_height(walls[side])) for side in (1, -1))
        tilt, middle = np.polyfit(heights - top, (left + right) / 2, 1)
        half_width, height = (left[-1] - right[-1]) / 2, bottom - top
        self._matrix = np.array([[half_width, tilt * height], [-tilt * half_width, height]])
        self._origin = np.array([middle, top])
        self._walls = {side: self.locate(wall) for side, wall in walls.items()}

    def place(self, points: np.ndarray) -> np.ndarray:
        """From the chest's coordinates to fractions of the image, (P, 2)."""
        return points @ self._matrix.T + self._origin

    def locate(self, points: np.ndarray) -> np.ndarray:
        """From fractions of the image to the chest's coordinates, (P, 2)."""
        return np.linalg.solve(self._matrix, (points - self._origin).T).T

    def wall(self, side: int, height: np.ndarray | float) -> np.ndarray:
        """How far from the midline the inner chest wall runs at a height; `side` is 1 or -1."""
        return side * np.interp(height, *_by_height(self._walls[side]))


def _by_height(wall: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A wall (P, 2) from apex to angle, as heights that never fall, and the x there."""
    return np.maximum.accumulate(wall[:, 1]), wall[:, 0]
