"""The discrete architecture of a discriminator: two cells, derived from α, kept as JSON.

Nodes, edges and operations are those of a `SearchSpace`. The derived cell keeps at most k edges per
target, with one operation each.

Shapes: E edges and O operations, in the order of the search space.
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from darts_adv_tf.search_space.darts_genotype import is_darts_genotype, read_darts_genotype
from darts_adv_tf.search_space.genotype_schema import (
    FORMAT,
    REMEDY,
    VERSION,
    CellEdges,
    check_concat,
    check_header,
    checked_cell,
    read_space,
)
from darts_adv_tf.search_space.space import PUBLISHED_SPACE, SearchSpace
from darts_adv_tf.system.errors import ConfigurationError, StorageError
from darts_adv_tf.system.files import without_repetition, write_text
from darts_adv_tf.system.text_files import decode_text

GENOTYPE_FILE = "genotype.json"
"""In a work directory."""


@dataclasses.dataclass(frozen=True)
class Genotype:
    """Both cells of a derived discriminator; one that breaks the schema cannot be made.

    Attributes:
        normal, reduction: For each target, in order, its kept edges as (operation, source),
            ordered by source.
        space: The search space that it was derived in.

    Raises:
        ConfigurationError: A field breaks the schema; the message names the place.

    Example:
        >>> from darts_adv_tf import Genotype
        >>> edges = (("sep_conv_3x3", 0), ("skip_connect", 1))
        >>> genotype = Genotype(normal=(edges,) * 4, reduction=(edges,) * 4)
        >>> Genotype.from_json(genotype.to_json()) == genotype
        True
    """

    normal: CellEdges
    reduction: CellEdges
    space: SearchSpace = PUBLISHED_SPACE

    def __post_init__(self):
        for name, cell in (("normal", self.normal), ("reduction", self.reduction)):
            object.__setattr__(self, name, checked_cell(cell, self.space, name, file=None))

    @property
    def concat(self) -> tuple[int, ...]:
        """The nodes whose concatenation is the cell's output: every intermediate node."""
        return self.space.targets

    def to_json(self) -> dict[str, Any]:
        """Returns the document that `from_json` reads, made of what JSON knows alone."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "operations": list(self.space.operations),
            "intermediate_nodes": self.space.num_intermediate_nodes,
            "kept_edges": self.space.num_kept_edges,
            "normal": _as_lists(self.normal),
            "reduction": _as_lists(self.reduction),
            "concat": list(self.concat),
        }

    @classmethod
    def from_json(cls, document: Any, file: str | os.PathLike | None = None) -> "Genotype":
        """Reads a decoded JSON document; without a search space, it is of the published one.

        Args:
            document: What `json.loads` returned.
            file: Where it came from, for the message of an error.

        Raises:
            ConfigurationError: The document breaks the schema; the message names the file, the
                place in it, what stands there and what may.
        """
        check_header(document, file)
        space = read_space(document, file)
        check_concat(document["concat"], space, file)
        return cls(
            normal=checked_cell(document["normal"], space, "normal", file),
            reduction=checked_cell(document["reduction"], space, "reduction", file),
            space=space,
        )


def derive(
    normal_weights: np.ndarray,
    reduction_weights: np.ndarray,
    space: SearchSpace = PUBLISHED_SPACE,
) -> Genotype:
    """Derives the discrete cells from the mixing weights that the search ended with.

    Args:
        normal_weights, reduction_weights: (E, O), softmax of α over all operations, `none`
            included.
        space: What was searched.

    Raises:
        ValueError: Weights of another shape, or rows that are no softmax.
    """
    return Genotype(
        normal=derive_cell(normal_weights, space),
        reduction=derive_cell(reduction_weights, space),
        space=space,
    )


def random_genotype(draw: int, space: SearchSpace = PUBLISHED_SPACE) -> Genotype:
    """A genotype derived from an α that was drawn and never trained: the paper's random search.

    α is drawn as a search draws it for its start, 1e-3 times a standard normal variate.

    Args:
        draw: Number of the genotype; each names one, whatever else a run draws.
        space: What is drawn from.
    """
    alpha = 1e-3 * np.random.default_rng(draw).standard_normal((2, *space.alpha_shape))
    normal_weights, reduction_weights = softmax(alpha, axis=-1)
    return derive(normal_weights, reduction_weights, space)


def derive_cell(op_weights: np.ndarray, space: SearchSpace = PUBLISHED_SPACE) -> CellEdges:
    """Derives one cell (Eq. 7): the k strongest edges of every target, or all where there are less.

    An edge is as strong as its largest weight other than that of `none`, and keeps the operation
    of that weight. Ties: the lower source among edges, the first among operations.

    Args:
        op_weights: (E, O), softmax of α over all operations, `none` included.
        space: What was searched.

    Raises:
        ValueError: Weights of another shape, or rows that are no softmax.
    """
    op_weights = np.asarray(op_weights)
    if op_weights.shape != space.alpha_shape:
        raise ValueError(
            f"op_weights must have the shape {space.alpha_shape}. "
            f"Received: op_weights of shape {op_weights.shape}"
        )
    # α itself would pass unnoticed and derive something else, since `none` is in the denominator.
    if not (np.all(op_weights >= 0) and np.allclose(op_weights.sum(axis=1), 1, atol=1e-3)):
        raise ValueError(
            "Each row of op_weights must be a softmax: non-negative, with the sum 1. "
            f"Received: op_weights={op_weights}"
        )
    derivable = op_weights[:, [space.operations.index(name) for name in space.derivable]]
    strengths = dict(zip(space.edges, derivable.max(axis=1), strict=True))
    strongest = dict(zip(space.edges, derivable.argmax(axis=1), strict=True))

    cell = []
    for target in space.targets:
        incoming = [edge for edge in space.edges if edge[1] == target]
        # Stable: among equals the lower sources come first.
        kept = sorted(incoming, key=lambda edge: -strengths[edge])[: space.num_kept(target)]
        cell.append(tuple((space.derivable[strongest[edge]], edge[0]) for edge in sorted(kept)))
    return tuple(cell)


def load_genotype(path: str | os.PathLike, space: SearchSpace | None = None) -> Genotype:
    """Reads genotype.json, or a genotype as the program of DARTS prints it.

    Args:
        path: The file.
        space: The search space that it has to be of; any where None. A genotype of DARTS does not
            name all operations, and is taken for one of this search space or the published one.

    Raises:
        ConfigurationError: There is no such file, it is neither, it breaks the schema, or it is of
            another search space.
        StorageError: The system refused to read it.

    Example:
        >>> from darts_adv_tf import Architecture, load_genotype
        >>> from darts_adv_tf.search_space.genotype import save_genotype
        >>> genotype = Architecture().derive()
        >>> save_genotype(genotype, "genotype.json")
        >>> load_genotype("genotype.json") == genotype
        True
    """
    try:
        content = Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise ConfigurationError(
            "A genotype must be a JSON file, or one that holds a Genotype(...) of DARTS.",
            received=error.strerror,
            file=path,
            remedy="Name the genotype.json that a search wrote into its work directory.",
        ) from error
    except OSError as error:
        raise StorageError(
            "A genotype must be readable.", received=error.strerror or error, file=path
        ) from error
    try:
        text = decode_text(content)
        document = _darts_document(text, space, path)
        if document is None:
            document = json.loads(text, object_pairs_hook=without_repetition)
    except (ValueError, RecursionError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(
            "A genotype must be a JSON file in UTF-8, with each key once, or hold one "
            "Genotype(...) of DARTS.",
            received=error,
            file=path,
            remedy=REMEDY,
        ) from error
    genotype = Genotype.from_json(document, file=path)
    if space is not None and genotype.space != space:
        raise ConfigurationError(
            f"A genotype must be of the run's search space, {space.as_flags()}.",
            received=genotype.space.as_flags(),
            file=path,
            remedy="Add these flags, or use a genotype of the run's search space. (A "
            "<module>:<function> among them is imported, and so its code is run.)",
        )
    return genotype


def save_genotype(genotype: Genotype, path: str | os.PathLike) -> None:
    """Writes genotype.json atomically, one line per target.

    Raises:
        StorageError: The system refused to write.
    """
    fields = []
    for name, value in genotype.to_json().items():
        text = json.dumps(value)
        if name in ("normal", "reduction"):
            text = "[\n    " + ",\n    ".join(json.dumps(edges) for edges in value) + "\n  ]"
        fields.append(f'  "{name}": {text}')
    write_text(path, "{\n" + ",\n".join(fields) + "\n}\n")


def _darts_document(
    text: str, space: SearchSpace | None, file: str | os.PathLike
) -> dict[str, Any] | None:
    """What genotype.json would hold for a genotype of DARTS; None for any other text."""
    if not is_darts_genotype(text):
        return None
    operations = list((space or PUBLISHED_SPACE).operations)
    cells = read_darts_genotype(text, file)
    return {"format": FORMAT, "version": VERSION, "operations": operations, **cells}


def _as_lists(cell: CellEdges) -> list[list[list[str | int]]]:
    return [[[operation, source] for operation, source in edges] for edges in cell]
