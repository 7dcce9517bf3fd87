"""A configuration as the flags that ask for it."""

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING

from darts_adv_tf.config.setting import settings_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def as_flags(config: "DataclassInstance", always: Collection[str] = ()) -> list[str]:
    """Returns the settings that differ from their defaults, as `--name=value`.

    Parsed by the flags of its command, they give the same configuration. The command of a run is
    not a flag.

    Args:
        config: A configuration.
        always: Names of settings to include even where they have their default.
    """
    flags = []
    settings = settings_of(config)
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            flags += as_flags(value, always)
        elif settings[field.name].is_flag and (field.name in always or value != field.default):
            plain = settings[field.name].plain(value)
            text = str(plain).lower() if isinstance(plain, bool) else plain
            flags.append(f"--{field.name}={text}")
    return flags
