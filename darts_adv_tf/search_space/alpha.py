"""alpha: what the search learns."""

import keras
import numpy as np
from scipy.special import softmax

from darts_adv_tf.search_space.genotype import EDGES, PRIMITIVES, Genotype, derive


class Architecture(keras.layers.Layer):
    """Owns `alpha_normal` and `alpha_reduction`, each (14 edges, 8 operations).

    They start at 1e-3 times a standard normal variate, as in the DARTS source: all operations
    nearly equal.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        for name in ("alpha_normal", "alpha_reduction"):
            initializer = keras.initializers.RandomNormal(stddev=1e-3)
            shape = (len(EDGES), len(PRIMITIVES))
            setattr(self, name, self.add_weight(shape=shape, initializer=initializer, name=name))
        self.built = True

    def op_weights(self) -> tuple[np.ndarray, np.ndarray]:
        """The softmax of both alphas over the operations (Eq. 6), normal then reduction.

        In float64: in float32 equal alphas get weights that differ in the last bit, by a pattern
        that depends on the processor, and ties would be derived by it.
        """
        return tuple(
            softmax(np.asarray(alpha.value, np.float64), axis=-1)
            for alpha in (self.alpha_normal, self.alpha_reduction)
        )

    def statistics(self) -> dict[str, float]:
        """How decided alpha is: for each kind of cell the entropy of an edge's weights in nats
        (ln 8 at the start) and the weight of `none` and of the skip connection, as means over
        edges, and the share of edges on which each of the two is the strongest.

        `none` is the strongest where its weight is the largest of all; a skip connection where
        its weight is the largest of those that can be derived, which `none` never is."""
        none = PRIMITIVES.index("none")
        figures = {}
        for name, weights in zip(("normal", "reduction"), self.op_weights(), strict=True):
            entropy = -np.sum(weights * np.log(np.maximum(weights, 1e-30)), axis=-1)
            figures[f"alpha_entropy/{name}"] = float(entropy.mean())
            for primitive in ("none", "skip_connect"):
                index = PRIMITIVES.index(primitive)
                weight, rivals = weights[:, index], np.delete(weights, [none, index], axis=-1)
                is_strongest = weight > rivals.max(axis=-1)
                figures[f"alpha_{primitive}/{name}"] = float(weight.mean())
                figures[f"alpha_{primitive}_edges/{name}"] = float(is_strongest.mean())
        return figures

    def derive(self) -> Genotype:
        """The discrete architecture (Eq. 7)."""
        return derive(*self.op_weights())
