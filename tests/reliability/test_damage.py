"""Single flipped bits and cut files: each is found, and the checkpoint before comes back whole."""

import shutil
from collections import Counter

import numpy as np
import pytest

from darts_adv_tf.training.checkpoint import Checkpoints, folder_of
from darts_adv_tf.training.checkpoint_store import (
    CHECKSUMS,
    MANIFEST,
    STATE,
    CheckpointStore,
    DamagedCheckpointError,
)
from tests.training.tiny_search import (
    IDENTITY,
    bits_of,
    make_trainer,
    search,
    variables_of,
)

pytestmark = pytest.mark.slow

FILES = (STATE, MANIFEST, CHECKSUMS)
NUM_FLIPPED_BITS, NUM_TRUNCATIONS = 1000, 200
# The state has all but a tenth of the bytes.
SHARES = (0.6, 0.25, 0.15)


class Run:
    """A search of three steps, of which the last two left a checkpoint.

    Attributes:
        newest: Folder of the newest checkpoint.
        num_restored: How often the one before was brought back, variable by variable.
    """

    def __init__(self, workdir):
        trainer = make_trainer(seed=0)
        search(trainer, workdir, num_steps=3)
        self.store = CheckpointStore(folder_of(workdir, "search"), num_kept=2)
        assert self.store.steps() == [2, 3]
        self.newest = self.store.path(3)
        self.num_restored = 0
        self._parts = trainer.parts
        self._variables = variables_of(self._parts)
        self._bits = {
            step: {name: a.tobytes() for name, a in self.store.read(step).arrays.items()}
            for step in (2, 3)
        }
        assert bits_of(self._variables) == self._bits[3] != self._bits[2]

    def assert_the_one_before_comes_back(self, capsys):
        with pytest.raises(DamagedCheckpointError):
            self.store.read(3)
        # The state that must not come back is there to begin with.
        for name, variable in self._variables.items():
            content = np.frombuffer(self._bits[3][name], variable.dtype)
            variable.assign(content.reshape(variable.shape))
        with Checkpoints(self.store, self._parts, IDENTITY) as checkpoints:
            restored = checkpoints.restore()
        assert restored.step == restored.notes["next_batch"] == 2
        assert bits_of(self._variables) == self._bits[2]
        told = capsys.readouterr().err
        assert told.count("warning: a damaged checkpoint is passed over") == 1
        assert str(self.newest) in told
        self.num_restored += 1

    def assert_the_newest_comes_back(self):
        with Checkpoints(self.store, self._parts, IDENTITY) as checkpoints:
            assert checkpoints.restore().step == 3
        assert bits_of(self._variables) == self._bits[3]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return Run(tmp_path_factory.mktemp("damage"))


def report(capsys, record_property, text):
    record_property("reliability", text)
    with capsys.disabled():
        print(f"\nreliability: {text}")


def shares(total):
    counts = [round(total * share) for share in SHARES]
    assert sum(counts) == total
    return dict(zip(FILES, counts, strict=True))


def test_every_flipped_bit_is_found(run, capsys, record_property):
    random = np.random.default_rng(20)
    run.num_restored = 0
    num_bits = Counter()
    for name, count in shares(NUM_FLIPPED_BITS).items():
        path = run.newest / name
        original = path.read_bytes()
        # None twice.
        for bit in random.choice(8 * len(original), size=count, replace=False):
            content = bytearray(original)
            content[bit // 8] ^= 1 << bit % 8
            path.write_bytes(content)
            run.assert_the_one_before_comes_back(capsys)
            num_bits[name] += 1
        path.write_bytes(original)
        run.assert_the_newest_comes_back()
    assert run.num_restored == sum(num_bits.values()) == NUM_FLIPPED_BITS
    of_files = ", ".join(f"{count} in {name}" for name, count in num_bits.items())
    report(
        capsys,
        record_property,
        f"{NUM_FLIPPED_BITS} flipped bits ({of_files}): {run.num_restored} found, the checkpoint "
        f"before restored {run.num_restored} times",
    )


def test_every_truncation_is_found(run, capsys, record_property):
    random = np.random.default_rng(21)
    run.num_restored = 0
    kinds = Counter()
    for name, count in shares(NUM_TRUNCATIONS).items():
        path = run.newest / name
        original = path.read_bytes()
        lengths = random.integers(len(original), size=count - 4)
        for length in (*lengths, 0, len(original) - 1, None, "folder"):
            if length is None:
                path.unlink()
                kinds["missing"] += 1
            elif length == "folder":
                shutil.move(run.newest, kept := run.newest.with_name("kept"))
                run.newest.mkdir()
                kinds["empty folder"] += 1
            else:
                path.write_bytes(original[:length])
                kinds["empty" if length == 0 else "cut"] += 1
            run.assert_the_one_before_comes_back(capsys)
            if length == "folder":
                run.newest.rmdir()
                shutil.move(kept, run.newest)
            path.write_bytes(original)
        run.assert_the_newest_comes_back()
    assert run.num_restored == sum(kinds.values()) == NUM_TRUNCATIONS
    of_kinds = ", ".join(f"{count} {kind}" for kind, count in kinds.items())
    report(
        capsys,
        record_property,
        f"{NUM_TRUNCATIONS} truncations ({of_kinds}): {run.num_restored} found, the checkpoint "
        f"before restored {run.num_restored} times",
    )
