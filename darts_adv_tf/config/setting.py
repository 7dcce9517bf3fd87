"""A setting: a field of a configuration with its help text, its rule and its flag."""

import dataclasses
import math
import types
import typing
from typing import TYPE_CHECKING, Any

from darts_adv_tf.config.text_form import TextForm
from darts_adv_tf.system.entry_point import is_entry_point
from darts_adv_tf.system.errors import ConfigurationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is known of a setting besides its name, type and default.

    Everything that depends on the setting reads it here: flags, help, config.json, the check of a
    resumed run. To add a setting, add its field.

    Args:
        help: One or two short sentences, with the unit and the paper's symbol and value.
        choices: The only values that it can have.
        or_entry_point: Whether it may also be `<module>:<function>`, a user's own.
        minimum, maximum: Its bounds, themselves allowed.
        is_positive: Whether it must be above zero.
        may_change: Whether a resumed run may have another value, since no result depends on it.
        may_grow: Whether a resumed run may have a larger value, which it goes on to.
        text: How its value is written as one text, if it is not a number, a name or a bool.
        aliases: Earlier names, still accepted as a flag and as a key of config.json.
        known_as: Names that other programs have for it; an unknown flag of that name suggests it.
        essential: Whether `--help` shows it; `--helpfull` shows all.
        is_flag: Whether a flag sets it.
        search_only: Whether it has no effect without a search, so that `train` lacks it.
        train_only: Whether `search` lacks it.
        set_by_matrix: Whether the runs of `reproduce` differ by it.
        only_with: A setting and its value, without which this one has no effect.
        remedy: What to do about a refused value, where that is not simply to change it.
    """

    help: str
    choices: tuple[str, ...] | None = None
    or_entry_point: bool = False
    minimum: float | None = None
    maximum: float | None = None
    is_positive: bool = False
    may_change: bool = False
    may_grow: bool = False
    text: TextForm | None = None
    aliases: tuple[str, ...] = ()
    known_as: tuple[str, ...] = ()
    essential: bool = False
    is_flag: bool = True
    search_only: bool = False
    train_only: bool = False
    set_by_matrix: bool = False
    only_with: tuple[str, str] | None = None
    remedy: str | None = None

    def plain(self, value: object) -> Any:
        """Returns a value as a flag and config.json have it: a text, a number, a bool or None."""
        return value if self.text is None or value is None else self.text.format(value)


def setting(default: object, help: str, **rules: Any) -> Any:
    """Returns a dataclass field with its help text and its rules, the arguments of `Setting`.

    `None`, where the type allows it, keeps every rule.

    Example:
        fold: int = setting(0, "The part that is tested, from 0.", minimum=0)
    """
    return dataclasses.field(default=default, metadata={"setting": Setting(help, **rules)})


def settings_of(
    config: "DataclassInstance | type[DataclassInstance]",
) -> dict[str, Setting]:
    """Returns the settings of a configuration by name, without those of the parts inside it."""
    return {
        field.name: field.metadata["setting"]
        for field in dataclasses.fields(config)
        if "setting" in field.metadata
    }


def parts_of(
    config: "DataclassInstance | type[DataclassInstance]",
) -> "dict[str, type[DataclassInstance]]":
    """Returns the types of the configurations inside a configuration by name."""
    return {
        field.name: typing.cast("type[DataclassInstance]", field.type)
        for field in dataclasses.fields(config)
        if dataclasses.is_dataclass(field.type)
    }


def check_fields(config: "DataclassInstance") -> None:
    """Checks the type and the rule of every setting on its own.

    A value that is given in its text form, as flags and config.json have it, is parsed.

    Raises:
        ConfigurationError: A value breaks its rule.
    """
    fields = {field.name: field for field in dataclasses.fields(config)}
    for name, rules in settings_of(config).items():
        value = getattr(config, name)
        if rules.text is None or value is None:
            _check_type(fields[name], value)
        else:
            object.__setattr__(config, name, parsed(name, rules, value))
        broken = None if value is None else _broken_rule(rules, value)
        if broken is not None:
            raise ConfigurationError(
                f"--{name} must {broken}.",
                received=f"--{name}={value}",
                remedy=rules.remedy
                or f"Change it, or leave it out for {rules.plain(fields[name].default)}.",
            )


def _broken_rule(rules: Setting, value: Any) -> str | None:
    if rules.choices is not None and value not in rules.choices:
        choices = ", ".join(rules.choices)
        if not rules.or_entry_point:
            return f"be one of {choices}"
        if not is_entry_point(value):
            return f"be one of {choices}, or <module>:<function>"
    if rules.minimum is not None and value < rules.minimum:
        return f"be {rules.minimum} or more"
    if rules.maximum is not None and value > rules.maximum:
        return f"be {rules.maximum} or less"
    if isinstance(value, float) and not math.isfinite(value):
        return "be a finite number"
    if value == "":
        return "not be empty"
    if rules.is_positive and not 0 < value < math.inf:
        return "be a positive number"
    return None


def parsed(name: str, rules: Setting, value: Any) -> Any:
    """Returns the value that a text stands for; any other value must be one that it can stand for.

    Raises:
        ConfigurationError: It is not.
    """
    form = rules.text
    if form is None or value is None:
        return value
    received = f"--{name}={value}"
    try:
        if not isinstance(value, str):
            received = f"{name}={value!r}"
            value = form.format(value)
        return form.parse(value)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(
            f"--{name} must {form.rule}.",
            received=received,
            remedy=f"Use such as --{name}={form.example}.",
        ) from error


def _check_type(field: dataclasses.Field, value: object) -> None:
    is_union = isinstance(field.type, types.UnionType)
    kinds = typing.get_args(field.type) if is_union else (field.type,)
    expected = [typing.get_origin(kind) or kind for kind in kinds]
    if float in expected and type(value) is int:
        return
    if type(value) not in expected:
        names = " or ".join(
            "null" if kind is types.NoneType else kind.__name__ for kind in expected
        )
        raise ConfigurationError(
            f"{field.name} must be of type {names}.",
            received=f"{field.name}={value!r}",
            remedy=f"Give it a value of that type, such as {field.default!r}.",
        )
