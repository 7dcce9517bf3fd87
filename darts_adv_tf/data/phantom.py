"""A drawn chest radiograph with its labels: data for a machine that has none.

Each case is a chest of its own: pose, build, two unlike lungs, heart, diaphragm, ribs, clavicles,
shoulder blades, spine, windpipe, vessels and stomach gas, seen through an exposure of its own. The
rays' path through the parts adds up, as in a radiograph, and soft borders and noise follow.

Shapes and poses vary so far that the mean shape of 32 training cases, blind to the image, reaches
a mean IoU of the organs of 0.58 to 0.62 on 48 test cases (seeds 0 to 5 at 64 pixels a side), about
what it reaches on CX-SEG.

Coordinates of the chest: (0, 0) is the midline at the top of the lungs, x = 1 the chest wall on
the viewer's right (the patient's left), y = 1 the bottom of the lungs.

Shapes: P points, S the side of the picture, R the side of the canvas on which it is drawn.
"""

from collections.abc import Callable

import cv2
import numpy as np

from darts_adv_tf.data.dataset import CLASS_NAMES, Dataset
from darts_adv_tf.data.images import merge_masks, preprocess, resize_labels
from darts_adv_tf.errors import ConfigurationError

SMALLEST_IMAGE_SIZE = 32
INTENSITY_MAXIMUM = 255.0

_SMALLEST_CANVAS = 192
_SUBPIXEL_BITS = 8

# Contours in coordinates of the chest, for the side of positive x.
_LUNG = np.array(
    [
        (0.46, 0.00), (0.66, 0.05), (0.81, 0.17), (0.92, 0.38), (0.98, 0.62), (1.01, 0.84),
        (1.02, 1.00), (0.86, 0.93), (0.66, 0.87), (0.46, 0.86), (0.26, 0.91),
        (0.19, 0.76), (0.22, 0.60), (0.17, 0.45), (0.16, 0.27), (0.20, 0.11), (0.31, 0.02),
    ]
)  # fmt: skip
_LUNG_BASE = slice(7, 11)
_LUNG_MEDIAL = slice(11, 17)
_HEART = np.array(
    [
        (0.05, 0.41), (0.20, 0.44), (0.35, 0.56), (0.56, 0.73), (0.73, 0.90), (0.65, 0.99),
        (0.36, 1.03), (0.04, 1.02), (-0.18, 0.96), (-0.27, 0.81), (-0.23, 0.63), (-0.10, 0.48),
    ]
)  # fmt: skip
_TORSO = np.array(
    [
        (0.36, -0.70), (0.37, -0.36), (0.50, -0.21), (0.90, -0.13), (1.40, -0.04), (1.90, 0.10),
        (1.75, 0.42), (1.40, 0.62), (1.30, 0.90), (1.27, 1.30), (1.36, 2.40),
    ]
)  # fmt: skip
_SHOULDER_BLADE = np.array(
    [(0.86, 0.10), (1.28, 0.02), (1.30, 0.14), (1.12, 0.34), (1.00, 0.56), (0.92, 0.40)]
)


def load_phantom(
    image_size: int,
    num_cases: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Dataset:
    """Draws a data set.

    Args:
        image_size: The side of the pictures, in pixels, 32 or more. The same case has the same
            anatomy at every size.
        num_cases: Number of cases; a larger number keeps the first ones as they are.
        seed: Not negative; keys each case together with its index.
        progress: Called after each case with the number of cases drawn and of all cases.

    Raises:
        ConfigurationError: If an argument is out of range.
    """
    if image_size < SMALLEST_IMAGE_SIZE:
        raise ConfigurationError(
            f"The phantom can be drawn from {SMALLEST_IMAGE_SIZE} pixels a side on.",
            received=f"image_size={image_size}",
            remedy=f"Set --image_size to {SMALLEST_IMAGE_SIZE} or more.",
        )
    if num_cases < 1 or seed < 0:
        raise ConfigurationError(
            "The phantom has one case or more, and a seed that is not negative.",
            received=f"num_cases={num_cases}, seed={seed}",
        )
    images = np.empty((num_cases, image_size, image_size, 1), np.float32)
    labels = np.empty((num_cases, image_size, image_size), np.uint8)
    for index in range(num_cases):
        images[index, :, :, 0], labels[index] = draw_case(image_size, seed, index)
        if progress:
            progress(index + 1, num_cases)
    return Dataset(
        name="phantom",
        class_names=CLASS_NAMES,
        cases=tuple(f"phantom_{index:04d}" for index in range(num_cases)),
        images=preprocess(images, image_size, INTENSITY_MAXIMUM).numpy(),
        labels=labels,
        intensity_maximum=INTENSITY_MAXIMUM,
    )


def draw_case(image_size: int, seed: int, case_index: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws one case.

    Returns:
        image: uint8 (S, S), intensities as an 8-bit file would store them.
        labels: uint8 (S, S), indices of `CLASS_NAMES`.
    """
    # Only the noise, drawn last, takes a number of draws that depends on the size.
    rng = np.random.default_rng((seed, case_index))
    canvas = _Canvas(image_size, rng)
    lungs = [canvas.fill(_spline(_lung(rng, side))) for side in (1, -1)]
    heart = canvas.fill(_spline(_heart(rng)))
    labels, _ = merge_masks(np.array([*lungs, heart]) > 0.5)

    depth = _draw_depth(canvas, rng, np.maximum(*lungs), heart)
    image = _expose(canvas.shrink(depth, image_size), rng)
    return image, resize_labels(labels, image_size)


class _Canvas:
    """A drawing plane with the pose of one chest.

    Layers are float32 (R, R). The canvas is finer than a small picture, so that thin parts keep
    their strength.
    """

    def __init__(self, image_size: int, rng: np.random.Generator):
        self.side = image_size * -(-_SMALLEST_CANVAS // image_size)
        angle = np.deg2rad(rng.normal(0.0, 4.0))
        size = np.exp(rng.normal(0.0, 0.07))
        half_width = 0.36 * size * np.exp(rng.normal(0.0, 0.05))
        height = 0.54 * size * np.exp(rng.normal(0.0, 0.11))
        rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        self._matrix = rotation * np.array([half_width, height])
        # The middle of the lungs lies near the middle of the picture, a little above it.
        centre = np.array([0.51, 0.43]) + rng.normal(0.0, 1.0, 2) * (0.025, 0.035)
        self._offset = centre - self._matrix @ (0.0, 0.5)

    def fill(self, *contours: np.ndarray) -> np.ndarray:
        """Returns a layer that is 1 inside the contours (P, 2), given in chest coordinates."""
        layer = np.zeros((self.side, self.side), np.float32)
        for contour in contours:
            # OpenCV counts from the centre of the first pixel.
            pixels = (contour @ self._matrix.T + self._offset) * self.side - 0.5
            fixed_point = np.round(pixels * 2**_SUBPIXEL_BITS).astype(np.int32)
            cv2.fillPoly(layer, [fixed_point], 1.0, lineType=cv2.LINE_8, shift=_SUBPIXEL_BITS)
        return layer

    def blur(self, layer: np.ndarray, sigma: float) -> np.ndarray:
        """Blurs by a Gaussian; `sigma` is a fraction of the picture's side."""
        # A wide Gaussian loses nothing on a coarser grid, and costs a fraction there.
        factor = max(1, int(sigma * self.side / 3))
        coarse = self.shrink(layer, -(-self.side // factor))
        coarse = cv2.GaussianBlur(coarse, (0, 0), sigma * len(coarse))
        return cv2.resize(coarse, layer.shape, interpolation=cv2.INTER_LINEAR)

    def texture(self, rng: np.random.Generator, num_waves: int) -> np.ndarray:
        """Returns a smooth random layer of standard deviation 1, the same at every size."""
        grid = rng.normal(0.0, 1.0, (num_waves, num_waves)).astype(np.float32)
        return cv2.resize(grid, (self.side, self.side), interpolation=cv2.INTER_CUBIC)

    @staticmethod
    def shrink(layer: np.ndarray, side: int) -> np.ndarray:
        return cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA)


def _draw_depth(
    canvas: _Canvas, rng: np.random.Generator, lungs: np.ndarray, heart: np.ndarray
) -> np.ndarray:
    """Adds up what weakens the rays: 0 in air, about 1 behind a chest wall with bones."""
    both_sides = np.concatenate([_TORSO, _TORSO[::-1] * (-1, 1)])
    both_sides[:, 0] += rng.normal(0.0, 0.02)
    body = canvas.fill(_spline(both_sides))
    # Thin at the skin line, thick in the middle.
    depth = 0.30 * canvas.blur(body, 0.012) + 0.38 * canvas.blur(body, 0.06) * body
    depth += body * 0.02 * canvas.texture(rng, 5)

    abdomen = canvas.blur(canvas.fill(np.array([(-2, 0.9), (2, 0.9), (2, 3), (-2, 3)])), 0.03)
    depth += rng.uniform(0.00, 0.12) * body * abdomen
    air = 0.45 * canvas.blur(lungs, 0.004) + 0.55 * canvas.blur(lungs, 0.035) * lungs
    aeration = rng.uniform(0.26, 0.44) * (1.0 + 0.12 * canvas.texture(rng, 4))
    depth -= aeration * air
    heart_depth = 0.55 * canvas.blur(heart, 0.006) + 0.45 * canvas.blur(heart, 0.03)
    depth += rng.uniform(0.05, 0.13) * heart_depth
    # Where the heart hides the lung, less air lies in the rays' way, but not none.
    depth += 0.75 * aeration * air * heart_depth

    depth += rng.uniform(0.05, 0.12) * canvas.blur(canvas.fill(*_mediastinum(rng)), 0.012)
    column, vertebrae = _spine(rng)
    spine_depth = rng.uniform(0.02, 0.06)
    depth += spine_depth * canvas.blur(canvas.fill(column), 0.014)
    depth += 0.5 * spine_depth * canvas.blur(canvas.fill(*vertebrae), 0.004)
    depth -= rng.uniform(0.03, 0.09) * canvas.blur(canvas.fill(_windpipe(rng)), 0.006)
    posterior, anterior = _ribs(rng)
    rib_depth = rng.uniform(0.03, 0.08) * body * (1.0 - 0.75 * abdomen)
    depth += rib_depth * canvas.blur(canvas.fill(*posterior), 0.003)
    depth += 0.6 * rib_depth * canvas.blur(canvas.fill(*anterior), 0.004)
    depth += rng.uniform(0.06, 0.12) * canvas.blur(canvas.fill(*_clavicles(rng)), 0.004)
    depth += rng.uniform(0.02, 0.07) * canvas.blur(canvas.fill(*_shoulder_blades(rng)), 0.006)
    vessels = canvas.blur(canvas.fill(*_vessels(rng)), 0.003)
    hila = canvas.blur(canvas.fill(*_hila(rng)), 0.018)
    hidden = 1.0 - 0.7 * heart_depth
    depth += (rng.uniform(0.04, 0.09) * vessels + rng.uniform(0.06, 0.14) * hila) * hidden
    depth -= rng.uniform(0.00, 0.12) * canvas.blur(canvas.fill(_stomach_gas(rng)), 0.008)
    return np.maximum(canvas.blur(depth, rng.uniform(0.002, 0.005)), 0.0)


def _expose(depth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Turns depth into stored intensities, 0..255: dense parts bright, air dark."""
    gamma = np.exp(rng.normal(0.0, 0.3))
    darkest, contrast = rng.uniform(0.0, 0.10), rng.uniform(0.22, 0.85)
    noise_level = rng.uniform(0.004, 0.02)
    slope = rng.normal(0.0, 0.05, 2)
    ramp = np.linspace(-1.0, 1.0, len(depth))
    signal = np.clip(depth / 0.9, 0.0, 1.3) ** gamma * (
        1.0 + slope[0] * ramp + slope[1] * ramp[:, np.newaxis]
    )
    intensities = darkest + contrast * (signal + noise_level * rng.normal(0.0, 1.0, depth.shape))
    return np.round(255.0 * np.clip(intensities, 0.0, 1.0)).astype(np.uint8)


def _lung(rng: np.random.Generator, side: int) -> np.ndarray:
    """Returns the control points of a lung; `side` is 1 on the viewer's right, else -1."""
    points = _LUNG.copy()
    points[:, 0] *= np.exp(rng.normal(0.0, 0.06))
    points[:, 1] = 1.0 + (points[:, 1] - 1.0) * np.exp(rng.normal(0.0, 0.05))
    points[:, 0] += rng.normal(0.0, 0.10) * (points[:, 1] - 0.6) ** 2
    # The dome of the diaphragm stands higher on the patient's right, over the liver.
    points[_LUNG_BASE, 1] -= rng.normal(0.05 if side < 0 else 0.0, 0.05)
    points[:, 1] += rng.normal(-0.02 if side < 0 else 0.02, 0.035)
    points[_LUNG_MEDIAL, 0] += rng.normal(0.0, 0.03)
    points += rng.normal(0.0, 0.012, points.shape)
    return points * (side, 1)


def _heart(rng: np.random.Generator) -> np.ndarray:
    middle = np.array([0.10, 0.75])
    points = (_HEART - middle) * np.exp(rng.normal(0.0, 0.10)) * np.exp(rng.normal(0.0, 0.08, 2))
    # Turned about its middle, in a chest about three quarters as wide as high: an upright or a
    # lying heart.
    angle = rng.normal(0.0, 0.14)
    points = points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points += rng.normal(0.0, 0.012, points.shape)
    return points + middle + rng.normal(0.0, 1.0, 2) * (0.06, 0.04)


def _mediastinum(rng: np.random.Generator) -> list[np.ndarray]:
    width = rng.uniform(0.15, 0.21)
    band = _ribbon(np.array([(0.0, -0.5), (0.0, 0.2), (0.02, 0.6), (0.05, 1.0)]), width)
    knob = _ellipse((width + 0.02, rng.uniform(0.22, 0.32)), rng.uniform(0.06, 0.11), 0.07)
    return [band, knob]


def _spine(rng: np.random.Generator) -> tuple[np.ndarray, list[np.ndarray]]:
    """Returns the column and its vertebrae, which grow downwards."""
    width, bend, pitch = rng.uniform(0.09, 0.13), rng.normal(0.0, 0.04), rng.uniform(0.09, 0.11)
    levels = np.arange(28)
    growth = 0.9 + 0.02 * levels
    y = -1.0 + pitch * np.cumsum(growth)
    centres = np.stack([bend * np.sin(2.0 * y), y], axis=1)
    vertebrae = [
        _ribbon(centre + np.array([(0.0, -0.38), (0.0, 0.38)]) * pitch * scale, width * scale)
        for centre, scale in zip(centres, growth, strict=True)
    ]
    return _ribbon(centres, 0.95 * width * growth), vertebrae


def _windpipe(rng: np.random.Generator) -> np.ndarray:
    x = rng.normal(0.0, 0.02)
    return _ribbon(np.array([(x, -0.5), (x, 0.0), (x - 0.02, 0.36)]), rng.uniform(0.04, 0.06))


def _ribs(rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Returns the posterior and the anterior halves of the ribs of both sides."""
    first, pitch = rng.uniform(-0.08, -0.02), rng.uniform(0.098, 0.116)
    drop, width = rng.uniform(0.26, 0.44), rng.uniform(0.016, 0.023)
    turn = np.linspace(0.0, 0.5 * np.pi, 14)
    posterior, anterior = [], []
    for side in (1, -1):
        tilt = rng.normal(0.0, 0.02)
        for level in range(11):
            top = first + level * pitch + rng.normal(0.0, 0.006) + side * tilt
            lowest = top + drop * (0.6 + 0.07 * level)
            wall = 1.05 * np.sqrt(max(0.1, 1.0 - ((0.8 - min(lowest, 0.8)) / 1.0) ** 2))
            x = 0.12 + (wall - 0.12) * np.sin(turn)
            y = top - 0.035 * np.sin(2.0 * turn) + (lowest - top) * (1.0 - np.cos(turn))
            posterior.append(_ribbon(np.stack([side * x, y], axis=1), width))
            if level < 7:
                x = wall * (0.35 + 0.65 * np.cos(turn))
                y = lowest + (0.20 + 0.02 * level) * np.sin(turn)
                anterior.append(_ribbon(np.stack([side * x, y], axis=1), 1.15 * width))
    return posterior, anterior


def _clavicles(rng: np.random.Generator) -> list[np.ndarray]:
    clavicles = []
    for side in (1, -1):
        rise = rng.normal(-0.10, 0.05)
        points = [(0.10, 0.13), (0.35, 0.10), (0.65, 0.05 + 0.5 * rise), (1.02, rise)]
        curve = _spline(np.array(points) + rng.normal(0.0, 0.012, (4, 2)), closed=False)
        clavicles.append(_ribbon(curve * (side, 1), rng.uniform(0.022, 0.030)))
    return clavicles


def _shoulder_blades(rng: np.random.Generator) -> list[np.ndarray]:
    return [
        _spline((_SHOULDER_BLADE + rng.normal(0.0, 1.0, 2) * (0.06, 0.04)) * (side, 1))
        for side in (1, -1)
    ]


def _hila(rng: np.random.Generator) -> list[np.ndarray]:
    return [
        _ellipse((side * rng.uniform(0.26, 0.34), rng.uniform(0.46, 0.54)), 0.09, 0.09)
        for side in (1, -1)
    ]


def _vessels(rng: np.random.Generator) -> list[np.ndarray]:
    """Returns branches that run from the roots of the lungs outwards and grow thinner."""
    vessels = []
    along = np.linspace(0.0, 1.0, 8)
    for side in (1, -1):
        for angle in rng.uniform(-1.3, 1.3, 22):
            start = np.array([0.30, 0.5]) + rng.normal(0.0, 0.07, 2)
            heading = angle + rng.normal(0.0, 0.35) * along
            curve = np.stack([np.cos(heading), np.sin(heading)], axis=1)
            curve *= rng.uniform(0.10, 0.45) * along[:, np.newaxis]
            width = rng.uniform(0.005, 0.013) * (1.0 - 0.8 * along)
            vessels.append(_ribbon((start + curve) * (side, 1), width))
    return vessels


def _stomach_gas(rng: np.random.Generator) -> np.ndarray:
    centre = (rng.uniform(0.35, 0.65), rng.uniform(1.08, 1.25))
    return _ellipse(centre, rng.uniform(0.08, 0.22), rng.uniform(0.04, 0.10))


def _spline(points: np.ndarray, closed: bool = True, num_steps: int = 8) -> np.ndarray:
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


def _ribbon(curve: np.ndarray, half_width: float | np.ndarray) -> np.ndarray:
    """Returns the contour of a band along a curve (P, 2); `half_width` may vary along it."""
    direction = np.gradient(curve, axis=0)
    normal = direction[:, ::-1] * (-1.0, 1.0)
    normal *= (half_width / np.linalg.norm(normal, axis=1))[:, np.newaxis]
    return np.concatenate([curve + normal, (curve - normal)[::-1]])


def _ellipse(centre: tuple[float, float], half_width: float, half_height: float) -> np.ndarray:
    angle = np.linspace(0.0, 2.0 * np.pi, 24, endpoint=False)
    return np.stack([half_width * np.cos(angle), half_height * np.sin(angle)], axis=1) + centre
