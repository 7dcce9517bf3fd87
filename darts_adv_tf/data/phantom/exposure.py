"""From thicknesses to stored intensities: two domains of machines and their settings.

`uniform` is one well kept machine, as in a set from one hospital: exposure, noise and marker vary
little. `mixed` is many hospitals: exposures from faint to burnt out, scatter, noise, borders of
collimation, markers of all kinds, turned patients, images taken at the bed.

Shapes: S the side of the image, R the side of the canvas.
"""

import dataclasses

import numpy as np

from darts_adv_tf.data.phantom.canvas import Canvas, shrink
from darts_adv_tf.data.phantom.contours import ribbon

DOMAINS = ("uniform", "mixed")
INTENSITY_MAXIMUM = 255.0

_WEAKENING = 0.18
"""Attenuation of the rays, in 1/cm of water."""

_LETTERS = {
    "L": [[(0.0, 0.0), (0.0, 1.0), (0.6, 1.0)]],
    "R": [
        [(0.0, 1.0), (0.0, 0.0), (0.45, 0.0), (0.62, 0.12), (0.62, 0.38), (0.45, 0.5), (0.0, 0.5)],
        [(0.3, 0.5), (0.65, 1.0)],
    ],
}


@dataclasses.dataclass(frozen=True)
class Setting:
    """How one image was taken.

    Attributes:
        rotation: Of the patient in the image, in radians, on top of the shape model's.
        pose_spread: Multiplies the deviations of place and size.
        blades_inwards: How far the shoulder blades lie over the lungs.
        has_leads: Whether wires of a monitor cross the chest, as at the bed.
        scatter: Scattered rays, as a fraction of the direct ones.
        sharpness: Standard deviation of the machine's blur, a fraction of the image.
        gamma: Exponent of the tone curve.
        darkest, contrast: The stored value of the thinnest part, and the range up to the thickest,
            fractions of the largest value. More than 1 in all burns out.
        noise: Standard deviation behind the lungs, a fraction of the range.
        slope: Of the brightness from one edge to the middle, right and down.
        marker: `L`, `R` or none at all, the letter of the side.
        marker_place, marker_height, marker_has_box: Its upper left corner, its size, and whether
            it stands on black.
        collimation: Widths of the black borders left, top, right and bottom, fractions of the
            image.
    """

    rotation: float
    pose_spread: float
    blades_inwards: float
    has_leads: bool
    scatter: float
    sharpness: float
    gamma: float
    darkest: float
    contrast: float
    noise: float
    slope: tuple[float, float]
    marker: str
    marker_place: tuple[float, float]
    marker_height: float
    marker_has_box: bool
    collimation: tuple[float, float, float, float]

    def with_field_around(self, points: np.ndarray) -> "Setting":
        """The same setting with black borders that leave the points (P, 2) in the image."""
        nearest = np.concatenate([points.min(axis=0), 1.0 - points.max(axis=0)]) - 0.01
        collimation = np.clip(self.collimation, 0.0, np.maximum(nearest, 0.0))
        return dataclasses.replace(self, collimation=tuple(collimation))


def draw_setting(rng: np.random.Generator, domain: str) -> Setting:
    """Draws how an image of a domain was taken."""
    return {"uniform": _one_machine, "mixed": _many_hospitals}[domain](rng)


def _one_machine(rng: np.random.Generator) -> Setting:
    return Setting(
        rotation=0.0,
        pose_spread=1.0,
        blades_inwards=rng.normal(0.0, 0.03),
        has_leads=False,
        scatter=rng.normal(0.35, 0.03),
        sharpness=0.0018,
        gamma=np.exp(rng.normal(0.0, 0.08)),
        darkest=rng.normal(0.06, 0.01),
        contrast=rng.normal(0.78, 0.04),
        noise=0.006,
        slope=(0.0, rng.normal(0.0, 0.01)),
        marker="R",
        marker_place=(0.06 + rng.uniform(0.0, 0.05), 0.06 + rng.uniform(0.0, 0.04)),
        marker_height=0.045,
        marker_has_box=True,
        collimation=(0.0, 0.0, 0.0, 0.0),
    )


def _many_hospitals(rng: np.random.Generator) -> Setting:
    at_the_bed = rng.random() < 0.25
    burnt_out = rng.random() < 0.1
    marker = str(rng.choice(["R", "R", "L", ""]))
    side = rng.uniform(0.03, 0.18)
    return Setting(
        rotation=np.deg2rad(rng.normal(0.0, 5.0 if at_the_bed else 2.0)),
        pose_spread=1.1,
        blades_inwards=rng.normal(0.22 if at_the_bed else 0.02, 0.06),
        has_leads=at_the_bed,
        scatter=rng.uniform(0.6, 1.4) if at_the_bed else rng.uniform(0.2, 0.8),
        sharpness=rng.uniform(0.0015, 0.005),
        gamma=np.exp(rng.normal(0.0, 0.3)),
        darkest=rng.uniform(0.0, 0.12),
        contrast=rng.uniform(1.05, 1.4) if burnt_out else rng.uniform(0.22, 0.85),
        noise=rng.uniform(0.005, 0.025),
        slope=tuple(rng.normal(0.0, 0.05, 2)),
        marker=marker,
        marker_place=(0.92 - side if marker == "L" else side, rng.uniform(0.02, 0.15)),
        marker_height=rng.uniform(0.03, 0.06),
        marker_has_box=rng.random() < 0.6,
        collimation=tuple(np.maximum(0.0, rng.uniform(-0.08, 0.05, 4))),
    )


def expose(
    thickness: np.ndarray,
    canvas: Canvas,
    setting: Setting,
    image_size: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns the image, uint8 (S, S): dense parts bright, air dark.

    Args:
        thickness: float32 (R, R), in centimetres of water.
        canvas: The one it was drawn on.
        setting: How the image is taken.
        image_size: S.
        rng: Draws the noise, one number a pixel.
    """
    direct = np.exp(-_WEAKENING * canvas.blur(thickness, setting.sharpness))
    rays = (direct + setting.scatter * canvas.blur(direct, 0.06)) / (1.0 + setting.scatter)
    density = -np.log(shrink(rays, image_size))
    # The thickest parts of any patient come out alike: the machine chooses its dose.
    thickest = np.percentile(shrink(density, 32), 98.0)
    signal = np.clip((density - 0.12) / (thickest - 0.12), 0.0, 1.2) ** setting.gamma
    # Where few rays arrive, their number is less certain.
    grain = setting.noise * np.exp(0.5 * (density - 0.5 * thickest))
    signal += grain * rng.normal(0.0, 1.0, density.shape)
    ramp = np.linspace(-1.0, 1.0, image_size)
    signal *= 1.0 + setting.slope[0] * ramp + setting.slope[1] * ramp[:, np.newaxis]
    image = np.clip(setting.darkest + setting.contrast * signal, 0.0, 1.0)
    image = _mark(image, canvas, setting)
    return np.round(INTENSITY_MAXIMUM * image).astype(np.uint8)


def _mark(image: np.ndarray, canvas: Canvas, setting: Setting) -> np.ndarray:
    """Adds the borders of the collimation, and the marker."""
    left, top, right, bottom = setting.collimation
    if any(setting.collimation):
        edges = np.array(
            [(left, top), (1.0 - right, top), (1.0 - right, 1.0 - bottom), (left, 1.0 - bottom)]
        )
        field = canvas.blur(canvas.fill(edges), 0.002)
        image = image * shrink(field, len(image))
    if setting.marker:
        corner, height = np.array(setting.marker_place), setting.marker_height
        strokes = [
            ribbon(corner + height * np.array(stroke), 0.09 * height)
            for stroke in _LETTERS[setting.marker]
        ]
        if setting.marker_has_box:
            box = corner + height * np.array([(-0.25, -0.2), (0.9, -0.2), (0.9, 1.2), (-0.25, 1.2)])
            image = image * (1.0 - shrink(canvas.fill(box), len(image)))
        image = np.maximum(image, shrink(canvas.fill(*strokes), len(image)))
    return image
