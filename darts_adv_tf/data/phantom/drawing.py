"""One case of the phantom: a chest, its image and its labels.

Shapes: S the side of the image, R the side of the canvas on which it is drawn.
"""

import cv2
import numpy as np

from darts_adv_tf.data.chest import CLASS_NAMES, ORGANS, PRIORITY
from darts_adv_tf.data.phantom.attenuation import Thickness
from darts_adv_tf.data.phantom.canvas import Canvas, shrink
from darts_adv_tf.data.phantom.exposure import draw_setting, expose
from darts_adv_tf.data.phantom.shape_model import chest_shapes

SMALLEST_IMAGE_SIZE = 32


def draw_case(
    image_size: int, seed: int, case_index: int, domain: str = "uniform"
) -> tuple[np.ndarray, np.ndarray]:
    """Draws one case.

    The chest depends on seed and index alone. A domain changes how it stands before the machine,
    and how the image is taken.

    Args:
        image_size: The side S, in pixels, `SMALLEST_IMAGE_SIZE` or more.
        seed: Not negative.
        case_index: Not negative.
        domain: One of `exposure.DOMAINS`.

    Returns:
        image: uint8 (S, S), intensities as an 8-bit file would store them.
        labels: uint8 (S, S), indices of `chest.CLASS_NAMES`, each organ in one piece.
    """
    # A stream for each part, so that one part's number of draws does not move the others.
    shape_rng, anatomy_rng, setting_rng, noise_rng = (
        np.random.default_rng((seed, case_index, part)) for part in range(4)
    )
    setting = draw_setting(setting_rng, domain)
    chest = chest_shapes().draw(shape_rng, setting.pose_spread).turned(setting.rotation)
    # Nobody takes an image that cuts off a lung, if it can be helped.
    chest = chest.brought_inside()
    setting = setting.with_field_around(chest.points)

    canvas = Canvas(image_size)
    left, right, heart = (canvas.fill(chest.outline(organ)) for organ in ORGANS)
    # The heart lies over the lungs, in the labels as in the image.
    organs = [
        _largest_part(layer) for layer in (left * (1.0 - heart), right * (1.0 - heart), heart)
    ]
    thickness = Thickness(canvas, chest, anatomy_rng).draw(
        organs[0] + organs[1], organs[2], setting.blades_inwards, setting.has_leads
    )
    image = expose(thickness, canvas, setting, image_size, noise_rng)
    return image, _label(organs, image_size)


def _label(organs: list[np.ndarray], image_size: int) -> np.ndarray:
    """Returns the class that covers most of each pixel, uint8 (S, S).

    Args:
        organs: Layers (R, R), 1 inside an organ, in the order of `chest.ORGANS`.
        image_size: S.
    """
    shares = dict(zip(ORGANS, (shrink(layer, image_size) for layer in organs), strict=True))
    left, right, heart = shares.values()
    shares["background"] = 1.0 - (left + right + heart)
    # The first of the largest wins.
    order = (*PRIORITY, "background")
    winner = np.argmax([shares[name] for name in order], axis=0)
    labels = np.array([CLASS_NAMES.index(name) for name in order], np.uint8)[winner]
    # A thin tip can fall apart into single pixels.
    parts = [
        _largest_part((labels == CLASS_NAMES.index(organ)).astype(np.float32)) for organ in ORGANS
    ]
    return labels * np.any(parts, axis=0).astype(np.uint8)


def _largest_part(layer: np.ndarray) -> np.ndarray:
    """The layer without all but its largest connected part."""
    num_parts, parts, figures, _ = cv2.connectedComponentsWithStats(
        layer.astype(np.uint8), connectivity=4
    )
    if num_parts <= 2:
        return layer
    return (parts == 1 + np.argmax(figures[1:, cv2.CC_STAT_AREA])).astype(np.float32)
