"""The raw format of the JSRT chest radiographs.

Reference: J. Shiraishi et al., "Development of a digital image database for chest radiographs with
and without a lung nodule", American Journal of Roentgenology 174, 2000.
"""

from pathlib import Path

import numpy as np

from darts_adv_tf.data.formats.decoded_image import DecodedImage, make_image
from darts_adv_tf.data.formats.regular_file import open_to_decode
from darts_adv_tf.system.errors import DataError

SIDE = 2048
NUM_BYTES = SIDE * SIDE * 2
INTENSITY_MAXIMUM = 4095
SPACING_MM = 0.175


def read_jsrt_raw(path: str | Path) -> DecodedImage:
    """Decodes a `.IMG` file: no header, 2048 x 2048 big-endian uint16, 12 bits of them used.

    A high number is a high optical density, that is a dark place on the film, so the image is
    inverted. Seven of the released images hold numbers far above 4095 (JPCLN031, 037, 078, 083,
    094, 117 and 122), which are clipped.

    Returns:
        uint16 (2048, 2048, 1), at most 4095; 0.175 mm a pixel.

    Raises:
        DataError: The file cannot be read, or has another size.
    """
    # One byte more than there may be, so that a longer file is seen to be longer.
    with open_to_decode(path, "a raw image of JSRT") as stream:
        content = stream.read(NUM_BYTES + 1)
    if len(content) != NUM_BYTES:
        raise DataError(
            f"A raw JSRT image must have exactly {NUM_BYTES:,} bytes: 2048 x 2048 of 16 bits.",
            received=f"{Path(path).stat().st_size:,} bytes",
            file=path,
            remedy="Copy the file again if it is cut off, or convert it to PNG.",
        )
    densities = np.frombuffer(content, ">u2").reshape(SIDE, SIDE)
    intensities = INTENSITY_MAXIMUM - np.minimum(densities, INTENSITY_MAXIMUM)
    return make_image(
        intensities.astype(np.uint16), path, float(INTENSITY_MAXIMUM), (SPACING_MM, SPACING_MM)
    )
