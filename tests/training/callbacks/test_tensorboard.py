"""What is written for TensorBoard can be read back by it."""

import contextlib

import cv2
import numpy as np
import pytest

from darts_adv_tf.system.errors import StorageError
from darts_adv_tf.training.callbacks import Report, Warn
from darts_adv_tf.training.callbacks.tensorboard import TensorBoard, summary_value
from tests.events import read_events

LOSS = "loss/segmentation"


@contextlib.contextmanager
def begun(workdir, stage, done=0):
    """Begun after so many steps, and ended."""
    tensorboard = TensorBoard(workdir, stage)
    tensorboard.begin(done, total=100)
    yield tensorboard
    tensorboard.end()


def test_scalars_images_and_texts_come_back_with_their_steps(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    with begun(tmp_path, "search") as tensorboard:
        tensorboard.add_scalars(1, {LOSS: 0.5, "loss/discriminator": 1.25})
        tensorboard.add_scalars(2, {LOSS: 0.25})
        tensorboard.add_image(2, "overlays", picture)
        tensorboard.add_text(3, "collapse/val_iou", "below its best")
    events = read_events(tmp_path / "tensorboard" / "search")
    assert set(events) == {LOSS, "loss/discriminator", "overlays", "collapse/val_iou"}
    assert events[LOSS] == [(1, 0.5), (2, 0.25)]
    assert events["loss/discriminator"] == [(1, 1.25)]
    assert events["collapse/val_iou"] == [(3, b"below its best")]
    ((step, (width, height, png)),) = events["overlays"]
    assert (step, int(width), int(height)) == (2, 7, 5)
    decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    np.testing.assert_array_equal(decoded, picture)


def test_what_was_flushed_can_be_read_while_training_goes_on(tmp_path):
    with begun(tmp_path, "retrain") as tensorboard:
        tensorboard.add_scalars(3, {LOSS: 2.0})
        tensorboard.flush()
        assert read_events(tmp_path / "tensorboard" / "retrain") == {LOSS: [(3, 2.0)]}


def test_values_are_those_that_tensorboard_would_write():
    from tensorboard.compat.proto import summary_pb2
    from tensorboard.plugins.image import metadata
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.plugins.text.summary_v2 import text_pb

    ours = [summary_value(LOSS, "scalars", np.float32(0.1)), summary_value("note", "text", "é")]
    theirs = [scalar_pb(LOSS, 0.1), text_pb("note", "é")]
    for value, summary in zip(ours, theirs, strict=True):
        (expected,) = summary.value
        assert value.tensor.SerializeToString() == expected.tensor.SerializeToString()
        assert value.metadata.plugin_data.SerializeToString() == (
            expected.metadata.plugin_data.SerializeToString()
        )
    image = summary_value("overlays", "images", [b"7", b"5", b"png"])
    expected = metadata.create_summary_metadata(display_name=None, description=None)
    assert (
        image.metadata.plugin_data.SerializeToString() == expected.plugin_data.SerializeToString()
    )
    assert image.metadata.data_class == summary_pb2.DATA_CLASS_BLOB_SEQUENCE
    assert [value.metadata.data_class for value in ours] == [
        summary_pb2.DATA_CLASS_SCALAR,
        summary_pb2.DATA_CLASS_TENSOR,
    ]
    assert list(image.tensor.string_val) == [b"7", b"5", b"png"]


def write_run(workdir, begin, end, value):
    """The curve, a picture and a mark of the steps after `begin`, up to `end`."""
    with begun(workdir, "search", begin) as tensorboard:
        for step in range(begin + 1, end + 1):
            tensorboard.add_scalars(step, {LOSS: value})
            tensorboard.add_image(step, "overlays", np.full((2, 3, 3), value, np.uint8))
            tensorboard.add_text(step, "collapse/val_iou", str(value))


def test_after_a_resume_every_step_is_there_once_as_it_was_made_last(tmp_path):
    """From step 4 again, which the first had passed; then from the end of what is there."""
    for begin, end, value in ((0, 6, 1), (4, 7, 2), (7, 9, 3)):
        write_run(tmp_path, begin, end, value)
    events = read_events(tmp_path / "tensorboard" / "search")
    values = [1, 1, 1, 1, 2, 2, 2, 3, 3]
    assert [step for step, _ in events[LOSS]] == list(range(1, 10))
    assert [value for _, value in events[LOSS]] == values
    assert [int(text) for _, text in events["collapse/val_iou"]] == values
    assert [step for step, _ in events["overlays"]] == list(range(1, 10))


def test_a_phase_that_begins_anew_voids_all_of_its_first_time(tmp_path):
    for value in (1, 2):
        write_run(tmp_path, 0, 3, value)
    assert read_events(tmp_path / "tensorboard" / "search")[LOSS] == [(1, 2), (2, 2), (3, 2)]


def test_a_finished_phase_that_is_passed_over_keeps_its_curves(tmp_path):
    write_run(tmp_path, 0, 3, 1)
    write_run(tmp_path, 3, 3, 2)
    assert read_events(tmp_path / "tensorboard" / "search")[LOSS] == [(1, 1), (2, 1), (3, 1)]


def test_phases_have_curves_of_their_own(tmp_path):
    write_run(tmp_path, 0, 3, 1)
    with begun(tmp_path, "retrain"):
        pass
    assert len(read_events(tmp_path / "tensorboard" / "search")[LOSS]) == 3


def test_a_stage_that_never_begins_leaves_nothing(tmp_path):
    tensorboard = TensorBoard(tmp_path, "search")
    tensorboard.flush()
    tensorboard.end()
    assert list(tmp_path.iterdir()) == []


def test_reports_become_curves_and_texts(tmp_path):
    with begun(tmp_path, "search") as tensorboard:
        warnings = [Warn("collapse/val_iou", "below its best")]
        tensorboard.on_step(Report(1, {LOSS: 0.5}, seconds=2.0, warnings=warnings))
        tensorboard.on_epoch(1, Report(1, {"val/mean_iou": 0.25}))
        # At the end of an epoch it can be read.
        events = read_events(tmp_path / "tensorboard" / "search")
    assert events == {
        LOSS: [(1, 0.5)],
        "seconds/step": [(1, 2.0)],
        "collapse/val_iou": [(1, b"below its best")],
        "val/mean_iou": [(1, 0.25)],
    }


def test_curves_that_cannot_be_written_are_told(tmp_path):
    (tmp_path / "tensorboard").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="curves for TensorBoard") as caught:
        TensorBoard(tmp_path, "search").begin(0, total=100)
    assert caught.value.exit_status == 6
    assert str(tmp_path / "tensorboard" / "search") in str(caught.value)
