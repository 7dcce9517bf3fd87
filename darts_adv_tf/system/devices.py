"""What a run computes on: one device, or several replicas on this machine."""

import contextlib
import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from darts_adv_tf.system.errors import ConfigurationError


def share_cores() -> None:
    """Gives each of the two discriminator passes, real and fake, half of the cores.

    By default TensorFlow lets every operation use all of them, and with two chains of small
    operations the cores then mostly wait for each other: on two cores a search step took 3.7 s
    instead of 2.2 s (docs/performance.md). TF_NUM_INTRAOP_THREADS takes precedence.
    """
    if tf.config.list_physical_devices("GPU") or "TF_NUM_INTRAOP_THREADS" in os.environ:
        return
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    # Raised once TensorFlow has run an operation, in a program that makes several runs.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def make_strategy(kind: str = "auto", num_replicas: int | None = None) -> tf.distribute.Strategy:
    """Returns the strategy for one device, several GPUs or, without a GPU, logical CPUs.

    Args:
        kind: `auto`, `one_device` or `mirrored`.
        num_replicas: Number of replicas; by default one per GPU.

    Raises:
        ConfigurationError: There are fewer GPUs than replicas, or the program has used its CPU
            already and can no longer divide it.
    """
    gpus = tf.config.list_physical_devices("GPU")
    if num_replicas is None:
        num_replicas = 1 if kind == "one_device" else max(1, len(gpus))
    if gpus and num_replicas > len(gpus):
        raise ConfigurationError(
            "Each replica must have its own GPU.",
            received=f"--num_replicas={num_replicas}, {len(gpus)} GPUs",
            remedy=f"Use --num_replicas={len(gpus)} or less.",
        )
    if not gpus and num_replicas > 1:
        _divide_cpu(num_replicas)
    device = "GPU" if gpus else "CPU"
    devices = [f"{device}:{index}" for index in range(num_replicas)]
    if num_replicas == 1 and kind != "mirrored":
        return tf.distribute.OneDeviceStrategy(devices[0])
    return tf.distribute.MirroredStrategy(devices)


def _divide_cpu(num_replicas: int):
    (cpu,) = tf.config.list_physical_devices("CPU")
    configuration = [tf.config.LogicalDeviceConfiguration() for _ in range(num_replicas)]
    try:
        tf.config.set_logical_device_configuration(cpu, configuration)
    except RuntimeError:
        if len(tf.config.list_logical_devices("CPU")) < num_replicas:
            raise ConfigurationError(
                "The CPU must be divided into replicas before TensorFlow runs its first operation.",
                received=f"--num_replicas={num_replicas} after that",
                remedy="Start a new process.",
            ) from None


def make_gather(strategy: tf.distribute.Strategy) -> Callable[[Sequence[float]], np.ndarray]:
    """Returns a function that gathers numbers from all processes of a run.

    All of them must call it, in the same order and with the same number of values; it blocks
    until they have.

    Returns:
        A function of n numbers that returns float64 (replicas, n), one row per replica; the rows
        of one process are equal.
    """

    @tf.function(autograph=False)
    def run(rows):
        def on_replica(row):
            # The copy is on a device of this replica; the argument is not.
            return tf.distribute.get_replica_context().all_gather(tf.identity(row), axis=0)

        return strategy.run(on_replica, args=(rows,))

    def gather(values: Sequence[float]) -> np.ndarray:
        row = tf.constant([values], tf.float64)
        rows = strategy.experimental_distribute_values_from_function(lambda context: row)
        return strategy.experimental_local_results(run(rows))[0].numpy()

    return gather
