import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.tf_graph.fused_adam import FusedAdam

RATE = 2.0**-7  # Keras keeps the rate in float32, which holds this one exactly


def draw():
    rng = np.random.default_rng(0)
    start = [rng.normal(size=(3, 4)), rng.normal(size=(5,))]
    return start, [[rng.normal(size=value.shape) for value in start] for _ in range(6)]


def descend(kind, beta_1, in_graph, dtype):
    start, gradients = draw()
    variables = [keras.Variable(value, dtype=dtype) for value in start]
    optimizer = kind(RATE, beta_1=beta_1, beta_2=0.999)
    optimizer.build(variables)

    def apply(gradients):
        optimizer.apply(gradients, variables)

    apply = tf.function(apply) if in_graph else apply
    for step in gradients:
        apply([tf.constant(gradient, dtype) for gradient in step])
    return variables, optimizer


def descend_by_hand(beta_1, beta_2=0.999, epsilon=1e-7):
    start, gradients = draw()
    results = []
    for index, value in enumerate(start):
        m = v = np.zeros_like(value)
        for step, gradient in enumerate([each[index] for each in gradients], start=1):
            m = beta_1 * m + (1 - beta_1) * gradient
            v = beta_2 * v + (1 - beta_2) * gradient**2
            rate = RATE * np.sqrt(1 - beta_2**step) / (1 - beta_1**step)
            value = value - rate * m / (np.sqrt(v) + epsilon)
        results.append(value)
    return results


@pytest.mark.parametrize("beta_1", [0.9, 0.5])
@pytest.mark.parametrize("in_graph", [True, False])
def test_adam_computed_by_hand(in_graph, beta_1):
    variables, optimizer = descend(FusedAdam, beta_1, in_graph, "float64")

    for variable, expected in zip(variables, descend_by_hand(beta_1), strict=True):
        np.testing.assert_allclose(variable.numpy(), expected, rtol=1e-10)
    assert int(optimizer.iterations) == 6


def test_variables_and_slots_are_those_of_keras():
    variables, optimizer = descend(FusedAdam, 0.9, True, "float32")
    expected, of_keras = descend(keras.optimizers.Adam, 0.9, True, "float32")

    for one, other in zip(
        [*variables, *optimizer.variables], [*expected, *of_keras.variables], strict=True
    ):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-4)


def arrays(variables, optimizer):
    return [variable.numpy() for variable in [*variables, *optimizer.variables]]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("in_graph", [True, False])
def test_without_its_condition_a_step_leaves_all_as_it_is(in_graph, dtype):
    variables, optimizer = descend(FusedAdam, 0.9, in_graph, dtype)
    before = arrays(variables, optimizer)

    def apply(gradients, only_if):
        optimizer.apply(gradients, variables, only_if=only_if)

    apply = tf.function(apply) if in_graph else apply
    for broken in (np.nan, np.inf, -np.inf, 1.0):
        apply([tf.fill(v.shape, tf.constant(broken, dtype)) for v in variables], tf.constant(False))

    for one, other in zip(arrays(variables, optimizer), before, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("in_graph", [True, False])
def test_steps_between_are_as_if_never_made(in_graph, dtype):
    start, gradients = draw()
    variables = [keras.Variable(value, dtype=dtype) for value in start]
    optimizer = FusedAdam(RATE, beta_1=0.9, beta_2=0.999)
    optimizer.build(variables)

    def apply(gradients, only_if):
        optimizer.apply(gradients, variables, only_if=only_if)

    apply = tf.function(apply) if in_graph else apply
    for step in gradients:
        good = [tf.constant(gradient, dtype) for gradient in step]
        apply([gradient * np.nan for gradient in good], tf.constant(False))
        apply(good, tf.constant(True))

    expected = arrays(*descend(FusedAdam, 0.9, in_graph, dtype))
    for one, other in zip(arrays(variables, optimizer), expected, strict=True):
        assert one.tobytes() == other.tobytes()
