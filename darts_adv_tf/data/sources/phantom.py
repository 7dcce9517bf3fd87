"""Chest radiographs drawn by the program: data for a machine that has none."""

from functools import partial

import numpy as np

from darts_adv_tf.data import chest
from darts_adv_tf.data.collection import Case, Collection
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.phantom import INTENSITY_MAXIMUM, SMALLEST_IMAGE_SIZE, draw_case
from darts_adv_tf.system.errors import ConfigurationError


def make_phantoms(image_size: int, num_cases: int, seed: int, domain: str) -> Collection:
    """Cases that are drawn when they are read.

    Args:
        image_size: The side of the images, in pixels, 32 or more. The same case has the same
            anatomy at every size.
        num_cases: Number of cases; a larger number keeps the first ones as they are.
        seed: Not negative; keys each case together with its index.
        domain: `uniform` or `mixed`.

    Raises:
        ConfigurationError: If the images would be too small.
    """
    if image_size < SMALLEST_IMAGE_SIZE:
        raise ConfigurationError(
            f"The phantom must be at least {SMALLEST_IMAGE_SIZE} pixels wide and high.",
            received=f"image_size={image_size}",
            remedy=f"Set --image_size to {SMALLEST_IMAGE_SIZE} or more.",
        )

    def read(index: int) -> tuple[DecodedImage, np.ndarray]:
        image, labels = draw_case(image_size, seed, index, domain)
        organs = np.arange(1, len(chest.CLASS_NAMES))
        masks = labels == organs[:, np.newaxis, np.newaxis]
        return DecodedImage(image[:, :, np.newaxis], INTENSITY_MAXIMUM), masks

    names = [f"phantom_{index:04d}" for index in range(num_cases)]
    return Collection(
        name="phantom",
        class_names=chest.CLASS_NAMES,
        cases=tuple(Case(name, name, partial(read, index)) for index, name in enumerate(names)),
        priority=chest.PRIORITY,
        has_whole_organs=True,
    )
