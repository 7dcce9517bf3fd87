"""Cells and the discriminator in plain NumPy, wired by hand from the oracle's operations.

Legend: N batch, H, W, C channels.
"""

import numpy as np

from tests.oracles.operations import (
    OPERATIONS,
    convolution,
    factorized_reduce,
    relu_convolution,
)

EDGES = (
    *((0, 2), (1, 2)),
    *((0, 3), (1, 3), (2, 3)),
    *((0, 4), (1, 4), (2, 4), (3, 4)),
    *((0, 5), (1, 5), (2, 5), (3, 5), (4, 5)),
)


def search_cell(older, newer, weights, op_weights, reduction, previous_reduction, normalize):
    """Eq. 5 over Eq. 6: every node the sum of its edges, every edge a mixture of operations.

    Args:
        older, newer: (N, H, W, C), the older one larger if `previous_reduction`.
        weights: `older` and `newer`, those of the preprocessing, and for each edge
            (source, target) a dict of the operations' weights by primitive.
        op_weights: (14, 8).

    Returns:
        (N, H', W', 4 C).
    """
    nodes = _input_nodes(older, newer, weights, previous_reduction, normalize)
    for target in (2, 3, 4, 5):
        total = 0
        for edge in [edge for edge in EDGES if edge[1] == target]:
            source = edge[0]
            stride = 2 if reduction and source in (0, 1) else 1
            for name, share in zip(OPERATIONS, op_weights[EDGES.index(edge)], strict=True):
                operation_weights = weights[edge].get(name, {})
                y = OPERATIONS[name](nodes[source], stride, operation_weights, normalize)
                total = total + share * y
        nodes.append(total)
    return np.concatenate(nodes[2:], axis=-1)


def derived_cell(older, newer, weights, kept_edges, reduction, previous_reduction, normalize):
    """Eq. 5 over the kept edges; poolings without normalization.

    Args:
        weights: `older`, `newer`, and for each kept edge (source, target) its weights.
        kept_edges: For each target its (operation, source) pairs.
    """
    nodes = _input_nodes(older, newer, weights, previous_reduction, normalize)
    for target, edges in zip((2, 3, 4, 5), kept_edges, strict=True):
        total = 0
        for name, source in edges:
            stride = 2 if reduction and source in (0, 1) else 1
            used = None if "pool" in name else normalize
            y = OPERATIONS[name](nodes[source], stride, weights[source, target], used)
            total = total + y
        nodes.append(total)
    return np.concatenate(nodes[2:], axis=-1)


def _input_nodes(older, newer, weights, previous_reduction, normalize):
    prepare_older = factorized_reduce if previous_reduction else relu_convolution
    return [
        prepare_older(older, weights["older"], normalize),
        relu_convolution(newer, weights["newer"], normalize),
    ]


def head(masks, kernel, scale, offset, normalize):
    """3x3 convolution, normalization, 2x2 max pooling; an odd last row or column drops out."""
    y = normalize(convolution(masks, kernel)) * scale + offset
    height, width = (2 * (size // 2) for size in y.shape[1:3])
    return np.max(
        [y[:, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)],
        axis=0,
    )


def bottom(x, kernel, bias):
    """ReLU, global average pooling, one unit."""
    return np.maximum(x, 0).mean(axis=(1, 2)) @ kernel[:, 0] + bias[0]
