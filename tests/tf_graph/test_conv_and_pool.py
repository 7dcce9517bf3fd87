"""Second derivatives of convolutions and pools, at the sizes and in the mode of training.

The objective is the sum of y^3 of the output y. Along directions u and v its second derivative
is the sum of 6 y (dy u)(dy v) + 3 y^2 (d2y u v), where the derivatives of y come from NumPy:
y is linear in the image (for max pooling: routed to the largest pixel) and in the kernel.

Points and directions are doubled on their way into the function, as they pass through other
layers in training: TensorFlow lets a kernel write over a tensor that nobody else needs, never
over an argument, and only then does `tf.nn.max_pool2d` lose its second derivative.
"""

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.tf_graph.conv_and_pool import (
    EdgeAxis,
    average_pool,
    depthwise,
    dilated_depthwise,
    every_other,
    every_second_pixel,
    max_pool,
    side_by_side,
    size_of,
    spread,
)
from tests.derivatives import (
    assert_same_derivatives,
    gradient_and_product,
    inner_product,
    nested_gradients,
    weighted,
)
from tests.oracles.operations import OPERATIONS, depthwise_convolution, windows
from tests.search_space.definitions import plain_depthwise

REALISTIC = [(8, 16, 16, 16), (4, 64, 64, 16)]
SIZES = [(2, 8, 8, 3), (2, 7, 9, 3), (2, 2, 3, 3), *REALISTIC]


def cubed(function):
    return lambda *points: tf.reduce_sum(function(*(2 * point for point in points)) ** 3)


def routes(x, stride):
    """A function that picks, from another image, what stands where `x` is largest."""
    flat_seen = np.stack([seen for *_, seen in windows(x, 3, stride, outside=-np.inf)])
    winners = flat_seen.argmax(axis=0)[None]

    def route(u):
        seen = np.stack([seen for *_, seen in windows(u, 3, stride)])
        return np.take_along_axis(seen, winners, axis=0)[0]

    return route


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_max_pool_keeps_its_second_derivative(dtype, stride, shape):
    # tf.nn.max_pool2d(x, 3, 1, "SAME") in place of max_pool fails here: its product is zero.
    rng = np.random.default_rng(0)
    x, u, v = rng.normal(size=(3, *shape)).astype(dtype)

    (gradient,), (product,) = gradient_and_product(cubed(lambda x: max_pool(x, stride)), [x], [v])

    x, u, v = (array.astype("float64") for array in (x, u, v))
    y, route = OPERATIONS["max_pool_3x3"](2 * x, stride), routes(x, stride)
    tolerance = {"float32": 1e-4, "float64": 1e-10}[dtype]
    assert abs(np.sum(6 * y * route(2 * v) ** 2)) > 10
    for direction in (u, v):
        dy = route(2 * direction)
        size = np.linalg.norm(direction)
        np.testing.assert_allclose(
            np.sum(gradient * direction),
            np.sum(3 * y**2 * dy),
            atol=tolerance * np.linalg.norm(gradient) * size,
        )
        np.testing.assert_allclose(
            np.sum(product * direction),
            np.sum(6 * y * dy * route(2 * v)),
            atol=tolerance * np.linalg.norm(product) * size,
        )


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
def test_average_pool_keeps_its_second_derivative(stride, shape):
    rng = np.random.default_rng(1)
    x, u, v = rng.normal(size=(3, *shape))

    _, (product,) = gradient_and_product(cubed(lambda x: average_pool(x, stride)), [x], [v])

    y, dy_u, dy_v = (OPERATIONS["avg_pool_3x3"](2 * array, stride) for array in (x, u, v))
    for direction, dy in ((u, dy_u), (v, dy_v)):
        np.testing.assert_allclose(
            np.sum(product * direction), np.sum(6 * y * dy * dy_v), rtol=1e-9, atol=1e-9
        )


@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (2, 7, 9, 3), (2, 2, 3, 3), (8, 16, 16, 16)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_depthwise_convolutions_have_right_derivatives(dilation, size, stride, shape):
    rng = np.random.default_rng(2)
    x, x_u, x_v = rng.normal(size=(3, *shape))
    kernel, kernel_u, kernel_v = rng.normal(size=(3, size, size, shape[-1], 1))

    gradient, product = gradient_and_product(
        cubed(convolution(stride, dilation)), [x, kernel], [x_v, kernel_v]
    )

    def oracle(x, kernel):
        return depthwise_convolution(2 * x, 2 * kernel[..., 0], stride, dilation)

    y = oracle(x, kernel)
    dy_v = oracle(x_v, kernel) + oracle(x, kernel_v)
    # Each direction alone, then both: a wrong sign in one must not hide behind the other.
    for u, k in ((x_u, 0 * kernel), (0 * x, kernel_u), (x_u, kernel_u)):
        dy_u = oracle(u, kernel) + oracle(x, k)
        second = oracle(u, kernel_v) + oracle(x_v, k)
        slope = np.sum(3 * y**2 * dy_u)
        curvature = np.sum(6 * y * dy_u * dy_v + 3 * y**2 * second)
        np.testing.assert_allclose(inner_product(gradient, (u, k)), slope, rtol=1e-9)
        np.testing.assert_allclose(inner_product(product, (u, k)), curvature, rtol=1e-9)


def convolution(stride, dilation):
    if dilation == 1:
        return lambda x, kernel: depthwise(x, kernel, stride)
    return lambda x, kernel: dilated_depthwise(x, (kernel,), stride)[0]


def plain_convolution(stride, dilation):
    return lambda x, kernel: plain_depthwise(x, kernel, stride, dilation)


def draw_convolution(rng, sides, size, channels=3, dtype="float64"):
    """An image and a kernel, and directions of both."""
    shapes = [(2, *sides, channels), (size, size, channels, 1)]
    return [[tf.constant(rng.normal(size=s), dtype) for s in shapes] for _ in range(2)]


# Some are smaller than the kernels.
SIDES = [(7, 8), (6, 9), (3, 2), (1, 3), (1, 1)]


def every_convolution(test):
    for name, values in (("dilation", [1, 2]), ("stride", [1, 2]), ("size", [3, 5])):
        test = pytest.mark.parametrize(name, values)(test)
    return test


@every_convolution
def test_depthwise_convolutions_are_the_plain_ones_eagerly_and_in_one_trace(size, stride, dilation):
    function = convolution(stride, dilation)
    plain = plain_convolution(stride, dilation)
    of_image = tf.TensorSpec([None] * 4, tf.float64)
    of_kernel = tf.TensorSpec([size, size, None, 1], tf.float64)
    traces = []

    def differentiate(points, along):
        traces.append(size)
        return function(*points), nested_gradients(weighted(function), points, along)

    traced = tf.function(
        differentiate, input_signature=[[of_image, of_kernel]] * 2, autograph=False
    )
    rng = np.random.default_rng(13)
    for channels, sides in enumerate(SIDES, start=1):
        points, along = draw_convolution(rng, sides, size, channels)
        expected = plain(*points), nested_gradients(weighted(plain), points, along)

        for y, derivatives in (differentiate(points, along), traced(points, along)):
            np.testing.assert_allclose(y, expected[0], rtol=1e-12, atol=1e-12)
            assert_same_derivatives(derivatives, expected[1])
    assert len(traces) == len(SIDES) + 1


@every_convolution
def test_derivatives_of_depthwise_convolutions_are_right_in_float32(size, stride, dilation):
    # TensorFlow has other kernels for it than for float64.
    rng = np.random.default_rng(15)
    points, along = draw_convolution(rng, (17, 12), size, channels=16, dtype="float32")

    received = gradient_and_product(weighted(convolution(stride, dilation)), points, along)

    points, along = ([tf.cast(a, tf.float64) for a in arrays] for arrays in (points, along))
    expected = nested_gradients(weighted(plain_convolution(stride, dilation)), points, along)
    assert_same_derivatives(received, expected, rtol=1e-5)


@every_convolution
@pytest.mark.parametrize("chosen", [0, 1])
def test_derivatives_by_image_or_kernel_alone_are_right_too(chosen, size, stride, dilation):
    points, along = draw_convolution(np.random.default_rng(16), (7, 8), size)

    def of_chosen(function):
        def value(point):
            together = [*points]
            together[chosen] = point
            return function(stride, dilation)(*together)

        return weighted(value)

    received, expected = (
        nested_gradients(of_chosen(function), [points[chosen]], [along[chosen]])
        for function in (convolution, plain_convolution)
    )

    assert_same_derivatives(received, expected)


@pytest.mark.parametrize("shape", [(2, 8, 8, 3), (2, 7, 9, 3), (2, 2, 3, 3)])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("sizes", [(3, 5), (5, 3), (5, 5)])
def test_dilated_convolutions_of_several_kernels_do_not_disturb_each_other(sizes, stride, shape):
    rng = np.random.default_rng(3)
    x = rng.normal(size=shape)
    kernels = [rng.normal(size=(size, size, shape[-1], 1)) for size in sizes]

    outputs = dilated_depthwise(tf.constant(x), tuple(map(tf.constant, kernels)), stride)

    for y, kernel in zip(outputs, kernels, strict=True):
        expected = depthwise_convolution(x, kernel[..., 0], stride, dilation=2)
        np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_pools_of_the_smallest_images(size, stride):
    x = np.random.default_rng(4).normal(size=(1, size, 6 - size, 2)) - 10

    for pool, name in ((max_pool, "max_pool_3x3"), (average_pool, "avg_pool_3x3")):
        expected = OPERATIONS[name](x, stride)
        np.testing.assert_allclose(pool(tf.constant(x), stride), expected, rtol=1e-12)


def test_average_pool_may_first_be_traced_and_then_called():
    # The correction at the border is made once a size and must not belong to the first graph.
    x = tf.ones([1, 11, 13, 1])

    traced = tf.function(average_pool)(x, 2)

    np.testing.assert_allclose(average_pool(x, 2), traced)
    np.testing.assert_allclose(tf.function(lambda x: average_pool(x, 2))(x), traced)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sides", [(1, 1), (1, 2), (2, 3), (5, 4), (8, 6), (7, 9)])
def test_every_other_row_and_column_are_picked_exactly(sides, dtype):
    rng = np.random.default_rng(17)
    x, direction = (tf.constant(rng.normal(size=(2, *sides, 3)), dtype) for _ in range(2))

    received, expected = (
        nested_gradients(weighted(function), [x], [direction])
        for function in (every_other, lambda x: x[:, ::2, ::2])
    )

    np.testing.assert_array_equal(every_other(x), x[:, ::2, ::2])
    for arrays, others in zip(received, expected, strict=True):
        assert np.abs(others[0]).max() > 0.01
        np.testing.assert_array_equal(arrays[0], others[0])


def test_one_trace_of_every_other_pixel_serves_all_sizes():
    images = tf.TensorSpec([None] * 4, tf.float64)

    @tf.function(input_signature=[images, images], autograph=False)
    def differentiate(x, direction):
        return every_other(x), *nested_gradients(weighted(every_other), [x], [direction])

    rng = np.random.default_rng(18)
    for shape in ((2, 8, 6, 3), (1, 7, 9, 2), (3, 1, 4, 1)):
        x, direction = rng.normal(size=(2, *shape))

        y, *received = differentiate(x, direction)

        np.testing.assert_array_equal(y, x[:, ::2, ::2])
        value = weighted(lambda x: x[:, ::2, ::2])
        assert_same_derivatives(received, gradient_and_product(value, [x], [direction]))


def test_every_second_pixel_by_hand():
    x = tf.reshape(tf.range(9.0), [1, 3, 3, 1])

    even, shifted = every_second_pixel(x)

    assert even[0, :, :, 0].numpy().tolist() == [[0, 2], [6, 8]]
    assert shifted[0, :, :, 0].numpy().tolist() == [[4, 0], [0, 0]]


@pytest.mark.parametrize("num_copies", [1, 3])
def test_side_by_side_repeats_the_image_and_has_right_derivatives(num_copies):
    rng = np.random.default_rng(5)
    x, direction = rng.normal(size=(2, 2, 3, 4, 5))

    y = side_by_side(tf.constant(x), num_copies)
    received, expected = (
        gradient_and_product(weighted(function), [x], [direction])
        for function in (
            lambda x: side_by_side(x, num_copies),
            lambda x: tf.concat([x] * num_copies, axis=-1),
        )
    )

    np.testing.assert_array_equal(y, np.concatenate([x] * num_copies, axis=-1))
    assert_same_derivatives(received, expected)


@pytest.mark.parametrize("shape", [(1,), (3, 1), (2, 3, 1, 1)])
def test_spread_repeats_each_weight_for_its_channels_and_has_right_derivatives(shape):
    rng = np.random.default_rng(8)
    weights, direction = rng.normal(size=(2, *shape))

    y = spread(tf.constant(weights), 4)
    received, expected = (
        gradient_and_product(weighted(function), [weights], [direction])
        for function in (
            lambda weights: spread(weights, 4),
            lambda weights: tf.gather(weights, [0] * 4, axis=-1),
        )
    )

    np.testing.assert_array_equal(y, np.repeat(weights, 4, axis=-1))
    assert_same_derivatives(received, expected)


def test_open_sizes_are_read_from_the_tensor():
    @tf.function(input_signature=[tf.TensorSpec([None] * 4), tf.TensorSpec([None] * 2)])
    def open_sizes(x, weights):
        num_edges = size_of(weights)[0]
        wide = side_by_side(x, num_edges)
        return wide, spread(weights, size_of(x)[-1])

    for channels, edges in ((3, 2), (1, 5)):
        x = tf.random.stateless_normal([2, 3, 3, channels], [0, 0])
        weights = tf.random.stateless_normal([edges, 1], [0, 1])

        wide, spread_weights = open_sizes(x, weights)

        np.testing.assert_array_equal(wide, tf.tile(x, [1, 1, 1, edges]))
        np.testing.assert_array_equal(spread_weights, tf.repeat(weights, channels, axis=1))


IMAGES, EDGES, EDGE_CHANNELS = [2, 3, 4], 5, 6


def edge_axis(direction, images=IMAGES, num_edges=EDGES, channels=EDGE_CHANNELS):
    return getattr(EdgeAxis(images, num_edges, channels), direction)


def plain_edge_axis(direction, images=IMAGES, num_edges=EDGES, channels=EDGE_CHANNELS):
    batch, height, width = images

    def apart(x):
        separate = tf.reshape(x, [-1, batch * height * width, num_edges, channels])
        return tf.transpose(separate, [0, 2, 1, 3])

    def together(x):
        wide = tf.transpose(x, [0, 2, 1, 3])
        return tf.reshape(wide, [-1, batch, height, width, num_edges * channels])

    return {"apart": apart, "together": together}[direction]


def edge_shape(direction, num_operations, images=IMAGES, num_edges=EDGES, channels=EDGE_CHANNELS):
    """Of what `apart` or `together` take."""
    if direction == "apart":
        return num_operations, *images, num_edges * channels
    return num_operations, num_edges, np.prod(images), channels


directions = pytest.mark.parametrize("direction", ["apart", "together"])


def test_edges_apart_by_hand():
    # One operation, one image of 1 x 3 pixels, the channels (a, b) of two edges.
    images = tf.constant([[[[[1, 2, 10, 20], [3, 4, 30, 40], [5, 6, 50, 60]]]]])

    edges = EdgeAxis([1, 1, 3], 2, 2).apart(images)

    assert edges.numpy().tolist() == [[[[1, 2], [3, 4], [5, 6]], [[10, 20], [30, 40], [50, 60]]]]


@pytest.mark.parametrize("num_operations", [1, 4])
def test_each_edge_apart_holds_its_channels_of_all_pixels(num_operations):
    images = np.random.default_rng(9).normal(size=edge_shape("apart", num_operations))

    edges = edge_axis("apart")(tf.constant(images))

    assert edges.shape == edge_shape("together", num_operations)
    for edge, part in enumerate(np.split(images, EDGES, axis=-1)):
        expected = part.reshape(num_operations, -1, EDGE_CHANNELS)
        np.testing.assert_array_equal(edges[:, edge], expected)


@pytest.mark.parametrize("num_operations", [1, 4])
def test_edges_together_are_the_inverse_of_edges_apart(num_operations):
    rng = np.random.default_rng(10)
    images = rng.normal(size=edge_shape("apart", num_operations))
    edges = rng.normal(size=edge_shape("together", num_operations))
    apart, together = map(edge_axis, ("apart", "together"))

    np.testing.assert_array_equal(together(apart(tf.constant(images))), images)
    np.testing.assert_array_equal(apart(together(tf.constant(edges))), edges)


@directions
def test_edge_axis_has_right_derivatives(direction):
    rng = np.random.default_rng(11)
    point, along = rng.normal(size=(2, *edge_shape(direction, 3)))

    received, expected = (
        gradient_and_product(weighted(function(direction)), [point], [along])
        for function in (edge_axis, plain_edge_axis)
    )

    assert_same_derivatives(received, expected)


@directions
def test_edge_axis_has_right_derivatives_at_sizes_that_are_known_late(direction):
    rank = {"apart": 5, "together": 4}[direction]
    points = [tf.TensorSpec([None] * rank, tf.float64)] * 2

    @tf.function(input_signature=[*points, tf.TensorSpec([5], tf.int32)], autograph=False)
    def differentiate(point, along, sizes):
        *images, num_edges, channels = tf.unstack(sizes)
        function = edge_axis(direction, images, num_edges, channels)
        with tf.GradientTape() as outer:
            outer.watch(point)
            with tf.GradientTape() as inner:
                inner.watch(point)
                value = weighted(function)(point)
            gradient = inner.gradient(value, point)
        product = outer.gradient(gradient, point, output_gradients=along)
        return function(point), [gradient], [product]

    rng = np.random.default_rng(12)
    for num_operations, *sizes in ((3, 2, 3, 4, 5, 6), (1, 4, 2, 1, 3, 2)):
        sizes = sizes[:3], *sizes[3:]
        point, along = rng.normal(size=(2, *edge_shape(direction, num_operations, *sizes)))
        plain = plain_edge_axis(direction, *sizes)

        y, *received = differentiate(point, along, [*sizes[0], *sizes[1:]])

        np.testing.assert_array_equal(y, plain(tf.constant(point)))
        assert_same_derivatives(received, gradient_and_product(weighted(plain), [point], [along]))


def test_the_number_of_operations_stays_known_where_edges_come_together():
    @tf.function(input_signature=[tf.TensorSpec([3, None, None, None])], autograph=False)
    def together(edges):
        images = EdgeAxis([2, 1, 1], tf.shape(edges)[1], tf.shape(edges)[3]).together(edges)
        assert images.shape.as_list()[0] == 3
        return tf.stack(tf.unstack(images))

    assert together(np.ones([3, 4, 2, 5])).shape == (3, 2, 1, 1, 20)


def test_sizes_known_in_advance_are_numbers():
    assert size_of(tf.zeros([2, 0, 3])) == [2, 0, 3]
