"""The size of the search space: which operations, how many nodes, how many edges are kept."""

import dataclasses
import math
from functools import cached_property

from darts_adv_tf.search_space.candidate_operations import (
    CANDIDATE_OPERATIONS,
    NONE,
    PUBLISHED_OPERATIONS,
    is_operation,
)
from darts_adv_tf.system.errors import ConfigurationError

CELL_KINDS = ("normal", "reduction")
NUM_INPUT_NODES = 2
"""The outputs of the two cells before: nodes 0 and 1 of a cell."""


@dataclasses.dataclass(frozen=True)
class SearchSpace:
    """What a search chooses from; the paper's unless said otherwise (section 3.2).

    A cell has the input nodes 0 and 1, B intermediate nodes from 2 on, and an output node that
    concatenates the intermediate ones. In the search every intermediate node, a target, receives
    an edge from every node before it, and every edge mixes all operations.

    Args:
        operations: Names of candidate operations, in the order of alpha's columns.
        num_intermediate_nodes: B.
        num_kept_edges: k, the edges of a target that the derived cell keeps. A target with fewer
            sources than k keeps them all.

    Raises:
        ConfigurationError: No search space has these.

    Example:
        >>> space = SearchSpace()
        >>> space.alpha_shape
        (14, 8)
        >>> SearchSpace(("skip_connect", "sep_conv_3x3"), 1).edges
        ((0, 2), (1, 2))
    """

    operations: tuple[str, ...] = PUBLISHED_OPERATIONS
    num_intermediate_nodes: int = 4
    num_kept_edges: int = 2

    def __post_init__(self):
        object.__setattr__(self, "operations", tuple(self.operations))  # JSON has lists
        unknown = [name for name in self.operations if not is_operation(name)]
        if unknown:
            raise ConfigurationError(
                "Each candidate operation must be a known one or <module>:<function>. Known are "
                f"{', '.join(CANDIDATE_OPERATIONS)}.",
                received=f"--operations={','.join(map(str, self.operations))}, with "
                f"{', '.join(map(str, unknown))}",
                remedy="Correct the name; docs/extending.md shows how to add an operation.",
            )
        if len(self.operations) < 2 or len(set(self.operations)) < len(self.operations):
            raise ConfigurationError(
                "A search must choose among two different candidate operations or more.",
                received=f"--operations={','.join(self.operations)}",
                remedy="Name each operation once, and at least two.",
            )
        if self.num_intermediate_nodes < 1:
            raise ConfigurationError(
                "A cell must have one intermediate node or more.",
                received=f"--intermediate_nodes={self.num_intermediate_nodes}",
                remedy="Use --intermediate_nodes=4, as the paper does.",
            )
        if not 1 <= self.num_kept_edges <= self.targets[-1]:
            raise ConfigurationError(
                "The number of kept edges must be from 1 to the number of sources that the last "
                "node has, one more than there are intermediate nodes.",
                received=f"--kept_edges={self.num_kept_edges} "
                f"--intermediate_nodes={self.num_intermediate_nodes}",
                remedy="Use --kept_edges=2, as the paper does.",
            )

    @property
    def is_published(self) -> bool:
        """Whether the operations are the paper's, in their order."""
        return self.operations == PUBLISHED_OPERATIONS

    @cached_property
    def targets(self) -> tuple[int, ...]:
        """The intermediate nodes."""
        return tuple(range(NUM_INPUT_NODES, NUM_INPUT_NODES + self.num_intermediate_nodes))

    @cached_property
    def sources(self) -> tuple[int, ...]:
        """The nodes that edges leave: all but the last target."""
        return tuple(range(self.targets[-1]))

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(source, target), in the order of alpha's rows: by target, then by source."""
        return tuple((source, target) for target in self.targets for source in range(target))

    def targets_of(self, source: int) -> tuple[int, ...]:
        """The nodes that a source has edges to."""
        return tuple(target for target in self.targets if source < target)

    def num_kept(self, target: int) -> int:
        """How many of a target's edges are kept."""
        return min(self.num_kept_edges, target)

    @property
    def alpha_shape(self) -> tuple[int, int]:
        """(number of edges, number of operations)."""
        return len(self.edges), len(self.operations)

    @cached_property
    def derivable(self) -> tuple[str, ...]:
        """The operations that a derived cell may hold: all but `none`."""
        return tuple(name for name in self.operations if name != NONE)

    @property
    def largest_entropy(self) -> float:
        """Of an edge's weights, in nats: that of equal weights, where a search starts."""
        return math.log(len(self.operations))

    def as_flags(self) -> str:
        """The flags that ask for this search space."""
        return (
            f"--operations={','.join(self.operations)} "
            f"--intermediate_nodes={self.num_intermediate_nodes} --kept_edges={self.num_kept_edges}"
        )


PUBLISHED_SPACE = SearchSpace()
"""That of the paper."""
