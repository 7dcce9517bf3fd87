"""Adam by TensorFlow's fused kernel: one node of the graph a variable, where Keras takes forty."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import keras
import tensorflow as tf

from darts_adv_tf.tf_graph.custom_gradients import Tensors, constant

EpsilonPlace = Literal["before_correction", "after_correction"]


class AdamEpsilon(NamedTuple):
    """The number that keeps Adam from dividing by zero, and where it is added; see `FusedAdam`."""

    value: float
    place: EpsilonPlace


KERAS_EPSILON = AdamEpsilon(1e-7, "before_correction")


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class FusedAdam(keras.optimizers.Adam):
    """Keras's Adam, its arithmetic done by `ResourceApplyAdam`.

    Every weight moves by -lr m_hat / (sqrt(v_hat) + epsilon), with the bias-corrected moments
    m_hat = m / (1 - beta_1^t) and v_hat = v / (1 - beta_2^t). State, checkpoints and distribution
    are Keras's.

    Args:
        learning_rate, beta_1, beta_2, epsilon: As in Keras.
        epsilon_place: `after_correction`: epsilon is added to sqrt(v_hat), as above, in Algorithm
            1 of the paper and in PyTorch. `before_correction`: it is added to sqrt(v), as in Keras
            and at the end of section 2 of the paper (epsilon-hat there): the step is
            lr_t m / (sqrt(v) + epsilon), with lr_t = lr sqrt(1 - beta_2^t) / (1 - beta_1^t). At
            step t this equals an epsilon after the correction that is 1 / sqrt(1 - beta_2^t) times
            as large: 32 times at the first step, 10 times at the tenth.

    Reference:
        Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015.

    Example:
        >>> weight = keras.Variable([1.0, 2.0])
        >>> optimizer = FusedAdam(0.5, epsilon=1e-8, epsilon_place="after_correction")
        >>> optimizer.build([weight])
        >>> optimizer.apply([tf.constant([3.0, -4.0])], [weight])
        >>> weight.numpy().tolist()
        [0.5, 2.5]
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        epsilon_place: EpsilonPlace = "before_correction",
        **kwargs: Any,
    ):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, **kwargs)
        self.epsilon_place = epsilon_place
        self._kernel: Callable[..., object] | None = None

    def build(self, variables: list[keras.Variable]) -> None:
        """Makes the moments, as Keras's Adam does, under the same names."""
        if self.built:
            return
        super(keras.optimizers.Adam, self).build(variables)
        self._momentums, self._velocities = self.add_optimizer_variables(
            variables, ["momentum", "velocity"]
        )
        # A bound method, since Keras would try to save a dictionary.
        self._index_of = {
            on_replica.ref(): index
            for index, variable in enumerate(variables)
            for on_replica in tf.distribute.get_strategy().experimental_local_results(
                variable.value
            )
        }.__getitem__

    def apply(
        self,
        grads: Tensors,
        trainable_variables: list[keras.Variable] | None = None,
        only_if: tf.Tensor | None = None,
    ) -> None:
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
        epsilon = constant(self.epsilon, dtype.name)
        if self.epsilon_place == "after_correction":
            # The kernel adds it to sqrt(v) = sqrt(v_hat) sqrt(1 - beta_2^t).
            epsilon *= tf.sqrt(one - beta_2_power)
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
            epsilon=epsilon,
        )
        super().apply(grads, trainable_variables)
        if only_if is not None:
            # Keras has counted the step.
            self.iterations.assign_sub(tf.cast(tf.logical_not(only_if), self.iterations.dtype))

    def update_step(
        self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: tf.Tensor
    ) -> None:
        del learning_rate  # `apply` has it.
        if self._kernel is None:
            raise TypeError("FusedAdam must be called by `apply`.")
        index = self._index_of(variable.ref())
        self._kernel(
            var=handle(variable),
            m=handle(self._momentums[index]),
            v=handle(self._velocities[index]),
            grad=gradient,
        )

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"epsilon_place": self.epsilon_place}


def handle(variable: keras.Variable | tf.Variable) -> tf.Tensor:
    """The runtime's handle; on the replica that is being updated, where there are several."""
    if isinstance(variable, keras.Variable):
        variable = variable.value
    return variable.handle
