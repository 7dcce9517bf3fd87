"""From what --inputs says to the images to predict, each with a name for its results."""

import dataclasses
import fnmatch
import glob
import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.formats.nifti import NIFTI_SUFFIXES, num_slices, read_nifti
from darts_adv_tf.data.formats.reading import IMAGE_SUFFIXES, is_image_name, read_image
from darts_adv_tf.system.errors import DataError
from darts_adv_tf.system.folders import folders_below, is_system_name, list_folder
from darts_adv_tf.system.text_files import composed

# File systems take 255 bytes a name; files are written under a temporary one, a little longer.
LONGEST_NAME = 200


@dataclasses.dataclass(frozen=True)
class PredictionInput:
    """An image to predict.

    Attributes:
        file: Where it lies.
        name: Of its results, without a suffix: no other image has it, letter case aside.
        slice_index: Which slice of a volume it is; None for a file that is one image.
    """

    file: Path
    name: str
    slice_index: int | None = None

    def read(self) -> DecodedImage:
        """Decodes it.

        Raises:
            DataError: The file is no image, or damaged.
            ConfigurationError: The package for its format is not installed.
        """
        if self.slice_index is None:
            return read_image(self.file)
        return read_nifti(self.file, self.slice_index)


def find_inputs(values: Sequence[str]) -> tuple[list[PredictionInput], list[DataError]]:
    """Finds the images that `values` name.

    A value is a file, a folder or a glob, or several of them separated by commas; one that exists
    as it is written is taken as such. A folder stands for the images directly in it, known by
    their suffixes; hidden ones are left out. A file that is named, or that a glob matches, is
    tried whatever its suffix. `**` in a glob stands for any number of folders; each real one is
    visited once, so that links in a circle come to an end. A volume stands for all its slices.

    Returns:
        The images, sorted by path, no path twice, and an error for each value and each volume
        in which there is nothing to predict.

    Raises:
        ConfigurationError: The package for volumes is not installed.
    """
    files: dict[str, Path] = {}
    errors = []
    for value in _split(values):
        try:
            for path in _expand(value):
                files.setdefault(os.path.abspath(path), path)
        except DataError as error:
            errors.append(error)
    images: list[tuple[Path, int | None]] = []
    for path in sorted(files.values(), key=os.fspath):
        try:
            images += _images_of(path)
        except DataError as error:
            errors.append(error)
    names = unique_names([(path, _slice_ending(index)) for path, index in images])
    return [
        PredictionInput(path, name, index)
        for (path, index), name in zip(images, names, strict=True)
    ], errors


def unique_names(files: Sequence[tuple[Path, str]]) -> list[str]:
    """Names for the results of files, in their order.

    A result is named after its file, without the suffix. Where several files would give one name,
    letter case and the spelling of accents aside, the name of their folder and `_` come first;
    where that is not enough, the second gets `-2` at the end, and so on. Names that are too long
    are cut, with eight digits of a checksum in place of what is lost.

    Args:
        files: Paths, each with an ending to add to its name.
    """
    stems = [_stem(path.name) + ending for path, ending in files]
    number_of = Counter(map(_alike, stems))
    taken: set[str] = set()
    names = []
    for (path, _), stem in zip(files, stems, strict=True):
        folder = os.path.basename(os.path.dirname(os.path.abspath(path)))
        wanted = stem if number_of[_alike(stem)] == 1 or not folder else f"{folder}_{stem}"
        name, number = _safe(wanted), 1
        while _alike(name) in taken:
            number += 1
            name = _safe(f"{wanted}-{number}")
        taken.add(_alike(name))
        names.append(name)
    return names


def printable(text: str | os.PathLike) -> str:
    """A path as one line of text, whatever bytes it has."""
    text = os.fsencode(text).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _split(values: Sequence[str]) -> Iterator[str]:
    for value in values:
        if os.path.lexists(value):
            yield value
        else:
            yield from filter(None, value.split(","))


def _expand(value: str) -> list[Path]:
    path = Path(value)
    if path.is_dir():
        found = [
            child
            for child in list_folder(path)
            if is_image_name(child.name) and not is_system_name(child.name) and child.is_file()
        ]
        if not found:
            raise _nothing_in(value, f"{value}/**/*.png also looks into the folders inside it.")
        return found
    if os.path.lexists(path) or not glob.has_magic(value):
        # Also one that is not there: reading it says so.
        return [path]
    found = [each for each in _matches(Path(path.anchor), _parts(path)) if each.is_file()]
    if not found:
        raise _nothing_in(value, "Put the glob in quotes, and see what it matches by ls.")
    return found


def _nothing_in(value: str, remedy: str) -> DataError:
    return DataError(
        "An input must be an image, or a folder or glob of images: " + ", ".join(IMAGE_SUFFIXES),
        received="no image",
        file=value,
        remedy=remedy,
    )


def _parts(path: Path) -> tuple[str, ...]:
    """The parts below the anchor, with one `**` for several in a row, which mean the same."""
    parts = path.relative_to(path.anchor).parts
    return tuple(
        part
        for place, part in enumerate(parts)
        if part != "**" or place == 0 or parts[place - 1] != "**"
    )


def _matches(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """What a glob matches below a folder. The standard library's would follow links in circles."""
    first, *rest = parts
    if first == "**":
        for inner in folders_below(folder):
            yield from _matches(inner, rest or ["*"])
        return
    if glob.has_magic(first):
        found = [
            child
            for child in list_folder(folder)
            if fnmatch.fnmatchcase(composed(child.name), composed(first))
            and (first.startswith(".") or not is_system_name(child.name))
        ]
    else:
        found = [folder / first]
    for child in found:
        if not rest:
            yield child
        elif child.is_dir():
            yield from _matches(child, rest)


def _images_of(path: Path) -> list[tuple[Path, int | None]]:
    if path.name.lower().endswith(NIFTI_SUFFIXES) and path.is_file():
        number = num_slices(path)
        if number > 1:
            return [(path, index) for index in range(number)]
    return [(path, None)]


def _slice_ending(index: int | None) -> str:
    return "" if index is None else f"_slice{index:03}"


def _stem(name: str) -> str:
    # The longest first, so that .nii.gz goes as a whole.
    for suffix in sorted(IMAGE_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def _alike(name: str) -> str:
    """Equal for names that some file system takes for the same."""
    return composed(name).casefold()


def _safe(name: str) -> str:
    """The name as one of any file system: valid UTF-8, no control character, not too long."""
    text = os.fsencode(name).decode("utf-8", "replace")
    text = "".join(c if c.isprintable() and c not in '\\:*?"<>|' else "_" for c in text)
    # Decomposed, as some file systems keep them, accents take more bytes.
    if len(unicodedata.normalize("NFD", text).encode()) <= LONGEST_NAME:
        return text
    checksum = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
    while len(unicodedata.normalize("NFD", text).encode()) > LONGEST_NAME - len(checksum) - 1:
        text = text[:-1]
    return f"{text}-{checksum}"
