"""Batches of a few cases by their indices."""

from collections.abc import Callable, Sequence

import numpy as np

from darts_adv_tf.data.batches import BatchArrays


def taking(images: np.ndarray, labels: np.ndarray) -> Callable[..., list[BatchArrays]]:
    """A function of indices of cases that returns a batch for each of its arguments.

    Example:
        >>> trainer.step(*taking(images, labels)(train_cases, val_cases))
    """

    def take(*batches: Sequence[int]) -> list[BatchArrays]:
        return [BatchArrays(images[list(cases)], labels[list(cases)]) for cases in batches]

    return take
