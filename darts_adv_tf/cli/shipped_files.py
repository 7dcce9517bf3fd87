"""Flagfiles and documents that are shipped with the program, in folders of the package."""

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path

from darts_adv_tf.system.errors import ConfigurationError
from darts_adv_tf.system.text_files import decode_text

PACKAGE = Path(str(files("darts_adv_tf")))


def with_flagfiles(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with every --flagfile replaced by the flags in that file.

    A file that does not exist is looked for among those shipped with the program, so that
    `--flagfile=phantom` works in every folder. A flagfile may name others.

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
        lines = [line.strip() for line in decode_text(path.read_bytes()).splitlines()]
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            "A flagfile must be a text file in UTF-8.",
            received=error,
            file=path,
            remedy="Save the file again as UTF-8.",
        ) from error
    except OSError as error:
        raise ConfigurationError(
            "A flagfile must be a text file that can be read.",
            received=error.strerror or error,
            file=path,
            remedy="Name a file that you have permission to read.",
        ) from error
    return [line for line in lines if line and not line.startswith(("#", "//"))]


def find_flagfile(name: str) -> Path:
    """Returns the path of a flagfile: from the current folder, or else a shipped one.

    Args:
        name: A path, or the name of a shipped one: `flags/phantom.flags`, `phantom.flags` or
            `phantom`.

    Raises:
        ConfigurationError: There is none.
    """
    path = Path(name).expanduser()
    if name and path.exists():
        return path
    shipped = {file.stem: file for file in sorted((PACKAGE / "flags").glob("*.flags"))}
    stem = path.name.removesuffix(".flags")
    if path.parent in (Path(), Path("flags")) and stem in shipped:
        return shipped[stem]
    close = difflib.get_close_matches(stem, shipped, n=1)
    raise ConfigurationError(
        "--flagfile must be the path of a file, from the current folder, or the name of a shipped "
        "one.",
        received=f"--flagfile={name}",
        remedy=f"Did you mean --flagfile={close[0]}?"
        if close
        else f"These are shipped: {', '.join(shipped)}.",
    )


def with_installed_paths(text: str) -> str:
    """Returns a message with every `docs/....md` as a path that exists for the reader."""

    def located(match: re.Match[str]) -> str:
        shipped = PACKAGE / match[0]
        return match[0] if os.path.exists(match[0]) or not shipped.exists() else str(shipped)

    return re.sub(r"(?<![\w/])docs/\w+\.md", located, text)
