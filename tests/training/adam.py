"""Adam as Keras documents it, in plain NumPy: epsilon stands outside the bias correction.

Reference: Kingma and Ba, Adam: A Method for Stochastic Optimization, ICLR 2015, section 2.
"""

import numpy as np

EPSILON = 1e-7


class Adam:
    """Updates a list of arrays in place."""

    def __init__(self, variables, learning_rate, beta_1=0.9, beta_2=0.999):
        self.variables = variables
        self.learning_rate = learning_rate
        self.betas = (beta_1, beta_2)
        self.means = [np.zeros_like(variable) for variable in variables]
        self.squares = [np.zeros_like(variable) for variable in variables]
        self.num_steps = 0

    def descend(self, gradients):
        self.num_steps += 1
        beta_1, beta_2 = self.betas
        rate = self.learning_rate * np.sqrt(1 - beta_2**self.num_steps)
        rate /= 1 - beta_1**self.num_steps
        for index, gradient in enumerate(map(np.asarray, gradients)):
            self.means[index] = beta_1 * self.means[index] + (1 - beta_1) * gradient
            self.squares[index] = beta_2 * self.squares[index] + (1 - beta_2) * gradient**2
            root = np.sqrt(self.squares[index]) + EPSILON
            self.variables[index] -= rate * self.means[index] / root
