"""Finds, without running it, what a program uses of other libraries' private interfaces."""

import ast
import re
import sys
from pathlib import Path

PRIVATE_MODULE = re.compile(
    r"tensorflow\.(python|compiler|core|lite)\b"
    r"|keras\.(src|_\w+)\b"
    r"|tensorboard\.(?!(summary|program|notebook|version)\b)"
)
# Of named tuples, which Python documents.
PUBLIC_UNDERSCORES = {"_replace", "_asdict", "_fields", "_make"}


def private_uses(root: Path) -> dict[Path, set[str]]:
    """For each file below `root` the private modules and attributes that it names.

    An attribute counts as another library's where its name begins with an underscore and no file
    below `root` defines it; those of Python's own modules do not count.
    """
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(root.rglob("*.py"))
    }
    own = {name for tree in trees.values() for name in _defined(tree)}
    return {path: _modules(tree) | (_attributes(tree) - own) for path, tree in trees.items()}


def _modules(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or ""}
            # `from keras import src`
            names |= {
                f"{node.module}.{alias.name}"
                for alias in node.names
                if not PRIVATE_MODULE.match(node.module or "")
            }
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names.add(node.value)
    return {name for name in names if PRIVATE_MODULE.match(name)}


def _attributes(tree: ast.Module) -> set[str]:
    of_python = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name.partition(".")[0] in sys.stdlib_module_names
    }
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and _is_private(node.attr)
        and not (isinstance(node.value, ast.Name) and node.value.id in of_python)
    }


def _is_private(name: str) -> bool:
    if name.startswith("__"):
        return name == "__internal__"
    return name.startswith("_") and name not in PUBLIC_UNDERSCORES


def _defined(tree: ast.Module) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.id if isinstance(node, ast.Name) else node.attr)
    return names
