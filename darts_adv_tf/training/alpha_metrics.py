"""How decided alpha is, as metrics of a step of the search."""

from collections.abc import Sequence

import numpy as np

from darts_adv_tf.search_space.candidate_operations import NONE
from darts_adv_tf.search_space.space import CELL_KINDS, SearchSpace
from darts_adv_tf.training.metric_names import alpha_edge_share, alpha_entropy, alpha_weight

WATCHED_OPERATIONS = ("skip_connect", NONE)
"""The operations that a search may wrongly come to prefer."""


def alpha_metrics(
    op_weights: Sequence[np.ndarray], space: SearchSpace, cells: Sequence[str] = CELL_KINDS
) -> dict[str, float]:
    """Returns how decided alpha is, for each kind of cell.

    That is the entropy of an edge's weights in nats (ln of the number of operations at the start)
    and, where the search space has them, the weight of `none` and of the skip connection, as means
    over edges, and the share of edges on which each of the two is the strongest. `none` is the
    strongest if its weight is the largest of all; a skip connection if its weight is the largest
    of those that can be derived, which `none` never is.

    Args:
        op_weights: (number of edges, number of operations) of the normal and of the reduction
            cells; see `Architecture.op_weights`.
        space: What is searched.
        cells: The kinds of cell that the discriminator has; others are left out.
    """
    names = space.operations
    metrics = {}
    for kind, weights in zip(CELL_KINDS, op_weights, strict=True):
        if kind not in cells:
            continue
        entropy = -np.sum(weights * np.log(np.maximum(weights, 1e-30)), axis=-1)
        metrics[alpha_entropy(kind)] = float(entropy.mean())
        for name in watched_operations(space):
            weight = weights[:, names.index(name)]
            rivals = weights[:, [other not in (NONE, name) for other in names]]
            is_strongest = weight > rivals.max(axis=-1, initial=0)
            metrics[alpha_weight(name, kind)] = float(weight.mean())
            metrics[alpha_edge_share(name, kind)] = float(is_strongest.mean())
    return metrics


def watched_operations(space: SearchSpace) -> list[str]:
    """Returns those of `WATCHED_OPERATIONS` that the search space has."""
    return [name for name in WATCHED_OPERATIONS if name in space.operations]
