"""Adam by TensorFlow's fused kernel: one node of the graph a variable, where Keras takes forty."""

from functools import partial

import keras
import tensorflow as tf

from darts_adv_tf.tf_graph.custom_gradients import constant


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam, its arithmetic done by `ResourceApplyAdam`.

    The same formula: lr_t = lr sqrt(1 - beta_2^t) / (1 - beta_1^t), and the epsilon is added to
    the root outside of the bias correction. State, checkpoints and distribution are Keras's.
    """

    def apply(self, grads, trainable_variables=None, only_if=None):
        """Descends the gradients, or leaves variables, slots and `iterations` as they are.

        Args:
            grads: One tensor a variable.
            trainable_variables: As in Keras.
            only_if: Whether to descend, a scalar bool, alike on all replicas; if not given, yes.
                (Keras does not let a conditional surround its `apply` under a strategy.)
        """
        # For all variables at once, not each on its own.
        dtype = grads[0].dtype
        one = constant(1.0, dtype.name)
        step = tf.cast(self.iterations.value, dtype) + one
        betas = [constant(beta, dtype.name) for beta in (self.beta_1, self.beta_2)]
        beta_1_power, beta_2_power = (tf.pow(beta, step) for beta in betas)
        rate = tf.cast(self.learning_rate, dtype)
        if only_if is not None:
            # Moments that stay and a rate of 0: the kernel adds 0 to all that it updates. By 0
            # this product is 0 even of nan, and it needs no memory of its own as tf.where does.
            factor = tf.cast(only_if, dtype)
            grads = [tf.math.multiply_no_nan(gradient, factor) for gradient in grads]
            betas = [tf.where(only_if, beta, one) for beta in betas]
            rate *= factor
        self._kernel = partial(
            tf.raw_ops.ResourceApplyAdam,
            beta1_power=beta_1_power,
            beta2_power=beta_2_power,
            lr=rate,
            beta1=betas[0],
            beta2=betas[1],
            epsilon=constant(self.epsilon, dtype.name),
        )
        super().apply(grads, trainable_variables)
        if only_if is not None:
            # Keras has counted the step.
            self.iterations.assign_sub(tf.cast(tf.logical_not(only_if), self.iterations.dtype))

    def update_step(self, gradient, variable, learning_rate):
        index = self._get_variable_index(variable)
        self._kernel(
            var=handle(variable),
            m=handle(self._momentums[index]),
            v=handle(self._velocities[index]),
            grad=gradient,
        )


def handle(variable: keras.Variable | tf.Variable) -> tf.Tensor:
    """The runtime's handle; on the replica that is being updated, where there are several."""
    if isinstance(variable, keras.Variable):
        variable = variable.value
    return variable.handle
