"""Statistics over two replicas, against the plain definition over both halves of a batch."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.derivatives import gradient_and_product
from tests.oracles.operations import batch_normalization
from tests.search_space.definitions import plain_center, plain_normalize, plain_normalized_product
from tests.tf_graph.two_replicas import BATCH_AXES, POINTS

LEADING, PIXELS, CHANNELS, RESULTS = (2, 3), 60, 3, 4


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(9)
    shapes = {
        "images": (4, 3, 5, 6),
        "pixels": (*LEADING, PIXELS, CHANNELS),
        "kernels": (*LEADING, CHANNELS, RESULTS),
        "weights": (*LEADING, 1, RESULTS),
    }
    arrays = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    # The replicas' statistics differ.
    arrays["images"] += np.arange(4).reshape(4, 1, 1, 1)
    arrays["pixels"] += np.linspace(0, 3, PIXELS).reshape(PIXELS, 1)
    return arrays | {f"{name}_direction": rng.normal(size=shapes[name]) for name in shapes}


@pytest.fixture(scope="module")
def results(arrays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("replicas")
    np.savez(folder / "arrays.npz", **arrays)
    run = subprocess.run(
        [
            sys.executable,
            *("-m", "tests.tf_graph.two_replicas"),
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
    if function == "center":
        return x - x.mean(axis=(0, 1, 2))
    kernels, weights = others
    y = np.empty((*x.shape[:-1], RESULTS))
    for index in np.ndindex(*LEADING):
        y[index] = weights[index] * batch_normalization(x[index] @ kernels[index])
    return y


def plain(function, x, *others):
    if function == "normalize":
        return plain_normalize(x, "batch", x.shape[-1])
    if function == "center":
        return plain_center(x, (0, 1, 2))
    return plain_normalized_product(x, *others, "batch")


@pytest.mark.parametrize("mode", ["batch", "sync_batch"])
@pytest.mark.parametrize("function", POINTS)
def test_two_replicas_share_statistics_only_where_they_should(function, mode, arrays, results):
    names = POINTS[function]
    points = [arrays[name] for name in names]
    directions = [arrays[f"{name}_direction"] for name in names]

    num_batches = {"batch": 2, "sync_batch": 1}[mode]
    axis = BATCH_AXES[names[0]]

    def value(x, *others):
        parts = [plain(function, part, *others) for part in tf.split(x, num_batches, axis)]
        y = tf.concat(parts, axis)
        return tf.reduce_sum(tf.sin(3 * x) * tf.reduce_sum(y**3, -1, True))

    x, *others = points
    parts = [oracle(function, part, *others) for part in np.split(x, num_batches, axis)]
    y = results[f"{function}_{mode}_y"]
    np.testing.assert_allclose(y, np.concatenate(parts, axis), rtol=1e-9, atol=1e-10)
    derivatives = gradient_and_product(value, points, directions)
    for kind, arrays_expected in zip(("gradient", "product"), derivatives, strict=True):
        for name, expected in zip(names, arrays_expected, strict=True):
            received = results[f"{function}_{mode}_{kind}_{name}"]
            largest = np.abs(expected).max()
            assert largest > 0.1
            np.testing.assert_allclose(received, expected, rtol=1e-9, atol=1e-10 * largest)
