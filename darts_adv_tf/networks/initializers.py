"""Initial weights that repeat: every layer draws from a seed of its own."""

from collections.abc import Iterator

import keras
import numpy as np


def he_normal_initializers(seed: int) -> Iterator[keras.initializers.Initializer]:
    """Yields He-normal initializers without end, each with its own seed derived from `seed`.

    One seed for all layers would give two layers of one shape the same weights.

    Reference: He et al., Delving Deep into Rectifiers, ICCV 2015: variance 2 / fan-in.
    """
    sequence = np.random.SeedSequence(seed)
    while True:
        (child,) = sequence.spawn(1)
        yield keras.initializers.HeNormal(seed=int(child.generate_state(1)[0]))
