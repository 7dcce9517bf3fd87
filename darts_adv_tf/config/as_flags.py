"""A configuration as the flags that ask for it."""

import dataclasses


def as_flags(config: object) -> list[str]:
    """What differs from the defaults, as `--name=value`.

    Parsed by the flags of its command, they give the same configuration. The command itself, of a
    run, is no flag.
    """
    flags = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            flags += as_flags(value)
        elif field.name != "command" and value != field.default:
            text = str(value).lower() if isinstance(value, bool) else value
            flags.append(f"--{field.name}={text}")
    return flags
