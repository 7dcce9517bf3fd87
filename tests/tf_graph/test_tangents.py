"""Forward-mode derivatives against what the operations do to two nearby images."""

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.tf_graph.tangents import define_tangents

# At this size TensorFlow's own tangent of the pooling is zero in a graph.
SHAPE = (8, 16, 16, 16)


@pytest.fixture(scope="module")
def images_and_tangent():
    define_tangents()
    random = np.random.default_rng(0)
    return [tf.constant(random.normal(size=SHAPE)) for _ in range(2)]


def tangent_in_a_graph(function, images, direction):
    @tf.function(autograph=False)
    def run():
        with tf.autodiff.ForwardAccumulator(images, direction) as accumulator:
            y = function(images)
        return accumulator.jvp(y)

    return run()


def distance(received, expected):
    return np.linalg.norm(received - expected) / np.linalg.norm(expected)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_max_pooling(images_and_tangent, size, stride, padding):
    images, direction = images_and_tangent

    def pool(images):
        return tf.nn.max_pool2d(images, size, stride, padding)

    step = 1e-7
    numeric = (pool(images + step * direction) - pool(images - step * direction)) / (2 * step)
    assert distance(tangent_in_a_graph(pool, images, direction), numeric) < 1e-6


@pytest.mark.parametrize("method", ["bilinear", "bicubic", "lanczos3", "nearest"])
@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("size", [(32, 32), (9, 40)])
def test_resizing_is_its_own_tangent(images_and_tangent, method, antialias, size):
    images, direction = (tf.cast(tensor, tf.float32) for tensor in images_and_tangent)

    def resize(images):
        return tf.image.resize(images, size, method, antialias=antialias)

    received = tangent_in_a_graph(resize, images, direction)
    assert distance(received, resize(direction)) < 1e-6
