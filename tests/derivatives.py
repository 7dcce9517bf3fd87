"""First and second derivatives in graph mode, as training takes them, and numeric ones."""

import functools
from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

STEP = 1e-6
"""Of a numeric derivative in float64: at 1e-5 it crosses kinks of ReLU and max."""


def nested_gradients(
    objective: Callable[..., tf.Tensor], points: Sequence, directions: Sequence
) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
    """As `gradient_and_product`, of tensors, in the context it is called in."""
    with tf.GradientTape() as outer:
        outer.watch(points)
        with tf.GradientTape() as inner:
            inner.watch(points)
            value = objective(*points)
        gradient = inner.gradient(value, points, unconnected_gradients="zero")
    product = outer.gradient(
        gradient, points, output_gradients=directions, unconnected_gradients="zero"
    )
    return gradient, product


def gradient_and_product(
    objective: Callable[..., tf.Tensor], points: Sequence, directions: Sequence
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The gradient and the Hessian-vector product of a scalar function, inside `tf.function`.

    Args:
        objective: Takes the points, returns a scalar.
        points: Arrays to differentiate by.
        directions: Arrays of the same shapes, the vector of the product.

    Returns:
        The gradient and the product, each with one array a point.
    """
    differentiate = tf.function(functools.partial(nested_gradients, objective), autograph=False)
    results = differentiate(
        [tf.convert_to_tensor(point) for point in points],
        [tf.convert_to_tensor(direction) for direction in directions],
    )
    return tuple([tensor.numpy() for tensor in tensors] for tensors in results)


def inner_product(arrays: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    return sum(float(np.sum(a * b)) for a, b in zip(arrays, others, strict=True))


def assert_derivatives_are_numeric(
    objective: Callable[..., tf.Tensor], points: Sequence, rng: np.random.Generator
) -> None:
    """Holds both derivatives in float64 against central differences along a random direction.

    The gradient against differences of the objective, its directional derivative against
    differences of the gradient.
    """
    directions = [rng.normal(size=point.shape) for point in points]
    gradient, product = gradient_and_product(objective, points, directions)

    def moved(step):
        return [p + step * d for p, d in zip(points, directions, strict=True)]

    values = [float(objective(*map(tf.constant, moved(step)))) for step in (STEP, -STEP)]
    slope = (values[0] - values[1]) / (2 * STEP)
    np.testing.assert_allclose(inner_product(gradient, directions), slope, rtol=1e-6)

    gradients = [gradient_and_product(objective, moved(s), directions)[0] for s in (STEP, -STEP)]
    for index, values in enumerate(product):
        expected = (gradients[0][index] - gradients[1][index]) / (2 * STEP)
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(values, expected, rtol=1e-5, atol=1e-6 * abs(expected).max())


def weighted(function: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """A scalar of a function's result, in which every entry counts differently."""

    def value(*points):
        y = function(*points)
        number = tf.reshape(tf.range(tf.size(y, tf.int64)), tf.shape(y))
        return tf.reduce_sum(tf.sin(tf.cast(number + 1, y.dtype)) * y**3)

    return value


def assert_same_derivatives(
    received: Sequence[Sequence[np.ndarray]],
    expected: Sequence[Sequence[np.ndarray]],
    rtol: float = 1e-12,
) -> None:
    """Each of the results of `gradient_and_product` within `rtol` of its largest entry."""
    for arrays, others in zip(received, expected, strict=True):
        for values, other in zip(arrays, others, strict=True):
            largest = np.abs(other).max()
            assert largest > 0.01
            np.testing.assert_allclose(values, other, rtol=rtol, atol=rtol * largest)


def tangent_error(segmenter: keras.Model, size: int) -> float:
    """How far forward mode is from a numeric derivative of a float64 segmenter, as a fraction.

    Along a random direction of the weights, inside `tf.function`, on images of one channel.
    """
    generator = np.random.default_rng(1)
    images = tf.constant(generator.uniform(size=(4, size, size, 1)))
    # With a bias of 0, padding and dead channels stand exactly on the kink of the ReLU.
    for variable in segmenter.trainable_variables:
        if variable.name == "bias":
            variable.assign(generator.normal(size=variable.shape) * 0.1)
    weights = [variable.value for variable in segmenter.trainable_variables]
    tangents = [tf.constant(generator.normal(size=weight.shape)) for weight in weights]

    @tf.function
    def logits_at(weights):
        return segmenter.stateless_call(weights, [], images)[0]

    @tf.function
    def tangent_of_logits():
        with tf.autodiff.ForwardAccumulator(weights, tangents) as accumulator:
            logits = segmenter.stateless_call(weights, [], images)[0]
        return accumulator.jvp(logits)

    step = 1e-7
    forwards, backwards = (
        logits_at([w + sign * step * t for w, t in zip(weights, tangents, strict=True)])
        for sign in (1, -1)
    )
    numeric = (forwards - backwards) / (2 * step)
    return float(tf.norm(tangent_of_logits() - numeric) / tf.norm(numeric))
