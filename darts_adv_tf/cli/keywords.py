"""A command called from Python: its flags as keyword arguments."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, cast

from darts_adv_tf.cli.reading import config_from_flags
from darts_adv_tf.config.workdir import returning_locks

Config = TypeVar("Config")


def run_with_keywords(
    main: Callable[[Config], None], command: str, settings: Mapping[str, Any]
) -> Config:
    """Does a command's work with flags of these names and values.

    Args:
        main: The command's work.
        command: `search`, `train`, `evaluate`, `export` or `predict`.
        settings: Values by the names of flags, without dashes. A tuple or list stands for a flag
            whose values are separated by commas, None for a flag that is not given.

    Returns:
        The configuration that it ran with.

    Raises:
        ConfigurationError: As `config_from_flags`.
        UserError: As `main`.
    """
    config = cast(Config, config_from_flags(command, flags_of(settings)))
    with returning_locks():
        main(config)
    return config


def flags_of(settings: Mapping[str, Any]) -> list[str]:
    """Returns a command line of these settings."""
    return [
        f"--{name}={','.join(map(str, value)) if isinstance(value, tuple | list) else value}"
        for name, value in settings.items()
        if value is not None
    ]
