"""Normalizes a batch on two logical CPUs; run by `test_normalization.py` in a process of its own.

TensorFlow divides a CPU only before its first use.

Usage: two_replicas_normalize.py ARRAYS RESULTS MODE, with `x`, `v`, `weights` in ARRAYS.
"""

import sys

import numpy as np
import tensorflow as tf

from darts_adv_tf.layers.normalization import normalize


def main(arrays_path: str, results_path: str, mode: str) -> None:
    cpus = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(
        cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    arrays = np.load(arrays_path)
    halves = {name: np.split(arrays[name], 2) for name in arrays}

    def per_replica(name):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(halves[name][context.replica_id_in_sync_group])
        )

    def differentiate(x, v, weights):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = normalize(x, mode, 1, x.shape[-1])
                value = tf.reduce_sum(weights * y**3)
            gradient = inner.gradient(value, x)
        return y, gradient, outer.gradient(gradient, x, output_gradients=v)

    @tf.function
    def run(*arguments):
        return strategy.run(differentiate, arguments)

    results = run(*map(per_replica, ("x", "v", "weights")))
    names = ("y", "gradient", "product")
    np.savez(
        results_path,
        **{
            name: np.concatenate([part.numpy() for part in strategy.experimental_local_results(r)])
            for name, r in zip(names, results, strict=True)
        },
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
