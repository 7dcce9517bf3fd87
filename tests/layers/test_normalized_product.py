import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.layers.normalized_product import Blocks, normalized_product
from tests.layers.definitions import plain_normalized_product
from tests.layers.derivatives import (
    assert_derivatives_are_numeric,
    assert_same_derivatives,
    gradient_and_product,
)
from tests.oracles.operations import batch_normalization, group_normalization

ORACLES = {"batch": batch_normalization, "group": group_normalization}
IMAGES = (3, 4, 5)

modes = pytest.mark.parametrize("mode", ["batch", "group"])
sizes = pytest.mark.parametrize(
    ("groups", "channels", "results"), [(1, 5, 4), (1, 3, 6), (3, 5, 4), (3, 4, 6), (3, 4, 4)]
)


def draw(rng, groups, channels, results):
    """Images, kernels and weights."""
    x = 1 + rng.normal(size=(*IMAGES, groups * channels)) * rng.uniform(0.5, 2, groups * channels)
    return x, rng.normal(size=(groups, channels, results)), rng.normal(size=groups * results)


def product(x, kernels, weights, mode, num_channels=None):
    blocks = Blocks(kernels.shape[0], "float64")
    return normalized_product(x, kernels, weights, mode, blocks, num_channels)


def objective(function, mode, rng, *sizes):
    """A scalar function of images, kernels and weights, non-linear on both sides of `function`."""
    groups, _, results = sizes
    weighting = rng.normal(size=(*IMAGES, groups * results))

    def value(x, kernels, weights):
        y = function(tf.sin(x), kernels, weights, mode)
        return tf.reduce_sum(weighting * tf.tanh(y) + 0.1 * y**3)

    return value


@modes
@sizes
def test_equals_the_weighted_normalization_of_each_groups_product(groups, channels, results, mode):
    x, kernels, weights = draw(np.random.default_rng(0), groups, channels, results)

    y = product(*map(tf.constant, (x, kernels, weights)), mode).numpy()

    for group, (kernel, weight) in enumerate(
        zip(kernels, weights.reshape(groups, results), strict=True)
    ):
        seen = x[..., group * channels : (group + 1) * channels]
        expected = weight * ORACLES[mode](seen @ kernel)
        received = y[..., group * results : (group + 1) * results]
        np.testing.assert_allclose(received, expected, rtol=1e-10, atol=1e-10)


@modes
@sizes
def test_both_derivatives_equal_numeric_ones(groups, channels, results, mode):
    rng = np.random.default_rng(1)
    points = draw(rng, groups, channels, results)

    value = objective(product, mode, rng, groups, channels, results)

    assert_derivatives_are_numeric(value, points, rng)


@modes
@sizes
def test_both_derivatives_equal_those_of_the_plain_definition(groups, channels, results, mode):
    rng = np.random.default_rng(2)
    points = draw(rng, groups, channels, results)
    directions = [rng.normal(size=point.shape) for point in points]

    received, expected = (
        gradient_and_product(
            objective(function, mode, np.random.default_rng(3), groups, channels, results),
            points,
            directions,
        )
        for function in (product, plain_normalized_product)
    )

    assert_same_derivatives(received, expected, rtol=1e-9)


@pytest.mark.parametrize("chosen", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)])
@modes
def test_derivatives_by_some_points_alone_are_right_too(mode, chosen):
    rng = np.random.default_rng(4)
    points = draw(rng, 3, 5, 4)
    directions = [rng.normal(size=points[index].shape) for index in chosen]
    results = []
    for function in (product, plain_normalized_product):
        value = objective(function, mode, np.random.default_rng(5), 3, 5, 4)

        def of_chosen(*values, value=value):
            together = list(map(tf.constant, points))
            for index, given in zip(chosen, values, strict=True):
                together[index] = given
            return value(*together)

        results.append(
            gradient_and_product(of_chosen, [points[index] for index in chosen], directions)
        )

    assert_same_derivatives(*results, rtol=1e-9)


@modes
@pytest.mark.parametrize("groups", [1, 3])
def test_derivatives_are_the_same_when_run_eagerly(groups, mode):
    rng = np.random.default_rng(6)
    points = list(map(tf.constant, draw(rng, groups, 5, 4)))
    directions = [tf.constant(rng.normal(size=point.shape)) for point in points]
    value = objective(product, mode, rng, groups, 5, 4)

    with tf.GradientTape() as outer:
        outer.watch(points)
        with tf.GradientTape() as inner:
            inner.watch(points)
            objective_value = value(*points)
        gradient = inner.gradient(objective_value, points)
    hessian_product = outer.gradient(gradient, points, output_gradients=directions)

    expected = gradient_and_product(value, points, directions)
    assert_same_derivatives(
        [[array.numpy() for array in arrays] for arrays in (gradient, hessian_product)],
        expected,
        rtol=1e-11,
    )


@pytest.mark.parametrize("groups", [1, 3])
def test_synchronized_statistics_on_one_replica_are_those_of_the_batch(groups):
    rng = np.random.default_rng(7)
    points = draw(rng, groups, 5, 4)
    directions = [rng.normal(size=point.shape) for point in points]
    values, derivatives = [], []
    for mode in ("sync_batch", "batch"):
        values.append(product(*map(tf.constant, points), mode))
        value = objective(product, mode, np.random.default_rng(8), groups, 5, 4)
        derivatives.append(gradient_and_product(value, points, directions))

    np.testing.assert_allclose(*values, rtol=1e-13)
    assert_same_derivatives(*derivatives, rtol=1e-11)


def test_groups_of_channels_end_where_an_operation_ends():
    # One kernel for the results of two operations, of six channels each.
    x, kernels, weights = draw(np.random.default_rng(9), 1, 5, 12)

    y = product(*map(tf.constant, (x, kernels, weights)), "group", num_channels=6).numpy()

    for part in (slice(None, 6), slice(6, None)):
        expected = weights[part] * group_normalization(x @ kernels[0, :, part])
        np.testing.assert_allclose(y[..., part], expected, rtol=1e-10, atol=1e-10)


@modes
def test_one_trace_serves_all_sizes(mode):
    rng = np.random.default_rng(10)
    traces = []

    @tf.function(
        input_signature=[tf.TensorSpec([None] * rank, tf.float64) for rank in (4, 3, 1)],
        autograph=False,
    )
    def derivative(x, kernels, weights):
        traces.append(mode)
        blocks = Blocks(tf.shape(kernels)[0], "float64")
        with tf.GradientTape() as tape:
            tape.watch([x, kernels, weights])
            y = normalized_product(x, kernels, weights, mode, blocks)
            value = tf.reduce_sum(tf.tanh(y) + y**3)
        return y, *tape.gradient(value, [x, kernels, weights])

    for sizes in ((1, 5, 4), (3, 4, 6), (2, 3, 3)):
        points = list(map(tf.constant, draw(rng, *sizes)))
        with tf.GradientTape() as tape:
            tape.watch(points)
            y = plain_normalized_product(*points, mode)
            value = tf.reduce_sum(tf.tanh(y) + y**3)
        expected = y, *tape.gradient(value, points)
        for received, other in zip(derivative(*points), expected, strict=True):
            np.testing.assert_allclose(received, other, rtol=1e-9, atol=1e-9)
    assert len(traces) == 1


def test_constant_images_become_zero_and_have_finite_derivatives():
    rng = np.random.default_rng(11)
    x, kernels, weights = draw(rng, 3, 4, 5)
    points = [np.full_like(x, 7.0), kernels, weights]

    y = product(*map(tf.constant, points), "batch")
    derivatives = gradient_and_product(
        lambda *points: tf.reduce_sum(product(*points, "batch") ** 2),
        points,
        [rng.normal(size=point.shape) for point in points],
    )

    np.testing.assert_allclose(y, np.zeros_like(y), atol=1e-10)
    for array in (*derivatives[0], *derivatives[1]):
        assert np.isfinite(array).all()


@modes
def test_float32_is_as_exact_as_the_plain_definition(mode):
    rng = np.random.default_rng(12)
    points = draw(rng, 3, 8, 8)

    y = normalized_product(
        *(tf.constant(point, tf.float32) for point in points), mode, Blocks(3, "float32")
    )

    expected = plain_normalized_product(*map(tf.constant, points), mode)
    assert y.dtype == tf.float32
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_an_unknown_normalization_is_refused():
    with pytest.raises(ValueError, match="Normalization is one of"):
        normalized_product(np.ones((1, 2, 2, 3)), np.ones((1, 3, 2)), np.ones(2), "layer")
