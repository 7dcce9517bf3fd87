"""Figures by epoch: what each row holds, and that a run made again has every epoch once."""

import csv

import numpy as np
import pytest

from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.space import CELL_KINDS
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE
from darts_adv_tf.system.errors import StorageError
from darts_adv_tf.training.callbacks import Report
from darts_adv_tf.training.callbacks.epoch_log import ALPHA_FILE, EPOCHS_FILES, AlphaLog, EpochLog
from tests.search_space.op_weights import random_op_weights


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def epochs(workdir, phase="retrain"):
    return read(workdir / EPOCHS_FILES[phase])


def make_epoch(log, epoch, metrics_of_steps, metrics=None):
    """Steps with the given metrics, then the end of their epoch."""
    for step in metrics_of_steps:
        log.on_step(Report(1, step))
    log.on_epoch(epoch, Report(1, metrics or {}))


def log_alpha(workdir, epoch, op_weights, cells=CELL_KINDS):
    AlphaLog(workdir, lambda: op_weights, SPACE, cells).on_epoch(epoch, Report(1))


def some_op_weights(seed):
    return random_op_weights(seed).astype(np.float32)


def test_a_row_has_the_means_of_an_epochs_steps_and_the_figures_of_its_end(tmp_path):
    log = EpochLog(tmp_path, "retrain")
    make_epoch(
        log,
        1,
        [{"loss/segmentation": 1.0, "accuracy/real": 0.25}, {"loss/segmentation": 2.0}],
        {"test/mean_iou": 0.125},
    )
    make_epoch(log, 2, [{"loss/segmentation": 4.0, "accuracy/real": 1.0}])

    first, second = epochs(tmp_path)
    assert list(first) == [
        "epoch",
        "seconds",
        "loss/segmentation",
        "accuracy/real",
        "test/mean_iou",
    ]
    assert (first["epoch"], second["epoch"]) == ("1", "2")
    # Of its own steps alone.
    assert (first["loss/segmentation"], second["loss/segmentation"]) == ("1.5", "4")
    assert (first["accuracy/real"], second["accuracy/real"]) == ("0.25", "1")
    # Not every epoch has been tested.
    assert (first["test/mean_iou"], second["test/mean_iou"]) == ("0.125", "")


def test_a_figure_that_comes_later_is_empty_before(tmp_path):
    log = EpochLog(tmp_path, "retrain")
    make_epoch(log, 1, [{"loss/segmentation": 1.0}])
    make_epoch(log, 2, [{"loss/segmentation": 2.0}], {"test/mean_iou": 0.5})

    assert [row["test/mean_iou"] for row in epochs(tmp_path)] == ["", "0.5"]
    assert [row["loss/segmentation"] for row in epochs(tmp_path)] == ["1", "2"]


def test_only_losses_accuracies_and_the_second_order_are_kept(tmp_path):
    kept = {"loss/discriminator": 1.0, "accuracy/fake": 2.0, "second_order/ratio": 3.0}
    left = {"gradient_norm/segmenter": 4.0, "alpha_entropy/normal": 5.0, "seconds/step": 6.0}
    make_epoch(EpochLog(tmp_path, "search"), 1, [left | kept])

    (row,) = epochs(tmp_path, "search")
    assert set(row) == {"epoch", "seconds", *kept}


def test_a_step_that_is_left_out_is_left_out_of_the_means(tmp_path):
    log = EpochLog(tmp_path, "retrain")
    broken = {"loss/segmentation": 7.0, "gradient_norm/segmenter": float("inf")}
    make_epoch(log, 1, [{"loss/segmentation": 1.0}, broken, {"loss/segmentation": 2.0}])
    make_epoch(log, 2, [broken | {"loss/segmentation": float("nan")}])

    assert [row["loss/segmentation"] for row in epochs(tmp_path)] == ["1.5", ""]


def test_seconds_are_those_of_an_epochs_steps(tmp_path):
    log = EpochLog(tmp_path, "retrain")
    for epoch, seconds in ((1, (1.0, 2.0)), (2, (4.0,))):
        for each in seconds:
            log.on_step(Report(1, seconds=each))
        log.on_epoch(epoch, Report(1))

    assert [float(row["seconds"]) for row in epochs(tmp_path)] == [3, 4]


def test_epochs_made_again_replace_those_of_before(tmp_path):
    """A run that was killed after three epochs, and is resumed after the first."""
    log = EpochLog(tmp_path, "search")
    for epoch in (1, 2, 3):
        make_epoch(log, epoch, [{"loss/segmentation": float(epoch)}], {"test/mean_iou": 0.5})
        log_alpha(tmp_path, epoch, some_op_weights(epoch))
    resumed = EpochLog(tmp_path, "search")
    for epoch in (2, 3, 4):
        make_epoch(resumed, epoch, [{"loss/segmentation": 10.0 * epoch}])
        log_alpha(tmp_path, epoch, some_op_weights(10 * epoch))

    rows = epochs(tmp_path, "search")
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [float(row["loss/segmentation"]) for row in rows] == [1, 20, 30, 40]
    assert [row["test/mean_iou"] for row in rows] == ["0.5", "", "", ""]
    alpha = read(tmp_path / ALPHA_FILE)
    assert [row["epoch"] for row in alpha] == [
        str(epoch) for epoch in (1, 2, 3, 4) for _ in range(28)
    ]
    for epoch, seed in ((1, 1), (2, 20), (3, 30), (4, 40)):
        rows = [row for row in alpha if row["epoch"] == str(epoch)]
        assert float(rows[0]["none"]) == pytest.approx(some_op_weights(seed)[0, 0, 0], rel=1e-5)


def test_phases_have_tables_of_their_own(tmp_path):
    for phase, loss in (("search", 1.0), ("retrain", 2.0)):
        make_epoch(EpochLog(tmp_path, phase), 1, [{"loss/segmentation": loss}])

    assert {path.name for path in tmp_path.iterdir()} == {"epochs_search.csv", "epochs_retrain.csv"}
    values = [float(epochs(tmp_path, phase)[0]["loss/segmentation"]) for phase in EPOCHS_FILES]
    assert values == [1, 2]


def test_alpha_has_a_row_a_kind_of_cell_and_edge(tmp_path):
    op_weights = some_op_weights(0)
    log_alpha(tmp_path, 3, op_weights)

    rows = read(tmp_path / "alpha.csv")
    assert list(rows[0]) == ["epoch", "cell", "source", "target", *PUBLISHED_OPERATIONS]
    places = [(row["cell"], int(row["source"]), int(row["target"])) for row in rows]
    assert places == [(kind, *edge) for kind in ("normal", "reduction") for edge in SPACE.edges]
    received = np.array([[float(row[name]) for name in PUBLISHED_OPERATIONS] for row in rows])
    np.testing.assert_allclose(received.reshape(2, *SPACE.alpha_shape), op_weights, rtol=1e-5)
    assert {row["epoch"] for row in rows} == {"3"}


def test_an_epoch_without_steps_has_no_means(tmp_path):
    """One that another process made, but for its end."""
    make_epoch(EpochLog(tmp_path, "retrain"), 5, [], {"test/mean_iou": 0.5})

    (row,) = epochs(tmp_path)
    assert row == {"epoch": "5", "seconds": "0", "test/mean_iou": "0.5"}


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        make_epoch(EpochLog(tmp_path / "file", "retrain"), 1, [])


def test_what_a_kill_left_in_the_middle_of_a_write_is_removed(tmp_path):
    leftovers = [tmp_path / f".{name}.0123abcd" for name in (EPOCHS_FILES["search"], ALPHA_FILE)]
    others = [tmp_path / ".metrics.json.0123abcd", tmp_path / f".{ALPHA_FILE}.mine"]
    for path in (*leftovers, *others):
        path.touch()
    EpochLog(tmp_path, "search")
    AlphaLog(tmp_path, lambda: (), SPACE)
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_a_figure_keeps_six_digits(tmp_path):
    make_epoch(
        EpochLog(tmp_path, "retrain"),
        1,
        [{"loss/segmentation": 0.123456}],
        {"test/mean_iou": 1234.56},
    )

    (row,) = epochs(tmp_path)
    assert (row["loss/segmentation"], row["test/mean_iou"]) == ("0.123456", "1234.56")


def test_what_came_after_an_epoch_that_is_made_again_is_gone(tmp_path):
    log = EpochLog(tmp_path, "search")
    for epoch in (1, 2, 3):
        make_epoch(log, epoch, [{"loss/segmentation": float(epoch)}])
        log_alpha(tmp_path, epoch, some_op_weights(epoch))
    resumed = EpochLog(tmp_path, "search")
    make_epoch(resumed, 2, [{"loss/segmentation": 20.0}])
    log_alpha(tmp_path, 2, some_op_weights(20))

    assert [row["epoch"] for row in epochs(tmp_path, "search")] == ["1", "2"]
    assert [row["epoch"] for row in read(tmp_path / ALPHA_FILE)] == ["1"] * 28 + ["2"] * 28


def test_cells_that_the_discriminator_does_not_have_are_left_out(tmp_path):
    log_alpha(tmp_path, 1, some_op_weights(0), cells=("normal",))
    assert {row["cell"] for row in read(tmp_path / "alpha.csv")} == {"normal"}
