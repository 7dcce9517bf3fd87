"""The configuration of a run as config.json in its work directory, with the versions it ran on."""

import contextlib
import dataclasses
import json
import os
import platform
from importlib import metadata
from pathlib import Path

from darts_adv_tf import __version__
from darts_adv_tf.config import RunConfig
from darts_adv_tf.config.run import FIRST_VERSION, is_later
from darts_adv_tf.system.errors import ConfigurationError, StorageError
from darts_adv_tf.system.files import without_repetition, write_text

FILE_NAME = "config.json"
FORMAT = "darts_adv_tf.config"
FORMAT_VERSION = 4
RECORDED_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless")
_REMEDY = "Use the config.json as the run wrote it, or begin a new run."


def save_config(config: RunConfig, workdir: str | os.PathLike) -> Path:
    """Writes config.json into `workdir`, which is made where it is missing.

    Returns:
        The file's path.

    Raises:
        StorageError: The file cannot be written.
    """
    path = Path(workdir) / FILE_NAME
    write_text(path, to_json(config))
    return path


def load_config(workdir: str | os.PathLike) -> RunConfig:
    """Reads the configuration of the run in `workdir`, as it was saved.

    Raises:
        ConfigurationError: There is no run, or its config.json is not what `save_config` wrote.
        StorageError: The file cannot be read.
    """
    path = Path(workdir) / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigurationError(
            f"The work directory of a run holds its {FILE_NAME}.",
            received=f"--workdir={workdir}",
            file=path,
            remedy="Name the folder that a search or a training wrote, as its last lines show it.",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            "A configuration is text in UTF-8.",
            received=error,
            file=path,
            remedy=_REMEDY,
        ) from error
    except OSError as error:
        raise StorageError(
            "The configuration of a run has to be readable.",
            received=error.strerror,
            file=path,
            remedy="Give yourself permission to read it.",
        ) from error
    return from_json(text, file=path)


def to_json(config: RunConfig) -> str:
    """The contents of config.json, with the versions of the packages that matter."""
    content = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        **dataclasses.asdict(config),
        "versions": versions(),
    }
    return json.dumps(content, indent=2) + "\n"


def from_json(text: str, file: str | os.PathLike | None = None) -> RunConfig:
    """Reads what `to_json` wrote, now or in an earlier version; anything else is refused.

    What an earlier version did not have yet gets its default, which is what it did.

    Args:
        text: The contents of config.json.
        file: Where they come from, for the message.

    Raises:
        ConfigurationError: Not JSON, another format, a name missing or unknown, a value of
            another type or against its rule.
    """
    try:
        content = json.loads(text, object_pairs_hook=without_repetition)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            "A configuration is a JSON object, with each key once.",
            received=error,
            file=file,
            remedy=_REMEDY,
        ) from error
    content = _take_object(content, "the configuration", file)
    readable = range(FIRST_VERSION, FORMAT_VERSION + 1)
    version = content.pop("version", None)
    if content.pop("format", None) != FORMAT or type(version) is not int or version not in readable:
        raise ConfigurationError(
            f"A configuration of this program has format {FORMAT!r} and a version from "
            f"{readable[0]} to {readable[-1]}.",
            received="another format or version, or none",
            file=file,
            remedy=_REMEDY,
        )
    versions = _take_object(content.pop("versions", None), "versions", file)
    if "darts_adv_tf" not in versions or not all(
        isinstance(version, str) for version in versions.values()
    ):
        raise ConfigurationError(
            "A configuration records the versions of this program and of what it ran on.",
            received=f"versions={versions}",
            file=file,
            remedy=_REMEDY,
        )
    try:
        return _from_dict(RunConfig, content, version, "the configuration", file)
    except ConfigurationError as error:
        if error.file is not None or file is None:
            raise
        raise ConfigurationError(
            error.rule, received=error.received, file=file, remedy=error.remedy
        ) from error


def versions() -> dict[str, str]:
    """Of this program, of Python, and of the packages that results depend on."""
    versions = {"darts_adv_tf": __version__, "python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        # TensorFlow may be installed under another name, such as tensorflow-cpu.
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def _from_dict(kind: type, content: dict, version: int, place: str, file: str | os.PathLike | None):
    """Makes a configuration, with the configurations inside it, from parsed JSON."""
    fields = {
        field.name: field.type for field in dataclasses.fields(kind) if _is_known_to(version, field)
    }
    unknown, missing = sorted(set(content) - set(fields)), sorted(set(fields) - set(content))
    if unknown or missing:
        raise ConfigurationError(
            f"{place[0].upper()}{place[1:]} holds each of its entries, and no others.",
            received="; ".join(
                f"{state}: {', '.join(names)}"
                for state, names in (("unknown", unknown), ("missing", missing))
                if names
            ),
            file=file,
            remedy=_REMEDY,
        )
    values = {
        name: _from_dict(
            fields[name], _take_object(value, f"{name!r}", file), version, f"{name!r}", file
        )
        if dataclasses.is_dataclass(fields[name])
        else value
        for name, value in content.items()
    }
    return kind(**values)


def _is_known_to(version: int, field: dataclasses.Field) -> bool:
    if dataclasses.is_dataclass(field.type):
        return version > FIRST_VERSION or not is_later(field.type)
    return field.metadata["since"] <= version


def _take_object(content: object, place: str, file: str | os.PathLike | None) -> dict:
    if not isinstance(content, dict):
        raise ConfigurationError(
            "A configuration and each of its parts is a JSON object.",
            received=f"{type(content).__name__} for {place}",
            file=file,
            remedy=_REMEDY,
        )
    return dict(content)
