"""One device, several replicas, several machines."""

import pytest
import tensorflow as tf

from darts_adv_tf.system.devices import make_strategy
from darts_adv_tf.system.errors import ConfigurationError


def pretend_gpus(monkeypatch, num_gpus):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * num_gpus)


def test_more_replicas_than_gpus_are_refused(monkeypatch):
    pretend_gpus(monkeypatch, 2)
    with pytest.raises(ConfigurationError) as caught:
        make_strategy(num_replicas=3)
    assert "--num_replicas=3, 2 GPUs" in str(caught.value)
    assert "--num_replicas=2" in caught.value.remedy


def test_a_cpu_in_use_cannot_be_divided():
    tf.zeros(1) + 1
    with pytest.raises(ConfigurationError) as caught:
        make_strategy(num_replicas=64)
    assert "--num_replicas=64" in str(caught.value)


@pytest.mark.parametrize(
    ("gpus", "distribution", "kind", "devices"),
    [
        (0, ("auto", None), "OneDeviceStrategy", ["CPU:0"]),
        (0, ("mirrored", None), "MirroredStrategy", ["CPU:0"]),
        (1, ("auto", None), "OneDeviceStrategy", ["GPU:0"]),
        (2, ("auto", None), "MirroredStrategy", ["GPU:0", "GPU:1"]),
        (2, ("auto", 1), "OneDeviceStrategy", ["GPU:0"]),
        (3, ("auto", 2), "MirroredStrategy", ["GPU:0", "GPU:1"]),
        (2, ("one_device", None), "OneDeviceStrategy", ["GPU:0"]),
        (2, ("mirrored", None), "MirroredStrategy", ["GPU:0", "GPU:1"]),
    ],
)
def test_devices_follow_from_what_is_there_and_what_is_asked(
    gpus, distribution, kind, devices, monkeypatch
):
    pretend_gpus(monkeypatch, gpus)
    for name in ("OneDeviceStrategy", "MirroredStrategy"):
        monkeypatch.setattr(tf.distribute, name, lambda given, name=name: (name, given))
    name, given = make_strategy(*distribution)
    assert (name, [given] if isinstance(given, str) else given) == (kind, devices)
