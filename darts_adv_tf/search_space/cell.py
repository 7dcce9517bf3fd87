"""A cell in both phases: with every edge mixed (search), and with the kept edges only (derived).

Legend: N batch, H, W, C channels.
"""

import dataclasses
import itertools

import keras
import numpy as np
import tensorflow as tf

from darts_adv_tf.search_space.fused_mixed_op import FusedMixedOp
from darts_adv_tf.search_space.genotype import CellEdges
from darts_adv_tf.search_space.make_operation import make_operation
from darts_adv_tf.search_space.mixed_op import MixedOp
from darts_adv_tf.search_space.operations import FactorizedReduce, ReluConvolution, layer_name
from darts_adv_tf.search_space.space import NUM_INPUT_NODES, PUBLISHED_SPACE, SearchSpace
from darts_adv_tf.tf_graph.custom_gradients import join, split
from darts_adv_tf.tf_graph.normalization import NormalizationMode
from darts_adv_tf.tf_graph.ordered_sum import ordered_sum


class Cell(keras.layers.Layer):
    """What both phases share: two inputs brought to C channels, a concatenated output.

    Args:
        channels: C of every node.
        reduction: Whether edges from the input nodes have stride 2.
        previous_reduction: Whether the cell before is a reduction cell, so that the older input
            is twice as large and is reduced on the way in.
        normalization: Which statistics normalization uses; see `normalize`.
        affine: Whether normalization learns a scale and an offset.
        num_intermediate_nodes: B.

    Shapes:
        older (N, H or 2 H, W or 2 W, any), newer (N, H, W, any)
        -> (N, H', W', B C), with H' = ceil(H / 2) in a reduction cell, else H.
    """

    def __init__(
        self,
        channels: int,
        reduction: bool,
        previous_reduction: bool,
        normalization: NormalizationMode = "batch",
        affine: bool = True,
        num_intermediate_nodes: int = PUBLISHED_SPACE.num_intermediate_nodes,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.reduction = reduction
        self.previous_reduction = previous_reduction
        self.normalization = normalization
        self.affine = affine
        self.num_intermediate_nodes = num_intermediate_nodes
        options = {"normalization": normalization, "affine": affine, "dtype": self.dtype_policy}
        prepare_older = FactorizedReduce if previous_reduction else ReluConvolution
        self.prepare = [
            prepare_older(channels, name="prepare_older", **options),
            ReluConvolution(channels, name="prepare_newer", **options),
        ]

    @property
    def output_channels(self) -> int:
        """B C."""
        return self.num_intermediate_nodes * self.channels

    def stride(self, source: int) -> int:
        """The stride of the edges that leave a source."""
        return 2 if self.reduction and source < NUM_INPUT_NODES else 1

    def build(self, older_shape, newer_shape):
        for prepare, shape in zip(self.prepare, (older_shape, newer_shape), strict=True):
            prepare.build(shape)

    def _input_nodes(self, older, newer):
        return [prepare(x) for prepare, x in zip(self.prepare, (older, newer), strict=True)]

    def _output_node(self, nodes):
        """The concatenation of the intermediate nodes."""
        return join(nodes[NUM_INPUT_NODES:], axis=-1)

    def get_config(self):
        return super().get_config() | {
            "channels": self.channels,
            "reduction": self.reduction,
            "previous_reduction": self.previous_reduction,
            "normalization": self.normalization,
            "affine": self.affine,
            "num_intermediate_nodes": self.num_intermediate_nodes,
        }


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class SearchCell(Cell):
    """Eq. 5 with every edge a mixture of all operations (Eq. 6).

    Args:
        space: The search space.
        **kwargs: See `Cell`.

    Shapes:
        older, newer as `Cell`; op_weights (number of edges, number of operations), the softmax of
        alpha, in the order of `space.edges` and `space.operations`, or the list that `by_source`
        makes of it, once for many cells.

    Example:
        >>> import tensorflow as tf
        >>> from darts_adv_tf import Architecture, SearchCell
        >>> cell = SearchCell(channels=4, reduction=True, previous_reduction=False)
        >>> images = tf.zeros((1, 8, 8, 6))
        >>> cell(images, images, tf.nn.softmax(Architecture().alpha_reduction.value)).shape
        TensorShape([1, 4, 4, 16])
    """

    def __init__(
        self,
        channels: int,
        reduction: bool,
        previous_reduction: bool,
        normalization: NormalizationMode = "batch",
        space: SearchSpace = PUBLISHED_SPACE,
        **kwargs,
    ):
        super().__init__(
            channels,
            reduction,
            previous_reduction,
            normalization,
            affine=False,
            num_intermediate_nodes=space.num_intermediate_nodes,
            **kwargs,
        )
        self.space = space
        self.mixed_ops = [self._make_mixed_op(source) for source in space.sources]

    def _make_mixed_op(self, source: int) -> MixedOp | FusedMixedOp:
        """Eq. 6 for the edges that leave a source; fused where the operations are known to be."""
        space = self.space
        arguments = {
            "channels": self.channels,
            "num_edges": len(space.targets_of(source)),
            "stride": self.stride(source),
            "normalization": self.normalization,
            "name": f"mixed_op_{source}",
            "dtype": self.dtype_policy,
        }
        if space.is_published:
            return FusedMixedOp(**arguments)
        return MixedOp(operations=space.operations, **arguments)

    def build(self, older_shape, newer_shape):
        super().build(older_shape, newer_shape)
        for mixed_op in self.mixed_ops:
            mixed_op.build((*newer_shape[:-1], self.channels))

    def call(self, older, newer, op_weights):
        nodes = self._input_nodes(older, newer)
        weights = op_weights if isinstance(op_weights, list) else by_source(op_weights, self.space)
        incoming: dict[int, list[tf.Tensor]] = {target: [] for target in self.space.targets}
        for source, mixed_op in zip(self.space.sources, self.mixed_ops, strict=True):
            if source >= NUM_INPUT_NODES:
                nodes.append(ordered_sum(incoming[source]))
            targets = self.space.targets_of(source)
            y = mixed_op(nodes[source], weights[source])
            edges = split(y, [self.channels] * len(targets), axis=-1)
            for target, edge in zip(targets, edges, strict=True):
                incoming[target].append(edge)
        nodes.append(ordered_sum(incoming[len(nodes)]))
        return self._output_node(nodes)

    def get_config(self):
        config = super().get_config() | {"space": dataclasses.asdict(self.space)}
        del config["affine"], config["num_intermediate_nodes"]
        return config

    @classmethod
    def from_config(cls, config):
        return super().from_config(config | {"space": SearchSpace(**config["space"])})


def by_source(op_weights: tf.Tensor, space: SearchSpace) -> list[tf.Tensor]:
    """The rows of the edges that leave source 0, then of source 1, and so on.

    Args:
        op_weights: (number of edges, number of operations).
        space: The search space.
    """
    targets = [space.targets_of(source) for source in space.sources]
    rows = [space.edges.index((s, target)) for s in space.sources for target in targets[s]]
    # A product, since the gradient of a gather has no deterministic kernel on a GPU.
    order = tf.constant(np.eye(len(space.edges))[rows], op_weights.dtype)
    return tf.split(order @ op_weights, list(map(len, targets)))


@keras.saving.register_keras_serializable(package="darts_adv_tf")
class DerivedCell(Cell):
    """Eq. 5 with the kept edges of a genotype, one operation each (Eq. 7).

    Args:
        kept_edges: For each target its kept edges, each (operation, source).
        **kwargs: See `Cell`.
    """

    def __init__(
        self,
        kept_edges: CellEdges,
        channels: int,
        reduction: bool,
        previous_reduction: bool,
        normalization: NormalizationMode = "batch",
        affine: bool = True,
        **kwargs,
    ):
        super().__init__(
            channels,
            reduction,
            previous_reduction,
            normalization,
            affine,
            num_intermediate_nodes=len(kept_edges),
            **kwargs,
        )
        self.kept_edges = kept_edges
        self.operations = [
            [
                make_operation(
                    operation,
                    channels,
                    self.stride(source),
                    normalization=normalization,
                    affine=affine,
                    name=f"{layer_name(operation)}_from_{source}_to_{target}",
                    dtype=self.dtype_policy,
                )
                for operation, source in edges
            ]
            for target, edges in enumerate(kept_edges, start=NUM_INPUT_NODES)
        ]

    def build(self, older_shape, newer_shape):
        super().build(older_shape, newer_shape)
        for operation in itertools.chain.from_iterable(self.operations):
            operation.build((*newer_shape[:-1], self.channels))

    def call(self, older, newer):
        nodes = self._input_nodes(older, newer)
        for edges, operations in zip(self.kept_edges, self.operations, strict=True):
            incoming = [
                operation(nodes[source])
                for (_, source), operation in zip(edges, operations, strict=True)
            ]
            nodes.append(ordered_sum(incoming))
        return self._output_node(nodes)

    def get_config(self):
        config = super().get_config() | {"kept_edges": self.kept_edges}
        del config["num_intermediate_nodes"]
        return config
