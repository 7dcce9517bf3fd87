"""Every headline of a UserError says what must be, so that it cannot be read as good news.

The source is scanned for calls that take a rule: the subclasses of UserError, and all functions
with a parameter named `rule`. The rule is read from the source, through constants and variables of
the same file.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import darts_adv_tf

PACKAGE = Path(darts_adv_tf.__file__).parent

ALLOWED: dict[str, str] = {
    "(unknown: '\\n'.join([rule, *lines]))": "UserError itself, which passes its message on",
}
"""Headlines without "must", each with the reason why it needs none."""

FOLDERS = sorted({str(path.parent.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")})


@cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def name_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


@cache
def error_classes() -> frozenset[str]:
    """UserError and all classes below it, by name."""
    names = {"UserError"}
    classes = [
        node
        for tree in trees().values()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    ]
    for _ in classes:
        names |= {node.name for node in classes if any(name_of(b) in names for b in node.bases)}
    return frozenset(names)


@cache
def positions_of_rules() -> dict[tuple[Path | None, str], int | None]:
    """Where functions take their rule, by file and name; under no file, what others may call."""
    positions: dict[tuple[Path | None, str], int | None] = {}
    for path, tree in trees().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                parameters = [argument.arg for argument in node.args.args]
                taken = [name for name in parameters if name not in ("self", "cls")]
                positions[path, node.name] = taken.index("rule") if "rule" in taken else None
                if "rule" in taken and not node.name.startswith("_"):
                    positions[None, node.name] = taken.index("rule")
    return positions


def rules_given(path: Path) -> Iterator[ast.expr]:
    """The first argument of each error of a file, and the rule of each call that takes one."""
    for node in ast.walk(trees()[path]):
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        if name in error_classes():
            position = 0
        else:
            functions = positions_of_rules()
            position = functions.get((path, name), functions.get((None, name)))
        if position is None:
            continue
        keywords = {keyword.arg: keyword.value for keyword in node.keywords}
        if "rule" in keywords:
            yield keywords["rule"]
        elif len(node.args) > position:
            yield node.args[position]
        else:
            yield node


def texts(node: ast.expr, path: Path) -> Iterator[str]:
    """What a rule may be, `{}` for what is only known when it is raised."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=values) if "{rule}" not in ast.unparse(node):
            yield "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in values)
        case ast.IfExp(body=body, orelse=orelse):
            yield from texts(body, path)
            yield from texts(orelse, path)
        case ast.BinOp(left=left, op=ast.Add()):
            yield from (text + " ..." for text in texts(left, path))
        case ast.Name(id=name):
            values = list(values_of(name, path))
            for value in values:
                yield from texts(value, path)
            # A parameter is checked where the function is called.
            if not values and name != "rule":
                yield f"(unknown: {name})"
        case ast.Attribute(attr="rule") | ast.JoinedStr():
            # That of another error or of the caller, checked there.
            yield from ()
        case _:
            yield f"(unknown: {ast.unparse(node)[:80]})"


def values_of(name: str, path: Path) -> Iterator[ast.expr]:
    """What a file assigns to a variable."""
    for node in ast.walk(trees()[path]):
        if isinstance(node, ast.Assign) and any(name_of(t) == name for t in node.targets):
            yield node.value


def headlines(folder: str) -> list[tuple[str, str]]:
    """(file and line, headline) of all errors of a folder, without the folders inside it."""
    return [
        (f"{path.relative_to(PACKAGE)}:{node.lineno}", text)
        for path in trees()
        if str(path.parent.relative_to(PACKAGE)) == folder
        for node in rules_given(path)
        for text in texts(node, path)
    ]


@pytest.mark.parametrize("folder", FOLDERS)
def test_headlines_say_what_must_be(folder):
    wrong = [
        f"{place}: {text}"
        for place, text in headlines(folder)
        if "must" not in text.split() and text not in ALLOWED
    ]
    assert wrong == []


def test_the_scan_finds_the_errors():
    """So that the test above cannot pass because nothing is found."""
    found = [text for folder in FOLDERS for _, text in headlines(folder)]
    assert len(found) > 150 and len(error_classes()) > 7
    assert any(function == "require_folders" for _, function in positions_of_rules())


def test_what_is_allowed_occurs():
    found = {text for folder in FOLDERS for _, text in headlines(folder)}
    assert set(ALLOWED) <= found


def count() -> None:
    """Prints the number of headlines with and without `must`, by folder of the package."""
    for folder in FOLDERS:
        found = [text for _, text in headlines(folder)]
        right = sum("must" in text.split() for text in found)
        if found:
            print(f"{folder:<24}{right:4} of {len(found):4}")


if __name__ == "__main__":
    count()
