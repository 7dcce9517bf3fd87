"""What `import darts_adv_tf` offers: lazily, typed, and with examples that run."""

import ast
import contextlib
import doctest
import io
import subprocess
import sys
from pathlib import Path

import pytest

import darts_adv_tf

TREE = ast.parse(Path(darts_adv_tf.__file__).read_text(encoding="utf-8"))
# The work directory of the first is what the others take.
IN_ORDER = sorted(darts_adv_tf.__all__, key=lambda name: (name != "run_train", name))


def typed_names() -> dict[str, str]:
    """What a type checker sees: names, and the modules that they come from."""
    (block,) = (node for node in TREE.body if isinstance(node, ast.If))
    return {
        alias.name: node.module.removeprefix("darts_adv_tf.")
        for node in block.body
        for alias in node.names
    }


def test_the_three_lists_of_names_agree():
    assert typed_names() == darts_adv_tf._MODULES
    assert darts_adv_tf.__all__ == sorted(darts_adv_tf._MODULES)
    assert set(darts_adv_tf.__all__) < set(dir(darts_adv_tf))


@pytest.mark.parametrize("name", darts_adv_tf.__all__)
def test_each_name_is_the_one_of_its_module(name):
    value = getattr(darts_adv_tf, name)
    assert value.__module__ == f"darts_adv_tf.{darts_adv_tf._MODULES[name]}"
    assert value.__name__ == name


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Discriminator'"):
        _ = darts_adv_tf.Discriminator


def test_importing_the_package_loads_nothing_else():
    program = "import sys, darts_adv_tf; dir(darts_adv_tf); print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in result.stdout.split()}
    assert not loaded & {"tensorflow", "keras", "numpy", "absl"}
    assert [name for name in result.stdout.split() if "darts_adv_tf" in name] == ["darts_adv_tf"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the examples run, one after the other."""
    with contextlib.chdir(tmp_path_factory.mktemp("examples")):
        yield


def run_example(name: str) -> list[str]:
    """Runs a docstring's example; returns what it showed in place of what it says it shows.

    Other than doctest's own runner it heeds the values of expressions alone, not what commands
    print besides.
    """
    value = getattr(darts_adv_tf, name)
    examples = doctest.DocTestParser().get_examples(value.__doc__ or "", name)
    assert examples, f"{name} has no example"
    variables: dict = {}
    wrong = []
    for example in examples:
        shown = []
        code = compile(example.source, f"<example of {name}>", "single")
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
            patch.setattr(sys, "displayhook", lambda value: shown.append(value))  # noqa: B023
            exec(code, variables)
        received = "".join(f"{value!r}\n" for value in shown if value is not None)
        if not doctest.OutputChecker().check_output(example.want, received, doctest.ELLIPSIS):
            wrong.append(f"{example.source}{received}instead of\n{example.want}")
    return wrong


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("name", IN_ORDER)
def test_each_example_runs_as_it_says(name):
    assert run_example(name) == []
