"""A configuration as plain values by name, as JSON has them: there and back."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from darts_adv_tf.config.setting import parts_of, settings_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def plain_values(config: "DataclassInstance", is_fixed: bool = False) -> dict[str, Any]:
    """Returns every setting as JSON has it; those of the parts inside in objects of their own.

    Args:
        config: A configuration.
        is_fixed: Whether to leave out the settings that a resumed run may change.
    """
    settings, parts = settings_of(config), parts_of(config)
    return {
        field.name: plain_values(getattr(config, field.name), is_fixed)
        if field.name in parts
        else settings[field.name].plain(getattr(config, field.name))
        for field in dataclasses.fields(config)
        if field.name in parts or not (is_fixed and settings[field.name].may_change)
    }


def renamed(kind: "type[DataclassInstance]", values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the values with every earlier name of a setting replaced by its present one."""
    now = {old: name for name, each in settings_of(kind).items() for old in each.aliases}
    # A file that has both names is left as it is: the earlier one is unknown there.
    return {
        now[name] if name in now and now[name] not in values else name: value
        for name, value in values.items()
    }


def fixed_values_of(kind: "type[DataclassInstance]", values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the fixed values of an earlier program as this one has them.

    Settings under earlier names get their present ones, and settings that the earlier program
    lacked their defaults. What is unknown now, or cannot be read, stays as it is.
    """
    parts, settings = parts_of(kind), settings_of(kind)
    found = renamed(kind, values)
    for field in dataclasses.fields(kind):
        if field.name in parts:
            part = found.get(field.name, {})
            if isinstance(part, Mapping):
                found[field.name] = fixed_values_of(parts[field.name], part)
        elif not settings[field.name].may_change:
            default = settings[field.name].plain(field.default)
            found[field.name] = _canonical(settings[field.name], found.get(field.name, default))
    return found


def with_growth(
    kind: "type[DataclassInstance]", then: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns earlier values, those that may grow and have grown as they are now."""
    parts = parts_of(kind)
    found = dict(then)
    for name in parts.keys() & found.keys():
        if isinstance(found[name], Mapping):
            found[name] = with_growth(parts[name], found[name], now[name])
    for name, each in settings_of(kind).items():
        value = found.get(name)
        if each.may_grow and isinstance(value, int | float) and value < now[name]:
            found[name] = now[name]
    return found


def _canonical(setting: Any, value: Any) -> Any:
    """Returns the text that this program writes for the value that a text stands for."""
    if setting.text is None or not isinstance(value, str):
        return value
    try:
        return setting.plain(setting.text.parse(value))
    except ValueError:
        return value
