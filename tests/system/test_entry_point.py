"""A user's own function by its name."""

import pytest

from darts_adv_tf.system.entry_point import (
    failed_entry_point,
    is_entry_point,
    load_entry_point,
)
from darts_adv_tf.system.errors import ConfigurationError


@pytest.mark.parametrize("name", ["a:b", "a.b_2.c:_d", "é:ü"])
def test_a_module_and_a_function_make_an_entry_point(name):
    assert is_entry_point(name)


@pytest.mark.parametrize("name", ["", "a", ":b", "a:", "a:b:c", "a..b:c", "2a:b", "a b:c", "a:b()"])
def test_other_names_are_none(name):
    assert not is_entry_point(name)


def test_a_function_of_a_module_is_found(tmp_path, monkeypatch):
    (tmp_path / "my_parts.py").write_text("def double(x):\n    return 2 * x\n\nthree = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_entry_point("my_parts:double", "--part", "function(x)")(4) == 8
    for name, received in (("three", "a int in it"), ("four", "no such name in it")):
        with pytest.raises(ConfigurationError, match=received) as caught:
            load_entry_point(f"my_parts:{name}", "--part", "function(x)")
        assert "Define function(x) there." in str(caught.value)


def test_a_module_that_is_not_there_is_told_from_one_that_fails(tmp_path, monkeypatch):
    (tmp_path / "failing.py").write_text("import no_such_module_of_theirs\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigurationError, match=r"--part=<module>:<function> must be importable"):
        load_entry_point("no_such:f", "--part", "function()")
    with pytest.raises(ConfigurationError, match=r"failing\.py") as caught:
        load_entry_point("failing:f", "--part", "function()")
    assert "no_such_module_of_theirs" in str(caught.value)


def test_a_failure_shows_the_users_traceback_without_ours():
    def fail():
        raise ValueError("theirs")

    try:
        fail()
    except ValueError as error:
        told = str(failed_entry_point("my:f", error, "function()"))
    assert "theirs" in told and "test_entry_point.py" in told
    assert "function()" in told
