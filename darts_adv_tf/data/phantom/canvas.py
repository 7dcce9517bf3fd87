"""A drawing plane for layers that add up to a radiograph.

Shapes: P points, S the side of the image, R the side of the canvas.
"""

import cv2
import numpy as np

_SMALLEST_SIDE = 192
_SUBPIXEL_BITS = 8


class Canvas:
    """A plane that is finer than a small image, so that thin parts keep their strength.

    Layers are float32 (R, R); R is a multiple of S. Lengths and coordinates are fractions of the
    image, so the same calls draw the same at every size.

    Args:
        image_size: The side S of the image, in pixels.
    """

    def __init__(self, image_size: int):
        self.side = image_size * -(-_SMALLEST_SIDE // image_size)

    def fill(self, *contours: np.ndarray) -> np.ndarray:
        """Returns a layer that is 1 inside any of the contours (P, 2)."""
        layer = np.zeros((self.side, self.side), np.float32)
        for contour in contours:
            # OpenCV counts from the centre of the first pixel.
            pixels = contour * self.side - 0.5
            fixed_point = np.round(pixels * 2**_SUBPIXEL_BITS).astype(np.int32)
            cv2.fillPoly(layer, [fixed_point], 1.0, lineType=cv2.LINE_8, shift=_SUBPIXEL_BITS)
        return layer

    def blur(self, layer: np.ndarray, sigma: float) -> np.ndarray:
        """Blurs by a Gaussian."""
        # A wide Gaussian loses nothing on a coarser grid, and costs a fraction there.
        factor = max(1, int(sigma * self.side / 3))
        coarse = shrink(layer, -(-self.side // factor))
        coarse = cv2.GaussianBlur(coarse, (0, 0), sigma * len(coarse))
        return cv2.resize(coarse, layer.shape, interpolation=cv2.INTER_LINEAR)

    def texture(self, rng: np.random.Generator, num_waves: int) -> np.ndarray:
        """Returns a smooth random layer of standard deviation 1, the same at every size."""
        grid = rng.normal(0.0, 1.0, (num_waves, num_waves)).astype(np.float32)
        return cv2.resize(grid, (self.side, self.side), interpolation=cv2.INTER_CUBIC)


def shrink(layer: np.ndarray, side: int) -> np.ndarray:
    """Returns the layer at a smaller size, each pixel the mean of the area it covers."""
    return cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA)
