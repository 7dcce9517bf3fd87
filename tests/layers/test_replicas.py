"""Statistics over two replicas, against the plain definition over both halves of a batch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.layers.definitions import plain_normalize, plain_normalized_product
from tests.layers.derivatives import gradient_and_product
from tests.oracles.operations import batch_normalization

GROUPS, CHANNELS, RESULTS = 2, 3, 4


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(9)
    shapes = {
        "x": (4, 3, 5, GROUPS * CHANNELS),
        "kernels": (GROUPS, CHANNELS, RESULTS),
        "weights": (GROUPS * RESULTS,),
    }
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    arrays["x"] += np.arange(4).reshape(4, 1, 1, 1)  # the replicas' statistics differ
    return arrays | {f"{name}_direction": rng.normal(size=shapes[name]) for name in shapes}


@pytest.fixture(scope="module")
def results(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicas")
    np.savez(folder / "arrays.npz", **arrays)
    run = subprocess.run(
        [
            sys.executable,
            *("-m", "tests.layers.two_replicas"),
            *(folder / "arrays.npz", folder / "results.npz"),
        ],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert run.returncode == 0, run.stderr
    return np.load(folder / "results.npz")


def oracle(function, x, *others):
    if function == "normalize":
        return batch_normalization(x)
    kernels, weights = others
    by_group = zip(np.split(x, GROUPS, axis=-1), kernels, np.split(weights, GROUPS), strict=True)
    results = [weight * batch_normalization(seen @ kernel) for seen, kernel, weight in by_group]
    return np.concatenate(results, axis=-1)


def plain(function, x, *others):
    if function == "normalize":
        return plain_normalize(x, "batch", x.shape[-1])
    return plain_normalized_product(x, *others, "batch")


@pytest.mark.parametrize("mode", ["batch", "sync_batch"])
@pytest.mark.parametrize("function", ["normalize", "normalized_product"])
def test_two_replicas_share_statistics_only_where_they_should(function, mode, arrays, results):
    names = ["x"] if function == "normalize" else ["x", "kernels", "weights"]
    points = [arrays[name] for name in names]
    directions = [arrays[f"{name}_direction"] for name in names]

    num_batches = {"batch": 2, "sync_batch": 1}[mode]

    def value(x, *others):
        parts = [plain(function, part, *others) for part in tf.split(x, num_batches)]
        y = tf.concat(parts, axis=0)
        return tf.reduce_sum(tf.sin(3 * x) * tf.reduce_sum(y**3, -1, True))

    x, *others = points
    parts = [oracle(function, part, *others) for part in np.split(x, num_batches)]
    y = results[f"{function}_{mode}_y"]
    np.testing.assert_allclose(y, np.concatenate(parts), rtol=1e-9, atol=1e-10)
    derivatives = gradient_and_product(value, points, directions)
    for kind, arrays_expected in zip(("gradient", "product"), derivatives, strict=True):
        for name, expected in zip(names, arrays_expected, strict=True):
            received = results[f"{function}_{mode}_{kind}_{name}"]
            largest = np.abs(expected).max()
            assert largest > 0.1
            np.testing.assert_allclose(received, expected, rtol=1e-9, atol=1e-10 * largest)
