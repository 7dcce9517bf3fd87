"""Normalization on two logical CPUs; run by `test_replicas.py` in a process of its own.

TensorFlow divides a CPU only before its first use.

Usage: two_replicas.py ARRAYS RESULTS. ARRAYS holds all `POINTS`, and for each of them
`..._direction`, the vector of the Hessian-vector product.
"""

import sys

import numpy as np
import tensorflow as tf

from darts_adv_tf.tf_graph.normalization import center, center_for, normalize
from darts_adv_tf.tf_graph.normalized_product import normalized_product

POINTS = {
    "normalize": ("images",),
    "center": ("images",),
    "normalized_product": ("pixels", "kernels", "weights"),
}
BATCH_AXES = {"images": 0, "pixels": -2}
"""Of what the replicas share out among them; of the rest each has a copy."""


def compute(function: str, mode: str, x, *others):
    if function == "normalize":
        return normalize(x, mode, x.shape[-1])
    if function == "center":
        return center_for(mode, x)
    x = center(x, (-2,), synchronized=mode == "sync_batch")
    return normalized_product(x, *others, mode)


def main(arrays_path: str, results_path: str) -> None:
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    arrays = np.load(arrays_path)

    def on_replicas(name, suffix=""):
        array = arrays[name + suffix]
        parts = np.split(array, 2, BATCH_AXES[name]) if name in BATCH_AXES else [array] * 2
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
                [on_replicas(name) for name in names],
                [on_replicas(name, "_direction") for name in names],
            )
            of_replicas = strategy.experimental_local_results
            results[f"{function}_{mode}_y"] = np.concatenate(of_replicas(y), BATCH_AXES[names[0]])
            for kind, tensors in (("gradient", gradient), ("product", product)):
                for name, tensor in zip(names, tensors, strict=True):
                    parts = of_replicas(tensor)
                    whole = (
                        np.concatenate(parts, BATCH_AXES[name])
                        if name in BATCH_AXES
                        else sum(parts)
                    )
                    results[f"{function}_{mode}_{kind}_{name}"] = whole
    np.savez(results_path, **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
