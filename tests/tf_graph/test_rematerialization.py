import itertools

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.tf_graph.rematerialization import gradients_wrt, rematerialized
from tests.derivatives import assert_derivatives_are_numeric


def mixture(x, kernels, op_weights, *, power, shifted=False):
    """Smooth in all three, of any size: (N, C), (C, D), (D,) -> (N, D)."""
    y = tf.tanh(x @ kernels) * op_weights + (1.0 if shifted else 0.0)
    return y**power


def counted(traces):
    """A function of its own that notes in a list how often, and with which option, it is run."""

    @rematerialized
    def function(x, kernels, op_weights, *, power=2, shifted=False):
        traces.append(power)
        return mixture(x, kernels, op_weights, power=power, shifted=shifted)

    return function


def draw(rng, images=5, channels=3, results=4):
    shapes = (images, channels), (channels, results), (results,)
    return [tf.constant(rng.normal(size=shape)) for shape in shapes]


def derivatives(function, points, directions):
    """The value, the gradient and the Hessian-vector product of a sum of squared sines."""
    with tf.GradientTape() as outer:
        outer.watch(points)
        with tf.GradientTape() as inner:
            inner.watch(points)
            y = function(*points)
            value = tf.reduce_sum(tf.sin(y) ** 2)
        gradient = inner.gradient(value, points)
    return y, gradient, outer.gradient(gradient, points, output_gradients=directions)


def graph(function):
    return tf.function(function, autograph=False)


def assert_same(received, expected):
    received, expected = tf.nest.flatten(received), tf.nest.flatten(expected)
    for one, other in zip(received, expected, strict=True):
        assert np.abs(other).max() > 0.01
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("mode", [lambda function: function, graph], ids=["eager", "graph"])
def test_value_gradient_and_product_are_those_of_the_inlined_function(mode):
    rng = np.random.default_rng(0)
    points, directions = draw(rng), draw(rng)
    function = counted([])

    received = mode(lambda *p: derivatives(lambda *q: function(*q, power=3), p, directions))(
        *points
    )

    expected = derivatives(lambda *p: mixture(*p, power=3), points, directions)
    assert_same(received, expected)


def test_both_derivatives_are_numeric():
    rng = np.random.default_rng(1)
    function = counted([])

    def objective(*points):
        return tf.reduce_sum(tf.sin(function(*points, power=3)))

    assert_derivatives_are_numeric(objective, [point.numpy() for point in draw(rng)], rng)


@pytest.mark.parametrize("first", ["eager", "graph"])
def test_a_trace_of_one_mode_serves_the_other(first):
    rng = np.random.default_rng(2)
    points, directions = draw(rng), draw(rng)
    traces = []
    function = counted(traces)
    expected = derivatives(lambda *p: mixture(*p, power=2), points, directions)
    calls = {
        "eager": lambda: derivatives(function, points, directions),
        "graph": lambda: graph(lambda *p: derivatives(function, p, directions))(*points),
    }

    assert_same(calls.pop(first)(), expected)
    num_traces = len(traces)
    (other,) = calls.values()
    assert_same(other(), expected)

    assert len(traces) == num_traces == 3  # forward, backward, and backward through that


def test_a_trace_inside_a_function_that_is_gone_still_serves():
    rng = np.random.default_rng(3)
    points, directions = draw(rng), draw(rng)
    function = counted([])
    received = [graph(lambda *p: derivatives(function, p, directions))(*points) for _ in range(2)]

    assert_same(*received)


def test_all_sizes_share_one_trace_of_each_derivative():
    rng = np.random.default_rng(4)
    traces = []
    function = counted(traces)
    for images, channels, results in ((5, 3, 4), (2, 3, 4), (1, 6, 2), (7, 2, 3)):
        points, directions = (draw(rng, images, channels, results) for _ in range(2))

        received = graph(lambda *p, d=directions: derivatives(function, p, d))(*points)

        expected = derivatives(lambda *p: mixture(*p, power=2), points, directions)
        assert_same(received, expected)
    assert len(traces) == 3


def test_derivatives_that_nobody_asks_for_are_not_traced():
    traces = []
    function = counted(traces)
    points = draw(np.random.default_rng(5))

    graph(lambda *p: function(*p))(*points)
    assert len(traces) == 1

    def gradient(*points):
        with tf.GradientTape() as tape:
            tape.watch(points)
            value = tf.reduce_sum(function(*points))
        return tape.gradient(value, points)

    graph(gradient)(*points)
    assert len(traces) == 2


def test_a_call_is_a_node_of_its_graph_however_large_the_function():
    @rematerialized
    def large(x):
        for _ in range(100):
            x = tf.sin(x)
        return x

    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = large(x)
        return tape.gradient(y, x)

    concrete = graph(gradient).get_concrete_function(tf.TensorSpec([3], tf.float64))

    nodes = [node.op for node in concrete.graph.as_graph_def().node]
    assert nodes.count("StatelessCase") == 2
    assert len(nodes) < 20


def test_options_select_traces_of_their_own():
    rng = np.random.default_rng(6)
    points, directions = draw(rng), draw(rng)
    traces = []
    function = counted(traces)

    for power, shifted in itertools.product((2, 3), (False, True)):
        options = {"power": power, "shifted": shifted}
        for _ in range(2):  # the second time the trace is there
            received = derivatives(lambda *p, o=options: function(*p, **o), points, directions)
            expected = derivatives(lambda *p, o=options: mixture(*p, **o), points, directions)
            assert_same(received, expected)

    assert sorted(traces) == [2] * 6 + [3] * 6


def test_types_select_traces_of_their_own():
    traces = []
    function = counted(traces)
    points = draw(np.random.default_rng(7))

    exact = function(*points)
    single = function(*(tf.cast(point, tf.float32) for point in points))

    assert (exact.dtype, single.dtype) == (tf.float64, tf.float32)
    np.testing.assert_allclose(single, exact, rtol=1e-5)
    assert len(traces) == 2


def test_functions_do_not_share_traces():
    doubled, tripled = (rematerialized(lambda x, f=factor: f * x) for factor in (2.0, 3.0))
    x = tf.constant(1.0)

    assert (float(doubled(x)), float(tripled(x))) == (2, 3)


@pytest.mark.parametrize("mode", [lambda function: function, graph], ids=["eager", "graph"])
def test_inlined_it_is_the_function_itself(mode):
    rng = np.random.default_rng(8)
    points, directions = draw(rng), draw(rng)
    traces = []
    function = counted(traces)
    called = mode(lambda *p: derivatives(lambda *q: function(*q, inlined=True), p, directions))

    received = called(*points)
    called(*points)

    assert_same(received, derivatives(lambda *p: mixture(*p, power=2), points, directions))
    # Run at each eager call, traced with the graph around it; either way the gradient adds none.
    assert len(traces) == (1 if mode is graph else 2)


def test_variables_are_read_as_tensors():
    function = counted([])
    x, kernels, op_weights = draw(np.random.default_rng(9))
    variable = tf.Variable(kernels)

    @graph
    def gradient():
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(function(x, variable, op_weights))
        return tape.gradient(value, variable)

    with tf.GradientTape() as tape:
        tape.watch(kernels)
        value = tf.reduce_sum(mixture(x, kernels, op_weights, power=2))
    np.testing.assert_allclose(gradient(), tape.gradient(value, kernels), rtol=1e-12)


CHOICES = [(), ("kernels",), ("op_weights",), ("kernels", "op_weights")]


def kinds(names):
    """What `gradients_wrt` calls them: weights have any name."""
    return ["weights" if name == "kernels" else name for name in names]


@pytest.mark.parametrize("mode", [lambda function: function, graph], ids=["eager", "graph"])
@pytest.mark.parametrize("chosen", CHOICES, ids="+".join)
def test_gradients_come_wrt_the_first_parameter_and_the_kinds_asked_for(chosen, mode):
    points = draw(np.random.default_rng(10))
    function = counted([])

    def gradient(points, context, function):
        with tf.GradientTape() as tape:
            tape.watch(points)
            value = tf.reduce_sum(tf.sin(function(*points)))
        with context:
            return tape.gradient(value, points)

    received = mode(lambda *p: gradient(p, gradients_wrt(*kinds(chosen)), function))(*points)

    expected = gradient(points, gradients_wrt(), lambda *p: mixture(*p, power=2))
    for name, one, other in zip(("x", "kernels", "op_weights"), received, expected, strict=True):
        if name in {"x", *chosen}:
            np.testing.assert_allclose(one, other, rtol=1e-12)
        else:
            assert one is None


@pytest.mark.parametrize("mode", [lambda function: function, graph], ids=["eager", "graph"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("kernels",), ("op_weights",)),
        (("kernels", "op_weights"), ()),
        ((), ("kernels", "op_weights")),
        (("op_weights",), ("kernels",)),
    ],
)
def test_second_derivatives_come_wrt_the_kinds_asked_for_around_them(first, second, mode):
    rng = np.random.default_rng(11)
    points, directions = draw(rng), draw(rng)
    function = counted([])
    names = ("x", "kernels", "op_weights")
    # The points by which the inner gradient is taken; what is excluded there has none.
    inner_indices = [index for index, name in enumerate(names) if name in {"x", *first}]

    def product(points, inner_context, outer_context, function):
        chosen = [points[index] for index in inner_indices]
        with tf.GradientTape() as outer:
            outer.watch(points)
            with tf.GradientTape() as inner:
                inner.watch(points)
                # Nothing but `function` links the points with the result: a curvature of the
                # objective would reach all of them through its cotangent.
                value = tf.reduce_sum(function(*points))
            with inner_context:
                gradient = inner.gradient(value, chosen)
        with outer_context:
            return outer.gradient(
                gradient, points, output_gradients=[directions[index] for index in inner_indices]
            )

    received = mode(
        lambda *p: product(p, gradients_wrt(*kinds(first)), gradients_wrt(*kinds(second)), function)
    )(*points)

    expected = product(points, gradients_wrt(), gradients_wrt(), lambda *p: mixture(*p, power=2))
    for name, one, other in zip(names, received, expected, strict=True):
        if name in {"x", *second}:
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
        else:
            assert one is None


def test_the_cotangent_of_the_incoming_gradient_is_never_left_out():
    """Through it, second derivatives reach what lies behind the function."""
    rng = np.random.default_rng(12)
    (x, kernels, op_weights), directions = draw(rng), draw(rng)
    behind = tf.constant(rng.normal(size=4))

    def product(function):
        with tf.GradientTape() as outer:
            outer.watch(behind)
            with tf.GradientTape() as inner:
                inner.watch(x)
                value = tf.reduce_sum(function(x, kernels, op_weights) * tf.sin(behind))
            gradient = inner.gradient(value, x)
        with gradients_wrt():
            return outer.gradient(gradient, behind, output_gradients=directions[0])

    received = product(counted([]))

    assert_same(received, product(lambda *p: mixture(*p, power=2)))


def test_outside_the_context_all_parameters_are_wanted_again():
    points = draw(np.random.default_rng(13))
    function = counted([])

    def gradient():
        with tf.GradientTape() as tape:
            tape.watch(points)
            value = tf.reduce_sum(function(*points))
        return tape.gradient(value, points)

    with pytest.raises(RuntimeError), gradients_wrt():
        assert [tensor is None for tensor in gradient()] == [False, True, True]
        with gradients_wrt("op_weights"):
            assert [tensor is None for tensor in gradient()] == [False, True, False]
        assert [tensor is None for tensor in gradient()] == [False, True, True]
        raise RuntimeError
    assert not any(tensor is None for tensor in gradient())


def test_functions_one_behind_the_other():
    rng = np.random.default_rng(14)
    points = draw(rng, channels=4)
    directions = draw(rng, channels=4)
    function = counted([])

    def twice(function):
        def value(x, kernels, op_weights):
            return function(function(x, kernels, op_weights), kernels, op_weights)

        return value

    received = graph(lambda *p: derivatives(twice(function), p, directions))(*points)

    expected = derivatives(twice(lambda *p: mixture(*p, power=2)), points, directions)
    assert_same(received, expected)
