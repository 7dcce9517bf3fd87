"""Adam by TensorFlow's fused kernel: one node of the graph a variable, where Keras takes forty."""

import keras
import tensorflow as tf

from darts_adv_tf.layers.recording import constant


class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam, its arithmetic done by `ResourceApplyAdam`.

    The same formula: lr_t = lr sqrt(1 - beta_2^t) / (1 - beta_1^t), and the epsilon is added to
    the root outside of the bias correction. State, checkpoints and distribution are Keras's.
    """

    def apply(self, grads, trainable_variables=None):
        # For all variables at once, not each on its own.
        dtype = grads[0].dtype
        step = tf.cast(self.iterations.value, dtype) + constant(1.0, dtype.name)
        self._powers = [
            tf.pow(constant(beta, dtype.name), step) for beta in (self.beta_1, self.beta_2)
        ]
        super().apply(grads, trainable_variables)

    def update_step(self, gradient, variable, learning_rate):
        dtype = gradient.dtype
        index = self._get_variable_index(variable)
        beta_1_power, beta_2_power = self._powers
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=tf.cast(learning_rate, dtype),
            beta1=constant(self.beta_1, dtype.name),
            beta2=constant(self.beta_2, dtype.name),
            epsilon=constant(self.epsilon, dtype.name),
            grad=gradient,
        )


def _handle(variable: keras.Variable | tf.Variable) -> tf.Tensor:
    """The runtime's handle; on the replica that is being updated, where there are several."""
    if isinstance(variable, keras.Variable):
        variable = variable.value
    return variable.handle
