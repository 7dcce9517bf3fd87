"""CheXmask: masks as run lengths in tables, for images of public sets of chest radiographs.

    <any folder>/<table>.csv   of the folder OriginalResolution of CheXmask
    <any folder>/<image>       as the public set gives it out

A row of a table names its image and holds the three masks, and their height and width, which are
the image's. What the column of the image is called differs between tables. The masks come from a
network; rows that CheXmask itself holds to be unreliable (Dice RCA (Mean) below 0.7) are left out,
as are rows without an image. Left and right are the patient's.

Tables have gigabytes, so of a row only its place in the table is kept until it is read.

Reference: N. Gaggion et al., "CheXmask: a large-scale dataset of anatomical segmentation masks for
multi-center chest x-ray images", Scientific Data 11, 2024; physionet.org, chexmask-cxr-
segmentation-data.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from functools import partial
from io import BufferedReader
from pathlib import Path, PurePosixPath

import numpy as np

from darts_adv_tf.data import chest
from darts_adv_tf.data.collection import Case, Collection, cases_or_error
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.formats.reading import IMAGE_SUFFIXES, read_image
from darts_adv_tf.data.formats.regular_file import open_to_decode
from darts_adv_tf.data.formats.run_length import decode_run_length
from darts_adv_tf.data.sources.folder import files_below, left_out, require_folders, stem_of
from darts_adv_tf.system.errors import DataError
from darts_adv_tf.system.text_files import composed

IMAGE_COLUMNS = ("Image Index", "Path", "dicom_id", "ImageID", "image_id", "Image ID")
"""The image, in the tables of ChestX-ray8, CheXpert, MIMIC-CXR-JPG, PadChest and VinDr-CXR."""

PATIENT_COLUMNS = ("patient_id", "Patient ID", "PatientID", "subject_id")
MASK_COLUMNS = ("Left Lung", "Right Lung", "Heart")
SIZE_COLUMNS = ("Height", "Width")
QUALITY_COLUMN = "Dice RCA (Mean)"
MINIMUM_QUALITY = 0.7
"""CheXmask's own advice."""

MAXIMUM_TABLE_BYTES = 2**36
_LONGEST_LINE = 2**24
_LONGEST_FIELD = 2**24

_PATIENT_FOLDER = re.compile(r"patient\d+|p\d{8}")
_REMEDY = (
    "Let --data_dir name a folder with a table of CheXmask's OriginalResolution/ and its images."
)


def find_chexmask(data_dir: Path) -> Collection:
    """Finds the rows that have an image, in the order of the tables.

    Raises:
        DataError: If there is no table, a table is damaged, or no row has an image.
    """
    require_folders((data_dir,), "--data_dir must name a folder.", _REMEDY)
    tables = files_below(data_dir, (".csv",))
    images = _by_stem(files_below(data_dir, IMAGE_SUFFIXES))
    cases: list[Case] = []
    without_image: list[str] = []
    unreliable: list[str] = []
    named: set[Path | None] = set()
    num_tables = 0

    def make(
        name: str, image: Path, table: Path, offset: int, row: Sequence[str], columns: _Columns
    ) -> list[Case]:
        if columns.is_unreliable(row, table):
            unreliable.append(name)
            return []
        folders = image.relative_to(data_dir).parts[:-1]
        patient = columns.patient_of(row) or _patient_of(row[columns.image], folders)
        read = partial(_read, image, table, offset, columns, name)
        return [Case(name, patient, read, (image, table))]

    for path in tables:
        with open_to_decode(path, "a table in CSV", MAXIMUM_TABLE_BYTES) as stream:
            records = _read_records(stream)
            columns = _Columns.find(next(records, (0, []))[1])
            if columns is None:  # such as the table of diagnoses that came with the images
                continue
            num_tables += 1
            for offset, row in records:
                if not row:
                    continue
                columns.check(row, path)
                identifier = row[columns.image]
                image = _find_image(identifier, images, path)
                named.add(image)
                name = _case_name(identifier)
                if image is None:
                    without_image.append(name)
                else:
                    cases += cases_or_error(name, make, name, image, path, offset, row, columns)
    without_row = [stem for stem, paths in images.items() for image in paths if image not in named]
    if not cases:
        raise DataError(
            "A CheXmask folder must hold a table with the columns "
            f"{', '.join((*MASK_COLUMNS, *SIZE_COLUMNS))} and one of {', '.join(IMAGE_COLUMNS)}, "
            "and images that it names.",
            received=f"{len(tables)} table(s), {num_tables} of them with these columns; "
            f"{sum(map(len, images.values()))} image(s), none of them for a reliable row",
            file=data_dir,
            remedy=_REMEDY,
        )
    return Collection(
        name="chexmask",
        class_names=chest.CLASS_NAMES,
        cases=tuple(cases),
        priority=chest.PRIORITY,
        has_whole_organs=True,
        issues=(
            *left_out(without_row, "an image that no table names"),
            *left_out(without_image, "a row of the table without an image"),
            *left_out(unreliable, f"a row with a {QUALITY_COLUMN} below {MINIMUM_QUALITY}"),
        ),
    )


class _Columns:
    """Where a table has what.

    Attributes:
        image, masks, sizes, patient, quality: Places in a row; None of the latter two where the
            table has no such column.
        number: Number of columns.
    """

    def __init__(self, header: Sequence[str]):
        self.image = next(header.index(name) for name in IMAGE_COLUMNS if name in header)
        self.masks = [header.index(name) for name in MASK_COLUMNS]
        self.sizes = [header.index(name) for name in SIZE_COLUMNS]
        self.patient = next((header.index(n) for n in PATIENT_COLUMNS if n in header), None)
        self.quality = header.index(QUALITY_COLUMN) if QUALITY_COLUMN in header else None
        self.number = len(header)

    @classmethod
    def find(cls, header: Sequence[str]) -> "_Columns | None":
        """The columns; None if this is no table of CheXmask's."""
        needed = {*MASK_COLUMNS, *SIZE_COLUMNS}
        if not needed <= set(header) or not set(IMAGE_COLUMNS) & set(header):
            return None
        return cls(header)

    def check(self, row: Sequence[str], path: Path) -> None:
        """Refuses a row with too few or too many fields, or without an image's name."""
        if len(row) != self.number or not row[self.image].strip():
            raise _refuse(row, f"{len(row)} fields in {self.number} columns", path)

    def is_unreliable(self, row: Sequence[str], path: Path) -> bool:
        """Whether CheXmask itself advises against the masks of a row."""
        if self.quality is None:
            return False
        try:
            return not float(row[self.quality]) >= MINIMUM_QUALITY
        except ValueError as error:
            raise _refuse(row, f"{QUALITY_COLUMN} {row[self.quality][:40]!r}", path) from error

    def patient_of(self, row: Sequence[str]) -> str | None:
        """The patient that a row names, if any."""
        return row[self.patient].strip() or None if self.patient is not None else None


def _read_records(stream: BufferedReader) -> Iterator[tuple[int, list[str]]]:
    """Yields each row with the place in bytes where it begins; a row may have several lines."""
    csv.field_size_limit(_LONGEST_FIELD)
    place = stream.tell()

    def lines() -> Iterator[str]:
        nonlocal place
        # Not until a file's end is sought for that has no line's end.
        while line := stream.readline(_LONGEST_LINE):
            if len(line) == _LONGEST_LINE:
                raise ValueError(f"a line of {_LONGEST_LINE:,} bytes or more")
            if b"\0" in line:
                raise ValueError("a byte 0, which no text has")
            is_first = place == 0
            place += len(line)
            yield line.decode("utf-8-sig" if is_first else "utf-8")

    reader = csv.reader(lines(), strict=True)
    while True:
        offset = place
        row = next(reader, None)
        if row is None:
            return
        yield offset, row


def _by_stem(paths: Sequence[Path]) -> dict[str, list[Path]]:
    images: dict[str, list[Path]] = {}
    for path in paths:
        stem = stem_of(path.name, IMAGE_SUFFIXES)
        if stem is not None:
            images.setdefault(stem, []).append(path)
    return images


def _find_image(identifier: str, images: dict[str, list[Path]], table: Path) -> Path | None:
    """The image that a row names: of those with its name, the one in folders of the same names.

    Raises:
        DataError: Several are as likely.
    """
    parts = _parts(identifier)
    candidates = images.get(parts[-1], [])
    if len(candidates) < 2 and (len(parts) == 1 or not candidates):
        return candidates[0] if candidates else None

    def agreement(path: Path) -> int:
        pairs = zip(reversed(parts[:-1]), reversed(path.parent.parts), strict=False)
        return next((i for i, (a, b) in enumerate(pairs) if a != b), len(parts) - 1)

    # CheXpert names by patient and study, the two folders above, what is view1_frontal everywhere.
    needed = min(2, len(parts) - 1)
    best = max(map(agreement, candidates))
    chosen = [path for path in candidates if agreement(path) == best]
    if best < needed:
        return None
    if len(chosen) > 1:
        raise DataError(
            "A row of the table must name one image.",
            received=f"{chosen[0]} and {chosen[1]} for {identifier[:200]}",
            file=table,
            remedy="Keep only one of the two images.",
        )
    return chosen[0]


def _parts(identifier: str) -> tuple[str, ...]:
    """The names of the folders, and that of the image without its ending."""
    *folders, last = PurePosixPath(identifier.strip().replace("\\", "/")).parts or ("",)
    stem = stem_of(last, IMAGE_SUFFIXES)
    return (*folders, composed(last) if stem is None else stem)


def _case_name(identifier: str) -> str:
    """The image's name; where it says nothing without its folders, with them."""
    parts = _parts(identifier)
    return "_".join(part for part in parts if part not in ("/", "..", "."))


def _patient_of(identifier: str, folders: Sequence[str]) -> str:
    """The patient by the names of folders, or by that of the image up to its first underscore.

    CheXpert and MIMIC-CXR-JPG have a folder a patient; ChestX-ray8 names images after theirs. For
    the others this is the image itself, and a table with a column of patients would know better.
    """
    for part in (*_parts(identifier)[:-1], *folders):
        if _PATIENT_FOLDER.fullmatch(part):
            return part
    return _parts(identifier)[-1].split("_")[0] or _case_name(identifier)


def _read(
    image: Path, table: Path, offset: int, columns: _Columns, name: str
) -> tuple[DecodedImage, np.ndarray]:
    with open_to_decode(table, "a table in CSV", MAXIMUM_TABLE_BYTES) as stream:
        stream.seek(offset)
        _, row = next(_read_records(stream), (0, []))
    columns.check(row, table)
    sizes = [row[place].strip() for place in columns.sizes]
    # Some tables were written by way of floating-point numbers.
    sizes = [size.removesuffix(".0") for size in sizes]
    if not all(size.isascii() and size.isdigit() and len(size) < 10 for size in sizes):
        raise _refuse(row, f"{name}: Height and Width {', '.join(sizes)[:40]}", table)
    height, width = map(int, sizes)
    masks = [
        decode_run_length(row[place], height, width, table, f"{name}, {organ}")
        for place, organ in zip(columns.masks, MASK_COLUMNS, strict=True)
    ]
    return read_image(image), np.stack(masks)


def _refuse(row: Sequence[str], received: str, path: Path) -> DataError:
    start = ",".join(field[:40] for field in row[:3])
    return DataError(
        "A row of the table must have one field per column: image name, numbers, run lengths.",
        received=f"{received}, in the row that begins with {start}",
        file=path,
        remedy="Correct the row as CheXmask has it, or remove it.",
    )
