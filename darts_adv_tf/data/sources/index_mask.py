"""Masks that hold the index of a class in each pixel, and what the indices mean.

Shapes: K classes, of which class 0 is the background, H and W pixels.
"""

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.sources.planes import read_values
from darts_adv_tf.system.errors import DataError


@dataclasses.dataclass(frozen=True)
class IndexMeaning:
    """Which stored values make up each class.

    Attributes:
        class_names: K names, the background first.
        values: The values of each of the K - 1 foreground classes; classes may share values.
        background: The values of the background.
    """

    class_names: tuple[str, ...]
    values: tuple[tuple[int, ...], ...]
    background: tuple[int, ...] = (0,)

    @classmethod
    def in_order(cls, classes: Iterable[str]) -> "IndexMeaning":
        """The values 1, 2, ... for classes in this order."""
        names = ("background", *classes)
        return cls(names, tuple((index,) for index in range(1, len(names))))

    def read(
        self, path: Path, plane: int, image: Path, decoded: DecodedImage
    ) -> tuple[DecodedImage, np.ndarray]:
        """Reads a plane of a mask.

        Args:
            path: The mask.
            plane: Of volumes.
            image: The image that it belongs to.
            decoded: That plane of the image.

        Returns:
            decoded: The image, with what had to be interpreted to read the mask.
            masks: bool (K - 1, H, W).

        Raises:
            DataError: The file cannot be read, or holds a value without a meaning.
        """
        remarks: list[str] = []
        stored = read_values(path, plane, image, remarks.append)
        known = sorted({*self.background, *(value for group in self.values for value in group)})
        unknown = np.setdiff1d(stored, known)
        if unknown.size:
            is_one_mask = set(np.unique(stored).tolist()) <= {0, 255}
            shown = ", ".join(str(value) for value in unknown[:5])
            raise DataError(
                "Each value of a mask must be the index of a class: "
                f"{', '.join(str(value) for value in known[:20])}"
                f"{', ...' if len(known) > 20 else ''}.",
                received=f"the value {shown}" + (", ..." if unknown.size > 5 else ""),
                file=path,
                remedy="Save black and white as 0 and 1; or put masks of one class each into "
                "masks/<class>/ of --dataset=folders."
                if is_one_mask
                else "Name the class of this value, or correct the mask.",
            )
        masks = np.stack([np.isin(stored, group) for group in self.values])
        return decoded.with_remarks(remarks), masks
