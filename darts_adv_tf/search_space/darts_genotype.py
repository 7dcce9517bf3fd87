"""Genotypes as the program of DARTS prints them.

    Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ...], normal_concat=range(2, 6),
             reduce=[...], reduce_concat=range(2, 6))

Each pair is a kept edge, (operation, source). The edges of node 2 come first, then those of node
3, and so on, two per node and the stronger one first. The operations that both programs have are
named alike.

The text is parsed, never executed: only literals and `range` are read.

Reference: github.com/quark0/darts, cnn/genotypes.py
"""

import ast
import os
from typing import Any

from darts_adv_tf.system.errors import ConfigurationError

NUM_KEPT_EDGES = 2
"""Of each node, in every genotype of DARTS."""
_CALL = "Genotype"
_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
_MOST_NODES = 100
_REMEDY = (
    "Keep only one Genotype(...) in the file, as DARTS prints it, from its name to the closing "
    "parenthesis."
)


def is_darts_genotype(text: str) -> bool:
    """Whether a text is probably meant as a genotype of DARTS."""
    return f"{_CALL}(" in text


def read_darts_genotype(text: str, file: str | os.PathLike | None = None) -> dict[str, Any]:
    """Reads a genotype that DARTS printed, alone or assigned to a name.

    Args:
        text: Python source.
        file: Where it came from, for the message of an error.

    Returns:
        The keys normal, reduction, concat, intermediate_nodes and kept_edges of genotype.json,
        the edges of each target ordered by source. Operations and sources are not checked.

    Raises:
        ConfigurationError: It holds no such genotype, or several.

    Example:
        >>> cell = "[('sep_conv_3x3', 1), ('skip_connect', 0)]"
        >>> text = f"Genotype({cell}, range(2, 3), {cell}, range(2, 3))"
        >>> read_darts_genotype(text)["normal"]
        [[['skip_connect', 0], ['sep_conv_3x3', 1]]]
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refuse(f"no Python: {error}", file) from error
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == _CALL
    ]
    if len(calls) != 1:
        raise _refuse(f"{len(calls)} of them", file)
    (call,) = calls
    given: dict[str | None, ast.expr] = {**dict(zip(_FIELDS, call.args, strict=False))}
    given.update((keyword.arg, keyword.value) for keyword in call.keywords)
    if set(given) != set(_FIELDS) or len(call.args) + len(call.keywords) != len(_FIELDS):
        raise _refuse(f"the fields {', '.join(map(str, given))[:200]}", file)
    try:
        fields = {name: _value(node) for name, node in given.items()}
        normal, reduction = (_by_target(fields[name]) for name in ("normal", "reduce"))
    except (ValueError, TypeError, RecursionError) as error:
        raise _refuse(error, file) from error
    concat = fields["normal_concat"]
    if concat != fields["reduce_concat"] or len(normal) != len(reduction):
        raise ConfigurationError(
            "Both cells of a genotype must have the same nodes, and concatenate all of them.",
            received=f"normal_concat={concat}, reduce_concat={fields['reduce_concat']}, "
            f"{len(normal)} and {len(reduction)} nodes",
            file=file,
            remedy="Use a genotype whose two cells are alike; DARTS finds no others.",
        )
    return {
        "intermediate_nodes": len(normal),
        "kept_edges": NUM_KEPT_EDGES,
        "normal": normal,
        "reduction": reduction,
        "concat": concat,
    }


def _value(node: ast.expr) -> list[Any]:
    """The value of a literal, or of a range of integers; nothing is executed."""
    is_range = isinstance(node, ast.Call) and ast.unparse(node.func) == "range"
    if isinstance(node, ast.Call) and is_range and not node.keywords:
        numbers = range(*(ast.literal_eval(argument) for argument in node.args))
        return list(numbers[:_MOST_NODES])
    value = ast.literal_eval(node)
    if not isinstance(value, list | tuple):
        raise ValueError(f"{ast.unparse(node)[:200]}, which is no list")
    return list(value)


def _by_target(edges: list[Any]) -> list[list[list[Any]]]:
    """The edges of each target, ordered by source."""
    if len(edges) % NUM_KEPT_EDGES:
        raise ValueError(f"{len(edges)} edges, which are not two per node")
    for edge in edges:
        if not isinstance(edge, tuple | list) or len(edge) != 2 or not isinstance(edge[1], int):
            raise ValueError(f"{edge!r:.200}, which is no (operation, source)")
    return [
        sorted(map(list, edges[start : start + NUM_KEPT_EDGES]), key=lambda edge: edge[1])
        for start in range(0, len(edges), NUM_KEPT_EDGES)
    ]


def _refuse(received: object, file: str | os.PathLike | None) -> ConfigurationError:
    return ConfigurationError(
        f"A genotype of DARTS must be one {_CALL}(...) with {', '.join(_FIELDS)}.",
        received=received,
        file=file,
        remedy=_REMEDY,
    )
