"""A flag: its name, its values, and its lines in --help."""

import dataclasses
import textwrap
import types
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from absl import flags

from darts_adv_tf.config.setting import settings_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_HELP_WIDTH = 96
_PLACEHOLDERS = {int: "<integer>", float: "<number>", str: "<text>", tuple: "<text>,<text>,..."}
_DEFINITIONS: dict[type, Callable[..., Any]] = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    # May be repeated; its value is a list.
    tuple: flags.DEFINE_multi_string,
}


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag as its command defines it.

    Args:
        name: Its name, without dashes.
        kind: The type of its value; a tuple for a flag that may be repeated.
        default: The value without it.
        help: One or two sentences.
        choices: The only values that it can have.
        or_entry_point: Whether it may also be `<module>:<function>`, which its setting checks.
        aliases: Earlier names, still accepted.
        known_as: Names that other programs have for it.
        essential: Whether --help shows it; --helpfull shows all.
        is_required: Whether the command needs it.
    """

    name: str
    kind: type
    default: Any
    help: str
    choices: tuple[str, ...] | None = None
    or_entry_point: bool = False
    aliases: tuple[str, ...] = ()
    known_as: tuple[str, ...] = ()
    essential: bool = True
    is_required: bool = False

    def define(self, values: flags.FlagValues) -> None:
        """Adds the flag, and its earlier names, to the flags of a command."""
        if self.choices is not None and not self.or_entry_point:
            flags.DEFINE_enum(self.name, self.default, self.choices, self.help, flag_values=values)
        else:
            define = _DEFINITIONS[self.kind]
            define(self.name, self.default, self.help, flag_values=values)
        for alias in self.aliases:
            flags.DEFINE_alias(alias, self.name, flag_values=values)

    def describe(self) -> str:
        """Returns the flag's lines in --help."""
        choices = self.choices or ()
        if self.or_entry_point:
            choices = (*choices, "<module>:<function>")
        if self.kind is bool:
            value = ""
        else:
            value = "=" + ("|".join(choices) if choices else _PLACEHOLDERS[self.kind])
        if self.is_required:
            note = "  (required)"
        else:
            is_off = self.default is None or self.default is False
            note = "" if is_off else f"  (default: {self.default})"
        help = self.help
        if len(value) > _HELP_WIDTH // 2:
            value, help = "=<choice>", f"{help} One of {', '.join(choices)}."
        if len(note) > _HELP_WIDTH // 2:
            note, help = "", f"{help} Default: {self.default}."
        indent = " " * 6
        help = textwrap.fill(help, _HELP_WIDTH, initial_indent=indent, subsequent_indent=indent)
        return f"  --{self.name}{value}{note}\n{help}"


def flags_of_settings(
    kind: "type[DataclassInstance]", left_out: frozenset[str] = frozenset()
) -> list[Flag]:
    """Returns the flags of a configuration's settings, without those of the parts inside it."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    return [
        Flag(
            name,
            str if each.text is not None else _type_of(fields[name]),
            each.plain(fields[name].default),
            each.help,
            each.choices,
            each.or_entry_point,
            each.aliases,
            each.known_as,
            each.essential,
        )
        for name, each in settings_of(kind).items()
        if each.is_flag and name not in left_out
    ]


def _type_of(field: dataclasses.Field) -> type:
    is_union = isinstance(field.type, types.UnionType)
    kinds = typing.get_args(field.type) if is_union else (field.type,)
    (kind,) = (kind for kind in kinds if kind is not types.NoneType)
    return typing.get_origin(kind) or kind
