"""config.json: the configuration of a run and the package versions that it ran with."""

import contextlib
import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from darts_adv_tf import __version__
from darts_adv_tf.config import RunConfig
from darts_adv_tf.config.plain_values import plain_values, renamed
from darts_adv_tf.config.setting import parts_of, settings_of
from darts_adv_tf.system.errors import ConfigurationError, StorageError
from darts_adv_tf.system.files import without_repetition, write_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FILE_NAME = "config.json"
FORMAT = "darts_adv_tf.config"
FORMAT_VERSION = 4
READABLE_VERSIONS = (2, 3, 4)
RECORDED_PACKAGES = ("tensorflow", "keras", "numpy", "opencv-python-headless")
_REMEDY = "Use the config.json as the run wrote it, or begin a new run."


def save_config(config: RunConfig, workdir: str | os.PathLike) -> Path:
    """Writes config.json into `workdir`, which is created if it does not exist.

    Returns:
        The file's path.

    Raises:
        StorageError: The file cannot be written.
    """
    path = Path(workdir) / FILE_NAME
    write_text(path, to_json(config))
    return path


def load_config(workdir: str | os.PathLike) -> RunConfig:
    """Reads the configuration of the run in `workdir` as it was saved.

    Raises:
        ConfigurationError: There is no run, or its config.json is not what `save_config` wrote.
        StorageError: The file cannot be read.
    """
    path = Path(workdir) / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigurationError(
            f"--workdir must be the folder of a run, with its {FILE_NAME}.",
            received=f"--workdir={workdir}",
            file=path,
            remedy="Name the folder that a search or a training wrote, as its last lines show it.",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            "A configuration must be text in UTF-8.",
            received=error,
            file=path,
            remedy=_REMEDY,
        ) from error
    except OSError as error:
        raise StorageError(
            "The configuration of a run must be readable.",
            received=error.strerror,
            file=path,
            remedy="Give yourself permission to read it.",
        ) from error
    return from_json(text, file=path)


def to_json(config: RunConfig) -> str:
    """Returns the contents of config.json, with the versions of the packages that matter."""
    content = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        **plain_values(config),
        "versions": versions(),
    }
    return json.dumps(content, indent=2) + "\n"


def from_json(text: str, file: str | os.PathLike | None = None) -> RunConfig:
    """Reads what `to_json` wrote, in this version or an earlier one.

    A setting that the file lacks has its default; one under an earlier name is read.

    Args:
        text: The contents of config.json.
        file: The file's path, for messages.

    Raises:
        ConfigurationError: Not JSON, another format, a name that is unknown, a value of another
            type or against its rule.
    """
    try:
        content = json.loads(text, object_pairs_hook=without_repetition)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(
            "A configuration must be a JSON object, with each key once.",
            received=error,
            file=file,
            remedy=_REMEDY,
        ) from error
    content = _take_object(content, "the configuration", file)
    version = content.pop("version", None)
    if (
        content.pop("format", None) != FORMAT
        or type(version) is not int
        or (version not in READABLE_VERSIONS)
    ):
        raise ConfigurationError(
            f"A configuration must have format {FORMAT!r} and a version from "
            f"{READABLE_VERSIONS[0]} to {READABLE_VERSIONS[-1]}.",
            received="another format or version, or none",
            file=file,
            remedy=_REMEDY,
        )
    versions = _take_object(content.pop("versions", None), "versions", file)
    if "darts_adv_tf" not in versions or not all(
        isinstance(version, str) for version in versions.values()
    ):
        raise ConfigurationError(
            "A configuration must record the versions of this program and of its packages.",
            received=f"versions={versions}",
            file=file,
            remedy=_REMEDY,
        )
    try:
        return cast(RunConfig, _from_dict(RunConfig, content, "the configuration", file))
    except ConfigurationError as error:
        if error.file is not None or file is None:
            raise
        raise ConfigurationError(
            error.rule, received=error.received, file=file, remedy=error.remedy
        ) from error


def versions() -> dict[str, str]:
    """Returns the versions of this program, Python, and the packages that results depend on."""
    versions = {"darts_adv_tf": __version__, "python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        # TensorFlow may be installed under another name, such as tensorflow-cpu.
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions


def _from_dict(
    kind: "type[DataclassInstance]",
    content: dict[str, Any],
    place: str,
    file: str | os.PathLike | None,
) -> "DataclassInstance":
    """Makes a configuration, with the configurations inside it, from parsed JSON."""
    parts = parts_of(kind)
    content = renamed(kind, content)
    unknown = sorted(content.keys() - parts.keys() - settings_of(kind).keys())
    if unknown:
        raise ConfigurationError(
            f"{place[0].upper()}{place[1:]} must hold only settings that this version knows.",
            received=f"unknown: {', '.join(unknown)}",
            file=file,
            remedy=_REMEDY,
        )
    for name in parts.keys() & content.keys():
        part = _take_object(content[name], f"{name!r}", file)
        content[name] = _from_dict(parts[name], part, f"{name!r}", file)
    return kind(**content)


def _take_object(content: object, place: str, file: str | os.PathLike | None) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ConfigurationError(
            "A configuration and each of its parts must be a JSON object.",
            received=f"{type(content).__name__} for {place}",
            file=file,
            remedy=_REMEDY,
        )
    return dict(content)
