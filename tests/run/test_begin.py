"""A run that fails before its first step leaves no folder that would refuse the next one."""

import pytest
import tensorflow as tf

from darts_adv_tf.config import DataConfig, RunConfig, TrainingConfig
from darts_adv_tf.config import workdir as workdirs
from darts_adv_tf.run.stages import begin
from darts_adv_tf.system.errors import ConfigurationError


def config(folder):
    data = DataConfig(image_size=32, phantom_cases=6, train_cases=4)
    return RunConfig(data=data, training=TrainingConfig(batch_size=2), workdir=str(folder))


@pytest.fixture(autouse=True)
def locks():
    with workdirs.returning_locks():
        yield


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("A segmenter must return logits."),
        ValueError("from a user's own layer, while the graph is built"),
        tf.errors.ResourceExhaustedError(None, None, "the first step does not fit on the GPU"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_run_that_fails_before_its_first_step_leaves_nothing(tmp_path, error):
    folder = tmp_path / "run"
    with pytest.raises(type(error)), begin(config(folder)):
        (folder / "tensorboard" / "search").mkdir(parents=True)
        raise error
    assert not folder.exists()


@pytest.mark.parametrize("name", ["checkpoints/search/step-00000001", "epochs_search.csv"])
def test_a_run_that_fails_later_is_kept(tmp_path, name):
    folder = tmp_path / "run"
    with pytest.raises(ValueError), begin(config(folder)):
        (folder / name).mkdir(parents=True)
        raise ValueError
    assert (folder / name).exists() and (folder / "config.json").exists()


def test_a_signal_leaves_a_run_to_resume(tmp_path):
    with pytest.raises(KeyboardInterrupt), begin(config(tmp_path / "run")):
        raise KeyboardInterrupt
    assert (tmp_path / "run" / "config.json").exists()
