"""A data set that is read by a user's own function, `--dataset=<module>:<function>`.

Shapes: K classes, of which class 0 is the background, H and W pixels, C channels.
"""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from darts_adv_tf.data.collection import Case, Collection
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.system.entry_point import failed_entry_point, load_entry_point
from darts_adv_tf.system.errors import ConfigurationError, DataError, UserError

_SIGNATURE = "a function (data_dir) that returns a Collection"


def load_user_reader(name: str) -> Callable[[Path], Collection]:
    """Returns a function that finds the cases of a folder, with all that it returns checked.

    Args:
        name: `<module>:<function>`. The function takes the folder, a `Path`, and returns a
            `Collection`.

    Raises:
        ConfigurationError: There is no such module or function.
    """
    find = load_entry_point(name, "--dataset", _SIGNATURE)

    def checked_find(data_dir: Path) -> Collection:
        try:
            collection = find(data_dir)
        except UserError:
            raise
        except Exception as error:
            raise failed_entry_point(name, error, _SIGNATURE) from error
        if not isinstance(collection, Collection):
            raise ConfigurationError(
                "The function of --dataset=<module>:<function> must return a Collection.",
                received=f"from {name}: a {type(collection).__name__}",
                remedy="See docs/extending.md, A data set.",
            )
        num_masks = len(collection.class_names) - 1
        cases = (
            dataclasses.replace(case, read=partial(_read, case, num_masks))
            for case in collection.cases
        )
        return dataclasses.replace(collection, name=name, cases=tuple(cases))

    return checked_find


def _read(case: Case, num_masks: int) -> tuple[DecodedImage, np.ndarray]:
    """Reads a case: the image (H, W, C), and its masks, bool (K - 1, H, W)."""
    try:
        image, masks = case.read()
    except UserError:
        raise
    except Exception as error:
        raise _refuse(case, f"{type(error).__name__}: {error}") from error
    if not isinstance(image, DecodedImage):
        raise _refuse(case, f"an image that is a {_form(image)}")
    if image.pixels.ndim != 3:
        raise _refuse(case, f"pixels that are a {_form(image.pixels)}")
    if (
        not isinstance(masks, np.ndarray)
        or masks.dtype != bool
        or masks.ndim != 3
        or len(masks) != num_masks
    ):
        raise _refuse(case, f"masks that are a {_form(masks)}")
    return image, masks


def _refuse(case: Case, received: str) -> DataError:
    return DataError(
        "A case must be readable, as a DecodedImage (H, W, C) and bool masks (classes, H, W), "
        "without one for the background.",
        received=received,
        file=case.files[0] if case.files else case.name,
        remedy="Correct the file, or the function that reads it.",
    )


def _form(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} array of shape {value.shape}"
    if isinstance(value, Sequence):
        return f"{type(value).__name__} of {len(value)}"
    return type(value).__name__
