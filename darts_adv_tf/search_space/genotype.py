"""The discrete architecture of a discriminator: two cells, derived from α, kept as JSON.

Nodes, edges and operations are those of a `SearchSpace`. The derived cell keeps at most k edges per
target, with one operation each.

Shapes: E edges and O operations, in the order of the search space.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from darts_adv_tf.search_space.space import PUBLISHED_SPACE, SearchSpace
from darts_adv_tf.system.errors import ConfigurationError, StorageError
from darts_adv_tf.system.files import without_repetition, write_text

GENOTYPE_FILE = "genotype.json"
"""In a work directory."""
FORMAT = "darts_adv_tf.genotype"
VERSION = 1
KEYS = ("format", "version", "normal", "reduction", "concat")
SPACE_KEYS = ("operations", "intermediate_nodes", "kept_edges")
"""Of the search space; a file of an earlier version has none and is of the published one."""
REMEDY = "Use a genotype.json as a search wrote it, or mend the file by hand."

CellEdges = tuple[tuple[tuple[str, int], ...], ...]


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
            object.__setattr__(self, name, _checked_cell(cell, self.space, name, file=None))

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
        if not isinstance(document, dict):
            raise _breach("A genotype must be a JSON object.", "document", document, file)
        _check_keys(document, file)
        if document["format"] != FORMAT:
            raise _breach(f'"format" must be "{FORMAT}".', "format", document["format"], file)
        if not _is_integer(document["version"]) or document["version"] != VERSION:
            raise _breach(f'"version" must be {VERSION}.', "version", document["version"], file)
        space = _read_space(document, file)
        _check_concat(document["concat"], space, file)
        return cls(
            normal=_checked_cell(document["normal"], space, "normal", file),
            reduction=_checked_cell(document["reduction"], space, "reduction", file),
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
    """Reads genotype.json.

    Args:
        path: The file.
        space: The search space that it has to be of; any where None.

    Raises:
        ConfigurationError: There is no such file, it is not JSON, it breaks the schema, or it is
            of another search space.
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
            "A genotype must be a JSON file.",
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
            "A genotype must be a JSON file in UTF-8, with each key once.",
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


def _as_lists(cell: CellEdges) -> list[list[list[str | int]]]:
    return [[[operation, source] for operation, source in edges] for edges in cell]


def _check_keys(document: dict[str, Any], file: str | os.PathLike | None) -> None:
    missing = [key for key in KEYS if key not in document]
    unknown = [key for key in document if key not in (*KEYS, *SPACE_KEYS)]
    if missing:
        received = f"no {' and no '.join(missing)}"
    elif unknown:
        received = f"also {', '.join(map(repr, unknown))}"
    else:
        return
    raise ConfigurationError(
        f"A genotype must have the keys {', '.join(KEYS)}, may have {', '.join(SPACE_KEYS)}, and "
        "no others.",
        received=received,
        file=file,
        remedy=REMEDY,
    )


def _read_space(document: dict[str, Any], file: str | os.PathLike | None) -> SearchSpace:
    operations = document.get("operations", list(PUBLISHED_SPACE.operations))
    num_nodes = document.get("intermediate_nodes", PUBLISHED_SPACE.num_intermediate_nodes)
    num_kept = document.get("kept_edges", PUBLISHED_SPACE.num_kept_edges)
    if not _is_list(operations) or not all(isinstance(name, str) for name in operations):
        rule = '"operations" must list the names of operations.'
        raise _breach(rule, "operations", operations, file)
    for key, number in (("intermediate_nodes", num_nodes), ("kept_edges", num_kept)):
        if not _is_integer(number):
            raise _breach(f'"{key}" must be an integer.', key, number, file)
    try:
        return SearchSpace(tuple(operations), num_nodes, num_kept)
    except ConfigurationError as error:
        raise ConfigurationError(
            error.rule, received=error.received, file=file, remedy=error.remedy
        ) from None


def _checked_cell(
    cell: Any, space: SearchSpace, name: str, file: str | os.PathLike | None
) -> CellEdges:
    """Returns the cell as nested tuples, or raises what is wrong with it."""
    if not _is_list(cell) or len(cell) != len(space.targets):
        rule = f"A cell must list the kept edges of each of its {len(space.targets)} targets."
        raise _breach(rule, name, cell, file)
    return tuple(
        _checked_edges(edges, target, space, f"{name}[{index}]", file)
        for index, (target, edges) in enumerate(zip(space.targets, cell, strict=True))
    )


def _checked_edges(
    edges: Any, target: int, space: SearchSpace, place: str, file: str | os.PathLike | None
) -> tuple[tuple[str, int], ...]:
    num_kept = space.num_kept(target)
    if not _is_list(edges) or len(edges) != num_kept:
        rule = f"Node {target} must have {num_kept} kept edges, each an [operation, source]."
        raise _breach(rule, place, edges, file)
    for index, edge in enumerate(edges):
        edge_place = f"{place}[{index}]"
        if not _is_list(edge) or len(edge) != 2:
            raise _breach("A kept edge must be an [operation, source].", edge_place, edge, file)
        operation, source = edge
        if not isinstance(operation, str) or operation not in space.derivable:
            rule = f"A kept edge's operation must be one of {', '.join(space.derivable)}."
            raise _breach(rule, f"{edge_place}[0]", operation, file)
        if not _is_integer(source) or not 0 <= source < target:
            rule = f"A source of node {target} must be one of the nodes 0 to {target - 1}."
            raise _breach(rule, f"{edge_place}[1]", source, file)
    sources = [source for _, source in edges]
    if sources != sorted(set(sources)):
        rule = "The kept edges of a target must have different sources, in ascending order."
        raise _breach(rule, place, edges, file)
    return tuple((operation, source) for operation, source in edges)


def _check_concat(concat: Any, space: SearchSpace, file: str | os.PathLike | None) -> None:
    is_of_nodes = _is_list(concat) and all(_is_integer(node) for node in concat)
    if not is_of_nodes or tuple(concat) != space.targets:
        raise _breach(f'"concat" must be {list(space.targets)}.', "concat", concat, file)


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
