"""The continuous relaxation of the choice of an operation, for all edges that leave a source.

Legend: N batch, H, W, C channels, E edges that leave the source, O operations.
"""

import dataclasses
import itertools
from collections.abc import Sequence

import keras
import tensorflow as tf

from darts_adv_tf.search_space.candidate_operations import NONE, PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.make_operation import make_operation
from darts_adv_tf.search_space.operations import Operation, check_channels, layer_name, output_size
from darts_adv_tf.tf_graph.custom_gradients import join
from darts_adv_tf.tf_graph.normalization import NormalizationMode
from darts_adv_tf.tf_graph.ordered_sum import ordered_sum
from darts_adv_tf.tf_graph.rematerialization import rematerialized


@dataclasses.dataclass(frozen=True)
class EdgeOperations:
    """The layers of an edge's operations, built; None for `none`.

    Edges are equal where they compute the same from the same weights. They share one trace.

    Args:
        names: Of the operations, in the order of op_weights.
        channels, stride, normalization, dtype: See `MixedOp`.
        layers: One an operation.
    """

    names: tuple[str, ...]
    channels: int
    stride: int
    normalization: NormalizationMode
    dtype: str
    layers: tuple[Operation | None, ...] = dataclasses.field(compare=False)

    @property
    def weights(self) -> list[keras.Variable]:
        """Of all operations, one after the other."""
        return [weight for layer in filter(None, self.layers) for weight in layer.weights]


@rematerialized
def mixture(
    x: tf.Tensor, op_weights: tf.Tensor, *weights: tf.Tensor, edge: EdgeOperations
) -> tf.Tensor:
    """Eq. 6: the operations' results on an edge, each times its softmax weight, summed.

    Args:
        x: (N, H, W, C).
        op_weights: (O,).
        *weights: Those of the operations, in the order of `edge.weights`.
        edge: The O operations, whose own weights are not read.

    Returns:
        (N, H', W', C).
    """
    x.set_shape([None, None, None, edge.channels])
    remaining, results = iter(weights), []
    for op_weight, layer in zip(tf.unstack(op_weights, len(edge.layers)), edge.layers, strict=True):
        if layer is not None:  # `none` adds zero
            of_layer = [_shaped(next(remaining), weight.shape) for weight in layer.weights]
            y, _ = layer.stateless_call(of_layer, [], x)
            results.append(op_weight * y)
    return ordered_sum(results)


def _shaped(tensor: tf.Tensor, shape: Sequence[int]) -> tf.Tensor:
    tensor.set_shape(shape)
    return tensor


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class MixedOp(keras.layers.Layer):
    """Eq. 6 for the E edges that leave one source, of any set of operations.

    Args:
        channels: C, of the input and of every edge.
        num_edges: E.
        stride: 1, or 2 on edges from the input nodes of a reduction cell.
        normalization: Which statistics normalization uses; see `normalize`.
        operations: Names of the O candidate operations.

    Shapes:
        x (N, H, W, C), op_weights (E, O) -> (N, H', W', E * C), edge-major, with
        H' = ceil(H / stride).

    Raises:
        ConfigurationError: An operation of a user's own is none; see `make_operation`.
        ValueError: The input has other than C channels.

    Example:
        >>> import tensorflow as tf
        >>> from darts_adv_tf import MixedOp
        >>> mixed_op = MixedOp(4, num_edges=2, operations=("none", "skip_connect", "sep_conv_3x3"))
        >>> mixed_op(tf.zeros((1, 8, 8, 4)), tf.fill((2, 3), 1 / 3)).shape
        TensorShape([1, 8, 8, 8])

    Reference:
        Dong et al., MICCAI 2019, Eq. 6; Liu et al., DARTS, ICLR 2019.
    """

    def __init__(
        self,
        channels: int,
        num_edges: int = 1,
        stride: int = 1,
        normalization: NormalizationMode = "batch",
        operations: Sequence[str] = PUBLISHED_OPERATIONS,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.num_edges = num_edges
        self.stride = stride
        self.normalization = normalization
        self.operations = tuple(operations)
        self.layers = [
            [self._make_operation(name, edge) for name in self.operations]
            for edge in range(num_edges)
        ]

    def _make_operation(self, operation: str, edge: int) -> Operation | None:
        if operation == NONE:
            return None
        return make_operation(
            operation,
            self.channels,
            self.stride,
            normalization=self.normalization,
            affine=False,
            name=f"edge_{edge}_{layer_name(operation)}",
            dtype=self.dtype_policy,
        )

    def build(self, input_shape):
        check_channels(input_shape, self.channels)
        for layer in filter(None, itertools.chain.from_iterable(self.layers)):
            layer.build((*input_shape[:-1], self.channels))

    def call(self, x, op_weights):
        results = []
        for layers, row in zip(self.layers, tf.unstack(op_weights, self.num_edges), strict=True):
            edge = EdgeOperations(
                *(self.operations, self.channels, self.stride, self.normalization),
                *(self.compute_dtype, tuple(layers)),
            )
            inlined = self.normalization == "sync_batch"
            y = mixture(x, row, *edge.weights, edge=edge, inlined=inlined)
            y.set_shape([*output_size(x, self.stride), self.channels])
            results.append(y)
        return join(results, axis=-1)

    def get_config(self):
        return super().get_config() | {
            "channels": self.channels,
            "num_edges": self.num_edges,
            "stride": self.stride,
            "normalization": self.normalization,
            "operations": self.operations,
        }
