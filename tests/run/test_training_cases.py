"""Which cases reach each trainer: Alg. 1 is right only if alpha never sees what trains the weights.

The commands run from their flags to the end of training, for every way of splitting. Only the
updates themselves are left out: the trainers note the cases that they are given.
"""

import csv
from collections import Counter

import pytest
import tensorflow as tf

from darts_adv_tf import search, train
from darts_adv_tf.cli import config_from_flags
from darts_adv_tf.run import stages
from darts_adv_tf.training import metric_names
from darts_adv_tf.training.search_trainer import SearchTrainer
from darts_adv_tf.training.trainer import Trainer
from tests.data.sources.fixtures import write_cx_seg

NUM_CASES = 12
NUM_EPOCHS = 2
BATCH_SIZE = 2
TINY = (
    "--image_size=32",
    f"--batch_size={BATCH_SIZE}",
    "--segmenter_width=2",
    f"--retrain_epochs={NUM_EPOCHS}",
    "--figure_every=0",
    "--seed=5",
)
TINY_SEARCH = (
    *TINY,
    f"--search_epochs={NUM_EPOCHS}",
    "--discriminator_channels=2",
    "--discriminator_cells=N",
)
PHANTOM = ("--dataset=phantom", f"--phantom_cases={NUM_CASES}")
STEP_METRICS = {
    metric_names.SEGMENTATION_LOSS: 1.0,
    metric_names.ADVERSARIAL_LOSS: 1.0,
    metric_names.DISCRIMINATOR_LOSS: 1.0,
    metric_names.VALIDATION_LOSS: 1.0,
    metric_names.REAL_ACCURACY: 0.75,
    metric_names.FAKE_ACCURACY: 0.75,
}


def by_counts(folder):
    return (*PHANTOM, "--train_cases=8"), {"train": 4, "val": 4, "test": 4}


def by_table(folder):
    """All three parts as the user lists them, of unlike sizes, some cases not at all."""
    parts = ["val"] * 2 + ["train"] * 4 + ["test"] * 3
    return (*PHANTOM, f"--cases={write_table(folder, parts)}"), {"train": 4, "val": 2, "test": 3}


def by_table_without_val(folder):
    parts = ["test"] * 4 + ["train"] * 8
    return (*PHANTOM, f"--cases={write_table(folder, parts)}"), {"train": 4, "val": 4, "test": 4}


def by_table_with_patients(folder):
    """Two cases a patient, which stay together."""
    parts = ["test"] * 4 + ["train"] * 8
    table = write_table(folder, parts, [f"patient_{index // 2}" for index in range(NUM_CASES)])
    return (*PHANTOM, f"--cases={table}"), {"train": 4, "val": 4, "test": 4}


def by_folds(folder):
    flags = ("--split=folds", "--num_folds=3", "--fold=1")
    return (*PHANTOM, *flags), {"train": 4, "val": 4, "test": 4}


def by_folds_of_the_source(folder):
    """JSRT comes in two folds, by odd and even numbers."""
    names = tuple(f"JPCLN{number:03}" for number in range(1, NUM_CASES + 1))
    write_cx_seg(folder / "jsrt", NUM_CASES, names)
    flags = ("--dataset=jsrt", f"--data_dir={folder / 'jsrt'}", "--split=source", "--fold=1")
    return flags, {"train": 3, "val": 3, "test": 6}


WAYS_OF_SPLITTING = (
    by_counts,
    by_table,
    by_table_without_val,
    by_table_with_patients,
    by_folds,
    by_folds_of_the_source,
)


def write_table(folder, parts, patients=None):
    path = folder / "split.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["case", "split", *(["patient"] if patients else [])])
        for index, part in enumerate(parts):
            row = [f"phantom_{index:04}", part]
            writer.writerow([*row, *([patients[index]] if patients else [])])
    return path


class Cases:
    """The names of the cases that each update was given, once for each time."""

    def __init__(self):
        self.of_weights = Counter()
        self.of_alpha = Counter()
        self.compared = []
        self.of_retraining = Counter()
        self._names = {}

    def know(self, dataset):
        self._names = {
            image.tobytes(): name for image, name in zip(dataset.images, dataset.cases, strict=True)
        }
        assert len(self._names) == len(dataset.cases), "the images tell the cases apart"

    def names_in(self, batch):
        return [self._names[image.tobytes()] for image in batch.images]


@pytest.fixture
def cases(monkeypatch):
    """Lets the trainers take note of the cases of each step in place of making it."""
    cases = Cases()

    def search_step(trainer, train_batch, val_batch):
        cases.of_weights.update(cases.names_in(train_batch))
        cases.of_alpha.update(cases.names_in(val_batch))
        return dict(STEP_METRICS)

    def compare(trainer, train_batch, val_batch):
        cases.compared.append((cases.names_in(train_batch), cases.names_in(val_batch)))
        return {}

    def retrain_step(trainer, *batches):
        (batch,) = batches
        cases.of_retraining.update(cases.names_in(batch))
        return dict(STEP_METRICS)

    make_run = stages.make_run

    def known_run(*arguments, **options):
        run = make_run(*arguments, **options)
        cases.know(run.dataset)
        return run

    monkeypatch.setattr(SearchTrainer, "step", search_step)
    monkeypatch.setattr(SearchTrainer, "compare_second_order", compare)
    monkeypatch.setattr(Trainer, "step", retrain_step)
    monkeypatch.setattr(stages, "make_run", known_run)
    monkeypatch.setattr(stages, "conclude", lambda run, segmenter: None)
    # They would outlast the test.
    monkeypatch.setattr(tf.config.experimental, "enable_op_determinism", lambda: None)
    monkeypatch.setattr(tf.config.optimizer, "set_experimental_options", lambda options: None)
    return cases


def parts_of(workdir):
    """The cases of each part, as the run has written them down."""
    parts = {"train": set(), "val": set(), "test": set()}
    with open(workdir / "cases.csv", newline="") as file:
        for row in csv.DictReader(file):
            parts[row["split"]].add(row["case"])
    return parts


def times(names, number):
    return Counter(dict.fromkeys(names, number))


@pytest.mark.parametrize("way", WAYS_OF_SPLITTING)
def test_a_search_updates_weights_on_train_and_alpha_on_val_then_retrains_on_both(
    way, cases, tmp_path
):
    flags, sizes = way(tmp_path)
    workdir = tmp_path / "run"
    flags = [*TINY_SEARCH, *flags, f"--workdir={workdir}"]
    search.main(config_from_flags("search", flags))

    parts = parts_of(workdir)
    assert {part: len(names) for part, names in parts.items()} == sizes
    num_steps = sum(cases.of_weights.values()) // BATCH_SIZE
    assert cases.of_weights == times(parts["train"], NUM_EPOCHS)
    # As many steps as for the weights, in passes over the other half.
    assert set(cases.of_alpha) == parts["val"]
    assert sum(cases.of_alpha.values()) == num_steps * BATCH_SIZE
    assert max(cases.of_alpha.values()) - min(cases.of_alpha.values()) <= 1
    assert cases.of_retraining == times(parts["train"] | parts["val"], NUM_EPOCHS)


@pytest.mark.parametrize("way", WAYS_OF_SPLITTING)
def test_a_training_takes_all_training_cases(way, cases, tmp_path):
    flags, sizes = way(tmp_path)
    workdir = tmp_path / "run"
    flags = [*TINY, *flags, "--discriminator=none", f"--workdir={workdir}"]
    train.main(config_from_flags("train", flags))

    parts = parts_of(workdir)
    assert {part: len(names) for part, names in parts.items()} == sizes
    assert cases.of_retraining == times(parts["train"] | parts["val"], NUM_EPOCHS)
    assert not cases.of_weights and not cases.of_alpha


def test_a_table_is_heeded_case_by_case(cases, tmp_path):
    flags, _ = by_table(tmp_path)
    flags = [*TINY_SEARCH, *flags, f"--workdir={tmp_path / 'run'}"]
    search.main(config_from_flags("search", flags))

    names = [f"phantom_{index:04}" for index in range(NUM_CASES)]
    assert set(cases.of_alpha) == set(names[:2])
    assert set(cases.of_weights) == set(names[2:6])
    assert set(cases.of_retraining) == set(names[:6])


def test_the_gradients_are_compared_on_the_same_halves(cases, tmp_path):
    flags, _ = by_counts(tmp_path)
    workdir = tmp_path / "run"
    flags = [*TINY_SEARCH, *flags, "--compare_gradient_every=1", "--retrain_epochs=0"]
    search.main(config_from_flags("search", [*flags, f"--workdir={workdir}"]))

    parts = parts_of(workdir)
    assert len(cases.compared) == 4
    for train_names, val_names in cases.compared:
        assert set(train_names) <= parts["train"]
        assert set(val_names) <= parts["val"]
