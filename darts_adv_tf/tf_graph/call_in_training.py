"""A model's forward pass as a pure function of its weights."""

from collections.abc import Sequence

import keras
import tensorflow as tf

Tensors = Sequence[tf.Tensor]
Updates = Sequence[tuple[keras.Variable, tf.Tensor]]
"""Variables, and the values that a pass would give them."""


def call_in_training(
    model: keras.layers.Layer, theta: Tensors, *inputs: tf.Tensor
) -> tuple[tf.Tensor, Updates]:
    """A forward pass in training mode that changes nothing.

    Args:
        model: Built.
        theta: In place of its trainable variables.
        *inputs: What it is called with.

    Returns:
        The output, and the updates that the layers would make: of moving statistics, of the state
        of random numbers, or of a weight (a spectral normalization divides it in place).
    """
    frozen = [variable.value for variable in model.non_trainable_variables]
    variables = [*model.trainable_variables, *model.non_trainable_variables]
    scope = keras.StatelessScope(zip(variables, [*theta, *frozen], strict=True))
    before = [scope.get_current_value(variable) for variable in variables]
    with scope:
        # Not `stateless_call`, by which a layer whose `call` takes no `training` does not tell
        # the layers within it of the mode.
        output = model(*inputs, training=True)
    after = [scope.get_current_value(variable) for variable in variables]
    updates = [
        (variable, new)
        for variable, old, new in zip(variables, before, after, strict=True)
        if new is not old
    ]
    return output, updates
