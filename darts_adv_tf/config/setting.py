"""A setting of a configuration: a field with its help text and the rule for its value."""

import dataclasses
import math
import types
import typing

from darts_adv_tf.system.errors import ConfigurationError


def setting(
    default: object,
    help: str,
    *,
    choices: tuple[str, ...] | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    is_positive: bool = False,
    may_change: bool = False,
    since: int = 2,
):
    """A field with its help text and the rule for its value (`None`, where allowed, keeps any).

    `may_change` says that a resumed run may have another value: where its files lie, and what
    happens when something goes wrong. `since` is the version of config.json that first had it:
    runs of earlier versions have the default.
    """
    rules = {
        "help": help,
        "choices": choices,
        "minimum": minimum,
        "maximum": maximum,
        "is_positive": is_positive,
        "may_change": may_change,
        "since": since,
    }
    return dataclasses.field(default=default, metadata=rules)


def check_fields(config: object):
    """Checks type and rule of every field of a configuration on its own."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        _check_type(field, value)
        if value is None or not field.metadata:
            continue
        choices = field.metadata["choices"]
        minimum, maximum = field.metadata["minimum"], field.metadata["maximum"]
        if choices is not None and value not in choices:
            rule = f"--{field.name} is one of {', '.join(choices)}."
        elif minimum is not None and value < minimum:
            rule = f"--{field.name} is {minimum} or more."
        elif maximum is not None and value > maximum:
            rule = f"--{field.name} is {maximum} or less."
        elif isinstance(value, float) and not math.isfinite(value):
            rule = f"--{field.name} is a finite number."
        elif value == "":
            rule = f"--{field.name} is not empty."
        elif field.metadata["is_positive"] and not (0 < value < math.inf):
            rule = f"--{field.name} is a positive number."
        else:
            continue
        raise ConfigurationError(
            rule,
            received=f"--{field.name}={value}",
            remedy=_REMEDIES.get(field.name, f"Change it, or leave it out for {field.default}."),
        )


# What a refused value may have been meant for.
_REMEDIES = {
    "adversarial_weight": "To train without a discriminator: "
    "python -m darts_adv_tf.train --discriminator=none",
    "unroll_rate": "To take no virtual step: --architecture_gradient=first_order",
}


def _check_type(field: dataclasses.Field, value: object):
    expected = typing.get_args(field.type) if _is_union(field.type) else (field.type,)
    if float in expected and type(value) is int:
        return
    if type(value) not in expected:
        names = " or ".join(
            "null" if kind is types.NoneType else kind.__name__ for kind in expected
        )
        raise ConfigurationError(
            f"{field.name} is of type {names}.",
            received=f"{field.name}={value!r}",
            remedy=f"Give it a value of that type, such as {field.default!r}.",
        )


def _is_union(annotation: object) -> bool:
    return isinstance(annotation, types.UnionType)
