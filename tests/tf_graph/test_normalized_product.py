import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.tf_graph.normalization import center
from darts_adv_tf.tf_graph.normalized_product import normalized_product
from tests.derivatives import (
    assert_derivatives_are_numeric,
    assert_same_derivatives,
    gradient_and_product,
    nested_gradients,
    weighted,
)
from tests.oracles.operations import batch_normalization, group_normalization
from tests.search_space.definitions import plain_normalized_product

ORACLES = {"batch": batch_normalization, "group": group_normalization}
NUM_IMAGES, IMAGE_SIZE = 3, 20

modes = pytest.mark.parametrize("mode", ["batch", "group"])
leading_axes = pytest.mark.parametrize("leading", [(), (3,), (2, 3)])
sizes = pytest.mark.parametrize(("channels", "results"), [(5, 4), (3, 6), (4, 8), (3, 3)])


def product(x, kernels, weights, mode, *sizes, **options):
    """Of pixels as they come, as `plain_normalized_product`."""
    if mode != "group":
        x = center(x, (-2,), synchronized=mode == "sync_batch")
    return normalized_product(x, kernels, weights, mode, *sizes, **options)


def draw(rng, leading, channels, results, rows=NUM_IMAGES * IMAGE_SIZE):
    """Pixels, kernels and weights."""
    x = 1 + rng.normal(size=(*leading, rows, channels)) * rng.uniform(0.5, 2, channels)
    x += rng.normal(size=(*leading, 1, channels))
    kernels = rng.normal(size=(*leading, channels, results))
    return x, kernels, rng.normal(size=(*leading, 1, results))


def objective(function, mode, image_size=IMAGE_SIZE):
    """A scalar function of pixels, kernels and weights, non-linear on both sides of `function`."""
    return weighted(
        lambda x, kernels, weights: function(tf.sin(x), kernels, weights, mode, image_size)
    )


@modes
@leading_axes
@sizes
def test_equals_the_weighted_normalization_of_each_product(channels, results, leading, mode):
    x, kernels, weights = draw(np.random.default_rng(0), leading, channels, results)

    y = product(*map(tf.constant, (x, kernels, weights)), mode, IMAGE_SIZE).numpy()

    assert y.shape == (*leading, NUM_IMAGES * IMAGE_SIZE, results)
    for index in np.ndindex(*leading):
        images = (x[index] @ kernels[index]).reshape(NUM_IMAGES, IMAGE_SIZE, results)
        expected = weights[index] * ORACLES[mode](images).reshape(-1, results)
        np.testing.assert_allclose(y[index], expected, rtol=1e-10, atol=1e-10)


@modes
@leading_axes
@sizes
def test_both_derivatives_equal_numeric_ones(channels, results, leading, mode):
    rng = np.random.default_rng(1)
    points = draw(rng, leading, channels, results)

    assert_derivatives_are_numeric(objective(product, mode), points, rng)


@modes
@leading_axes
@sizes
def test_both_derivatives_equal_those_of_the_plain_definition(channels, results, leading, mode):
    rng = np.random.default_rng(2)
    points = draw(rng, leading, channels, results)
    directions = [rng.normal(size=point.shape) for point in points]

    received, expected = (
        gradient_and_product(objective(function, mode), points, directions)
        for function in (product, plain_normalized_product)
    )

    assert_same_derivatives(received, expected, rtol=1e-9)


@pytest.mark.parametrize("chosen", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)])
@modes
def test_derivatives_by_some_points_alone_are_right_too(mode, chosen):
    rng = np.random.default_rng(4)
    points = draw(rng, (2, 3), 5, 4)
    directions = [rng.normal(size=points[index].shape) for index in chosen]
    results = []
    for function in (product, plain_normalized_product):
        value = objective(function, mode)

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
@leading_axes
def test_derivatives_are_the_same_when_run_eagerly(leading, mode):
    rng = np.random.default_rng(6)
    points = list(map(tf.constant, draw(rng, leading, 5, 4)))
    directions = [tf.constant(rng.normal(size=point.shape)) for point in points]
    value = objective(product, mode)

    received = nested_gradients(value, points, directions)

    expected = gradient_and_product(value, points, directions)
    assert_same_derivatives(received, expected, rtol=1e-11)


@leading_axes
def test_synchronized_statistics_on_one_replica_are_those_of_the_batch(leading):
    rng = np.random.default_rng(7)
    points = draw(rng, leading, 5, 4)
    directions = [rng.normal(size=point.shape) for point in points]
    values, derivatives = [], []
    for mode in ("sync_batch", "batch"):
        values.append(product(*map(tf.constant, points), mode))
        value = objective(product, mode)
        derivatives.append(gradient_and_product(value, points, directions))

    np.testing.assert_allclose(*values, rtol=1e-13)
    assert_same_derivatives(*derivatives, rtol=1e-11)


@leading_axes
def test_groups_of_channels_end_where_an_operation_ends(leading):
    # One kernel for the results of two operations, of six channels each.
    x, kernels, weights = draw(np.random.default_rng(9), leading, 5, 12)

    y = product(
        *map(tf.constant, (x, kernels, weights)), "group", IMAGE_SIZE, num_channels=6
    ).numpy()

    for index in np.ndindex(*leading):
        images = (x[index] @ kernels[index]).reshape(NUM_IMAGES, IMAGE_SIZE, 12)
        for part in (slice(None, 6), slice(6, None)):
            expected = group_normalization(images[..., part]).reshape(-1, 6)
            expected *= weights[index][:, part]
            np.testing.assert_allclose(y[index][:, part], expected, rtol=1e-10, atol=1e-10)


@modes
@leading_axes
def test_one_trace_serves_all_sizes(leading, mode):
    rng = np.random.default_rng(10)
    traces = []
    matrices = [tf.TensorSpec([None] * (len(leading) + 2), tf.float64)] * 3

    @tf.function(input_signature=[matrices, matrices, tf.TensorSpec([], tf.int32)], autograph=False)
    def differentiate(points, directions, image_size):
        traces.append(mode)
        y = product(*points, mode, image_size)
        value = objective(product, mode, image_size)
        return y, nested_gradients(value, points, directions)

    for channels, results, num_images, image_size in ((5, 4, 3, 8), (4, 6, 1, 30), (3, 3, 4, 9)):
        leading = [size + 1 for size in leading]
        points = draw(rng, leading, channels, results, num_images * image_size)
        directions = [rng.normal(size=point.shape) for point in points]

        y, derivatives = differentiate(
            list(map(tf.constant, points)), list(map(tf.constant, directions)), image_size
        )

        expected = plain_normalized_product(*map(tf.constant, points), mode, image_size)
        np.testing.assert_allclose(y, expected, rtol=1e-9, atol=1e-9)
        value = objective(plain_normalized_product, mode, image_size)
        expected = gradient_and_product(value, points, directions)
        assert_same_derivatives(derivatives, expected, rtol=1e-9)
    assert len(traces) == 1


@leading_axes
def test_constant_images_become_zero_and_have_finite_derivatives(leading):
    rng = np.random.default_rng(11)
    x, kernels, weights = draw(rng, leading, 4, 5)
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
@leading_axes
def test_float32_is_as_exact_as_the_plain_definition(leading, mode):
    points = draw(np.random.default_rng(12), leading, 8, 8)

    y = product(*(tf.constant(point, tf.float32) for point in points), mode, IMAGE_SIZE)

    expected = plain_normalized_product(*map(tf.constant, points), mode, IMAGE_SIZE)
    assert y.dtype == tf.float32
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def test_an_unknown_normalization_is_refused():
    points = draw(np.random.default_rng(13), (), 3, 2)

    with pytest.raises(ValueError, match="Normalization is one of"):
        normalized_product(*map(tf.constant, points), "layer", IMAGE_SIZE)
