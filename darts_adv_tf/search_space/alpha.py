"""alpha: what the search learns."""

import keras
import numpy as np
from scipy.special import softmax

from darts_adv_tf.search_space.candidate_operations import NONE
from darts_adv_tf.search_space.genotype import Genotype, derive
from darts_adv_tf.search_space.space import CELL_KINDS, PUBLISHED_SPACE, SearchSpace

WATCHED = (NONE, "skip_connect")
"""The operations that a search wrongly comes to prefer."""


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

    def statistics(self) -> dict[str, float]:
        """How decided alpha is: for each kind of cell the entropy of an edge's weights in nats
        (ln of the number of operations at the start) and, where the search space has them, the
        weight of `none` and of the skip connection, as means over edges, and the share of edges on
        which each of the two is the strongest.

        `none` is the strongest where its weight is the largest of all; a skip connection where
        its weight is the largest of those that can be derived, which `none` never is."""
        names = self.space.operations
        metrics = {}
        for kind, weights in zip(CELL_KINDS, self.op_weights(), strict=True):
            entropy = -np.sum(weights * np.log(np.maximum(weights, 1e-30)), axis=-1)
            metrics[f"alpha_entropy/{kind}"] = float(entropy.mean())
            for name in filter(names.__contains__, WATCHED):
                weight = weights[:, names.index(name)]
                rivals = weights[:, [other not in (NONE, name) for other in names]]
                is_strongest = weight > rivals.max(axis=-1, initial=0)
                metrics[f"alpha_{name}/{kind}"] = float(weight.mean())
                metrics[f"alpha_{name}_edges/{kind}"] = float(is_strongest.mean())
        return metrics

    def derive(self) -> Genotype:
        """The discrete architecture (Eq. 7)."""
        return derive(*self.op_weights(), self.space)
