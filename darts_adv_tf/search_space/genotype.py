"""The discrete architecture of a discriminator: two cells, derived from α, kept as JSON.

A cell has NUM_INPUT_NODES input nodes (0, 1), NUM_INTERMEDIATE_NODES intermediate nodes (2 to 5)
and an output node that concatenates the intermediate ones. In the search every intermediate node
receives an edge from every node before it, and every edge mixes all PRIMITIVES. The derived cell
keeps NUM_KEPT_EDGES edges a target, with one operation each.

Shapes: E = 14 edges in the order of EDGES, O = 8 operations in the order of PRIMITIVES.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from darts_adv_tf.system.errors import ConfigurationError, StorageError
from darts_adv_tf.system.files import without_repetition, write_text

PRIMITIVES = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
NUM_INPUT_NODES = 2
NUM_INTERMEDIATE_NODES = 4
NUM_KEPT_EDGES = 2

TARGETS = tuple(range(NUM_INPUT_NODES, NUM_INPUT_NODES + NUM_INTERMEDIATE_NODES))
EDGES = tuple((source, target) for target in TARGETS for source in range(target))

GENOTYPE_FILE = "genotype.json"
"""In a work directory."""
FORMAT = "darts_adv_tf.genotype"
VERSION = 1
REMEDY = "Use a genotype.json as a search wrote it, or mend the file by hand."

CellEdges = tuple[tuple[tuple[str, int], ...], ...]


@dataclasses.dataclass(frozen=True)
class Genotype:
    """Both cells of a derived discriminator; one that breaks the schema cannot be made.

    Attributes:
        normal, reduction: For each target, in order, its kept edges as (operation, source),
            ordered by source.
        concat: The nodes whose concatenation is the cell's output.

    Raises:
        ConfigurationError: A field breaks the schema; the message names the place.

    Example:
        >>> edges = (("sep_conv_3x3", 0), ("skip_connect", 1))
        >>> genotype = Genotype(normal=(edges,) * 4, reduction=(edges,) * 4)
        >>> Genotype.from_json(genotype.to_json()) == genotype
        True
    """

    normal: CellEdges
    reduction: CellEdges
    concat: tuple[int, ...] = TARGETS

    def __post_init__(self):
        for name, cell in (("normal", self.normal), ("reduction", self.reduction)):
            object.__setattr__(self, name, _checked_cell(cell, name, file=None))
        object.__setattr__(self, "concat", _checked_concat(self.concat, file=None))

    def to_json(self) -> dict[str, Any]:
        """Returns the document that `from_json` reads, made of what JSON knows alone."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "normal": _as_lists(self.normal),
            "reduction": _as_lists(self.reduction),
            "concat": list(self.concat),
        }

    @classmethod
    def from_json(cls, document: Any, file: str | os.PathLike | None = None) -> "Genotype":
        """Reads a decoded JSON document.

        Args:
            document: What `json.loads` returned.
            file: Where it came from, for the message of an error.

        Raises:
            ConfigurationError: The document breaks the schema; the message names the file, the
                place in it, what stands there and what may.
        """
        keys = ("format", "version", "normal", "reduction", "concat")
        if not isinstance(document, dict):
            raise _breach("A genotype is a JSON object.", "document", document, file)
        missing = [key for key in keys if key not in document]
        if missing:
            raise ConfigurationError(
                f"A genotype has exactly the keys {', '.join(keys)}.",
                received=f"no {' and no '.join(missing)}",
                file=file,
                remedy=REMEDY,
            )
        unknown = [key for key in document if key not in keys]
        if unknown:
            raise ConfigurationError(
                f"A genotype has exactly the keys {', '.join(keys)}.",
                received=f"also {', '.join(map(repr, unknown))}",
                file=file,
                remedy=REMEDY,
            )
        if document["format"] != FORMAT:
            raise _breach(f'"format" is "{FORMAT}".', "format", document["format"], file)
        if not _is_integer(document["version"]) or document["version"] != VERSION:
            raise _breach(f'"version" is {VERSION}.', "version", document["version"], file)
        return cls(
            normal=_checked_cell(document["normal"], "normal", file),
            reduction=_checked_cell(document["reduction"], "reduction", file),
            concat=_checked_concat(document["concat"], file),
        )


def derive(normal_weights: np.ndarray, reduction_weights: np.ndarray) -> Genotype:
    """Derives the discrete cells from the mixing weights that the search ended with.

    Args:
        normal_weights, reduction_weights: (E, O), softmax of α over all operations, `none`
            included.

    Raises:
        ValueError: Weights of another shape, or rows that are no softmax.
    """
    return Genotype(normal=derive_cell(normal_weights), reduction=derive_cell(reduction_weights))


def random_genotype(draw: int) -> Genotype:
    """A genotype derived from an α that was drawn and never trained: the paper's random search.

    α is drawn as a search draws it for its start, 1e-3 times a standard normal variate.

    Args:
        draw: Number of the genotype; each names one, whatever else a run draws.
    """
    alpha = 1e-3 * np.random.default_rng(draw).standard_normal((2, len(EDGES), len(PRIMITIVES)))
    weights = np.exp(alpha)
    return derive(*(weights / weights.sum(axis=-1, keepdims=True)))


def derive_cell(op_weights: np.ndarray) -> CellEdges:
    """Derives one cell: the NUM_KEPT_EDGES strongest edges of every target.

    An edge is as strong as its largest weight other than that of `none`, and keeps the operation
    of that weight. Ties: the lower source among edges, the first of PRIMITIVES among operations.

    Args:
        op_weights: (E, O), softmax of α over all operations, `none` included.

    Raises:
        ValueError: Weights of another shape, or rows that are no softmax.
    """
    op_weights = np.asarray(op_weights)
    if op_weights.shape != (len(EDGES), len(PRIMITIVES)):
        raise ValueError(
            f"op_weights must have the shape {(len(EDGES), len(PRIMITIVES))}. "
            f"Received: op_weights of shape {op_weights.shape}"
        )
    # α itself would pass unnoticed and derive something else, since `none` is in the denominator.
    if not (np.all(op_weights >= 0) and np.allclose(op_weights.sum(axis=1), 1, atol=1e-3)):
        raise ValueError(
            "Each row of op_weights must be a softmax: non-negative, with the sum 1. "
            f"Received: op_weights={op_weights}"
        )
    derivable = [index for index, name in enumerate(PRIMITIVES) if name != "none"]
    strengths = op_weights[:, derivable].max(axis=1)
    operations = [PRIMITIVES[derivable[i]] for i in op_weights[:, derivable].argmax(axis=1)]

    cell = []
    for target in TARGETS:
        incoming = [edge for edge in range(len(EDGES)) if EDGES[edge][1] == target]
        # Stable: among equals the order of EDGES, lower sources first, remains.
        kept = sorted(incoming, key=lambda edge: -strengths[edge])[:NUM_KEPT_EDGES]
        cell.append(tuple((operations[edge], EDGES[edge][0]) for edge in sorted(kept)))
    return tuple(cell)


def load_genotype(path: str | os.PathLike) -> Genotype:
    """Reads genotype.json.

    Raises:
        ConfigurationError: There is no such file, it is not JSON, or it breaks the schema.
        StorageError: The system refused to read it.
    """
    try:
        content = Path(path).read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise ConfigurationError(
            "A genotype is a JSON file.",
            received=error.strerror,
            file=path,
            remedy="Name the genotype.json that a search wrote into its work directory.",
        ) from error
    except OSError as error:
        raise StorageError(
            "A genotype must be readable.", received=error.strerror or error, file=path
        ) from error
    try:
        document = json.loads(content.decode("utf-8"), object_pairs_hook=without_repetition)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            "A genotype is a JSON file in UTF-8, with each key once.",
            received=error,
            file=path,
            remedy=REMEDY,
        ) from error
    return Genotype.from_json(document, file=path)


def save_genotype(genotype: Genotype, path: str | os.PathLike) -> None:
    """Writes genotype.json atomically, a line a target.

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


def _as_lists(cell: CellEdges) -> list[list[list[str | int]]]:
    return [[[operation, source] for operation, source in edges] for edges in cell]


def _checked_cell(cell: Any, name: str, file: str | os.PathLike | None) -> CellEdges:
    """Returns the cell as nested tuples, or raises what is wrong with it."""
    if not _is_list(cell) or len(cell) != NUM_INTERMEDIATE_NODES:
        rule = f"A cell lists the kept edges of each of its {NUM_INTERMEDIATE_NODES} targets."
        raise _breach(rule, name, cell, file)
    return tuple(
        _checked_edges(edges, target, f"{name}[{index}]", file)
        for index, (target, edges) in enumerate(zip(TARGETS, cell, strict=True))
    )


def _checked_edges(
    edges: Any, target: int, place: str, file: str | os.PathLike | None
) -> tuple[tuple[str, int], ...]:
    if not _is_list(edges) or len(edges) != NUM_KEPT_EDGES:
        rule = f"A target has {NUM_KEPT_EDGES} kept edges, each an [operation, source]."
        raise _breach(rule, place, edges, file)
    for index, edge in enumerate(edges):
        edge_place = f"{place}[{index}]"
        if not _is_list(edge) or len(edge) != 2:
            raise _breach("A kept edge is an [operation, source].", edge_place, edge, file)
        operation, source = edge
        derivable = [name for name in PRIMITIVES if name != "none"]
        if not isinstance(operation, str) or operation not in derivable:
            rule = f"A kept edge's operation is one of {', '.join(derivable)}."
            raise _breach(rule, f"{edge_place}[0]", operation, file)
        if not _is_integer(source) or not 0 <= source < target:
            rule = f"A source of node {target} is one of the nodes 0 to {target - 1}."
            raise _breach(rule, f"{edge_place}[1]", source, file)
    sources = [source for _, source in edges]
    if sources != sorted(set(sources)):
        rule = "The kept edges of a target have different sources, in ascending order."
        raise _breach(rule, place, edges, file)
    return tuple((operation, source) for operation, source in edges)


def _checked_concat(concat: Any, file: str | os.PathLike | None) -> tuple[int, ...]:
    if not (
        _is_list(concat) and all(_is_integer(node) for node in concat) and tuple(concat) == TARGETS
    ):
        raise _breach(f'"concat" is {list(TARGETS)}.', "concat", concat, file)
    return TARGETS


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_integer(value: Any) -> bool:
    """Whether it is an integer and neither a bool nor a float that equals one."""
    return isinstance(value, int) and not isinstance(value, bool)


def _breach(
    rule: str, place: str, received: Any, file: str | os.PathLike | None
) -> ConfigurationError:
    text = repr(received)
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    return ConfigurationError(rule, received=f"{place} = {shown}", file=file, remedy=REMEDY)
