"""A file imports only from its own or a lower level, and never in a circle."""

import ast
from pathlib import Path

import pytest

PACKAGE = "darts_adv_tf"
ROOT = Path(__file__).parents[1] / PACKAGE

# Every folder of the package, lowest level first; beside them stand the commands alone.
LEVELS = (
    {"system"},
    {"data", "tf_graph"},
    {"search_space", "terminal"},
    {"config", "networks", "adversarial", "plots"},
    {"training", "evaluation", "pages"},
    {"run", "serving", "reproduction"},
    {"cli"},
    {"search", "train", "evaluate", "export", "predict", "verify", "reproduce", "__main__"},
)
ALLOWED = {
    "adversarial": {"tf_graph", "system"},
    "networks": {"search_space", "tf_graph", "system"},
    "search_space": {"tf_graph", "system"},
    "tf_graph": {"system"},
    "system": set(),
}
"""What the folders that hold the paper may see, however low the rest stands."""


def modules_under(root: Path) -> dict[str, ast.Module]:
    """Every module below `root`, by dotted name without the package's, parsed."""
    return {
        ".".join(path.relative_to(root).with_suffix("").parts)
        .removesuffix("__init__")
        .rstrip("."): ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
        for path in sorted(root.rglob("*.py"))
    }


def absolute_imports(tree: ast.Module) -> set[str]:
    """What a module imports, wherever in it; `from a import b` counts as `a.b`."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def own_imports(modules: dict[str, ast.Module]) -> dict[str, set[str]]:
    """Which modules of the package each of them imports; its __init__, with the version, aside."""

    def resolve(name: str) -> str:
        inner = name.removeprefix(PACKAGE).lstrip(".")
        # The last part may be a name inside a module.
        return inner if inner in modules else inner.rpartition(".")[0]

    return {
        module: {
            resolve(name)
            for name in absolute_imports(tree)
            if name.startswith(f"{PACKAGE}.") and resolve(name)
        }
        for module, tree in modules.items()
    }


def level(module: str) -> int:
    top = module.partition(".")[0]
    for number, names in enumerate(LEVELS):
        if top in names:
            return number
    raise AssertionError(f"{module} has no level yet: give it one in LEVELS")


def upward_imports(imports: dict[str, set[str]]) -> list[str]:
    """Imports from a higher level; the package's __init__, which names all, lies above all."""
    return [
        f"{module} (level {level(module)}) imports {other} (level {level(other)})"
        for module, others in imports.items()
        for other in others
        if module and level(other) > level(module)
    ]


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import each other in a ring, or nothing."""
    finished: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in finished:
            return []
        for other in sorted(imports.get(module, ())):
            if found := visit(other, [*path, module]):
                return found
        finished.add(module)
        return []

    for module in sorted(imports):
        if found := visit(module, []):
            return found
    return []


@pytest.fixture(scope="module")
def modules() -> dict[str, ast.Module]:
    return modules_under(ROOT)


def importers_of(modules: dict[str, ast.Module], *names: str) -> set[str]:
    """The modules that import one of `names`, or something inside it."""
    return {
        module
        for module, tree in modules.items()
        if any(
            imported == name or imported.startswith(f"{name}.")
            for imported in absolute_imports(tree)
            for name in names
        )
    }


def test_every_module_has_a_level(modules):
    for module in filter(None, modules):
        level(module)


def test_imports_point_downwards(modules):
    assert upward_imports(own_imports(modules)) == []


def test_of_the_package_itself_modules_take_the_version_alone(modules):
    names = {name for tree in modules.values() for name in absolute_imports(tree)}
    direct = {name for name in names if name.rpartition(".")[0] == PACKAGE}
    known = {f"{PACKAGE}.{module.partition('.')[0]}" for module in modules}
    assert direct - known == {f"{PACKAGE}.__version__"}


def test_imports_make_no_circle(modules):
    assert circle(own_imports(modules)) == []


def test_the_paper_sees_nothing_of_the_machinery(modules):
    for module, others in own_imports(modules).items():
        folder = module.partition(".")[0]
        if folder in ALLOWED:
            seen = {other.partition(".")[0] for other in others} - {folder}
            assert seen <= ALLOWED[folder], module


@pytest.mark.parametrize(
    "folder",
    [
        "config",
        "cli",
        "reproduction",
        "search_space.candidate_operations",
        "search_space.genotype",
        "search_space.space",
    ],
)
def test_what_must_start_at_once_is_free_of_tensorflow(modules, folder):
    heavy = importers_of(modules, "tensorflow", "keras")
    # It loads TensorFlow itself, once the flags are read, to keep the loading quiet.
    heavy -= {"cli.main"}
    assert not {module for module in heavy if f"{module}.".startswith(f"{folder}.")}


def test_components_take_values_and_never_the_configuration(modules):
    readers = {module.partition(".")[0] for module in importers_of(modules, f"{PACKAGE}.config")}
    commands = LEVELS[-1]
    assert readers - commands == {"config", "run", "serving", "reproduction", "cli"}


def test_flags_are_defined_and_read_in_one_place(modules):
    assert {name.partition(".")[0] for name in importers_of(modules, "absl")} == {"cli"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"system/errors.py": "from darts_adv_tf.data.loss import f", "data/loss.py": ""},
            "system.errors (level 0)",
        ),
        (
            {"data/b.py": "import darts_adv_tf.networks.unet", "networks/unet.py": ""},
            "data.b (level 1)",
        ),
        (
            {"data/a.py": "def f():\n    from darts_adv_tf.run import b", "run/b.py": ""},
            "data.a (level 1) imports run.b (level 5)",
        ),
    ],
)
def test_an_import_from_above_is_found(tmp_path, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (found,) = upward_imports(own_imports(modules_under(tmp_path)))
    assert expected in found


def test_a_circle_is_found(tmp_path):
    (tmp_path / "a.py").write_text("from darts_adv_tf.b import iou")
    (tmp_path / "b.py").write_text("import darts_adv_tf.c")
    (tmp_path / "c.py").write_text("from darts_adv_tf import a")
    imports = own_imports(modules_under(tmp_path))
    assert circle(imports) == ["a", "b", "c", "a"]
    imports["c"].clear()
    assert circle(imports) == []


def test_a_module_without_a_level_is_found(tmp_path):
    (tmp_path / "utils.py").write_text("")
    with pytest.raises(AssertionError, match="utils has no level yet"):
        list(map(level, modules_under(tmp_path)))
