import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.tf_graph.normalization import Normalization, center, center_for, normalize
from tests.derivatives import (
    assert_derivatives_are_numeric,
    assert_same_derivatives,
    gradient_and_product,
    inner_product,
    nested_gradients,
    weighted,
)
from tests.oracles.operations import batch_normalization, group_normalization
from tests.search_space.definitions import plain_center, plain_normalize

CHANNELS = 8


@pytest.mark.parametrize("num_images", [1, 2, 6])
def test_batch_statistics_are_those_of_a_channel(num_images):
    rng = np.random.default_rng(0)
    x = 3 + 2 * rng.normal(size=(num_images, 5, 4, CHANNELS))

    y = normalize(tf.constant(x), "batch", CHANNELS)

    expected = batch_normalization(x)
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("num_channels", [8, 6, 2])
def test_group_statistics_are_those_of_four_channels_of_one_image(num_channels):
    rng = np.random.default_rng(1)
    x = 3 + 2 * rng.normal(size=(6, 5, 4, num_channels))

    y = normalize(tf.constant(x), "group", num_channels)

    np.testing.assert_allclose(y, group_normalization(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("mode", ["batch", "group"])
@pytest.mark.parametrize("num_channels", [4, 6])
def test_edges_and_operations_side_by_side_are_normalized_apart(num_channels, mode):
    rng = np.random.default_rng(2)
    scales = np.repeat(rng.uniform(0.5, 2, 6), num_channels)  # 3 operations on 2 edges
    x = rng.normal(size=(4, 5, 5, 6 * num_channels)) * scales

    y = normalize(tf.constant(x), mode, num_channels).numpy()

    oracle = {"batch": batch_normalization, "group": group_normalization}[mode]
    for part, values in zip(np.split(y, 6, axis=-1), np.split(x, 6, axis=-1), strict=True):
        np.testing.assert_allclose(part, oracle(values), rtol=1e-10, atol=1e-10)


def test_synchronized_statistics_on_one_replica_are_those_of_the_batch():
    x = tf.constant(np.random.default_rng(3).normal(size=(4, 5, 5, 3)))

    y = normalize(x, "sync_batch", 3)

    np.testing.assert_allclose(y, normalize(x, "batch", 3), rtol=1e-14)


def test_a_constant_channel_becomes_zero_and_has_finite_derivatives():
    x = np.full((2, 3, 3, 1), 7.0)

    (gradient,), (product,) = gradient_and_product(
        lambda x: tf.reduce_sum(normalize(x, "batch", 1) ** 2), [x], [np.ones_like(x)]
    )

    assert not normalize(tf.constant(x), "batch", 1).numpy().any()
    assert np.isfinite(gradient).all()
    assert np.isfinite(product).all()


def objective(function, mode, weights):
    """A scalar function of x and of a scale, non-linear before and behind normalization."""

    def value(x, scale):
        y = function(tf.sin(scale * x), mode, CHANNELS)
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

    expected = gradient_and_product(objective(plain_normalize, mode, weights), points, directions)
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
    for function in (normalize, plain_normalize):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = tf.reduce_sum(function(x, "batch", CHANNELS) ** 3)
            gradient = inner.gradient(value, x)
        products.append(outer.gradient(gradient, x, output_gradients=v))

    np.testing.assert_allclose(*products, rtol=1e-10, atol=1e-10)


def test_center_by_hand():
    x = tf.constant([[1.0, 2.0], [3.0, 6.0], [5.0, 13.0]])

    assert center(x, (0,)).numpy().tolist() == [[-2, -5], [0, -1], [2, 6]]
    assert center(x, (-1,)).numpy().tolist() == [[-0.5, 0.5], [-1.5, 1.5], [-4, 4]]
    assert center(x, (0, 1)).numpy().tolist() == [[-4, -3], [-2, 1], [0, 8]]


centered_axes = pytest.mark.parametrize("axes", [(-2,), (-4, -3, -2), (0,)])


@centered_axes
@pytest.mark.parametrize("synchronized", [False, True])
def test_center_has_right_derivatives(synchronized, axes):
    rng = np.random.default_rng(9)
    x, direction = rng.normal(size=(2, 2, 3, 4, 5))

    received, expected = (
        gradient_and_product(weighted(function), [x], [direction])
        for function in (
            lambda x: center(tf.sin(x), axes, synchronized),
            lambda x: plain_center(tf.sin(x), axes),
        )
    )

    assert_same_derivatives(received, expected)


@centered_axes
def test_center_has_right_derivatives_when_run_eagerly(axes):
    x, direction = tf.constant(np.random.default_rng(10).normal(size=(2, 2, 3, 4, 5)))

    received, expected = (
        nested_gradients(weighted(function), [x], [direction])
        for function in (lambda x: center(x, axes), lambda x: plain_center(x, axes))
    )

    assert_same_derivatives(received, expected)


@centered_axes
def test_center_is_self_adjoint_and_its_own_gradient(axes):
    x, y = np.random.default_rng(11).normal(size=(2, 2, 3, 4, 5)) + 1
    with tf.GradientTape() as tape:
        point = tf.constant(x)
        tape.watch(point)
        centered_x = center(point, axes)
    centered_y = center(tf.constant(y), axes).numpy()

    assert inner_product([centered_x], [y]) == pytest.approx(inner_product([x], [centered_y]))
    np.testing.assert_array_equal(tape.gradient(centered_x, point, tf.constant(y)), centered_y)


@pytest.mark.parametrize("shape", [(4, 3, 5, 6), (2, 4, 3, 5, 6)])
@pytest.mark.parametrize("mode", ["batch", "sync_batch"])
def test_batch_modes_center_each_channel_of_each_operation(mode, shape):
    x = 1 + np.random.default_rng(12).normal(size=shape)

    y = center_for(mode, tf.constant(x))

    expected = x - x.mean(axis=(-4, -3, -2), keepdims=True)
    np.testing.assert_allclose(y, expected, rtol=1e-13, atol=1e-13)


def test_group_mode_leaves_images_as_they_are():
    x = tf.constant(1 + np.random.default_rng(13).normal(size=(2, 4, 3, 5, 6)))

    assert center_for("group", x) is x


def test_layer_learns_a_scale_and_an_offset():
    x = np.random.default_rng(7).normal(size=(4, 3, 3, 2))
    layer = Normalization(dtype="float64")
    layer.build(x.shape)
    untouched = layer(x).numpy()
    layer.scale.assign([2.0, 3.0])
    layer.offset.assign([0.5, -0.5])

    y = layer(x).numpy()

    np.testing.assert_allclose(untouched, batch_normalization(x), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(y, untouched * [2, 3] + [0.5, -0.5], rtol=1e-12)
    assert {variable.name for variable in layer.trainable_weights} == {"scale", "offset"}


def test_layer_without_scale_and_offset_holds_no_weights_and_no_statistics():
    layer = Normalization(affine=False, dtype="float64")

    layer(np.random.default_rng(8).normal(size=(4, 3, 3, 2)))

    assert layer.weights == []
