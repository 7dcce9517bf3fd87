"""A configuration as the flags that ask for it."""

import dataclasses
from collections.abc import Collection


def as_flags(config: object, always: Collection[str] = ()) -> list[str]:
    """What differs from the defaults, as `--name=value`.

    Parsed by the flags of its command, they give the same configuration. The command itself, of a
    run, is no flag.

    Args:
        config: A configuration.
        always: Names of settings that are told also where they are the default.
    """
    flags = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            flags += as_flags(value, always)
        elif field.name in always or (field.name != "command" and value != field.default):
            text = str(value).lower() if isinstance(value, bool) else value
            flags.append(f"--{field.name}={text}")
    return flags
