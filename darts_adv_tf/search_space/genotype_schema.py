"""The schema of genotype.json: what a decoded document may hold, checked place by place."""

import os
from collections.abc import Sequence
from typing import Any

from darts_adv_tf.search_space.space import PUBLISHED_SPACE, SearchSpace
from darts_adv_tf.system.errors import ConfigurationError

FORMAT = "darts_adv_tf.genotype"
VERSION = 1
KEYS = ("format", "version", "normal", "reduction", "concat")
SPACE_KEYS = ("operations", "intermediate_nodes", "kept_edges")
"""Of the search space; a file of an earlier version has none and is of the published one."""
REMEDY = "Use a genotype.json as a search wrote it, or mend the file by hand."

_OPERATION_REMEDY = (
    'Use one of these; or add the operation to "operations" in the file and to --operations of the '
    "run, if the program has it or you define it (docs/extending.md)."
)

CellEdges = tuple[tuple[tuple[str, int], ...], ...]


def check_header(document: Any, file: str | os.PathLike | None) -> None:
    """Checks that it is an object with the keys, the format and the version of a genotype.

    Raises:
        ConfigurationError: It is not.
    """
    if not isinstance(document, dict):
        raise _breach("A genotype must be a JSON object.", "document", document, file)
    _check_keys(document, file)
    if document["format"] != FORMAT:
        raise _breach(f'"format" must be "{FORMAT}".', "format", document["format"], file)
    if not _is_integer(document["version"]) or document["version"] != VERSION:
        raise _breach(f'"version" must be {VERSION}.', "version", document["version"], file)


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


def read_space(document: dict[str, Any], file: str | os.PathLike | None) -> SearchSpace:
    """The search space that a document names; the published one if it names none.

    Raises:
        ConfigurationError: No search space has these.
    """
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


def checked_cell(
    cell: Any, space: SearchSpace, name: str, file: str | os.PathLike | None
) -> CellEdges:
    """Returns the cell as nested tuples.

    Args:
        cell: What the document holds.
        space: The search space of the genotype.
        name: `normal` or `reduction`, for the message.
        file: Where it came from, for the message.

    Raises:
        ConfigurationError: It is no cell of this search space; the message names the place.
    """
    if not _is_list(cell) or len(cell) != len(space.targets):
        rule = f"A cell must list the kept edges of each of its {len(space.targets)} targets."
        remedy = 'Correct the cell, or "intermediate_nodes" (--intermediate_nodes of the run).'
        raise _breach(rule, name, cell, file, remedy)
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
        remedy = 'Correct the edges, or "kept_edges" (--kept_edges of the run).'
        raise _breach(rule, place, edges, file, remedy)
    for index, edge in enumerate(edges):
        edge_place = f"{place}[{index}]"
        if not _is_list(edge) or len(edge) != 2:
            raise _breach("A kept edge must be an [operation, source].", edge_place, edge, file)
        operation, source = edge
        if not isinstance(operation, str) or operation not in space.derivable:
            rule = f"A kept edge's operation must be one of {', '.join(space.derivable)}."
            raise _breach(rule, f"{edge_place}[0]", operation, file, _OPERATION_REMEDY)
        if not _is_integer(source) or not 0 <= source < target:
            rule = f"A source of node {target} must be one of the nodes 0 to {target - 1}."
            raise _breach(rule, f"{edge_place}[1]", source, file)
    sources = [source for _, source in edges]
    if sources != sorted(set(sources)):
        rule = "The kept edges of a target must have different sources, in ascending order."
        raise _breach(rule, place, edges, file)
    return tuple((operation, source) for operation, source in edges)


def check_concat(concat: Any, space: SearchSpace, file: str | os.PathLike | None) -> None:
    """Checks that all intermediate nodes are concatenated.

    Raises:
        ConfigurationError: They are not.
    """
    is_of_nodes = _is_list(concat) and all(_is_integer(node) for node in concat)
    if not is_of_nodes or tuple(concat) != space.targets:
        raise _breach(f'"concat" must be {list(space.targets)}.', "concat", concat, file)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_integer(value: Any) -> bool:
    """Whether it is an integer and neither a bool nor a float that equals one."""
    return isinstance(value, int) and not isinstance(value, bool)


def _breach(
    rule: str,
    place: str,
    received: Any,
    file: str | os.PathLike | None,
    remedy: str = REMEDY,
) -> ConfigurationError:
    text = repr(received)
    shown = text if len(text) <= 200 else f"{text[:200]}..."
    return ConfigurationError(rule, received=f"{place} = {shown}", file=file, remedy=remedy)
