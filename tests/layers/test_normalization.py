import functools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.layers.normalization import Normalization, normalize
from tests.layers.derivatives import assert_derivatives_are_numeric, gradient_and_product
from tests.oracles.operations import batch_normalization, group_normalization

CHANNELS = 8
NUM_PASSES = 2


def naive_normalize(x, mode, num_passes, num_channels):
    """The definition, differentiated by TensorFlow: (P * N, H, W, E * C)."""
    batch, height, width, wide = x.shape
    if mode == "group":
        size = 4 if num_channels % 4 == 0 else num_channels
        grouped = tf.reshape(x, [batch, height, width, wide // size, size])
        axes = [1, 2, 4]
    else:
        grouped = tf.reshape(x, [num_passes, batch // num_passes, height, width, wide])
        axes = [1, 2, 3]
    mean = tf.reduce_mean(grouped, axes, keepdims=True)
    variance = tf.reduce_mean(tf.square(grouped - mean), axes, keepdims=True)
    return tf.reshape((grouped - mean) / tf.sqrt(variance + 1e-5), x.shape)


@pytest.mark.parametrize("num_passes", [1, 2, 3])
def test_batch_statistics_are_those_of_a_channel_and_a_pass(num_passes):
    rng = np.random.default_rng(0)
    x = 3 + 2 * rng.normal(size=(6, 5, 4, CHANNELS))

    y = normalize(tf.constant(x), "batch", num_passes, CHANNELS)

    expected = batch_normalization(x, num_passes)
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("num_channels", [8, 6, 2])
def test_group_statistics_are_those_of_four_channels_of_one_image(num_channels):
    rng = np.random.default_rng(1)
    x = 3 + 2 * rng.normal(size=(6, 5, 4, num_channels))

    y = normalize(tf.constant(x), "group", NUM_PASSES, num_channels)

    np.testing.assert_allclose(y, group_normalization(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mode", ["batch", "group"])
@pytest.mark.parametrize("num_channels", [4, 6])
def test_edges_and_operations_side_by_side_are_normalized_apart(num_channels, mode):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, 4, 5, 5, 2 * num_channels)) * rng.uniform(0.5, 2, (3, 1, 1, 1, 1))

    y = normalize(tf.constant(x), mode, NUM_PASSES, num_channels).numpy()

    oracle = {
        "batch": functools.partial(batch_normalization, num_passes=NUM_PASSES),
        "group": group_normalization,
    }[mode]
    for operation in range(3):
        for edge in (slice(None, num_channels), slice(num_channels, None)):
            expected = oracle(x[operation, ..., edge])
            np.testing.assert_allclose(y[operation, ..., edge], expected, rtol=1e-10, atol=1e-10)


def test_synchronized_statistics_on_one_replica_are_those_of_the_batch():
    x = tf.constant(np.random.default_rng(3).normal(size=(4, 5, 5, 3)))

    y = normalize(x, "sync_batch", NUM_PASSES, 3)

    np.testing.assert_allclose(y, normalize(x, "batch", NUM_PASSES, 3), rtol=1e-14)


def test_a_constant_channel_becomes_zero_and_has_finite_derivatives():
    x = np.full((2, 3, 3, 1), 7.0)

    (gradient,), (product,) = gradient_and_product(
        lambda x: tf.reduce_sum(normalize(x, "batch", 1, 1) ** 2), [x], [np.ones_like(x)]
    )

    assert not normalize(tf.constant(x), "batch", 1, 1).numpy().any()
    assert np.isfinite(gradient).all()
    assert np.isfinite(product).all()


def objective(function, mode, weights):
    """A scalar function of x and of a scale, non-linear before and behind normalization."""

    def value(x, scale):
        y = function(tf.sin(scale * x), mode, NUM_PASSES, CHANNELS)
        return tf.reduce_sum(weights * tf.tanh(scale * y) + y**3)

    return value


@pytest.mark.parametrize("mode", ["batch", "sync_batch", "group"])
@pytest.mark.parametrize("num_channels_wide", [CHANNELS, 2 * CHANNELS])
def test_both_derivatives_equal_those_of_plain_autodiff(mode, num_channels_wide):
    rng = np.random.default_rng(4)
    points = [rng.normal(size=(4, 3, 5, num_channels_wide)), np.array(0.7)]
    directions = [rng.normal(size=point.shape) for point in points]
    weights = rng.normal(size=points[0].shape)

    results = gradient_and_product(objective(normalize, mode, weights), points, directions)

    expected = gradient_and_product(objective(naive_normalize, mode, weights), points, directions)
    for arrays, expected_arrays in zip(results, expected, strict=True):
        for values, others in zip(arrays, expected_arrays, strict=True):
            assert np.abs(others).max() > 0.1
            np.testing.assert_allclose(values, others, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mode", ["batch", "group"])
def test_both_derivatives_equal_numeric_ones(mode):
    rng = np.random.default_rng(5)
    points = [rng.normal(size=(4, 3, 5, CHANNELS)), np.array(0.7)]
    weights = rng.normal(size=points[0].shape)

    assert_derivatives_are_numeric(objective(normalize, mode, weights), points, rng)


def test_both_derivatives_equal_those_of_plain_autodiff_when_run_eagerly():
    rng = np.random.default_rng(6)
    x, v = (tf.constant(rng.normal(size=(4, 3, 3, CHANNELS))) for _ in range(2))
    products = []
    for function in (normalize, naive_normalize):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = tf.reduce_sum(function(x, "batch", NUM_PASSES, CHANNELS) ** 3)
            gradient = inner.gradient(value, x)
        products.append(outer.gradient(gradient, x, output_gradients=v))

    np.testing.assert_allclose(*products, rtol=1e-10, atol=1e-10)


def test_layer_learns_a_scale_and_an_offset():
    x = np.random.default_rng(7).normal(size=(4, 3, 3, 2))
    layer = Normalization(dtype="float64")
    layer.build(x.shape)
    untouched = layer(x, num_passes=2).numpy()
    layer.scale.assign([2.0, 3.0])
    layer.offset.assign([0.5, -0.5])

    y = layer(x, num_passes=2).numpy()

    np.testing.assert_allclose(untouched, batch_normalization(x, 2), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(y, untouched * [2, 3] + [0.5, -0.5], rtol=1e-12)
    assert {variable.name for variable in layer.trainable_weights} == {"scale", "offset"}


def test_layer_without_scale_and_offset_holds_no_weights_and_no_statistics():
    layer = Normalization(affine=False, dtype="float64")

    layer(np.random.default_rng(8).normal(size=(4, 3, 3, 2)))

    assert layer.weights == []


@pytest.mark.parametrize("mode", ["batch", "sync_batch"])
def test_two_replicas_share_statistics_only_where_they_should(mode, tmp_path):
    rng = np.random.default_rng(9)
    x = rng.normal(size=(4, 3, 5, 3)) + np.arange(4).reshape(4, 1, 1, 1)
    v, weights = rng.normal(size=(2, *x.shape))
    np.savez(tmp_path / "arrays.npz", x=x, v=v, weights=weights)

    subprocess.run(
        [
            sys.executable,
            *("-m", "tests.layers.two_replicas_normalize"),
            *(tmp_path / "arrays.npz", tmp_path / "results.npz", mode),
        ],
        check=True,
        capture_output=True,
        cwd=Path(__file__).parents[2],
    )

    results = np.load(tmp_path / "results.npz")
    # Replicas that keep to themselves do what two passes stacked in one batch do.
    num_passes = {"batch": 2, "sync_batch": 1}[mode]

    def value(x):
        return tf.reduce_sum(weights * naive_normalize(x, "batch", num_passes, 3) ** 3)

    (gradient,), (product,) = gradient_and_product(value, [x], [v])
    np.testing.assert_allclose(results["y"], batch_normalization(x, num_passes), rtol=1e-9)
    np.testing.assert_allclose(results["gradient"], gradient, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(results["product"], product, rtol=1e-9, atol=1e-10)
