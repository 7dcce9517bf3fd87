"""A flag: what it is called, what it takes, and what --help says of it."""

import dataclasses
import textwrap
import types
import typing

from absl import flags

_HELP_WIDTH = 96
_PLACEHOLDERS = {int: "<integer>", float: "<number>", str: "<text>", tuple: "<text>,<text>,..."}
_DEFINITIONS = {
    bool: flags.DEFINE_boolean,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
    str: flags.DEFINE_string,
    # May be repeated; its value is a list.
    tuple: flags.DEFINE_multi_string,
}


@dataclasses.dataclass(frozen=True)
class Flag:
    """A flag as its command defines it."""

    name: str
    kind: type
    default: object
    help: str
    choices: tuple[str, ...] | None = None
    is_required: bool = False

    def define(self, values: flags.FlagValues):
        if self.choices is not None:
            flags.DEFINE_enum(self.name, self.default, self.choices, self.help, flag_values=values)
        else:
            define = _DEFINITIONS[self.kind]
            define(self.name, self.default, self.help, flag_values=values)

    def describe(self) -> str:
        """The flag's lines in --help."""
        if self.kind is bool:
            value = ""
        else:
            value = "=" + ("|".join(self.choices) if self.choices else _PLACEHOLDERS[self.kind])
        if self.is_required:
            note = "  (needed)"
        else:
            is_off = self.default is None or self.default is False
            note = "" if is_off else f"  (default: {self.default})"
        help = self.help
        if len(value) > _HELP_WIDTH // 2:
            value, help = "=<choice>", f"{help} One of {', '.join(self.choices)}."
        indent = " " * 6
        help = textwrap.fill(help, _HELP_WIDTH, initial_indent=indent, subsequent_indent=indent)
        return f"  --{self.name}{value}{note}\n{help}"


def flag_of(field: dataclasses.Field) -> Flag:
    """The flag of a configuration's setting."""
    kinds = typing.get_args(field.type) or (field.type,)
    (kind,) = (kind for kind in kinds if kind is not types.NoneType)
    return Flag(field.name, kind, field.default, field.metadata["help"], field.metadata["choices"])


def flags_of_settings(part: type, left_out: frozenset[str] = frozenset()) -> list[Flag]:
    """The flags of a configuration's settings, but for those parts of it that hold others."""
    return [
        flag_of(field)
        for field in dataclasses.fields(part)
        if field.metadata and field.name not in left_out
    ]
