"""A system that refuses something in the middle of a save: what was saved before is untouched."""

import builtins
import errno
import io
import os
import re
import shutil
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from darts_adv_tf.system import files
from darts_adv_tf.system.errors import StorageError
from darts_adv_tf.training import checkpoint_store
from darts_adv_tf.training.checkpoint import Checkpoints, folder_of
from darts_adv_tf.training.checkpoint_store import CheckpointStore
from tests.training.tiny_search import (
    IDENTITY,
    bits_of,
    make_trainer,
    search,
    variables_of,
)

pytestmark = pytest.mark.slow

ERRORS = (errno.ENOSPC, errno.EROFS, errno.EIO, errno.EDQUOT, errno.EACCES)
REPOSITORY = Path(__file__).parents[2]


class System:
    """Counts the calls that a save makes of the system, and lets one of them fail.

    Args:
        fails_at: Which call fails, or None.
        number: With what error.
        stays: Whether all later writing fails too, as on a full disk.

    Attributes:
        calls: What was called, such as `write state.npz`, in order.
    """

    def __init__(self, fails_at=None, number=None, stays=False):
        self.fails_at = fails_at
        self.number = number
        self.stays = stays
        self.calls = []
        self._has_failed = False

    def install(self, monkeypatch):
        monkeypatch.setattr(files, "open", self._open, raising=False)
        monkeypatch.setattr(checkpoint_store, "open", self._open, raising=False)
        for name in ("mkdir", "open", "fsync", "rename", "listdir", "unlink", "rmdir"):
            monkeypatch.setattr(os, name, self._wrapped(getattr(os, name)))

    def before(self, kind, path):
        """Notes a call, and raises where it is the one."""
        self.calls.append(f"{kind} {_role(path)}")
        is_it = len(self.calls) - 1 == self.fails_at
        if is_it or (self._has_failed and self.stays and kind == "write"):
            self._has_failed = True
            raise OSError(self.number, os.strerror(self.number), str(path))

    def _wrapped(self, function):
        def call(first, *arguments, **options):
            path = first
            if isinstance(first, int):
                path = os.readlink(f"/proc/self/fd/{first}")
            kind = function.__name__
            if kind == "fsync" and stat.S_ISDIR(os.fstat(first).st_mode):
                kind = "fsync folder"
            self.before(kind, path)
            return function(first, *arguments, **options)

        return call

    def _open(self, path, mode):
        self.before("create" if "x" in mode else "open", path)
        if "x" not in mode:
            return builtins.open(path, mode)
        return io.BufferedWriter(WatchedFile(self, path))


class WatchedFile(io.FileIO):
    """A file whose every write, as the system sees it, may fail."""

    def __init__(self, system, path):
        super().__init__(path, "x")
        self._system = system

    def write(self, content):
        self._system.before("write", self.name)
        return super().write(content)


def _role(path):
    """The name of a path, alike in every save."""
    name = Path(path).name
    for pattern, role in (
        (r"\.step-0+\.[0-9a-f]{8}", "(removed)"),
        (r"\.step-\d+\.[0-9a-f]{8}", "(unfinished)"),
    ):
        name = re.sub(pattern, role, name)
    return name


class Run:
    """A search of two steps; saves are made of states in which every number is their step's."""

    def __init__(self, workdir):
        self.parts = (trainer := make_trainer(seed=0)).parts
        search(trainer, workdir, num_steps=2, num_kept=1)
        self.template = folder_of(workdir, "search")
        assert [path.name for path in self.template.iterdir()] == ["step-00000002"]
        self._variables = variables_of(self.parts)
        self._bits_of_search = bits_of(self._variables)

    def set_to(self, step):
        """Gives the variables the values of a step, and returns them bit for bit."""
        for variable in self._variables.values():
            variable.assign(np.full(variable.shape, step, variable.dtype))
        return bits_of(self._variables)

    def checkpoints(self, folder):
        return Checkpoints(CheckpointStore(folder, num_kept=1), self.parts, IDENTITY)

    def save(self, folder, step):
        with self.checkpoints(folder) as checkpoints:
            checkpoints.save(step, {"next_batch": step})
            checkpoints.wait()

    def restore(self, folder):
        """The step that comes back, and with it the values."""
        self.set_to(99)
        with self.checkpoints(folder) as checkpoints:
            step = checkpoints.restore().step
        return step, bits_of(self._variables)

    def bits(self, step):
        return self._bits_of_search if step == 2 else self.set_to(step)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("faults"))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def plain(run, folder):
    shutil.copytree(run.template, folder)


def over_a_damaged_one(run, folder):
    """With damaged checkpoints of the step that is saved, one of them set aside before."""
    plain(run, folder)
    for name in ("step-00000003", "step-00000003.damaged"):
        shutil.copytree(folder / "step-00000002", folder / name)
        (folder / name / "state.npz").write_bytes(b"damaged")


def calls_of_a_save(run, folder, prepare):
    prepare(run, folder)
    run.set_to(3)
    with pytest.MonkeyPatch.context() as monkeypatch:
        system = System()
        system.install(monkeypatch)
        run.save(folder, 3)
    return system.calls


def chosen(calls):
    """Every call by its index; of the many writes of a file the first, second, middle and last."""
    indices = []
    for kind in dict.fromkeys(calls):
        found = [index for index, call in enumerate(calls) if call == kind]
        if kind.startswith("write"):
            found = sorted({found[0], found[min(1, len(found) - 1)], found[len(found) // 2]})
            found.append(max(index for index, call in enumerate(calls) if call == kind))
        indices += found
    return sorted(set(indices))


@pytest.mark.parametrize("prepare", [plain, over_a_damaged_one])
def test_whatever_fails_the_checkpoint_before_stays(
    run, tmp_path, prepare, capsys, record_property
):
    calls = calls_of_a_save(run, tmp_path / "template", prepare)
    assert_the_calls_are_those_expected(calls, prepare)
    kinds, outcomes = Counter(), Counter()
    for index in chosen(calls):
        for number in ERRORS:
            outcome = fail_once(run, tmp_path / "checkpoints", prepare, calls, index, number)
            kinds[calls[index].split(" ")[0]] += 1
            outcomes[outcome] += 1
            shutil.rmtree(tmp_path / "checkpoints")
    total = sum(kinds.values())
    assert total >= 50
    text = (
        f"{total} injected faults of a save ({prepare.__name__.replace('_', ' ')}), "
        f"{len(ERRORS)} errors each at {total // len(ERRORS)} calls "
        f"({', '.join(f'{count} {kind}' for kind, count in kinds.items())}): "
        + ", ".join(f"{outcome} {count} times" for outcome, count in outcomes.items())
    )
    record_property("reliability", text)
    with capsys.disabled():
        print(f"\nreliability: {text}")


def assert_the_calls_are_those_expected(calls, prepare):
    """Otherwise a fault would be injected where nothing is done any more."""
    expected = ["mkdir (unfinished)"]
    for name in ("state.npz", "manifest.json", "SHA256SUMS"):
        expected += [f"create {name}", f"write {name}", f"fsync {name}"]
    expected += ["open (unfinished)", "fsync folder (unfinished)"]
    if prepare is over_a_damaged_one:
        expected += ["rename step-00000003.damaged", "rmdir (removed)", "rename step-00000003"]
    expected += ["rename (unfinished)", "open checkpoints", "fsync folder checkpoints"]
    expected += ["listdir checkpoints", "rename step-00000002", "unlink state.npz"]
    expected += ["rmdir (removed)"]
    found = iter(call.replace("template", "checkpoints") for call in calls)
    missing = [call for call in expected if call not in found]
    assert not missing, f"{missing} of {calls}"


def fail_once(run, folder, prepare, calls, index, number):
    """One save with one fault; says how it ended."""
    place = f"call {index}, {calls[index]}, {errno.errorcode[number]}"
    prepare(run, folder)
    before = contents(folder / "step-00000002")
    saved = run.set_to(3)
    failure = None
    with pytest.MonkeyPatch.context() as monkeypatch:
        system = System(index, number, stays=calls[index].startswith("write"))
        system.install(monkeypatch)
        try:
            run.save(folder, 3)
        except StorageError as error:
            failure = error
    assert len(system.calls) > index, place
    if failure is not None:
        named = folder if calls[index].startswith("listdir") else folder / "step-00000003"
        assert str(failure.file) == str(named), place
        assert failure.received == os.strerror(number), place
        assert f"Received: {os.strerror(number)}\n  File: {named}\n" in str(failure), place
        assert failure.exit_status == 6
    # What was there before is there, unless the new one is, whole.
    steps = CheckpointStore(folder).steps()
    if 2 in steps:
        assert contents(folder / "step-00000002") == before, place
    step, restored = run.restore(folder)
    assert restored == (saved if step == 3 else run.bits(2)), place
    rename = calls.index("rename (unfinished)")
    assert step == (2 if index <= rename and failure else 3), place
    # Before the new one has its name, whatever fails is told, but for the removal of old damage.
    assert failure is not None or calls[index].split()[0] in ("unlink", "rmdir", "open"), place
    if prepare is plain:
        assert steps in ([2], [2, 3], [3]), place
        assert (steps == [2]) == (step == 2), place
    # The cause is gone: the next one is saved, and the rest tidied up.
    saved = run.set_to(4)
    run.save(folder, 4)
    assert run.restore(folder) == (4, saved), place
    CheckpointStore(folder).remove_unfinished()
    left = {path.name for path in folder.iterdir()}
    assert left - {"step-00000003.damaged"} == {"step-00000004"}, f"{place}: {left}"
    if failure is None:
        return "passed over, as only the remains of an old one were concerned,"
    if step == 3:
        return "told with the new checkpoint complete"
    return "told with the checkpoint before restored"


# A process of its own, whose limits and mounts end with it. Saves 1; what follows must fail.
REAL = """
import errno, os, resource, shutil, sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np

from darts_adv_tf.system.errors import StorageError
from darts_adv_tf.training.checkpoint import Checkpoints
from darts_adv_tf.training.checkpoint_store import CheckpointStore

kernel = keras.Variable(np.zeros(50_000, np.float32), name="kernel")
folder = Path(sys.argv[1])
checkpoints = Checkpoints(
    CheckpointStore(folder / "search"),
    {{"model": SimpleNamespace(name="model", variables=[kernel])}},
    {{}},
)

def save(step):
    kernel.assign(np.full(kernel.shape, step, np.float32))
    checkpoints.save(step, {{}})
    checkpoints.wait()

def refused(step, number):
    try:
        save(step)
    except StorageError as error:
        assert error.received == os.strerror(number), error
        assert str(folder / "search" / f"step-{{step:08d}}") in str(error), error
    else:
        raise AssertionError("nothing was refused")
    assert os.listdir(folder / "search") == ["step-00000001"]
    kernel.assign(np.zeros(kernel.shape))
    assert checkpoints.restore().step == 1
    assert (kernel.numpy() == 1).all()

{steps}
save(9)
assert os.listdir(folder / "search") == ["step-00000009"]
assert checkpoints.restore().step == 9
print("done")
"""
FILE_SIZE_LIMIT = """
save(1)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
for limit in (0, 1, 4096, 100_000, 200_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    refused(2, errno.EFBIG)
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
"""
SMALL_DISK = """
import subprocess
def mount(options):
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=True)
mount("size=700k")
save(1)
for num_bytes in (300_000, 350_000, 400_000, 450_000):
    (folder / "filler").write_bytes(bytes(num_bytes))
    refused(2, errno.ENOSPC)
(folder / "filler").unlink()
mount("remount,ro")
refused(2, errno.EROFS)
mount("remount,rw,nr_inodes=6")
refused(2, errno.ENOSPC)
mount("remount,rw,nr_inodes=100")
"""
IN_A_NAMESPACE = ("unshare", "--map-root-user", "--mount")


def run_real(steps, folder, *prefix):
    return subprocess.run(
        [*prefix, sys.executable, "-c", REAL.format(steps=steps), str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def may_mount(folder):
    command = [*IN_A_NAMESPACE, "mount", "-t", "tmpfs", "tmpfs", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def test_a_limit_of_the_size_of_files(tmp_path, capsys, record_property):
    process = run_real(FILE_SIZE_LIMIT, tmp_path)
    assert process.returncode == 0 and "done" in process.stdout, process.stderr
    report_real(capsys, record_property, "5 saves under a real limit of the size of files (EFBIG)")


def test_a_small_disk(tmp_path, capsys, record_property):
    if not may_mount(tmp_path):
        pytest.skip("this user may mount nothing, even in a namespace of its own")
    process = run_real(SMALL_DISK, tmp_path, *IN_A_NAMESPACE)
    assert process.returncode == 0 and "done" in process.stdout, process.stderr
    text = "6 saves on a real disk: 4 full, 1 read-only, 1 without inodes (ENOSPC, EROFS)"
    report_real(capsys, record_property, text)


def report_real(capsys, record_property, text):
    text += ": told with the checkpoint before restored each time"
    record_property("reliability", text)
    with capsys.disabled():
        print(f"\nreliability: {text}")
