"""From the name of a command to the command: `darts-adv-tf search ...`."""

import difflib
import importlib
import sys
from collections.abc import Sequence
from typing import NoReturn

from darts_adv_tf import __version__
from darts_adv_tf.cli.commands import DESCRIPTIONS
from darts_adv_tf.cli.help import is_help_requested, overview
from darts_adv_tf.cli.main import print_text, run
from darts_adv_tf.system.errors import ConfigurationError


def dispatch(argv: Sequence[str]) -> NoReturn:
    """Runs the command that the first argument names, with the others, and ends the process.

    Without a command it lists the commands. The exit status is that of the command, or 2 if there
    is no such command.
    """
    name, *arguments = argv or ["--help"]
    if is_help_requested([name]) or [name, *arguments[:1]] == ["help"]:
        print_text(overview())
        sys.exit(0)
    if name == "help":
        name, arguments = arguments[0], ["--help"]
    if name == "--version":
        print_text(__version__)
        sys.exit(0)
    if name not in DESCRIPTIONS:
        close = difflib.get_close_matches(name, DESCRIPTIONS, n=1)
        error = ConfigurationError(
            f"The first argument must be a command: {', '.join(DESCRIPTIONS)}.",
            received=name,
            remedy=f"Did you mean {close[0]}?" if close else "python -m darts_adv_tf --help",
        )
        print(f"darts_adv_tf: {error}", file=sys.stderr)
        sys.exit(error.exit_status)
    # Not imported before: a command that is not asked for costs nothing.
    run(importlib.import_module(f"darts_adv_tf.{name}").main, name, arguments)
