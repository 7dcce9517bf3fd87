"""Normalization on two logical CPUs; run by `test_replicas.py` in a process of its own.

TensorFlow divides a CPU only before its first use.

Usage: two_replicas.py ARRAYS RESULTS. ARRAYS holds `x`, `kernels` and `weights`, and for each of
them `..._direction`, the vector of the Hessian-vector product.
"""

import sys

import numpy as np
import tensorflow as tf

from darts_adv_tf.layers.normalization import normalize
from darts_adv_tf.layers.normalized_product import Blocks, normalized_product

POINTS = {"normalize": ("x",), "normalized_product": ("x", "kernels", "weights")}


def compute(function: str, mode: str, x, *others):
    if function == "normalize":
        return normalize(x, mode, x.shape[-1])
    kernels, weights = others
    return normalized_product(x, kernels, weights, mode, Blocks(kernels.shape[0], "float64"))


def main(arrays_path: str, results_path: str) -> None:
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    arrays = np.load(arrays_path)

    def shared_out(name):
        """Halves of what belongs to images, copies of what belongs to weights."""
        parts = np.split(arrays[name], 2) if name.startswith("x") else [arrays[name]] * 2
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(parts[context.replica_id_in_sync_group])
        )

    def differentiate(function, mode, points, directions):
        with tf.GradientTape() as outer:
            outer.watch(points)
            with tf.GradientTape() as inner:
                inner.watch(points)
                y = compute(function, mode, *points)
                value = tf.reduce_sum(tf.sin(3 * points[0]) * tf.reduce_sum(y**3, -1, True))
            gradient = inner.gradient(value, points)
        return y, gradient, outer.gradient(gradient, points, output_gradients=directions)

    results = {}
    for function, names in POINTS.items():
        for mode in ("batch", "sync_batch"):

            @tf.function(autograph=False)
            def run(points, directions, function=function, mode=mode):
                return strategy.run(differentiate, (function, mode, points, directions))

            y, gradient, product = run(
                [shared_out(name) for name in names],
                [shared_out(f"{name}_direction") for name in names],
            )
            of_replicas = strategy.experimental_local_results
            results[f"{function}_{mode}_y"] = np.concatenate(of_replicas(y))
            for kind, tensors in (("gradient", gradient), ("product", product)):
                for name, tensor in zip(names, tensors, strict=True):
                    join = np.concatenate if name == "x" else sum
                    results[f"{function}_{mode}_{kind}_{name}"] = join(of_replicas(tensor))
    np.savez(results_path, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
