"""The parts of a chest around lungs and heart, as contours in coordinates of the chest.

Each function draws its own numbers, so a part can change without moving the others. Left is the
patient's, which lies at positive x (`frame.ChestFrame`).

Shapes: P points.
"""

import numpy as np

from darts_adv_tf.data.phantom.contours import ellipse, ribbon, spline
from darts_adv_tf.data.phantom.frame import ChestFrame

SIDES = (1, -1)

_TORSO = np.array(
    [
        (0.36, -0.80), (0.36, -0.40), (0.48, -0.24), (0.90, -0.16), (1.40, -0.08), (1.85, 0.08),
        (1.78, 0.42), (1.48, 0.62), (1.30, 0.90), (1.24, 1.30), (1.30, 2.60),
    ]
)  # fmt: skip
_SHOULDER_BLADE = np.array(
    [(0.86, 0.10), (1.28, 0.02), (1.30, 0.14), (1.14, 0.34), (1.00, 0.58), (0.93, 0.40)]
)


def torso(rng: np.random.Generator) -> np.ndarray:
    """The skin's outline, with the shoulders."""
    right = _TORSO * (1.0 + rng.normal(0.0, 0.03), 1.0)
    right[:3, 0] *= np.exp(rng.normal(0.0, 0.12))
    right[3:7, 1] += rng.normal(0.0, 0.05)
    stoutness = rng.normal(0.02, 0.06) * np.clip(_TORSO[:, 1], 0.0, 1.0)
    both = np.concatenate([right, right[::-1] * (-1, 1)])
    both[:, 0] += np.sign(both[:, 0]) * np.concatenate([stoutness, stoutness[::-1]])
    return spline(both, closed=True)


def breasts(rng: np.random.Generator) -> list[np.ndarray]:
    """Two patients in five have them large enough to be seen."""
    half_width, height, angle = rng.uniform(0.40, 0.52), rng.uniform(0.78, 1.02), rng.normal(0, 0.1)
    both = [
        ellipse((side * 0.68, height + rng.normal(0.0, 0.03)), half_width, 0.34, side * angle)
        for side in SIDES
    ]
    return both if rng.random() < 0.4 else []


def mediastinum(rng: np.random.Generator) -> list[np.ndarray]:
    """The great vessels above the heart, with the aortic knob."""
    width = rng.uniform(0.13, 0.18)
    band = ribbon(spline(np.array([(0.0, 0.0), (0.0, 0.2), (0.03, 0.5), (0.05, 0.8)])), width)
    knob = ellipse((width + 0.03, rng.uniform(0.24, 0.33)), rng.uniform(0.05, 0.10), 0.07)
    return [band, knob]


def descending_aorta(rng: np.random.Generator) -> np.ndarray:
    x = rng.uniform(0.10, 0.17)
    curve = np.array([(x - 0.02, 0.28), (x, 0.5), (x - 0.02, 0.8), (x - 0.08, 1.2)])
    return ribbon(spline(curve), rng.uniform(0.05, 0.07))


def spine(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The column (P, 2) and its vertebrae (V, 4, 2), which grow downwards."""
    width, bend, pitch = rng.uniform(0.10, 0.13), rng.normal(0.0, 0.03), rng.uniform(0.09, 0.11)
    growth = 0.85 + 0.02 * np.arange(28)
    y = -1.0 + pitch * np.cumsum(growth)
    centres = np.stack([bend * np.sin(2.0 * y), y], axis=1)
    halves = np.array([(0.0, -0.38), (0.0, 0.38)]) * (pitch * growth)[:, np.newaxis, np.newaxis]
    vertebrae = ribbon(centres[:, np.newaxis] + halves, (width * growth)[:, np.newaxis])
    return ribbon(centres, 0.95 * width * growth), vertebrae


def windpipe(rng: np.random.Generator) -> list[np.ndarray]:
    """The trachea and both main bronchi."""
    x, width, fork = rng.normal(0.0, 0.02), rng.uniform(0.04, 0.06), rng.uniform(0.36, 0.42)
    trachea = ribbon(np.array([(x, -0.6), (x, 0.0), (x - 0.02, fork)]), width)
    bronchi = [
        ribbon(np.array([(x - 0.02, fork - 0.03), (x + side * 0.14, fork + 0.07)]), 0.45 * width)
        for side in SIDES
    ]
    return [trachea, *bronchi]


def ribs(rng: np.random.Generator, frame: ChestFrame) -> tuple[np.ndarray, np.ndarray, float]:
    """The middle lines of the posterior halves (22, P, 2), of the anterior ones (16, P, 2), and
    their half width.
    """
    first, pitch = rng.uniform(-0.06, 0.0), rng.uniform(0.092, 0.108)
    drop, half_width = rng.uniform(0.22, 0.40), rng.uniform(0.017, 0.024)
    turn = np.linspace(0.0, 0.5 * np.pi, 12)
    level = np.arange(11)[:, np.newaxis]
    posterior, anterior = [], []
    for side in SIDES:
        top = first + level * pitch + rng.normal(0.0, 0.006, level.shape) + rng.normal(0.0, 0.01)
        # Each runs from the spine to the chest wall, the lower ones more steeply.
        lowest = top + drop * (0.45 + 0.075 * level)
        wall = 1.02 * frame.wall(side, lowest) + 0.01
        x = 0.12 + (wall - 0.12) * np.sin(turn)
        y = top - 0.035 * np.sin(2.0 * turn) + (lowest - top) * (1.0 - np.cos(turn))
        posterior.append(np.stack([side * x, y], axis=-1))
        x = wall * (0.32 + 0.68 * np.cos(turn))
        y = lowest + (0.16 + 0.02 * level) * np.sin(turn)
        anterior.append(np.stack([side * x, y], axis=-1)[:8])
    return np.concatenate(posterior), np.concatenate(anterior), half_width


def clavicles(rng: np.random.Generator) -> list[np.ndarray]:
    lift = rng.normal(0.0, 0.04)
    both = []
    for side in SIDES:
        rise = rng.normal(-0.13, 0.04)
        points = np.array([(0.09, 0.16), (0.35, 0.12), (0.70, 0.03 + 0.5 * rise), (1.25, rise)])
        points += rng.normal(0.0, 0.012, (4, 2)) + (0.0, lift)
        both.append(ribbon(spline(points) * (side, 1), rng.uniform(0.024, 0.032)))
    return both


def shoulder_blades(rng: np.random.Generator, inwards: float) -> list[np.ndarray]:
    """Both; `inwards` moves them over the lungs, where the arms hang down."""
    return [
        spline(
            (_SHOULDER_BLADE + rng.normal(0, 1, 2) * (0.05, 0.04) - (inwards, 0)) * (side, 1), True
        )
        for side in SIDES
    ]


def upper_arms(rng: np.random.Generator) -> list[np.ndarray]:
    """Both, with the joint's head."""
    both = []
    for side in SIDES:
        x, y = rng.normal(1.48, 0.05), rng.normal(0.08, 0.03)
        shaft = np.array([(x, y), (x + 0.08, 0.4), (x + rng.uniform(0.0, 0.25), 1.0)])
        both += [ribbon(shaft * (side, 1), 0.07), ellipse((side * x, y), 0.13, 0.10)]
    return both


def hila(rng: np.random.Generator) -> list[np.ndarray]:
    return [
        ellipse((side * rng.uniform(0.24, 0.31), height), 0.08, 0.10, side * 0.4)
        for side, height in zip(
            SIDES, rng.uniform(0.42, 0.48) + np.array([-0.03, 0.02]), strict=True
        )
    ]


def vessels(rng: np.random.Generator) -> np.ndarray:
    """Branches (B, P, 2) that run from the roots of the lungs outwards, fork, and grow thinner."""
    num_stems = 10
    along = np.linspace(0.0, 1.0, 7)
    branches = []
    for side in SIDES:
        start = np.array([0.28, 0.47]) + rng.normal(0.0, 0.04, (num_stems, 2))
        angle = np.linspace(-1.35, 1.45, num_stems) + rng.normal(0.0, 0.12, num_stems)
        width, length = rng.uniform(0.008, 0.016, num_stems), rng.uniform(0.25, 0.50, num_stems)
        for _ in range(3):
            heading = angle[:, np.newaxis] + rng.normal(0.0, 0.4, (num_stems, 1)) * along
            step = np.stack([np.cos(heading), np.sin(heading)], axis=-1)
            curves = start[:, np.newaxis] + step * np.outer(length, along)[..., np.newaxis]
            branches.append(ribbon(curves * (side, 1), np.outer(width, 1.0 - 0.7 * along)))
            # The next ones leave the stems of these.
            start = curves[np.arange(num_stems), rng.integers(2, 5, num_stems)]
            angle = angle + rng.choice((-0.4, 0.4), num_stems)
            width, length = 0.65 * width, 0.6 * length
    return np.concatenate(branches)


def bowel_gas(rng: np.random.Generator, left_dome: np.ndarray) -> list[np.ndarray]:
    """Air in the stomach, below the left dome (2,) of the diaphragm, and at times in the colon."""
    below = rng.uniform(0.07, 0.16)
    centre = left_dome + (rng.normal(-0.1, 0.08), below)
    stomach = ellipse(centre, rng.uniform(0.08, 0.22), rng.uniform(0.35, 0.6) * below)
    num_loops = rng.integers(0, 6)
    loops = [
        ellipse(
            (rng.uniform(-0.8, 0.8), rng.uniform(1.35, 1.9)),
            rng.uniform(0.04, 0.14), rng.uniform(0.03, 0.07), rng.normal(0.0, 0.5),
        )
        for _ in range(num_loops)
    ]  # fmt: skip
    return [stomach, *loops]


def monitor_leads(rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Three wires that leave the image, and the electrodes in which they end."""
    wires, electrodes = [], []
    for place in ((-0.75, 0.20), (0.75, 0.20), (0.60, 0.95)):
        end = np.array(place) + rng.normal(0.0, 0.08, 2)
        middle = np.array([0.1, 0.75]) + rng.normal(0.0, 0.2, 2)
        exit_point = np.array([rng.normal(0.0, 0.4), 2.6])
        wires.append(ribbon(spline(np.array([end, middle, exit_point]), num_steps=10), 0.008))
        electrodes.append(ellipse(tuple(end), 0.045, 0.035))
    return wires, electrodes
