"""Between Keras layers and the NumPy oracle: the same weights, in the form each of them holds.

Legend: C channels, E edges that leave a source, K kernel size.
"""

import keras
import numpy as np

from darts_adv_tf.layers.cell import Cell, DerivedCell, SearchCell
from darts_adv_tf.layers.mixed_op import MixedOp
from darts_adv_tf.layers.operations import (
    DilatedConvolution,
    FactorizedReduce,
    Operation,
    Pool,
    ReluConvolution,
    SeparableConvolution,
)
from tests.oracles.discriminator import EDGES


def randomize(layer: keras.layers.Layer, rng: np.random.Generator) -> None:
    """Replaces every weight, scales and offsets too, by a draw of its own."""
    for variable in layer.weights:
        variable.assign(rng.normal(size=variable.shape, scale=0.5))


def operation_variables(operation: Operation) -> dict[str, list]:
    """The variables of an operation under the oracle's names."""
    match operation:
        case SeparableConvolution():
            return {
                "depthwise": list(operation.depthwise),
                "pointwise": list(operation.pointwise),
                "normalizations": list(operation.normalizations),
            }
        case DilatedConvolution():
            depthwise, pointwise = [operation.depthwise], [operation.pointwise]
        case FactorizedReduce():
            depthwise, pointwise = [], [operation.even, operation.odd]
        case ReluConvolution():
            depthwise, pointwise = [], [operation.kernel]
        case Pool(normalized=True):
            depthwise, pointwise = [], []
        case _:
            return {"depthwise": [], "pointwise": [], "normalizations": []}
    return {
        "depthwise": depthwise,
        "pointwise": pointwise,
        "normalizations": [operation.normalize],
    }


def operation_weights(operation: Operation) -> dict[str, list]:
    """What the oracle needs to compute this operation."""
    variables = operation_variables(operation)
    weights = {
        "depthwise": [kernel.numpy()[..., 0] for kernel in variables["depthwise"]],
        "pointwise": [kernel.numpy() for kernel in variables["pointwise"]],
    }
    if operation.affine:
        weights["affine"] = [
            (layer.scale.numpy(), layer.offset.numpy()) for layer in variables["normalizations"]
        ]
    return weights


def assign_operation_weights(operation: Operation, weights: dict[str, list]) -> None:
    """The way back: the oracle's weights into a layer without scales and offsets."""
    variables = operation_variables(operation)
    for variable, value in zip(variables["depthwise"], weights["depthwise"], strict=True):
        variable.assign(value[..., None])
    for variable, value in zip(variables["pointwise"], weights["pointwise"], strict=True):
        variable.assign(value)


def mixed_op_weights(mixed_op: MixedOp, edge: int) -> dict[str, dict[str, list]]:
    """The weights of every primitive on one of the E edges, out of the stacked variables.

    Args:
        edge: 0 to E - 1.
    """
    channels = slice(edge * mixed_op.channels, (edge + 1) * mixed_op.channels)
    separable_first, separable_second, dilated = range(3)
    weights = {
        name: {"depthwise": [], "pointwise": []}
        for name in ("max_pool_3x3", "avg_pool_3x3", "skip_connect")
    }
    stacked = (mixed_op.pointwise_first.numpy(), mixed_op.pointwise_second.numpy())
    pointwise = np.concatenate(stacked)[:, edge]
    kernels = {"3x3": mixed_op.depthwise_3x3.numpy(), "5x5": mixed_op.depthwise_5x5.numpy()}
    for size, kernel in kernels.items():
        kernel = kernel[:, :, :, channels, 0]
        rows = {"3x3": (0, 2, 4), "5x5": (1, 3, 5)}[size]
        weights[f"dil_conv_{size}"] = {
            "depthwise": [kernel[dilated]],
            "pointwise": [pointwise[rows[0]]],
        }
        weights[f"sep_conv_{size}"] = {
            "depthwise": [kernel[separable_first], kernel[separable_second]],
            "pointwise": [pointwise[rows[1]], pointwise[rows[2]]],
        }
    if mixed_op.stride == 2:
        half = mixed_op.channels // 2
        rest = mixed_op.channels - half
        weights["skip_connect"] = {
            "depthwise": [],
            "pointwise": [
                mixed_op.reduce_even.numpy()[:, edge * half : (edge + 1) * half],
                mixed_op.reduce_odd.numpy()[:, edge * rest : (edge + 1) * rest],
            ],
        }
    return weights


def search_cell_weights(cell: SearchCell) -> dict:
    """By (source, target), then by primitive; `older` and `newer` for the preprocessing."""
    weights = _preprocessing_weights(cell)
    for source, mixed_op in enumerate(cell.mixed_ops):
        targets = [edge[1] for edge in EDGES if edge[0] == source]
        for position, target in enumerate(targets):
            weights[source, target] = mixed_op_weights(mixed_op, position)
    return weights


def derived_cell_weights(cell: DerivedCell) -> dict:
    """By (source, target); `older` and `newer` for the preprocessing."""
    weights = _preprocessing_weights(cell)
    for target, edges, operations in zip(
        (2, 3, 4, 5), cell.kept_edges, cell.operations, strict=True
    ):
        for (_, source), operation in zip(edges, operations, strict=True):
            weights[source, target] = operation_weights(operation)
    return weights


def _preprocessing_weights(cell: Cell) -> dict:
    older, newer = cell.prepare
    return {"older": operation_weights(older), "newer": operation_weights(newer)}
