"""Checkpoints on disk: what is written and kept, what is refused, what cannot be smuggled in."""

import errno
import hashlib
import io
import json
import os
import pickle
import shutil
import subprocess
import sys
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from darts_adv_tf.system.errors import CheckpointError, StorageError
from darts_adv_tf.training.checkpoint_store import (
    CHECKSUMS,
    MANIFEST,
    STATE,
    CheckpointStore,
    DamagedCheckpointError,
)

NOTES = {"phase": "search", "config": {"seed": 0}, "epoch": 3}
ARRAYS = {
    "model/kernel": np.arange(6, dtype=np.float32).reshape(2, 3),
    "optimizer/iteration": np.array(7, np.int64),
}


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path / "checkpoints", num_kept=2)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def npy(array, allow_pickle=False):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def npy_header(shape, descr="<f4"):
    stream = io.BytesIO()
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


def archive(members, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return stream.getvalue()


def forge(folder, state=None, manifest=None, **entries):
    """Replaces files of a checkpoint, or entries of its manifest, with checksums that fit."""
    if manifest is None:
        manifest = json.dumps(json.loads((folder / MANIFEST).read_bytes()) | entries).encode()
    (folder / MANIFEST).write_bytes(manifest)
    if state is not None:
        (folder / STATE).write_bytes(state)
    lines = [
        f"{hashlib.sha256((folder / name).read_bytes()).hexdigest()}  {name}\n"
        for name in (MANIFEST, STATE)
    ]
    (folder / CHECKSUMS).write_text("".join(lines))


@pytest.mark.parametrize(
    "array",
    [
        np.array([[1.5, -0.0], [np.nan, np.inf]], np.float32),
        np.array(2.0**-149, np.float32),
        np.array(2**62 + 1, np.int64),
        np.zeros((0, 3), np.float32),
        np.zeros(0, np.int64),
        np.array([[0.1]], np.float64),
        np.array([1, 2**32 - 1], np.uint32),
        np.array(True),
    ],
    ids=lambda array: f"{array.dtype.name}{array.shape}",
)
def test_an_array_comes_back_bit_for_bit(store, array):
    store.write(120, NOTES, {"model/a/b": array})
    received = store.read(120).arrays["model/a/b"]
    assert (received.dtype, received.shape) == (array.dtype, array.shape)
    assert received.tobytes() == array.tobytes()


def test_step_notes_and_folder_come_back(store, tmp_path):
    store.write(120, NOTES, ARRAYS)
    checkpoint = store.read(120)
    assert checkpoint.step == 120
    assert checkpoint.notes == NOTES
    assert checkpoint.folder == tmp_path / "checkpoints" / "step-00000120"
    assert list(checkpoint.arrays) == list(ARRAYS)


def test_what_a_folder_holds(store):
    store.write(120, NOTES, ARRAYS)
    folder = store.path(120)
    assert names_in(store.folder) == ["step-00000120"]
    assert names_in(folder) == ["SHA256SUMS", "manifest.json", "state.npz"]
    assert json.loads((folder / MANIFEST).read_bytes()) == {
        "format": "darts_adv_tf.checkpoint",
        "version": 1,
        "step": 120,
        "phase": "search",
        "config": {"seed": 0},
        "epoch": 3,
        "arrays": {"model/kernel": ["float32", [2, 3]], "optimizer/iteration": ["int64", []]},
    }
    # Readable by NumPy alone.
    with np.load(folder / STATE, allow_pickle=False) as state:
        assert list(state) == list(ARRAYS)
        np.testing.assert_array_equal(state["model/kernel"], ARRAYS["model/kernel"])


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="there is no sha256sum")
def test_sha256sum_agrees(store):
    store.write(120, NOTES, ARRAYS)
    command = ["sha256sum", "--check", "--strict", CHECKSUMS]
    checked = subprocess.run(
        command, cwd=store.path(120), capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout == "manifest.json: OK\nstate.npz: OK\n"
    with open(store.path(120) / STATE, "ab") as stream:
        stream.write(b"\0")
    assert subprocess.run(command, cwd=store.path(120), capture_output=True, check=False).returncode


@pytest.mark.parametrize("num_kept", [1, 2, 3])
def test_the_newest_are_kept(tmp_path, num_kept):
    store = CheckpointStore(tmp_path / "checkpoints", num_kept)
    # Not in the order of their names as text.
    steps = [5, 99_999_999, 100_000_000, 100_000_001]
    for number, step in enumerate(steps, start=1):
        store.write(step, NOTES, ARRAYS)
        assert store.steps() == steps[max(0, number - num_kept) : number]
    assert len(names_in(store.folder)) == num_kept
    assert store.read(100_000_001).step == 100_000_001


def test_steps_are_those_of_the_folders_of_checkpoints_alone(store):
    assert store.steps() == []
    store.write(12, NOTES, ARRAYS)
    for name in (".step-00000013.0123abcd", "step-00000014.damaged", "step-15", "notes"):
        (store.folder / name).mkdir()
    assert store.steps() == [12]


def test_a_folder_that_cannot_be_listed_is_told(tmp_path):
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(StorageError, match="Not a directory") as caught:
        CheckpointStore(tmp_path / "checkpoints").steps()
    assert str(tmp_path / "checkpoints") in str(caught.value)


KILLED = """
import os, sys
import numpy as np
from darts_adv_tf.training.checkpoint_store import CheckpointStore

calls = []
def dying(function):
    def call(*arguments, **options):
        calls.append(function)
        if len(calls) == int(sys.argv[2]):
            os._exit(9)
        return function(*arguments, **options)
    return call

store = CheckpointStore(sys.argv[1], num_kept=1)
store.write(1, {}, {"kernel": np.zeros(3)})
os.fsync, os.rename = dying(os.fsync), dying(os.rename)
store.write(2, {}, {"kernel": np.ones(3)})
os._exit(0)
"""


@pytest.mark.parametrize("call", range(1, 8))
def test_what_a_killed_process_leaves_is_no_checkpoint_and_is_removed(tmp_path, call):
    # Three files, their folder, the new name, the folder of all, the removal of the old one.
    process = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path, str(call)], cwd=Path(__file__).parents[2]
    )
    assert process.returncode == 9
    store = CheckpointStore(tmp_path)
    is_in_place = call > 5
    assert store.steps() == ([1, 2] if is_in_place else [1])
    assert len(names_in(tmp_path)) == 2, "nothing unfinished is left, or no old one"
    for step in store.steps():
        assert store.read(step).arrays["kernel"].tolist() == [step - 1] * 3
    (tmp_path / ".notes").mkdir()
    (tmp_path / ".step-12345678.0123abcd").mkdir()
    store.remove_unfinished()
    expected = [".notes", "step-00000001", *["step-00000002"] * is_in_place]
    assert names_in(tmp_path) == expected


def test_there_is_nothing_to_remove_before_the_first_one(store):
    store.remove_unfinished()
    assert not store.folder.exists()


def test_a_damaged_one_of_the_same_step_is_set_aside(store):
    for number in range(2):
        store.write(120, NOTES, {"a": np.array(number)})
        (store.path(120) / STATE).write_bytes(b"damaged %d" % number)
    store.write(120, NOTES, ARRAYS)
    assert names_in(store.folder) == ["step-00000120", "step-00000120.damaged"]
    assert (store.folder / "step-00000120.damaged" / STATE).read_bytes() == b"damaged 1"
    assert store.steps() == [120]
    assert store.read(120).notes == NOTES


def test_one_of_the_same_step_keeps_its_name_where_no_other_can_get_it(store, monkeypatch):
    store.write(120, NOTES, ARRAYS)
    before = contents(store.path(120))
    rename = os.rename

    def refuse(source, target):
        if Path(source).name.startswith("."):
            raise OSError(errno.EIO, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    with pytest.raises(StorageError, match="Input/output error"):
        store.write(120, NOTES, {"other": np.zeros(1)})
    assert names_in(store.folder) == ["step-00000120"]
    assert contents(store.path(120)) == before


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def make_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    "a flipped bit": flip,
    "a folder": make_folder,
}


@pytest.mark.parametrize("name", [MANIFEST, STATE, CHECKSUMS])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(store, name, damage):
    store.write(120, NOTES, ARRAYS)
    DAMAGES[damage](store.path(120) / name)
    with pytest.raises(DamagedCheckpointError) as caught:
        store.read(120)
    assert caught.value.file == store.path(120)
    assert caught.value.exit_status == 5
    assert "Remedy: Go on from an earlier one by --resume" in str(caught.value)


@pytest.mark.parametrize("content", ["nothing", "a file"])
def test_a_checkpoint_that_is_no_folder_of_files_is_damaged(store, content):
    store.folder.mkdir()
    if content == "a file":
        store.path(120).write_text("")
    with pytest.raises(DamagedCheckpointError):
        store.read(120)


def test_lack_of_permission_is_no_damage(store, monkeypatch):
    # By a link to itself: nothing is forbidden to a privileged user.
    store.write(120, NOTES, ARRAYS)
    (store.path(120) / STATE).unlink()
    (store.path(120) / STATE).symlink_to(STATE)
    with pytest.raises(StorageError) as caught:
        store.read(120)
    assert str(store.path(120) / STATE) in str(caught.value)
    assert os.strerror(errno.ELOOP) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [("format", "another"), ("format", None), ("version", 2), ("version", "1"), ("step", 121)],
)
def test_another_format_is_refused_and_no_damage(store, name, value):
    store.write(120, NOTES, ARRAYS)
    forge(store.path(120), **{name: value})
    with pytest.raises(CheckpointError) as caught:
        store.read(120)
    assert not isinstance(caught.value, DamagedCheckpointError)
    assert f"Received: {name} {value!r}" in str(caught.value)
    assert "Remedy: Use the version of this program that wrote it." in str(caught.value)


@pytest.mark.parametrize(
    "manifest",
    [b"", b"[]", b"null", b"7", b'"text"', b"{", b"\xff\xfe", b"[" * 100_000, b"9" * 10_000],
    ids=lambda manifest: repr(manifest[:6]),
)
def test_a_manifest_without_entries_is_damaged(store, manifest):
    store.write(120, NOTES, ARRAYS)
    forge(store.path(120), manifest=manifest)
    with pytest.raises(DamagedCheckpointError):
        store.read(120)


@pytest.mark.parametrize(
    "arrays",
    [
        None,
        [],
        "model/kernel",
        7,
        {},
        {"model/kernel": None},
        {"model/kernel": 3},
        {"model/kernel": []},
        {"model/kernel": ["float32"]},
        {"model/kernel": ["float32", [2, 3], 0]},
        {"model/kernel": [None, [2, 3]]},
        {"model/kernel": [["float32"], [2, 3]]},
        {"model/kernel": [{"names": ["a"], "formats": ["f4"]}, [2, 3]]},
        {"model/kernel": ["float33", [2, 3]]},
        {"model/kernel": ["object", [2, 3]]},
        {"model/kernel": ["float32", None]},
        {"model/kernel": ["float32", 6]},
        {"model/kernel": ["float32", "23"]},
        {"model/kernel": ["float32", [2, "3"]]},
        {"model/kernel": ["float32", [2.0, 3.0]]},
        {"model/kernel": ["float32", [2, True]]},
        {"model/kernel": ["float32", [-1]]},
        {"model/kernel": ["float32", [float("inf")]]},
        {"model/kernel": ["float32", [2, 3, 2**200]]},
        {"model/kernel": ["float32", [0, 2**200]]},
        {"model/kernel": ["float64", [2, 3]]},
        {"model/kernel": ["float32", [3, 2]]},
        {"model/other": ["float32", [2, 3]]},
    ],
    ids=lambda arrays: json.dumps(arrays).replace("model/", ""),
)
def test_a_manifest_with_unexpected_arrays_is_damaged(store, arrays):
    store.write(120, NOTES, {"model/kernel": ARRAYS["model/kernel"]})
    forge(store.path(120), arrays=arrays)
    with pytest.raises(DamagedCheckpointError):
        store.read(120)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("dtype", ["object", "float64", "int64"])
def test_nothing_in_a_state_can_run_code(store, tmp_path, dtype):
    trap = tmp_path / "sprung"
    content = npy(np.array([Trap(trap)]), allow_pickle=True)
    with io.BytesIO(content) as stream:
        np.lib.format.read_array(stream, allow_pickle=True)
    assert trap.exists(), "otherwise the trap proves nothing"
    trap.unlink()
    store.write(120, NOTES, ARRAYS)
    forge(store.path(120), archive({"a": content}), arrays={"a": [dtype, [1]]})
    with pytest.raises(DamagedCheckpointError):
        store.read(120)
    assert not trap.exists()


def test_a_plain_pickle_instead_of_a_state_is_not_read(store, tmp_path):
    trap = tmp_path / "sprung"
    store.write(120, NOTES, ARRAYS)
    for state in (pickle.dumps(Trap(trap)), npy(np.array([Trap(trap)]), allow_pickle=True)):
        forge(store.path(120), state)
        with pytest.raises(DamagedCheckpointError):
            store.read(120)
    assert not trap.exists()


HUGE = (2**20, 2**20)
SIX = npy(ARRAYS["model/kernel"])


def overlapping(num_members=4000):
    """An archive whose members are all one and the same part of it."""
    content = npy(np.zeros(2**18, np.float32))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("a", content)
        (first,) = file.infolist()
        for number in range(1, num_members):
            info = zipfile.ZipInfo("a")
            info.header_offset = first.header_offset
            info.CRC, info.file_size, info.compress_size = (
                first.CRC,
                first.file_size,
                first.compress_size,
            )
            info.filename = f"a{number}"
            file.filelist.append(info)
        file._didModify = True
    return stream.getvalue()


def claiming(size):
    """An archive of one member whose entries say that it is so large."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("a.npy", npy_header(HUGE))
        (info,) = file.infolist()
        info.file_size = info.compress_size = size
        file._didModify = True
    return stream.getvalue()


BOMBS = {
    "a header": (archive({"a": npy_header(HUGE) + bytes(64)}), HUGE),
    "a header that the manifest denies": (archive({"a": npy_header(HUGE)}), (2, 3)),
    "the manifest": (archive({"a": SIX}), HUGE),
    "the archive": (claiming(4 * 2**40 + len(npy_header(HUGE))), HUGE),
    "a long header": (
        archive({"a": b"\x93NUMPY\1\0\xff\xff" + b"(" * 65_535}),
        (2, 3),
    ),
    "compressed zeros": (
        archive({"a": npy_header((2**26,)) + bytes(2**28)}, zipfile.ZIP_DEFLATED),
        (2**26,),
    ),
}


@pytest.mark.parametrize("claimed_by", BOMBS)
def test_a_huge_array_is_refused_before_memory_is_taken(store, claimed_by):
    state, shape = BOMBS[claimed_by]
    store.write(120, NOTES, ARRAYS)
    forge(store.path(120), state, arrays={"a": ["float32", shape]})
    assert_refused_cheaply(store)


def test_members_that_share_their_bytes_are_refused(store):
    store.write(120, NOTES, ARRAYS)
    names = ["a", *(f"a{number}" for number in range(1, 4000))]
    forge(store.path(120), overlapping(), arrays={name: ["float32", [2**18]] for name in names})
    assert_refused_cheaply(store)


def assert_refused_cheaply(store):
    tracemalloc.start()
    start = time.monotonic()
    try:
        with pytest.raises(DamagedCheckpointError):
            store.read(120)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.monotonic() - start < 10
    assert peak < 2**24


@pytest.mark.parametrize(
    "state",
    [
        archive({"a": SIX}, zipfile.ZIP_DEFLATED),
        archive({"a": SIX[:-1]}),
        archive({"a": SIX + b"\0"}),
        archive({"a": SIX.replace(b"\x93NUMPY\1", b"\x93NUMPY\3")}),
        archive({"a": npy(np.asfortranarray(ARRAYS["model/kernel"]))}),
        archive({"a": npy(ARRAYS["model/kernel"].astype(">f4"))}),
        archive({"a": SIX, "b": SIX}),
        archive({}),
        b"",
    ],
    ids=(
        *("compressed", "short", "long", "of another version", "by columns", "of swapped bytes"),
        *("with another", "without any", "empty"),
    ),
)
def test_a_state_as_this_program_does_not_write_it_is_refused(store, state):
    store.write(120, NOTES, ARRAYS)
    forge(store.path(120), archive({"a": SIX}), arrays={"a": ["float32", [2, 3]]})
    np.testing.assert_array_equal(store.read(120).arrays["a"], ARRAYS["model/kernel"])
    forge(store.path(120), state)
    with pytest.raises(DamagedCheckpointError):
        store.read(120)


def test_nonsense_with_checksums_that_fit_ends_in_no_other_error(store):
    store.write(120, NOTES, ARRAYS)
    original = contents(store.path(120))
    random = np.random.default_rng(0)
    num_refused = 0
    for number in range(400):
        name = (MANIFEST, STATE)[number % 2]
        content = bytearray(original[name])
        for position in random.integers(len(content), size=1 + number % 3):
            content[position] ^= 1 << random.integers(8)
        if number % 7 == 0:
            del content[random.integers(len(content)) :]
        state, manifest = (
            (original[STATE], bytes(content)) if name == MANIFEST else (bytes(content), None)
        )
        (store.path(120) / MANIFEST).write_bytes(original[MANIFEST])
        forge(store.path(120), state, manifest)
        try:
            store.read(120)
        except CheckpointError:
            num_refused += 1
    assert num_refused > 200
