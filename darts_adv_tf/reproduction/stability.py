"""Compares the cells that a search finds from different seeds, and counts their operations.

Two genotypes drawn at random agree in most edges already, since few are left out: what seeds have
in common says something only when compared with chance.
"""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from darts_adv_tf.reproduction.arms import arm_named, in_order
from darts_adv_tf.reproduction.results import RunResult
from darts_adv_tf.search_space.genotype import CellEdges, Genotype
from darts_adv_tf.search_space.space import CELL_KINDS, NUM_INPUT_NODES, SearchSpace


class Agreement(NamedTuple):
    """What two cells have in common, 0..1.

    Attributes:
        edges: Share of the kept (source, target).
        operations: Share of the kept (source, target) that have the same operation too.
    """

    edges: float
    operations: float


@dataclasses.dataclass(frozen=True)
class Stability:
    """The cells that an arm derived from several seeds.

    Attributes:
        backbone: The runs' segmenter.
        arm: Its name; it searches.
        num_seeds: How many genotypes there are.
        agreement: By kind of cell, the mean over all pairs of seeds; nan with less than two.
        chance: What random genotypes agree in on average.
        operations: By kind of cell, how often each operation was derived, over all seeds, in the
            order of the search space without `none`.
    """

    backbone: str
    arm: str
    num_seeds: int
    agreement: Mapping[str, Agreement]
    chance: Agreement
    operations: Mapping[str, Mapping[str, int]]


def agreement(first: Genotype, second: Genotype) -> dict[str, Agreement]:
    """Compares two genotypes, cell by cell; by kind of cell."""
    return {
        kind: _cell_agreement(getattr(first, kind), getattr(second, kind)) for kind in CELL_KINDS
    }


def expected_agreement(space: SearchSpace) -> Agreement:
    """What two genotypes derived from independent random α agree in on average; for either cell.

    Target j has n = j sources, of which k are kept, or all if there are less. The weights of all
    edges are drawn alike, so that each set of k is as likely as any other, and a source that one
    genotype kept is kept by the other with the probability k/n. In the paper's search space n is 2
    to 5 and k = 2 for each target:

        edges = (2/2 + 2/3 + 2/4 + 2/5) / 4 = 77/120 = 0.642

    Which operation other than `none` is an edge's strongest is as likely for each and says nothing
    about how strong it is, so that of the paper's 7 a common edge has the same one with 1/7:

        operations = 77/120 / 7 = 11/120 = 0.092
    """
    kept = [space.num_kept(target) for target in space.targets]
    common = [num**2 / target for num, target in zip(kept, space.targets, strict=True)]
    edges = sum(common) / sum(kept)
    return Agreement(edges, edges / len(space.derivable))


def stability(results: Sequence[RunResult]) -> list[Stability]:
    """Compares the genotypes of each backbone and searching arm over the seeds."""
    found: dict[tuple[str, str], list[Genotype]] = {}
    for run in sorted(results, key=lambda run: run.seed):
        if run.genotype is not None and arm_named(run.arm).command == "search":
            found.setdefault((run.backbone, run.arm), []).append(run.genotype)
    return [
        Stability(
            backbone,
            arm,
            len(found[backbone, arm]),
            _mean_agreement(found[backbone, arm]),
            expected_agreement(found[backbone, arm][0].space),
            {kind: _count_operations(found[backbone, arm], kind) for kind in CELL_KINDS},
        )
        for backbone in dict.fromkeys(run.backbone for run in results)
        for arm in in_order(run.arm for run in results)
        if (backbone, arm) in found
    ]


def _cell_agreement(first: CellEdges, second: CellEdges) -> Agreement:
    kept, others = _kept(first), _kept(second)
    common = kept.keys() & others.keys()
    same = [edge for edge in common if kept[edge] == others[edge]]
    return Agreement(len(common) / len(kept), len(same) / len(kept))


def _kept(cell: CellEdges) -> dict[tuple[int, int], str]:
    """The operation of each kept edge, by (source, target)."""
    return {
        (source, target): operation
        for target, edges in enumerate(cell, start=NUM_INPUT_NODES)
        for operation, source in edges
    }


def _mean_agreement(genotypes: Sequence[Genotype]) -> dict[str, Agreement]:
    if len(genotypes) < 2:
        return dict.fromkeys(CELL_KINDS, Agreement(np.nan, np.nan))
    pairs = [agreement(*pair) for pair in itertools.combinations(genotypes, 2)]
    return {
        kind: Agreement(*np.mean([pair[kind] for pair in pairs], axis=0).tolist())
        for kind in CELL_KINDS
    }


def _count_operations(genotypes: Sequence[Genotype], kind: str) -> dict[str, int]:
    counts = Counter(
        operation for genotype in genotypes for operation in _kept(getattr(genotype, kind)).values()
    )
    return {name: counts[name] for name in genotypes[0].space.derivable}
