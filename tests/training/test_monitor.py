"""What is written for TensorBoard can be read back by it."""

import cv2
import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from darts_adv_tf.training.monitor import Monitor


def read(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return {
        tag: [(event.step, make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(tag)]
        for tag in accumulator.Tags()["tensors"]
    }


def test_scalars_and_pictures_come_back_with_their_steps(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    with Monitor(tmp_path, "search") as monitor:
        monitor.scalars(1, {"loss/segmentation": 0.5, "loss/discriminator": 1.25})
        monitor.scalars(2, {"loss/segmentation": 0.25})
        monitor.picture(2, "overlays", picture)
    events = read(tmp_path / "tensorboard" / "search")
    assert events["loss/segmentation"] == [(1, 0.5), (2, 0.25)]
    assert events["loss/discriminator"] == [(1, 1.25)]
    ((step, (width, height, png)),) = events["overlays"]
    assert (step, int(width), int(height)) == (2, 7, 5)
    decoded = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    np.testing.assert_array_equal(decoded, picture)


def test_what_was_flushed_can_be_read_while_training_goes_on(tmp_path):
    with Monitor(tmp_path, "retrain") as monitor:
        monitor.scalars(3, {"loss/segmentation": 2.0})
        monitor.flush()
        assert read(tmp_path / "tensorboard" / "retrain") == {"loss/segmentation": [(3, 2.0)]}
