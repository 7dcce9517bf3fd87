"""alpha: what the search learns."""

import keras
import numpy as np
from scipy.special import softmax

from darts_adv_tf.search_space.genotype import Genotype, derive
from darts_adv_tf.search_space.space import CELL_KINDS, PUBLISHED_SPACE, SearchSpace


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class Architecture(keras.layers.Layer):
    """Owns `alpha_normal` and `alpha_reduction`, each (number of edges, number of operations).

    They start at 1e-3 times a standard normal variate, as in the DARTS source: all operations
    nearly equal.

    Args:
        space: What is searched.

    Example:
        >>> from darts_adv_tf import Architecture
        >>> architecture = Architecture()
        >>> [variable.name for variable in architecture.trainable_variables]
        ['alpha_normal', 'alpha_reduction']
        >>> genotype = architecture.derive()
    """

    def __init__(self, space: SearchSpace = PUBLISHED_SPACE, **kwargs):
        super().__init__(**kwargs)
        self.space = space
        for kind in CELL_KINDS:
            name = f"alpha_{kind}"
            initializer = keras.initializers.RandomNormal(stddev=1e-3)
            alpha = self.add_weight(shape=space.alpha_shape, initializer=initializer, name=name)
            setattr(self, name, alpha)
        self.built = True

    def op_weights(self) -> tuple[np.ndarray, np.ndarray]:
        """The softmax of both alphas over the operations (Eq. 6), normal then reduction.

        In float64: in float32 equal alphas get weights that differ in the last bit, by a pattern
        that depends on the processor, and ties would be derived by it.
        """
        normal, reduction = (
            softmax(np.asarray(alpha.value, np.float64), axis=-1)
            for alpha in (self.alpha_normal, self.alpha_reduction)
        )
        return normal, reduction

    def derive(self) -> Genotype:
        """The discrete architecture (Eq. 7)."""
        return derive(*self.op_weights(), self.space)
