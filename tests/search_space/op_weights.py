"""Weights of the published operations, as a search could end with them."""

import numpy as np

from darts_adv_tf.search_space.space import PUBLISHED_SPACE


def random_op_weights(seed: int) -> np.ndarray:
    """(2, number of edges, number of operations): rows that sum to one."""
    num_edges, num_operations = PUBLISHED_SPACE.alpha_shape
    return np.random.default_rng(seed).dirichlet(np.ones(num_operations), size=(2, num_edges))
