"""Adam as published, in plain NumPy, with epsilon in either place.

Reference: Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, Algorithm 1
(`after_correction`, as in PyTorch) and the end of section 2 (`before_correction`, as in Keras).
"""

import numpy as np

from darts_adv_tf.tf_graph.fused_adam import KERAS_EPSILON, AdamEpsilon

EPSILONS = [KERAS_EPSILON, AdamEpsilon(0.01, "after_correction")]
"""The default, and one whose place shows."""


class Adam:
    """Updates a list of arrays in place."""

    def __init__(
        self,
        variables,
        learning_rate,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=KERAS_EPSILON,
    ):
        self.variables = variables
        self.learning_rate = learning_rate
        self.betas = (beta_1, beta_2)
        self.epsilon = epsilon
        self.means = [np.zeros_like(variable) for variable in variables]
        self.squares = [np.zeros_like(variable) for variable in variables]
        self.num_steps = 0

    def descend(self, gradients):
        self.num_steps += 1
        beta_1, beta_2 = self.betas
        for index, gradient in enumerate(map(np.asarray, gradients)):
            self.means[index] = beta_1 * self.means[index] + (1 - beta_1) * gradient
            self.squares[index] = beta_2 * self.squares[index] + (1 - beta_2) * gradient**2
            self.variables[index] -= self.learning_rate * self._direction(index)

    def _direction(self, index):
        beta_1, beta_2 = self.betas
        mean, square = self.means[index], self.squares[index]
        corrections = 1 - beta_1**self.num_steps, 1 - beta_2**self.num_steps
        if self.epsilon.place == "after_correction":
            return (mean / corrections[0]) / (np.sqrt(square / corrections[1]) + self.epsilon.value)
        rate = np.sqrt(corrections[1]) / corrections[0]
        return rate * mean / (np.sqrt(square) + self.epsilon.value)
