"""The initial weights of the discriminator."""

import keras


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
