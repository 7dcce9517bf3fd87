"""Flagfiles and documents come with the program: they lie beside its modules wherever it is."""

import os
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from darts_adv_tf.system.errors import ConfigurationError

PACKAGE = Path(str(files("darts_adv_tf")))


def with_flagfiles(arguments: Sequence[str]) -> list[str]:
    """Arguments in which each --flagfile stands replaced by the flags in that file.

    A file that is not where its path says is looked for among those shipped with the program, so
    that `--flagfile=flags/phantom.flags` works in every folder. A flagfile may name others.

    Raises:
        ConfigurationError: A flagfile cannot be read, or it includes itself.
    """
    return list(_expanded(arguments, ()))


def _expanded(arguments: Sequence[str], including: tuple[Path, ...]) -> Iterator[str]:
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            yield argument
            yield from remaining
            return
        name, equals, value = argument.partition("=")
        if name not in ("--flagfile", "-flagfile"):
            yield argument
            continue
        path = find_flagfile(value if equals else next(remaining, ""))
        if path in including:
            raise ConfigurationError(
                "A flagfile must not include itself.",
                received=" includes ".join(map(str, [*including, path])),
                remedy="Take out one of these lines.",
            )
        yield from _expanded(_flags_in(path), (*including, path))


def _flags_in(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "A flagfile must be a text file that can be read.", received=error, file=path
        ) from error
    return [line for line in lines if line and not line.startswith(("#", "//"))]


def find_flagfile(name: str) -> Path:
    """Where a flagfile is: at its path from the current folder, or among the shipped ones.

    Raises:
        ConfigurationError: It is in neither place.
    """
    path = Path(name).expanduser()
    shipped = PACKAGE / "flags" / path.name
    if name and not path.exists() and path.parent in (Path(), Path("flags")) and shipped.exists():
        return shipped
    if not name or not path.exists():
        names = ", ".join(sorted(file.name for file in (PACKAGE / "flags").glob("*.flags")))
        raise ConfigurationError(
            "A flagfile must exist; its path counts from the current folder.",
            received=f"--flagfile={name}",
            remedy=f"These are shipped, and found from every folder: {names}.",
        )
    return path


def with_installed_paths(text: str) -> str:
    """A message in which `docs/....md` is a path that the reader can open from where they are."""

    def located(match: re.Match[str]) -> str:
        shipped = PACKAGE / match[0]
        return match[0] if os.path.exists(match[0]) or not shipped.exists() else str(shipped)

    return re.sub(r"(?<![\w/])docs/\w+\.md", located, text)
