"""A drawn chest radiograph with its labels: data for a machine that has none.

Each case is a chest of its own. Lungs and heart come from a statistical shape model fitted to real
masks (`shape_model`); ribs, spine, vessels and the rest are drawn around them (`anatomy`), their
thicknesses added up (`attenuation`), and the image taken as one of two domains takes it
(`exposure`). docs/phantom.md shows both domains and compares them with real radiographs.
"""

from darts_adv_tf.data.phantom.drawing import SMALLEST_IMAGE_SIZE, draw_case
from darts_adv_tf.data.phantom.exposure import DOMAINS, INTENSITY_MAXIMUM

__all__ = ["DOMAINS", "INTENSITY_MAXIMUM", "SMALLEST_IMAGE_SIZE", "draw_case"]
