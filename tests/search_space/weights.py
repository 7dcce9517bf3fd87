"""Between Keras layers and the NumPy oracle: the same weights, in the form each of them holds.

Legend: C channels, E edges that leave a source, K kernel size.
"""

import keras
import numpy as np

from darts_adv_tf.search_space.cell import Cell, DerivedCell, SearchCell
from darts_adv_tf.search_space.fused_mixed_op import FusedMixedOp
from darts_adv_tf.search_space.operations import (
    DilatedConvolution,
    FactorizedReduce,
    NormalizedConvolution,
    Operation,
    Pool,
    SeparableConvolution,
)
from tests.oracles.discriminator import EDGES


def randomize(layer: keras.layers.Layer, rng: np.random.Generator) -> None:
    """Replaces every weight, scales and offsets too, by a draw of its own."""
    for variable in layer.weights:
        variable.assign(rng.normal(size=variable.shape, scale=0.5))


def convolutions(operation: Operation) -> tuple[list, list[NormalizedConvolution]]:
    """The depthwise kernels of an operation, and its normalized 1x1 convolutions."""
    match operation:
        case SeparableConvolution():
            return list(operation.depthwise), list(operation.pointwise)
        case DilatedConvolution():
            return [operation.depthwise], [operation.pointwise]
        case NormalizedConvolution():
            return [], [operation]
    return [], []


def operation_weights(operation: Operation) -> dict[str, list]:
    """What the oracle needs to compute this operation."""
    depthwise, pointwise = convolutions(operation)
    kernels = [layer.kernel.numpy() for layer in pointwise]
    if isinstance(operation, FactorizedReduce):
        kernels = even_and_odd(kernels[0])
    weights = {"depthwise": [kernel.numpy()[..., 0] for kernel in depthwise], "pointwise": kernels}
    if operation.affine:
        normalizations = pointwise
        if isinstance(operation, Pool) and operation.normalized:
            normalizations = [operation.normalize]
        weights["affine"] = [
            (layer.scale.numpy(), layer.offset.numpy()) for layer in normalizations
        ]
    return weights


def even_and_odd(kernel: np.ndarray) -> list[np.ndarray]:
    """The two kernels of a factorized reduction, which stand side by side."""
    return np.split(kernel, [kernel.shape[1] // 2], axis=1)


def assign_operation_weights(operation: Operation, weights: dict[str, list]) -> None:
    """The way back: the oracle's weights into a layer without scales and offsets."""
    depthwise, pointwise = convolutions(operation)
    for variable, value in zip(depthwise, weights["depthwise"], strict=True):
        variable.assign(value[..., None])
    kernels = weights["pointwise"]
    if isinstance(operation, FactorizedReduce):
        kernels = [np.concatenate(kernels, axis=1)]
    for layer, value in zip(pointwise, kernels, strict=True):
        layer.kernel.assign(value)


def stacked_kernels(mixed_op: FusedMixedOp, kernels: np.ndarray) -> dict[str, np.ndarray]:
    """Views of the kinds of kernels that stand one below the other in `mixed_op.kernels`.

    Returns:
        `depthwise_3x3` and `depthwise_5x5`: (3, K, K, E, C), the separable convolution's first
        and second, then the dilated one. `pointwise`: (6, E, C, C), first of the separable
        3x3 and 5x5, then dilated 3x3 and 5x5, then second of the separable 3x3 and 5x5. With
        stride 2 also `reduction`: (C, E, C).
    """
    edges, channels = mixed_op.num_edges, mixed_op.channels
    shapes = {
        "depthwise_3x3": (3, 3, 3, edges, channels),
        "depthwise_5x5": (3, 5, 5, edges, channels),
        "pointwise": (6, edges, channels, channels),
    }
    if mixed_op.stride == 2:
        shapes["reduction"] = (channels, edges, channels)
    ends = np.cumsum([np.prod(shape) for shape in shapes.values()])
    assert ends[-1] == kernels.size
    parts = np.split(kernels.reshape(-1), ends[:-1])
    return {
        name: part.reshape(shape) for (name, shape), part in zip(shapes.items(), parts, strict=True)
    }


def mixed_op_weights(mixed_op: FusedMixedOp, edge: int) -> dict[str, dict[str, list]]:
    """The weights of every primitive on one of the E edges, out of the stacked variable.

    Args:
        edge: 0 to E - 1.
    """
    stacked = stacked_kernels(mixed_op, mixed_op.kernels.numpy())
    pointwise = stacked["pointwise"][:, edge]
    weights = {
        name: {"depthwise": [], "pointwise": []}
        for name in ("max_pool_3x3", "avg_pool_3x3", "skip_connect")
    }
    for size, of_separable, of_dilated in (("3x3", (0, 4), 2), ("5x5", (1, 5), 3)):
        first, second, dilated = stacked[f"depthwise_{size}"][:, :, :, edge]
        weights[f"sep_conv_{size}"] = {
            "depthwise": [first, second],
            "pointwise": [pointwise[index] for index in of_separable],
        }
        weights[f"dil_conv_{size}"] = {
            "depthwise": [dilated],
            "pointwise": [pointwise[of_dilated]],
        }
    if mixed_op.stride == 2:
        weights["skip_connect"]["pointwise"] = even_and_odd(stacked["reduction"][:, edge])
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
