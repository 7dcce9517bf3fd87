import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.tf_graph.custom_gradients import constant, join, recorded, split
from tests.derivatives import assert_same_derivatives, gradient_and_product, weighted


@pytest.mark.parametrize("sizes", [[2, 4, 3], [3, 3, 3]])
@pytest.mark.parametrize("axis", [0, -1])
def test_split_has_right_parts_and_derivatives(axis, sizes):
    rng = np.random.default_rng(0)
    x, direction = rng.normal(size=(2, 9, 9))

    parts = split(tf.constant(x), sizes, axis)

    expected_parts = np.split(x, np.cumsum(sizes)[:-1], axis=axis)
    for part, expected in zip(parts, expected_parts, strict=True):
        np.testing.assert_array_equal(part, expected)

    def mixed(split):
        def function(x):
            first, second, third = split(x, sizes, axis)
            # Each part counts differently, and one of them only in its first entries.
            rest = tf.slice(third, [0, 0], [1, 1]) * tf.slice(first, [0, 0], [1, 1])
            return tf.concat([tf.reshape(t, [-1]) for t in (first, tf.sin(second), rest)], 0)

        return function

    received, expected = (
        gradient_and_product(weighted(mixed(function)), [x], [direction])
        for function in (split, tf.split)
    )
    assert_same_derivatives(received, expected)


@pytest.mark.parametrize("used", [0, 1])
def test_split_where_a_part_is_not_used(used):
    x = np.random.default_rng(1).normal(size=(5, 3))

    received, expected = (
        gradient_and_product(
            lambda x, function=function: tf.reduce_sum(function(x, [2, 3], 0)[used] ** 3),
            [x],
            [np.ones_like(x)],
        )
        for function in (split, tf.split)
    )

    unused = slice(2, None) if used == 0 else slice(None, 2)
    assert not received[0][0][unused].any()
    assert_same_derivatives(received, expected)


def test_split_at_sizes_that_are_known_late():
    @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float64)], autograph=False)
    def differentiate(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                first, second = split(x, [tf.shape(x)[0] - 1, 1], axis=0)
                value = tf.reduce_sum(first**3) + tf.reduce_sum(second**4)
            gradient = inner.gradient(value, x)
        return first, second, gradient, outer.gradient(gradient, x)

    for rows, columns in ((4, 2), (2, 5)):
        x = np.random.default_rng(2).normal(size=(rows, columns))

        first, second, gradient, product = differentiate(tf.constant(x))

        np.testing.assert_array_equal(first, x[:-1])
        np.testing.assert_array_equal(second, x[-1:])
        expected = np.concatenate([3 * x[:-1] ** 2, 4 * x[-1:] ** 3])
        np.testing.assert_allclose(gradient, expected, rtol=1e-12)
        expected = np.concatenate([6 * x[:-1], 12 * x[-1:] ** 2])
        np.testing.assert_allclose(product, expected, rtol=1e-12)


@pytest.mark.parametrize("sizes", [[2, 4], [3, 3]])
def test_parts_have_known_sizes_wherever_their_whole_has(sizes):
    @tf.function(input_signature=[tf.TensorSpec([6, None, 4])], autograph=False)
    def parts(x):
        first, second = split(x, sizes, axis=0)
        assert first.shape.as_list() == [sizes[0], None, 4]
        assert second.shape.as_list() == [sizes[1], None, 4]
        return first, second

    x = np.arange(72, dtype="float32").reshape(6, 3, 4)
    np.testing.assert_array_equal(tf.concat(parts(x), axis=0), x)


@pytest.mark.parametrize("axis", [0, -1])
def test_join_is_the_concatenation_and_has_right_derivatives(axis):
    rng = np.random.default_rng(3)
    shapes = [(2, 4), (3, 4), (1, 4)] if axis == 0 else [(4, 2), (4, 3), (4, 1)]
    parts, directions = ([rng.normal(size=shape) for shape in shapes] for _ in range(2))

    joined = join(list(map(tf.constant, parts)), axis)

    np.testing.assert_array_equal(joined, np.concatenate(parts, axis=axis))
    received, expected = (
        gradient_and_product(weighted(function), parts, directions)
        for function in (
            lambda *parts: join(parts, axis),
            lambda *parts: tf.concat(parts, axis),
        )
    )
    assert_same_derivatives(received, expected)


def eagerly_and_traced(function):
    return function, tf.function(function, autograph=False)


def two_gradients(function, x):
    """The gradient of the squared result, and the gradient of that."""
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = function(x) ** 2
        gradient = inner.gradient(value, x)
    return gradient, outer.gradient(gradient, x)


def test_tapes_learn_the_given_derivative_and_nothing_else():
    x = tf.constant([1.0, 2.0])

    def squared(x):
        return recorded(lambda x: ([x**2], lambda gradient: [gradient * 10.0]), [x])[0]

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = squared(x)
        return y, tape.gradient(y, x)

    for function in eagerly_and_traced(gradient):
        y, by_x = function(x)
        assert y.numpy().tolist() == [1, 4]
        assert by_x.numpy().tolist() == [10, 10]


def test_inputs_without_a_gradient_get_none():
    x, y = tf.constant(2.0), tf.constant(3.0)

    with tf.GradientTape() as tape:
        tape.watch([x, y])
        (product,) = recorded(lambda x, y: ([x * y], lambda gradient: [3 * gradient, None]), [x, y])

    by_x, by_y = tape.gradient(product, [x, y])
    assert float(by_x) == 3
    assert by_y is None


def test_every_result_has_its_gradient():
    x, y = tf.constant(2.0), tf.constant(3.0)

    def function(x, y):
        return [x + y, x * y], lambda of_sum, of_product: [of_sum + 10 * of_product, of_product]

    with tf.GradientTape() as tape:
        tape.watch([x, y])
        total, product = recorded(function, [x, y])
        value = 5 * total + 7 * product

    assert [float(gradient) for gradient in tape.gradient(value, [x, y])] == [75, 7]


def test_what_backward_uses_of_the_forward_pass_is_constant_to_tapes():
    def cube(x):
        square = x**2
        return [square * x], lambda gradient: [gradient * 3.0 * square]

    for differentiate in eagerly_and_traced(two_gradients):
        first, second = differentiate(lambda x: recorded(cube, [x])[0], tf.constant(2.0))

        assert float(first) == 6 * 2**5
        # Of 2 x^3 * 3 x^2 only the first factor is differentiated: the whole has 30 x^4.
        assert float(second) == 18 * 2**4


def test_a_recorded_backward_is_differentiated_in_turn():
    def cube(x):
        square = x**2

        def by_x(gradient, x):
            def backward(cotangent):
                return [cotangent * 3.0 * square, cotangent * 6.0 * gradient * x]

            return [gradient * 3.0 * square], backward

        return [square * x], lambda gradient: recorded(by_x, [gradient, x])

    def recorded_cube(x):
        return recorded(cube, [x])[0]

    for differentiate in eagerly_and_traced(two_gradients):
        first, second = differentiate(recorded_cube, tf.constant(2.0))
        assert float(first) == 6 * 2**5
        assert float(second) == 30 * 2**4

    x, direction = np.random.default_rng(4).normal(size=(2, 3, 4))
    received, expected = (
        gradient_and_product(weighted(function), [x], [direction])
        for function in (recorded_cube, lambda x: x**3)
    )
    assert_same_derivatives(received, expected)


def test_tapes_learn_of_a_recorded_backward_only_the_derivative_it_brings():
    def cube(x):
        def by_x(gradient, x):
            return [gradient * 3.0 * x**2], lambda cotangent: [cotangent * 10.0, cotangent * 100.0]

        return [x**3], lambda gradient: recorded(by_x, [gradient, x])

    for differentiate in eagerly_and_traced(two_gradients):
        first, second = differentiate(lambda x: recorded(cube, [x])[0], tf.constant(2.0))

        assert float(first) == 6 * 2**5
        # 100 by x itself, and 10 by 2 x^3, whose derivative is 6 x^2 as was given.
        assert float(second) == 100 + 10 * 6 * 2**2


def test_a_constant_is_made_once_and_serves_every_graph():
    @tf.function
    def first():
        return constant((1, 2), "int32") + 0

    @tf.function
    def second():
        return constant((1, 2), "int32") * 2

    assert first().numpy().tolist() == [1, 2]
    assert second().numpy().tolist() == [2, 4]
    assert constant((1, 2), "int32") is constant((1, 2), "int32")


def test_equal_constants_of_other_types_are_others():
    assert constant(1.0, "float32").dtype == tf.float32
    assert constant(1.0, "float64").dtype == tf.float64
    assert constant(1, "int32").dtype == tf.int32
