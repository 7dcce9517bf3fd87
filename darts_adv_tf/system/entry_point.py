"""A user's own function, named `<module>:<function>` on the command line."""

import importlib
import re
import traceback
from collections.abc import Callable
from typing import Any

from darts_adv_tf.system.errors import ConfigurationError

_PATTERN = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_entry_point(name: str) -> bool:
    """Whether a name is written `<module>:<function>`."""
    return _PATTERN.fullmatch(name) is not None


def load_entry_point(name: str, flag: str, signature: str) -> Callable[..., Any]:
    """Imports the module and returns its function.

    Args:
        name: `<module>:<function>`; the module is found as `import` finds it, which for
            `python -m` includes the current folder.
        flag: That named it, for messages, such as `--backbone`.
        signature: How the function is called, for messages.

    Raises:
        ConfigurationError: There is no such module or function, or the module cannot be imported.
    """
    module_name, _, function_name = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise failed_entry_point(name, error, signature) from error
        raise ConfigurationError(
            f"The module of {flag}=<module>:<function> must be importable.",
            received=f"{name}: no module named {error.name}",
            remedy="Start in the folder of its file, or name that folder in PYTHONPATH; write "
            "the module's name without .py.",
        ) from None
    except Exception as error:
        raise failed_entry_point(name, error, signature) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        found = "no such name" if function is None else f"a {type(function).__name__}"
        raise ConfigurationError(
            f"The module of {flag}=<module>:<function> must have that function.",
            received=f"{name}: {found} in it",
            file=getattr(module, "__file__", None),
            remedy=f"Define {signature} there.",
        )
    return function


def failed_entry_point(name: str, error: Exception, signature: str) -> ConfigurationError:
    """The error to raise for what a user's code raised, with its traceback."""
    # Without the frames of this program, where the mistake is not.
    trace = error.__traceback__
    while trace is not None and _is_ours(trace.tb_frame.f_globals.get("__name__", "")):
        trace = trace.tb_next
    text = "".join(traceback.format_exception(type(error), error, trace, chain=False)).rstrip()
    return ConfigurationError(
        "A user's own function must run without an error.",
        received=f"from {name}:\n{text}",
        remedy=f"Correct it; it is called as {signature}.",
    )


def _is_ours(module: str) -> bool:
    return module.partition(".")[0] == __name__.partition(".")[0]
