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
