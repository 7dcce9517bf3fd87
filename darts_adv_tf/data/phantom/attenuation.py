"""What weakens the rays on their way: thicknesses of all parts, added up.

Thicknesses are centimetres of water that weaken the rays as much; bone counts for more than its
own. The figures are those of an adult's chest, about 22 cm deep.

Shapes: R the side of the canvas.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from darts_adv_tf.data.phantom import anatomy
from darts_adv_tf.data.phantom.canvas import Canvas
from darts_adv_tf.data.phantom.contours import ribbon
from darts_adv_tf.data.phantom.frame import ChestFrame
from darts_adv_tf.data.phantom.shape_model import Chest


class Thickness:
    """Draws the thickness of one chest.

    Args:
        canvas: Where it is drawn.
        chest: The contours of lungs and heart.
        rng: Draws all other anatomy.
    """

    def __init__(self, canvas: Canvas, chest: Chest, rng: np.random.Generator):
        self._canvas = canvas
        self._chest = chest
        self._frame = ChestFrame(chest)
        self._rng = rng

    def draw(
        self, lungs: np.ndarray, heart: np.ndarray, blades_inwards: float, has_leads: bool
    ) -> np.ndarray:
        """Returns the thickness, float32 (R, R).

        Args:
            lungs: (R, R), 1 inside, without the heart.
            heart: (R, R), 1 inside.
            blades_inwards: How far the shoulder blades lie over the lungs, in coordinates of the
                chest.
            has_leads: Whether a monitor's wires cross the chest.
        """
        body, abdomen, thickness = self._soft_tissue()
        air = self._air(lungs, heart)
        thickness += self._vessels(air) - air
        thickness += body * self._ribs(abdomen)
        thickness += body * self._other_bones(blades_inwards)
        if has_leads:
            wires, electrodes = anatomy.monitor_leads(self._rng)
            thickness += 3.0 * self._part(wires, 0.001) + 1.5 * self._part(electrodes, 0.002)
        return np.maximum(thickness, 0.0)

    def _part(self, contours: Sequence[np.ndarray] | np.ndarray, sigma: float) -> np.ndarray:
        """A layer of parts given in coordinates of the chest, with soft borders."""
        layer = self._canvas.fill(*(self._frame.place(contour) for contour in contours))
        return self._canvas.blur(layer, sigma)

    def _soft_tissue(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns where the body is, where the abdomen begins, and the thickness of both."""
        canvas, rng = self._canvas, self._rng
        body = canvas.fill(self._frame.place(anatomy.torso(rng)))
        # Thin at the skin line and in the shoulders, thick in the middle.
        profile = 0.35 * canvas.blur(body, 0.012) + 0.65 * canvas.blur(body, 0.10) * body
        trunk = self._part([np.array([(-0.8, 0.0), (0.8, 0.0), (0.8, 3.0), (-0.8, 3.0)])], 0.09)
        depth = rng.normal(14.0, 1.0) + rng.uniform(5.0, 8.0) * trunk
        thickness = depth * profile * (1.0 + 0.03 * canvas.texture(rng, 5))
        abdomen = self._part([np.array([(-2, 1.0), (2, 1.0), (2, 4), (-2, 4)])], 0.05)
        thickness += rng.uniform(0.0, 3.0) * body * abdomen
        breast_thickness = rng.uniform(1.5, 3.5)
        breasts = anatomy.breasts(rng)
        if breasts:
            edge = self._part(breasts, 0.006)
            thickness += breast_thickness * self._part(breasts, 0.05) * edge * body
        return body, abdomen, thickness

    def _air(self, lungs: np.ndarray, heart: np.ndarray) -> np.ndarray:
        """What the air of lungs, airways and bowels takes away from the thickness."""
        canvas, rng = self._canvas, self._rng
        profile = 0.45 * canvas.blur(lungs, 0.003) + 0.55 * canvas.blur(lungs, 0.06) * lungs
        # Lung lies behind the heart as well, and behind the domes of the diaphragm, and ends there
        # without a border.
        behind = canvas.blur(canvas.fill(self._behind()), 0.025)
        profile = np.maximum(profile, rng.uniform(0.12, 0.28) * behind)
        texture = 0.16 * canvas.texture(rng, 5) + 0.04 * canvas.texture(rng, 48)
        air = rng.uniform(8.5, 13.0) * (1.0 + texture) * profile
        air += rng.uniform(2.0, 4.0) * self._part(anatomy.windpipe(rng), 0.005) * (1.0 - lungs)
        left_dome = self._frame.locate(self._chest.path("left_base").mean(axis=0)[np.newaxis])[0]
        gas = self._part(anatomy.bowel_gas(rng, left_dome), 0.004)
        return air + rng.uniform(0.5, 5.0) * gas * (1.0 - np.maximum(lungs, heart))

    def _behind(self) -> np.ndarray:
        """The outline of all that lung lies behind: a hull around lungs and heart."""
        points = self._chest.points
        lower = points[points[:, 1] > points[:, 1].mean()] + (0.0, 0.03)
        hull = cv2.convexHull(np.concatenate([points, lower]).astype(np.float32))
        return hull[:, 0].astype(np.float64)

    def _vessels(self, air: np.ndarray) -> np.ndarray:
        """Vessels stand out against air, by as much as they replace."""
        rng = self._rng
        visible = np.clip(air / 9.0, 0.0, 1.0)
        thickness = rng.uniform(1.0, 2.5) * self._part(anatomy.mediastinum(rng), 0.008)
        thickness += rng.uniform(0.5, 1.5) * self._part([anatomy.descending_aorta(rng)], 0.004)
        thickness += rng.uniform(1.5, 3.2) * visible * self._part(anatomy.hila(rng), 0.016)
        vessels = self._part(anatomy.vessels(rng), 0.0025)
        return thickness + rng.uniform(0.9, 1.8) * visible * vessels

    def _ribs(self, abdomen: np.ndarray) -> np.ndarray:
        rng = self._rng
        posterior, anterior, half_width = anatomy.ribs(rng, self._frame)
        layers = []
        for curves, half in ((posterior, half_width), (anterior, 1.2 * half_width)):
            whole, marrow = (
                self._part(ribbon(curves, share * half), 0.002) for share in (1.0, 0.6)
            )
            # The shell of a rib is denser than its core.
            layers.append(whole - 0.45 * marrow)
        # Breathing blurs them against the abdomen.
        return rng.uniform(1.1, 2.2) * (layers[0] + 0.6 * layers[1]) * (1.0 - 0.6 * abdomen)

    def _other_bones(self, blades_inwards: float) -> np.ndarray:
        rng = self._rng
        column, vertebrae = anatomy.spine(rng)
        spine_thickness = rng.uniform(1.0, 2.2)
        thickness = spine_thickness * self._part([column], 0.010)
        thickness += 0.5 * spine_thickness * self._part(vertebrae, 0.003)
        thickness += rng.uniform(1.8, 3.2) * self._part(anatomy.clavicles(rng), 0.004)
        blades = anatomy.shoulder_blades(rng, blades_inwards)
        thickness += rng.uniform(0.5, 1.3) * self._part(blades, 0.004)
        return thickness + rng.uniform(2.0, 3.5) * self._part(anatomy.upper_arms(rng), 0.005)
