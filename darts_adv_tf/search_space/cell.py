"""A cell in both phases: with every edge mixed (search), and with the kept edges only (derived).

Legend: N batch, H, W, C channels.
"""

import itertools

import keras
import tensorflow as tf

from darts_adv_tf.search_space.genotype import (
    EDGES,
    NUM_INPUT_NODES,
    NUM_INTERMEDIATE_NODES,
    TARGETS,
)
from darts_adv_tf.search_space.mixed_op import MixedOp
from darts_adv_tf.search_space.operations import FactorizedReduce, ReluConvolution, make_operation
from darts_adv_tf.tf_graph.custom_gradients import join, split
from darts_adv_tf.tf_graph.normalization import NormalizationMode
from darts_adv_tf.tf_graph.ordered_sum import ordered_sum

SOURCES = tuple(sorted({source for source, _ in EDGES}))
NUM_EDGES_OF_SOURCE = tuple(sum(edge[0] == source for edge in EDGES) for source in SOURCES)
EDGES_BY_SOURCE = tuple(
    EDGES.index(edge) for source in SOURCES for edge in EDGES if edge[0] == source
)
"""Where to find, among `EDGES`, the edges that leave source 0, then source 1, and so on."""


class Cell(keras.layers.Layer):
    """What both phases share: two inputs brought to C channels, a concatenated output.

    Args:
        channels: C of every node.
        reduction: Whether edges from the input nodes have stride 2.
        previous_reduction: Whether the cell before is a reduction cell, so that the older input
            is twice as large and is reduced on the way in.
        normalization: Which statistics normalization uses; see `normalize`.
        affine: Whether normalization learns a scale and an offset.

    Shapes:
        older (N, H or 2 H, W or 2 W, any), newer (N, H, W, any)
        -> (N, H', W', 4 C), with H' = ceil(H / 2) in a reduction cell, else H.
    """

    def __init__(
        self,
        channels: int,
        reduction: bool,
        previous_reduction: bool,
        normalization: NormalizationMode = "batch",
        affine: bool = True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.channels = channels
        self.reduction = reduction
        self.previous_reduction = previous_reduction
        self.normalization = normalization
        self.affine = affine
        options = {"normalization": normalization, "affine": affine, "dtype": self.dtype_policy}
        prepare_older = FactorizedReduce if previous_reduction else ReluConvolution
        self.prepare = [
            prepare_older(channels, name="prepare_older", **options),
            ReluConvolution(channels, name="prepare_newer", **options),
        ]

    @property
    def output_channels(self) -> int:
        """4 C."""
        return NUM_INTERMEDIATE_NODES * self.channels

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
        }


class SearchCell(Cell):
    """Eq. 5 with every edge a mixture of all operations (Eq. 6).

    Called with the two inputs and `op_weights` (E, 8) a source node.
    """

    def __init__(
        self,
        channels: int,
        reduction: bool,
        previous_reduction: bool,
        normalization: NormalizationMode = "batch",
        **kwargs,
    ):
        super().__init__(
            channels, reduction, previous_reduction, normalization, affine=False, **kwargs
        )
        self.mixed_ops = [
            MixedOp(
                channels,
                edges,
                self.stride(source),
                normalization,
                name=f"mixed_op_{source}",
                dtype=self.dtype_policy,
            )
            for source, edges in zip(SOURCES, NUM_EDGES_OF_SOURCE, strict=True)
        ]

    def build(self, older_shape, newer_shape):
        super().build(older_shape, newer_shape)
        for mixed_op in self.mixed_ops:
            mixed_op.build((*newer_shape[:-1], self.channels))

    def call(self, older, newer, op_weights: list[tf.Tensor]):
        nodes = self._input_nodes(older, newer)
        incoming: dict[int, list[tf.Tensor]] = {}
        for source in SOURCES:
            if source >= NUM_INPUT_NODES:
                nodes.append(ordered_sum(incoming[source]))
            mixed_op = self.mixed_ops[source]
            y = mixed_op(nodes[source], op_weights[source])
            targets = [edge[1] for edge in EDGES if edge[0] == source]
            edges = split(y, [self.channels] * len(targets), axis=-1)
            for target, edge in zip(targets, edges, strict=True):
                incoming.setdefault(target, []).append(edge)
        nodes.append(ordered_sum(incoming[len(nodes)]))
        return self._output_node(nodes)

    def get_config(self):
        config = super().get_config()
        del config["affine"]
        return config


class DerivedCell(Cell):
    """Eq. 5 with the kept edges of a genotype, one operation each (Eq. 7).

    Args:
        kept_edges: For each target its kept edges, each (operation, source).
        normalized_pools: Whether normalization follows a pooling, as in a search.
    """

    def __init__(
        self,
        kept_edges: tuple[tuple[tuple[str, int], ...], ...],
        channels: int,
        reduction: bool,
        previous_reduction: bool,
        normalization: NormalizationMode = "batch",
        affine: bool = True,
        normalized_pools: bool = False,
        **kwargs,
    ):
        super().__init__(channels, reduction, previous_reduction, normalization, affine, **kwargs)
        self.kept_edges = kept_edges
        self.normalized_pools = normalized_pools
        self.operations = [
            [
                make_operation(
                    operation,
                    channels,
                    self.stride(source),
                    normalized_pools,
                    normalization=normalization,
                    affine=affine,
                    name=f"{operation}_from_{source}_to_{target}",
                    dtype=self.dtype_policy,
                )
                for operation, source in edges
            ]
            for target, edges in zip(TARGETS, kept_edges, strict=True)
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
        return super().get_config() | {
            "kept_edges": self.kept_edges,
            "normalized_pools": self.normalized_pools,
        }
