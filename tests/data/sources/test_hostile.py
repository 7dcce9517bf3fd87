"""Folders damaged in every way that was thought of: each is refused with its cause, or read well.

The damage follows from the source's name and a number, which a failure tells.
"""

import json
import os
import shutil

import numpy as np
import pytest

from darts_adv_tf.data.sources.registry import DATASET_READERS, find_collection
from darts_adv_tf.system.errors import ConfigurationError, DataError
from tests.data.sources.fixtures import SHAPES
from tests.data.sources.test_registry import WRITERS

NUM_VARIANTS = dict.fromkeys(DATASET_READERS, 80) | {"jsrt": 20}
NUM_CASES = dict.fromkeys(DATASET_READERS, 3) | {"jsrt": 1, "nnunet": 6, "decathlon": 6}
DESCRIBED_BY = {
    "chexmask": "OriginalResolution/ChestX-Ray8.csv",
    "nnunet": "dataset.json",
    "decathlon": "dataset.json",
}


def read_collection(name, folder):
    """Reads every case; returns whether the folder, or a case of it, was refused.

    What was not refused has all cases that were written, or says which were left out.
    """
    was_refused = False
    try:
        collection = find_collection(name, folder, SHAPES if name == "folders" else None)
        is_broken = any(case.error is not None for case in collection.cases)
        assert is_broken or collection.issues or len(collection.cases) >= NUM_CASES[name]
        assert len(set(collection.class_names)) == len(collection.class_names)
        assert len(collection.folds) in (0, len(collection.cases))
    except (DataError, ConfigurationError) as error:
        assert_complete(error)
        return True
    for case in collection.cases:
        try:
            decoded, masks = case.read()
        except DataError as error:
            assert_complete(error)
            assert case.error in (None, error)
            was_refused = True
        else:
            assert case.error is None
            assert decoded.pixels.ndim == 3 and np.isfinite(decoded.pixels).all()
            assert masks.dtype == bool and masks.ndim == 3
            assert len(masks) == len(collection.class_names) - 1
    return was_refused


def assert_complete(error):
    assert error.rule and error.remedy and error.received is not None, error
    assert error.file is not None, error


def replace(path, make):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
    make(path)


def truncate(path, rng):
    content = path.read_bytes()
    path.write_bytes(content[: rng.integers(len(content) + 1)])


def flip_bytes(path, rng):
    content = np.frombuffer(path.read_bytes(), np.uint8).copy()
    places = rng.integers(content.size, size=rng.integers(1, 9))
    content[places] ^= rng.integers(1, 256, size=places.size).astype(np.uint8)
    path.write_bytes(content.tobytes())


def insert_bytes(path, rng):
    content = path.read_bytes()
    place = rng.integers(len(content) + 1)
    inserted = [b"\0", b'"', b"\n", b"\xff\xfe", b"{", b"]", b",", b"-9", b"1e999"]
    path.write_bytes(content[:place] + inserted[rng.integers(9)] + content[place:])


DAMAGE_TO_FILES = {
    "truncated": truncate,
    "bytes flipped": flip_bytes,
    "bytes inserted": insert_bytes,
    "removed": lambda path, rng: path.unlink(),
    "emptied": lambda path, rng: path.write_bytes(b""),
    "a folder": lambda path, rng: replace(path, lambda p: p.mkdir()),
    "a link to itself": lambda path, rng: replace(path, lambda p: p.symlink_to(p.name)),
    "a broken link": lambda path, rng: replace(path, lambda p: p.symlink_to("absent")),
    "a pipe": lambda path, rng: replace(path, os.mkfifo),
    "noise": lambda path, rng: path.write_bytes(rng.bytes(rng.integers(1, 3000))),
    "copied": lambda path, rng: shutil.copy(path, path.with_name("copy_" + path.name)),
    "in capitals": lambda path, rng: path.rename(path.with_name(path.name.upper())),
    "of a long name": lambda path, rng: path.rename(path.with_name("ü" * 120 + path.suffix)),
}
DAMAGE_TO_FOLDERS = {
    "removed": lambda path, rng: shutil.rmtree(path),
    "a file": lambda path, rng: replace(path, lambda p: p.write_bytes(b"x")),
    "a link to its folder": lambda path, rng: replace(path, lambda p: p.symlink_to("..")),
    "a link to itself": lambda path, rng: replace(path, lambda p: p.symlink_to(p.name)),
    "empty": lambda path, rng: replace(path, lambda p: p.mkdir()),
    "with a link up": lambda path, rng: (path / "up").symlink_to(".."),
}


def damage(folder, name, rng):
    """Does one damage to the folder; returns what was done, for a failure's message."""
    kind, description = rng.random(), DESCRIBED_BY.get(name)
    paths = sorted(folder.rglob("*"))
    if description and kind < 0.6:
        path, kinds = folder / description, DAMAGE_TO_FILES
        if rng.random() < 0.7:
            kinds = {key: kinds[key] for key in ("truncated", "bytes flipped", "bytes inserted")}
    elif kind < 0.85:
        files = [path for path in paths if path.is_file()]
        path, kinds = files[rng.integers(len(files))], DAMAGE_TO_FILES
    else:
        folders = [path for path in paths if path.is_dir()]
        path, kinds = folders[rng.integers(len(folders))], DAMAGE_TO_FOLDERS
    chosen = list(kinds)[rng.integers(len(kinds))]
    kinds[chosen](path, rng)
    return f"{path.relative_to(folder)}: {chosen}"


@pytest.mark.parametrize("name", DATASET_READERS)
def test_a_damaged_folder_is_refused_or_read_well(tmp_path, name):
    WRITERS[name](tmp_path / "good")
    assert not read_collection(name, tmp_path / "good")
    num_refused = 0
    for number in range(NUM_VARIANTS[name]):
        folder = tmp_path / str(number)
        shutil.copytree(tmp_path / "good", folder)
        done = damage(folder, name, np.random.default_rng((number, len(name))))
        try:
            num_refused += read_collection(name, folder)
        except Exception as error:
            raise AssertionError(f"variant {number} of {name}, {done}") from error
        shutil.rmtree(folder)
    # Were all of them refused, or none, the damage would not be what it is meant to be.
    assert NUM_VARIANTS[name] // 3 <= num_refused < NUM_VARIANTS[name]


def test_enough_variants_are_tried():
    assert sum(NUM_VARIANTS.values()) >= 200


def places_of(document, path=()):
    """The paths to all parts of a JSON document."""
    yield path
    if isinstance(document, dict | list):
        items = document.items() if isinstance(document, dict) else enumerate(document)
        for key, part in items:
            yield from places_of(part, (*path, key))


@pytest.mark.parametrize("name", ["nnunet", "decathlon"])
def test_any_part_of_a_description_may_be_of_any_type(tmp_path, name):
    WRITERS[name](tmp_path)
    path = tmp_path / "dataset.json"
    good = path.read_text()
    values = (None, True, -1, 10**30, 1.5, "", "é\0", [], [[]], {}, {"": None}, ["a", {}])
    variants = [(place, value) for place in places_of(json.loads(good)) for value in values]
    num_refused = 0
    for place, value in variants:
        document = json.loads(good)
        part = document
        for key in place[:-1]:
            part = part[key]
        if place:
            part[place[-1]] = value
        else:
            document = value
        path.write_text(json.dumps(document))
        try:
            num_refused += read_collection(name, tmp_path)
        except Exception as error:
            raise AssertionError(f"{value!r} at {place}") from error
    assert len(variants) > 150
    assert len(variants) // 2 < num_refused < len(variants)
