"""The state of training: what comes back, when it is written, and what is refused."""

import dataclasses
import hashlib
import json
import shutil
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.config import (
    DataConfig,
    DistributionConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
)
from darts_adv_tf.networks.fcn32s import build_fcn32s
from darts_adv_tf.networks.unet import build_unet
from darts_adv_tf.run.components import make_run, make_search_trainer
from darts_adv_tf.run.components import make_trainer as make_retraining_trainer
from darts_adv_tf.search_space.genotype import derive
from darts_adv_tf.system.errors import CheckpointError, StorageError
from darts_adv_tf.training.checkpoint import (
    Checkpoints,
    assign,
    differences,
    folder_of,
    named,
    restore_segmenter,
)
from darts_adv_tf.training.checkpoint_store import STATE, CheckpointStore
from darts_adv_tf.training.trainer import make_optimizer
from tests.search_space.op_weights import random_op_weights
from tests.training.tiny_search import (
    IDENTITY,
    bits_of,
    make_trainer,
    search,
    variables_of,
)

# A folder that the first version of this format wrote: step-00000003 of
#     python -m tests.training.tiny_search <workdir>
# Every later version has to restore it. It is never made anew: where the format changes, another
# folder is added beside it, with another number.
VERSION_1 = Path(__file__).parent / "checkpoint_version_1"


def part(**values):
    """A model whose variables have these names and values."""
    variables = [
        keras.Variable(value, dtype=np.asarray(value).dtype.name, name=name)
        for name, value in values.items()
    ]
    return SimpleNamespace(name="model", variables=variables)


def kernel(value=0.0):
    return part(kernel=np.full((2, 3), value, np.float32))


def set_to(model, value):
    for variable in model.variables:
        variable.assign(np.full(variable.shape, value, variable.dtype))


def values_of(model):
    return [float(np.max(variable.numpy())) for variable in model.variables]


@pytest.fixture
def store(tmp_path):
    return CheckpointStore(tmp_path / "checkpoints" / "search", num_kept=3)


def make_checkpoints(store, model, identity=IDENTITY, **options):
    return Checkpoints(store, {"model": model}, identity, **options)


def save(store, model, *steps, identity=IDENTITY):
    """Saves states in which every number is that of the step."""
    with make_checkpoints(store, model, identity) as checkpoints:
        for step in steps:
            set_to(model, step)
            checkpoints.save(step, {"epoch": step})
        checkpoints.wait()


def damage(store, step):
    content = bytearray((store.path(step) / STATE).read_bytes())
    content[-1] ^= 1
    (store.path(step) / STATE).write_bytes(content)


@pytest.mark.parametrize("strategy", ["one device", "mirrored"])
def test_the_whole_state_of_a_search_comes_back_bit_for_bit(store, strategy):
    def make(seed):
        # A new one each time, as in a process of its own.
        return make_trainer(
            seed, tf.distribute.MirroredStrategy(["CPU:0"]) if strategy == "mirrored" else None
        )

    saved = make(seed=1).parts
    random = np.random.default_rng(0)
    for variable in variables_of(saved).values():
        values = 1000 * random.normal(size=variable.shape)
        variable.assign(values.astype(variable.dtype))
    expected = bits_of(variables_of(saved))
    assert {str(variable.dtype) for variable in variables_of(saved).values()} == {
        "float32",
        "int64",
    }
    with Checkpoints(store, saved, IDENTITY) as checkpoints:
        checkpoints.save(120, {"epoch": 3})
    restored = make(seed=2).parts
    with Checkpoints(store, restored, IDENTITY) as checkpoints:
        checkpoint = checkpoints.restore()
    assert (checkpoint.step, checkpoint.notes) == (120, {**IDENTITY, "epoch": 3})
    assert bits_of(variables_of(restored)) == expected


def test_a_state_of_version_1_is_restored_in_full(tmp_path):
    folder = folder_of(tmp_path, "search") / "step-00000003"
    shutil.copytree(VERSION_1, folder)
    trainer = make_trainer(seed=7)
    before = bits_of(variables_of(trainer.parts))
    with np.load(VERSION_1 / STATE, allow_pickle=False) as state:
        expected = {name: array.tobytes() for name, array in state.items()}
    assert len(expected) == 60
    # All steps are done, so that the loop does no more than restore.
    search(trainer, tmp_path, num_steps=3)
    after = bits_of(variables_of(trainer.parts))
    assert after == expected
    # What restoring could not change shows nothing: the rates, and the moments of an alpha that a
    # discriminator without reduction cells does not use.
    assert {name.rpartition("_")[2] for name in before if before[name] == after[name]} <= {
        "rate",
        "momentum",
        "velocity",
    }
    assert sum(before[name] != after[name] for name in before) == 55
    notes = CheckpointStore(folder.parent).read(3).notes
    assert (notes["epoch"], notes["next_batch"], notes["steps_left_out"]) == (1, 3, 0)
    assert notes["watch"]["warnings"][0]["kind"] == "accuracy/half"


def test_training_goes_on_from_a_state_of_version_1(tmp_path):
    shutil.copytree(VERSION_1, folder_of(tmp_path, "search") / "step-00000003")
    trainer = make_trainer(seed=7)
    search(trainer, tmp_path, num_steps=4)
    iterations = [
        int(optimizer.iterations.numpy())
        for name, optimizer in trainer.parts.items()
        if name.endswith("optimizer")
    ]
    assert iterations == [4, 4, 4]


MISFITS = {
    "missing": (
        {"bias": np.zeros(3, np.float32)},
        ["model/bias: none in the checkpoint, float32 (3,) now"],
    ),
    "left over": (
        {"kernel": None},
        ["model/kernel: float32 (2, 3) in the checkpoint, none now"],
    ),
    "another shape": (
        {"kernel": np.zeros((3, 2), np.float32)},
        ["model/kernel: float32 (2, 3) in the checkpoint, float32 (3, 2) now"],
    ),
    "as many numbers": (
        {"kernel": np.zeros(6, np.float32)},
        ["model/kernel: float32 (2, 3) in the checkpoint, float32 (6,) now"],
    ),
    "another type": (
        {"step": np.zeros((), np.int32)},
        ["model/step: int64 () in the checkpoint, int32 () now"],
    ),
    "another name": (
        {"kernel": None, "weights": np.zeros((2, 3), np.float32)},
        [
            "model/kernel: float32 (2, 3) in the checkpoint, none now",
            "model/weights: none in the checkpoint, float32 (2, 3) now",
        ],
    ),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_a_state_of_other_variables_is_refused_and_none_changes(store, misfit):
    values = {
        "first": np.zeros(2, np.float32),
        "kernel": np.zeros((2, 3), np.float32),
        "step": np.zeros((), np.int64),
    }
    save(store, part(**values), 3)
    changed, lines = MISFITS[misfit]
    other = part(**{name: value for name, value in (values | changed).items() if value is not None})
    set_to(other, 5)
    with make_checkpoints(store, other) as checkpoints, pytest.raises(CheckpointError) as caught:
        checkpoints.restore()
    assert caught.value.received == "; ".join(lines)
    assert caught.value.file == store.path(3)
    assert caught.value.exit_status == 5
    assert "Remedy: Use the config.json and the checkpoints of one" in str(caught.value)
    assert values_of(other) == [5.0] * len(other.variables)


def test_of_many_differences_the_first_are_named(store):
    save(store, part(**{f"kernel_{index:02}": np.zeros(1) for index in range(20)}), 3)
    with (
        make_checkpoints(store, kernel()) as checkpoints,
        pytest.raises(CheckpointError, match="; and 13 more") as caught,
    ):
        checkpoints.restore()
    assert caught.value.received.startswith("model/kernel: none in the checkpoint")
    assert "kernel_06" in str(caught.value) and "kernel_07" not in str(caught.value)


def test_a_state_without_variables_for_an_array_is_refused():
    model = kernel(5.0)
    with pytest.raises(CheckpointError, match="model/kernel: none in the checkpoint"):
        assign(named("model", model), {}, Path("folder"))
    assert values_of(model) == [5.0]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"phase": "retrain"}, "phase: search in the checkpoint, retrain now"),
        (
            {"config": {"seed": 1, "data": {"image_size": 16}}},
            "config.seed: 0 in the checkpoint, 1 now",
        ),
        (
            {"config": {"seed": 0, "data": {"image_size": 32}}},
            "config.data.image_size: 16 in the checkpoint, 32 now",
        ),
        ({"data": "b2"}, "data: a1 in the checkpoint, b2 now"),
        ({"device": "GPU"}, "device: none in the checkpoint, GPU now"),
    ],
)
def test_a_state_of_another_run_is_refused_with_both_values(store, change, line):
    save(store, kernel(), 3)
    model = kernel(5.0)
    with (
        make_checkpoints(store, model, IDENTITY | change) as checkpoints,
        pytest.raises(CheckpointError) as caught,
    ):
        checkpoints.restore()
    assert caught.value.received == line
    assert caught.value.file == store.path(3)
    assert values_of(model) == [5.0]


def test_a_good_state_of_another_run_is_not_passed_over(store):
    save(store, kernel(), 3)
    save(store, kernel(), 4, identity=IDENTITY | {"data": "b2"})
    with (
        make_checkpoints(store, kernel()) as checkpoints,
        pytest.raises(CheckpointError, match="data: b2 in the checkpoint, a1 now"),
    ):
        checkpoints.restore()


def test_differences_name_their_place():
    then = {"a": 1, "b": {"c": [1, 2], "d": None}, "e": {"f": 1}}
    now = {"a": 1, "b": {"c": [1, 3], "d": 0.5}, "e": 2}
    assert differences(then, now) == [
        "b.c: [1, 2] in the checkpoint, [1, 3] now",
        "b.d: none in the checkpoint, 0.5 now",
        "e: {'f': 1} in the checkpoint, 2 now",
    ]
    assert differences(then, json.loads(json.dumps(then))) == []


@pytest.mark.parametrize("num_damaged", [0, 1, 2])
def test_the_newest_good_state_comes_back(store, num_damaged, capsys):
    save(store, kernel(), 3, 6, 9)
    damaged = [9, 6][:num_damaged]
    for step in damaged:
        damage(store, step)
    model = kernel(5.0)
    with make_checkpoints(store, model) as checkpoints:
        checkpoint = checkpoints.restore()
    newest = 9 - 3 * num_damaged
    assert (checkpoint.step, checkpoint.notes["epoch"]) == (newest, newest)
    assert values_of(model) == [newest]
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.count("warning: a damaged checkpoint is passed over") == num_damaged
    for step in damaged:
        assert f"File: {store.path(step)}\n" in told.err


def test_training_goes_on_over_a_damaged_state(store):
    save(store, kernel(), 3, 6)
    damage(store, 6)
    with make_checkpoints(store, model := kernel()) as checkpoints:
        assert checkpoints.restore().step == 3
        set_to(model, 60)
        checkpoints.save(6, {})
        checkpoints.wait()
        set_to(model, 0)
        assert checkpoints.restore().step == 6
    assert values_of(model) == [60.0]
    assert (store.folder / "step-00000006.damaged").is_dir()


def test_damaged_states_do_not_push_out_good_ones(store):
    save(store, kernel(), 3, 6, 9)
    for step in (6, 9):
        damage(store, step)
    with make_checkpoints(store, kernel()) as checkpoints:
        assert checkpoints.restore().step == 3
        checkpoints.save(4, {})
        checkpoints.wait()
        assert store.steps() == [3, 4]
    for step in (6, 9):
        assert (store.folder / f"step-{step:08d}.damaged").is_dir()


def test_who_only_reads_leaves_a_damaged_state_where_it_is(store):
    save(store, kernel(), 3, 6)
    damage(store, 6)
    with make_checkpoints(store, kernel(), is_writer=False) as checkpoints:
        assert checkpoints.restore().step == 3
    assert store.steps() == [3, 6]


def test_where_all_are_damaged_training_does_not_begin_anew(store):
    save(store, kernel(), 3, 6)
    for step in (3, 6):
        damage(store, step)
    model = kernel(5.0)
    with (
        make_checkpoints(store, model) as checkpoints,
        pytest.raises(CheckpointError, match="Received: 2 damaged, and no other") as caught,
    ):
        checkpoints.restore()
    assert caught.value.exit_status == 5
    assert caught.value.file == store.folder
    assert values_of(model) == [5.0]


def test_without_a_checkpoint_there_is_none_to_restore(store):
    model = kernel(5.0)
    with make_checkpoints(store, model) as checkpoints:
        assert checkpoints.restore() is None
        store.folder.mkdir(parents=True)
        assert checkpoints.restore() is None
    assert values_of(model) == [5.0]


class HeldStore(CheckpointStore):
    """Writes nothing before it is released."""

    def __init__(self, folder, num_kept):
        super().__init__(folder, num_kept)
        self.released = threading.Event()
        self.begun = threading.Event()

    def write(self, step, notes, arrays):
        self.begun.set()
        assert self.released.wait(60)
        super().write(step, notes, arrays)


@pytest.fixture
def held(store):
    held = HeldStore(store.folder, store.num_kept)
    yield held
    held.released.set()


def test_what_is_written_is_the_state_when_it_was_saved(held):
    model = part(
        kernel=np.full((500, 500), 3, np.float32),
        scalar=np.float32(3),
        empty=np.zeros((0, 2), np.float32),
    )
    optimizer = make_optimizer(0.5)
    optimizer.build(model.variables)
    parts = {"model": model, "optimizer": optimizer}
    expected = bits_of(variables_of(parts))
    with Checkpoints(held, parts, IDENTITY) as checkpoints:
        checkpoints.save(3, {})
        assert held.begun.wait(60)
        # In place, as training does it.
        optimizer.apply([tf.ones(variable.shape) for variable in model.variables])
        for variable in model.variables:
            variable.value.assign_add(tf.ones(variable.shape))
        assert held.steps() == [], "save returned before anything was written"
        held.released.set()
        checkpoints.wait()
    found = held.read(3).arrays
    assert {name: array.tobytes() for name, array in found.items()} == expected
    assert bits_of(variables_of(parts)) != expected


def test_a_state_is_saved_after_the_one_before_is_written(held):
    with make_checkpoints(held, model := kernel()) as checkpoints:
        set_to(model, 3)
        checkpoints.save(3, {})
        threading.Timer(0.3, held.released.set).start()
        start = time.monotonic()
        set_to(model, 6)
        checkpoints.save(6, {})
        assert time.monotonic() - start > 0.2
        assert 3 in held.steps()
        checkpoints.wait()
    assert [held.read(step).arrays["model/kernel"].max() for step in (3, 6)] == [3, 6]


def test_a_state_is_written_before_it_is_restored(held):
    with make_checkpoints(held, model := kernel(7.0)) as checkpoints:
        checkpoints.save(3, {})
        set_to(model, 0)
        threading.Timer(0.3, held.released.set).start()
        assert checkpoints.restore().step == 3
    assert values_of(model) == [7.0]


def test_the_end_waits_for_the_last_state(held):
    with make_checkpoints(held, kernel()) as checkpoints:
        checkpoints.save(3, {})
        threading.Timer(0.3, held.released.set).start()
    assert held.read(3).step == 3


@pytest.mark.parametrize("told_by", ["save", "raise_failure", "wait", "restore"])
def test_a_failure_is_told_at_the_next_occasion(store, told_by, monkeypatch):
    model = kernel()
    save(store, model, 3)
    with make_checkpoints(store, model) as checkpoints:
        with monkeypatch.context() as patch:

            def full_disk(descriptor):
                raise OSError(28, "No space left on device")

            patch.setattr("os.fsync", full_disk)
            set_to(model, 6)
            checkpoints.save(6, {})
            deadline = time.monotonic() + 60
            while not checkpoints._writing.done() and time.monotonic() < deadline:
                time.sleep(0.01)
        occasion = getattr(checkpoints, told_by)
        with pytest.raises(StorageError, match="No space left on device") as caught:
            occasion(*((9, {}) if told_by == "save" else ()))
        assert caught.value.exit_status == 6
        assert str(store.path(6)) in str(caught.value)
        assert store.steps() == [3]
        # Told once.
        checkpoints.raise_failure()
        checkpoints.wait()
        assert checkpoints.restore().step == 3
        assert values_of(model) == [3.0]
        checkpoints.save(9, {})
        checkpoints.wait()
    assert store.steps() == [3, 9]


def test_a_failure_that_is_not_known_yet_is_not_waited_for(held):
    with make_checkpoints(held, kernel()) as checkpoints:
        checkpoints.save(3, {})
        start = time.monotonic()
        checkpoints.raise_failure()
        assert time.monotonic() - start < 10
        assert not held.steps()
        held.released.set()


def test_a_process_that_is_no_writer_reads_and_writes_nothing(store, tmp_path):
    with make_checkpoints(store, kernel(), is_writer=False) as checkpoints:
        checkpoints.save(3, {})
        checkpoints.raise_failure()
        checkpoints.wait()
    assert list(tmp_path.iterdir()) == []
    save(store, kernel(), 3)
    with make_checkpoints(store, model := kernel(), is_writer=False) as checkpoints:
        assert checkpoints.restore().step == 3
    assert values_of(model) == [3.0]


def test_fingerprints_follow_every_bit(store):
    values = {"kernel": np.zeros((2, 3), np.float32), "step": np.int64(0), "none": np.zeros(0)}
    with make_checkpoints(store, model := part(**values)) as checkpoints:
        before = checkpoints.fingerprints()
        assert len(before) == 3
        model.variables[0].assign(np.array([[0, 0, 0], [0, -0.0, 0]], np.float32))
        model.variables[1].assign(1)
        after = checkpoints.fingerprints()
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, False, True]
    assert all(float(value) == value < 2**32 for value in after)


CONFIG = RunConfig(
    data=DataConfig(image_size=32, phantom_cases=6, train_cases=4),
    model=ModelConfig(segmenter_width=2, discriminator_channels=2, discriminator_cells="NR"),
    training=TrainingConfig(batch_size=2),
    distribution=DistributionConfig(strategy="one_device"),
    workdir="no_folder_of_that_name",
)
GENOTYPE = derive(*random_op_weights(0))


@pytest.fixture
def run(monkeypatch):
    """Of parts as a run has them; keeps settings of the whole process from outlasting the test."""
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)
    return make_run(CONFIG)


def specs_of_search(run):
    return specs(make_search_trainer(run).parts)


def specs_of_retraining(run):
    return specs(make_retraining_trainer(run, GENOTYPE).parts)


def specs(parts):
    return [
        (name, str(variable.dtype), tuple(variable.shape))
        for name, variable in variables_of(parts).items()
    ]


@pytest.mark.parametrize("make", [specs_of_search, specs_of_retraining])
def test_names_are_the_same_whatever_the_process_has_made_before(run, make):
    first = make(run)
    # Of every kind that Keras counts.
    specs_of_search(run)
    specs_of_retraining(run)
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    make_optimizer(0.1).build([keras.Variable(0.0)])
    assert make(run) == first
    assert len({name for name, *_ in first}) == len(first) > 100


@pytest.mark.parametrize(
    ("make", "backbone", "digest"),
    [
        (specs_of_search, "unet", "381ce12d929f9865"),
        (specs_of_search, "fcn32s", "6f28a4e02e6518d2"),
        (specs_of_retraining, "unet", "90c12b016d572c90"),
        (specs_of_retraining, "fcn32s", "f8f9924ff90b6c7d"),
    ],
)
@pytest.mark.usefixtures("run")
def test_names_types_and_shapes_are_those_of_version_1(make, backbone, digest):
    # Another digest means that checkpoints of runs begun before are refused.
    model = dataclasses.replace(CONFIG.model, backbone=backbone)
    lines = map(str, make(make_run(dataclasses.replace(CONFIG, model=model))))
    assert hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16] == digest


def test_names_are_plain(run):
    names = [name for name, *_ in specs_of_search(run)]
    assert {
        "segmenter/encoder_0_convolution_0/kernel",
        "discriminator/head_kernel",
        "architecture/alpha_normal",
        "architecture/alpha_reduction",
        "segmenter_optimizer/iteration",
        "segmenter_optimizer/learning_rate",
        "architecture_optimizer/architecture_alpha_normal_momentum",
    } <= set(names)


def test_two_variables_of_one_name_are_refused(store):
    model = SimpleNamespace(
        name="model", variables=[keras.Variable(0.0, name="kernel") for _ in range(2)]
    )
    with pytest.raises(ValueError, match=r"Received: \['kernel'\]"):
        named("model", model)
    with pytest.raises(ValueError, match=r"Received: \['kernel'\]"):
        make_checkpoints(store, model)


def test_parts_may_share_names(store):
    parts = {"segmenter": kernel(1.0), "discriminator": kernel(2.0)}
    with Checkpoints(store, parts, IDENTITY) as checkpoints:
        checkpoints.save(3, {})
        for model in parts.values():
            set_to(model, 0)
        checkpoints.restore()
    assert [values_of(model) for model in parts.values()] == [[1.0], [2.0]]


def unet(seed, width=2):
    return build_unet((16, 16, 1), num_classes=3, width=width, seed=seed)


def save_retraining(workdir, *steps, segmenter=None, phase="retrain"):
    """As a finished run leaves it."""
    segmenter = segmenter or unet(seed=1)
    optimizer = make_optimizer(1e-3)
    optimizer.build(segmenter.trainable_variables)
    parts = {"segmenter_optimizer": optimizer, "segmenter": segmenter}
    store = CheckpointStore(folder_of(workdir, phase), num_kept=2)
    with Checkpoints(store, parts, {"phase": phase}) as checkpoints:
        for step in steps:
            for variable in segmenter.trainable_variables:
                variable.assign_add(np.ones(variable.shape))
            checkpoints.save(step, {})
        checkpoints.wait()
    return segmenter


def test_the_segmenter_that_retraining_ended_with_comes_back(tmp_path):
    trained = save_retraining(tmp_path, 5, 10)
    restored = unet(seed=2)
    restore_segmenter(tmp_path, restored, 10)
    for one, other in zip(restored.variables, trained.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())


def test_a_search_leaves_no_trained_segmenter(tmp_path):
    save_retraining(tmp_path, 3, phase="search")
    with pytest.raises(CheckpointError, match="no checkpoint of retraining") as caught:
        restore_segmenter(tmp_path, unet(seed=1), 3)
    assert caught.value.file == tmp_path / "checkpoints" / "retrain"
    assert "--resume" in str(caught.value) and "--genotype" in str(caught.value)


def test_an_unfinished_retraining_leaves_no_trained_segmenter(tmp_path):
    save_retraining(tmp_path, 2, 3)
    with pytest.raises(CheckpointError, match="Received: step-00000002, step-00000003") as caught:
        restore_segmenter(tmp_path, unet(seed=1), 4)
    assert "step-00000004" in caught.value.rule


@pytest.mark.parametrize("kind", ["wider", "narrower", "fcn32s"])
def test_the_state_of_another_model_is_refused(kind, tmp_path):
    save_retraining(tmp_path, 3, segmenter=unet(seed=1, width=4))
    other = {
        "wider": lambda: unet(seed=1, width=8),
        "narrower": lambda: unet(seed=1, width=2),
        "fcn32s": lambda: build_fcn32s((16, 16, 1), num_classes=3, width=4),
    }[kind]()
    before = [variable.numpy().tobytes() for variable in other.variables]
    with pytest.raises(CheckpointError) as caught:
        restore_segmenter(tmp_path, other, 3)
    assert caught.value.exit_status == 5
    assert "Remedy: Use the config.json and the checkpoints of one" in str(caught.value)
    assert caught.value.file.name == "step-00000003"
    assert [variable.numpy().tobytes() for variable in other.variables] == before


def test_no_earlier_segmenter_stands_in_for_a_damaged_one(tmp_path):
    save_retraining(tmp_path, 2, 3)
    damage(CheckpointStore(folder_of(tmp_path, "retrain")), 3)
    with pytest.raises(CheckpointError, match="contents that differ from SHA256SUMS"):
        restore_segmenter(tmp_path, unet(seed=2), 3)


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "checkpoints").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="Not a directory") as caught:
        save_retraining(tmp_path, 1)
    assert str(tmp_path / "checkpoints") in str(caught.value)
    assert "--resume" in str(caught.value)
