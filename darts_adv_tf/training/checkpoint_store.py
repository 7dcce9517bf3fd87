"""Checkpoints on disk: each a folder that is complete and checked, or is not there.

    <folder>/step-00000120/
        manifest.json   what the state is one of, and the type and shape of every array
        state.npz       every array by name
        SHA256SUMS      of the two, as `sha256sum --check` reads it

NumPy and JSON alone: nothing in a checkpoint can run code when it is read.
"""

import dataclasses
import errno
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from darts_adv_tf.system.errors import CheckpointError, StorageError
from darts_adv_tf.system.files import sync_folder, write_synced

FORMAT = "darts_adv_tf.checkpoint"
FORMAT_VERSION = 1
MANIFEST, STATE, CHECKSUMS = "manifest.json", "state.npz", "SHA256SUMS"
DAMAGED_SUFFIX = ".damaged"
_FOLDER_NAME = re.compile(r"step-(\d{8,})")
_UNFINISHED = re.compile(r"\.step-\d{8,}\.[0-9a-f]{8}")
# The disk answers with an error where it has lost what it held, and so does a file that refers to
# a place before its beginning. Everything else may pass.
_ERRORS_OF_DAMAGE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EIO, errno.EINVAL)
# What reading makes of contents that fit their checksums and are nonsense all the same.
_ERRORS_OF_CONTENTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)


class DamagedCheckpointError(CheckpointError):
    """A checkpoint that was good once; the one before may still be."""


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """A state as it was saved.

    Attributes:
        step: Steps of the phase that were done.
        notes: What else was saved beside the arrays: JSON values by name.
        arrays: By name.
        folder: Where it lies.
    """

    step: int
    notes: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    folder: Path


class CheckpointStore:
    """The newest checkpoints of one phase, in a folder of their own.

    A checkpoint is written beside its place, synced and renamed: whatever happens meanwhile, the
    ones before stay as they are.

    Args:
        folder: Made when the first one is written.
        num_kept: How many of the newest stay.
    """

    def __init__(self, folder: str | os.PathLike, num_kept: int = 1):
        self.folder = Path(folder)
        self.num_kept = num_kept

    def steps(self) -> list[int]:
        """Of all checkpoints that are there, damaged or not, ascending.

        Raises:
            StorageError: The system refused to list them.
        """
        try:
            names = os.listdir(self.folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(error, self.folder) from error
        return sorted(int(match[1]) for match in map(_FOLDER_NAME.fullmatch, names) if match)

    def path(self, step: int) -> Path:
        """Where the checkpoint of a step lies, or would."""
        return self.folder / f"step-{step:08d}"

    def write(self, step: int, notes: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Writes a checkpoint, then drops the oldest beyond `num_kept`.

        Raises:
            StorageError: The system refused; all checkpoints are as they were before, but for the
                new one where only dropping the oldest failed.
        """
        final = self.path(step)
        unfinished = self._unfinished(step)
        manifest = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "step": step,
            **notes,
            "arrays": {name: [array.dtype.name, array.shape] for name, array in arrays.items()},
        }
        try:
            unfinished.mkdir(parents=True)
            with write_synced(unfinished / STATE) as stream:
                np.savez(stream, allow_pickle=False, **arrays)
            with write_synced(unfinished / MANIFEST) as stream:
                stream.write(json.dumps(manifest, indent=1, allow_nan=False).encode())
            with write_synced(unfinished / CHECKSUMS) as stream:
                stream.write(_checksums(unfinished))
            sync_folder(unfinished)
            # Training went on from an earlier one, so that what has this name is damaged.
            aside = self.set_aside(step)
            try:
                os.rename(unfinished, final)
            except OSError:
                if aside is not None:
                    os.rename(aside, final)
                raise
            sync_folder(self.folder)
            for old in self.steps()[: -self.num_kept]:
                self._remove(self.path(old))
        except OSError as error:
            raise StorageError(
                "A checkpoint must be written.",
                received=error.strerror or error,
                file=final,
                remedy="Free space or permit writing there, then go on from the checkpoint before "
                "by --resume.",
            ) from error
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)

    def read(self, step: int) -> Checkpoint:
        """Reads a checkpoint whole, checked against its checksums.

        Raises:
            DamagedCheckpointError: It is missing or not as it was written.
            CheckpointError: Another version of this program wrote it.
            StorageError: The system refused to read it.
        """
        folder = self.path(step)
        try:
            if (folder / CHECKSUMS).read_bytes() != _checksums(folder):
                raise _damaged(folder, f"contents that differ from {CHECKSUMS}")
            specs, notes = _checked(json.loads((folder / MANIFEST).read_bytes()), step, folder)
            return Checkpoint(step, notes, _read_arrays(folder / STATE, specs), folder)
        except OSError as error:
            if error.errno in _ERRORS_OF_DAMAGE:
                raise _damaged(folder, f"{error.filename or STATE}: {error.strerror}") from error
            raise _unreadable(error, folder) from error
        except CheckpointError:
            raise
        except _ERRORS_OF_CONTENTS as error:
            raise _damaged(folder, error) from error

    def set_aside(self, step: int) -> Path | None:
        """Gives the damaged checkpoint of a step, where there is one, another name; returns it."""
        damaged = self.path(step)
        if not damaged.exists():
            return None
        aside = damaged.with_name(damaged.name + DAMAGED_SUFFIX)
        if aside.exists():
            self._remove(aside)
        os.rename(damaged, aside)
        return aside

    def remove_unfinished(self) -> None:
        """Removes what killed processes have left half written."""
        if self.folder.is_dir():
            for name in filter(_UNFINISHED.fullmatch, os.listdir(self.folder)):
                shutil.rmtree(self.folder / name, ignore_errors=True)

    def _remove(self, path: Path):
        # Renamed first, so that no half removed folder passes for a damaged checkpoint.
        unfinished = self._unfinished(0)
        os.rename(path, unfinished)
        shutil.rmtree(unfinished, ignore_errors=True)

    def _unfinished(self, step: int) -> Path:
        return self.folder / f".{self.path(step).name}.{secrets.token_hex(4)}"


def _checksums(folder: Path) -> bytes:
    lines = []
    for name in (MANIFEST, STATE):
        with open(folder / name, "rb") as stream:
            lines.append(f"{hashlib.file_digest(stream, 'sha256').hexdigest()}  {name}\n")
    return "".join(lines).encode()


def _checked(manifest: Any, step: int, folder: Path) -> tuple[dict, dict]:
    """Type and shape of every array by name, and the notes."""
    known = {"format": FORMAT, "version": FORMAT_VERSION, "step": step}
    if not isinstance(manifest, dict):
        raise _damaged(folder, f"{MANIFEST} without entries")
    for name, expected in known.items():
        if manifest.get(name) != expected:
            raise CheckpointError(
                f"A checkpoint must have {name} {expected!r} in its {MANIFEST}.",
                received=f"{name} {manifest.get(name)!r}",
                file=folder,
                remedy="Use the version of this program that wrote it.",
            )
    notes = {name: value for name, value in manifest.items() if name not in (*known, "arrays")}
    specs = {
        name: (np.dtype(str(dtype)), tuple(shape))
        for name, (dtype, shape) in manifest["arrays"].items()
    }
    return specs, notes


def _read_arrays(path: Path, specs: Mapping[str, tuple[np.dtype, tuple]]) -> dict[str, np.ndarray]:
    """The arrays, whose headers are compared with the manifest before memory is taken.

    Nothing is compressed, so that together they take no more memory than the file does.
    """
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        is_plain = all(member.compress_type == zipfile.ZIP_STORED for member in infos)
        if not is_plain or sum(member.file_size for member in infos) > path.stat().st_size:
            raise ValueError(f"{STATE} holds more than its size allows")
        members = {member.filename.removesuffix(".npy"): member for member in infos}
        if set(members) != set(specs):
            raise ValueError(f"{STATE} holds other arrays than {MANIFEST} lists")
        for name, (dtype, shape) in specs.items():
            with archive.open(members[name]) as stream:
                version = np.lib.format.read_magic(stream)
                header = np.lib.format.read_array_header_1_0(stream)
                size = math.prod(shape) * dtype.itemsize
                expected = (1, 0), (shape, False, dtype)
                is_listed = (version, header) == expected and not dtype.hasobject
                if not is_listed or members[name].file_size != stream.tell() + size:
                    raise ValueError(f"{STATE} holds another {name} than {MANIFEST} lists")
                content = stream.read(size)
                arrays[name] = np.frombuffer(content, dtype).reshape(shape)
    return arrays


def _unreadable(error: OSError, path: Path) -> StorageError:
    return StorageError(
        "A checkpoint must be readable.",
        received=error.strerror or error,
        file=error.filename or path,
        remedy="Give yourself permission to read it, or repair the disk.",
    )


def _damaged(folder: Path, received: object) -> DamagedCheckpointError:
    return DamagedCheckpointError(
        "A checkpoint must be complete, as it was written.",
        received=received,
        file=folder,
        remedy="Go on from an earlier one by --resume, or begin a new run.",
    )
