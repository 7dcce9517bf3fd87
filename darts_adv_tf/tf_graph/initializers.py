"""Initial weights, and what they are drawn from."""

import contextlib
import random
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


@contextlib.contextmanager
def seeded(seed: int, stream: int) -> Iterator[None]:
    """Seeds what Keras, NumPy and TensorFlow draw from with an independent stream of `seed`.

    Afterwards Python and NumPy continue as if nothing had been drawn, so that what is drawn later,
    such as alpha's initial values, does not depend on what is drawn here.
    """
    python_state, numpy_state = random.getstate(), np.random.get_state()
    (stream_seed,) = np.random.SeedSequence(seed, spawn_key=(stream,)).generate_state(1)
    keras.utils.set_random_seed(int(stream_seed))
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)


def convolution_uniform(fan_in: int) -> keras.initializers.Initializer:
    """PyTorch's default for a convolution: uniform with variance 1 / (3 fan_in).

    The DARTS source relies on it. The fan-in of a depthwise kernel is K * K, whereas Keras's own
    initializers would count the channels in.

    Args:
        fan_in: The number of inputs of one output unit.
    """
    bound = fan_in**-0.5
    return keras.initializers.RandomUniform(-bound, bound)


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class ConvolutionUniform(keras.initializers.Initializer):
    """`convolution_uniform` for kernels of several fan-ins, one below the other in a matrix.

    Args:
        rows_and_fan_ins: For each kind of kernel its number of rows and its fan-in.
    """

    def __init__(self, rows_and_fan_ins: tuple[tuple[int, int], ...]):
        self.rows_and_fan_ins = rows_and_fan_ins

    def __call__(self, shape, dtype=None):
        _, columns = shape
        parts = [
            convolution_uniform(fan_in)((rows, columns), dtype)
            for rows, fan_in in self.rows_and_fan_ins
        ]
        return keras.ops.concatenate(parts, axis=0)

    def get_config(self):
        return {"rows_and_fan_ins": self.rows_and_fan_ins}
