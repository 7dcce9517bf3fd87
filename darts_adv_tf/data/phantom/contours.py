"""Curves, bands and ellipses, as points.

Shapes: P points. Curves and contours are float64 (P, 2), x before y.
"""

import numpy as np


def spline(points: np.ndarray, closed: bool = False, num_steps: int = 6) -> np.ndarray:
    """Returns a Catmull-Rom curve through the points (P, 2)."""
    if closed:
        padded = np.concatenate([points[-1:], points, points[:2]])
    else:
        padded = np.concatenate([points[:1], points, points[-1:]])
    before, start, end, after = (padded[i : len(padded) - 3 + i, np.newaxis] for i in range(4))
    t = np.linspace(0.0, 1.0, num_steps, endpoint=False)[:, np.newaxis]
    curve = 0.5 * (
        2.0 * start
        + (end - before) * t
        + (2.0 * before - 5.0 * start + 4.0 * end - after) * t**2
        + (3.0 * start - before - 3.0 * end + after) * t**3
    ).reshape(-1, 2)
    return curve if closed else np.concatenate([curve, points[-1:]])


def ribbon(curves: np.ndarray, half_width: float | np.ndarray) -> np.ndarray:
    """Returns the contours of bands along curves.

    Args:
        curves: (..., P, 2).
        half_width: Of the bands; may vary along each, and from one to the next: (..., P).

    Returns:
        (..., 2 P, 2).
    """
    direction = np.gradient(curves, axis=-2)
    normal = direction[..., ::-1] * (-1.0, 1.0)
    normal *= (half_width / np.sqrt(np.sum(normal**2, axis=-1)))[..., np.newaxis]
    return np.concatenate([curves + normal, (curves - normal)[..., ::-1, :]], axis=-2)


def ellipse(
    centre: tuple[float, float] | np.ndarray,
    half_width: float,
    half_height: float,
    angle: float = 0.0,
) -> np.ndarray:
    """Returns the contour of an ellipse turned by `angle` radians."""
    along = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    points = np.stack([half_width * np.cos(along), half_height * np.sin(along)], axis=1)
    cosine, sine = np.cos(angle), np.sin(angle)
    return points @ np.array([[cosine, sine], [-sine, cosine]]) + centre
