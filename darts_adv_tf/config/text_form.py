"""Values that are written as one text, as a flag and in config.json: lists, pairs, intervals."""

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


@dataclasses.dataclass(frozen=True)
class TextForm:
    """How a value is read from text and written as text.

    Args:
        parse: Returns the value that a text stands for, or raises a ValueError.
        format: Returns the text of a value; `parse` reads it back as the same value.
        rule: What the text must be, in words: "be a list of ...".
        example: A text that is right.
    """

    parse: Callable[[str], Any]
    format: Callable[[Any], str]
    rule: str
    example: str


class Interval(NamedTuple):
    """A number of steps or a number of seconds; the other one is None."""

    steps: int | None
    seconds: float | None


def _parse_names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if not all(names) or len(set(names)) < len(names):
        raise ValueError(text)
    return names


def _parse_whole_numbers(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    numbers = tuple(map(int, parts))
    if not all(part.isdecimal() for part in parts) or len(set(numbers)) < len(numbers):
        raise ValueError(text)
    return numbers


def _parse_number_pair(text: str) -> tuple[float, float]:
    low, high = (float(part) for part in text.split(","))
    if not -math.inf < low < high < math.inf:
        raise ValueError(text)
    return low, high


def _parse_interval(text: str) -> Interval:
    if re.fullmatch(r"[1-9]\d*", text):
        return Interval(int(text), None)
    if re.fullmatch(r"\d+(\.\d+)?m", text) and float(text[:-1]) > 0:
        return Interval(None, 60 * float(text[:-1]))
    raise ValueError(text)


def _format_interval(interval: Interval) -> str:
    steps, seconds = interval
    return f"{_format_number(seconds / 60)}m" if seconds is not None else str(steps)


def _format_list(values: Sequence[object]) -> str:
    return ",".join(map(str, values))


def _format_number(number: float) -> str:
    return repr(float(number)).removesuffix(".0")


NAMES = TextForm(
    _parse_names,
    _format_list,
    "be a list of different names, separated by commas",
    "left_lung,right_lung",
)
WHOLE_NUMBERS = TextForm(
    _parse_whole_numbers,
    _format_list,
    "be a list of different whole numbers, separated by commas",
    "0,1,2",
)
NUMBER_PAIR = TextForm(
    _parse_number_pair,
    lambda pair: ",".join(map(_format_number, pair)),
    "be two numbers, the lower first, separated by a comma",
    "0.5,99.5",
)
INTERVAL = TextForm(
    _parse_interval,
    _format_interval,
    "be a number of minutes followed by m, or a number of steps",
    "5m",
)
