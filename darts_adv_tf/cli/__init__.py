"""The flags of the commands: the only place that defines and reads them.

Names, defaults, choices and help come from the configuration. Each command has only the flags that
have an effect on it. They are kept in a FlagValues of their own, not in absl's global one, which
every imported library adds to. Nothing here imports TensorFlow, so that --help and a misspelt flag
are answered at once.
"""

from darts_adv_tf.cli.commands import DESCRIPTIONS
from darts_adv_tf.cli.help import help_text, is_full_help_requested, is_help_requested
from darts_adv_tf.cli.reading import config_from_flags, is_estimate_requested

__all__ = [
    "DESCRIPTIONS",
    "config_from_flags",
    "help_text",
    "is_estimate_requested",
    "is_full_help_requested",
    "is_help_requested",
]
