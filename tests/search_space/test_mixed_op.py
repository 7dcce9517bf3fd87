import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.fused_mixed_op import FusedMixedOp
from darts_adv_tf.search_space.make_operation import make_operation
from tests.derivatives import assert_derivatives_are_numeric
from tests.oracles.operations import (
    OPERATIONS,
    batch_normalization,
    group_normalization,
)
from tests.search_space.weights import (
    assign_operation_weights,
    mixed_op_weights,
    randomize,
    stacked_kernels,
)

NORMALIZE = {"batch": batch_normalization, "group": group_normalization}
NONE = PUBLISHED_OPERATIONS.index("none")


def make_mixed_op(rng, channels, num_edges, stride, normalization="batch"):
    mixed_op = FusedMixedOp(channels, num_edges, stride, normalization, dtype="float64")
    mixed_op.build((None, None, None, channels))
    randomize(mixed_op, rng)
    return mixed_op


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def mix(mixed_op, x, op_weights):
    """Returns one (N, H', W', C) for each of the E edges."""
    y = mixed_op(x, tf.constant(op_weights, x.dtype))
    return np.split(y.numpy(), mixed_op.num_edges, axis=-1)


@pytest.mark.parametrize("size", [(8, 8), (7, 9), (2, 3)])
@pytest.mark.parametrize("normalization", ["batch", "group"])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("num_edges", [1, 4])
@pytest.mark.parametrize("channels", [4, 5])
def test_mixed_op_is_the_weighted_sum_of_the_operations(
    channels, num_edges, stride, normalization, size
):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, *size, channels))
    mixed_op = make_mixed_op(rng, channels, num_edges, stride, normalization)
    op_weights = softmax(rng.normal(size=(num_edges, 8)))

    edges = mix(mixed_op, x, op_weights)

    for edge, y in enumerate(edges):
        weights = mixed_op_weights(mixed_op, edge)
        expected = sum(
            share * operation(x, stride, weights.get(name), NORMALIZE[normalization])
            for share, (name, operation) in zip(op_weights[edge], OPERATIONS.items(), strict=True)
        )
        assert y.shape == expected.shape
        np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("primitive", PUBLISHED_OPERATIONS[1:])
def test_one_hot_weights_leave_one_layer_of_the_derived_kind(primitive, stride):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(4, 7, 8, 4))
    mixed_op = make_mixed_op(rng, 4, 3, stride)
    operation = make_operation(primitive, 4, stride, affine=False, dtype="float64")
    operation.build(x.shape)

    one_hot = np.eye(len(PUBLISHED_OPERATIONS))[[PUBLISHED_OPERATIONS.index(primitive)] * 3]
    for edge, y in enumerate(mix(mixed_op, x, one_hot)):
        assign_operation_weights(operation, mixed_op_weights(mixed_op, edge)[primitive])
        expected = operation(x)
        np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
def test_none_contributes_zero_and_is_no_share_of_its_edge(stride):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(4, 7, 8, 4))
    mixed_op = make_mixed_op(rng, 4, 2, stride)
    op_weights = softmax(rng.normal(size=(2, 8)))
    more_none = op_weights.copy()
    more_none[:, NONE] += 10
    only_none = np.eye(len(PUBLISHED_OPERATIONS))[[NONE] * 2]

    assert not np.any(mix(mixed_op, x, only_none))
    np.testing.assert_array_equal(mix(mixed_op, x, more_none), mix(mixed_op, x, op_weights))


@pytest.mark.parametrize("stride", [1, 2])
def test_an_edge_does_not_see_its_neighbours(stride):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2, 6, 7, 4))
    mixed_op = make_mixed_op(rng, 4, 3, stride)
    op_weights = softmax(rng.normal(size=(3, 8)))
    before = mix(mixed_op, x, op_weights)
    op_weights[1] = softmax(rng.normal(size=8))
    kernels = mixed_op.kernels.numpy().copy()
    for name, values in stacked_kernels(mixed_op, kernels).items():
        of_edge = values[:, 1] if name == "pointwise" else values[..., 1, :]
        of_edge[...] = rng.normal(size=of_edge.shape)
    mixed_op.kernels.assign(kernels)

    after = mix(mixed_op, x, op_weights)

    np.testing.assert_allclose(after[0], before[0], rtol=1e-12)
    np.testing.assert_allclose(after[2], before[2], rtol=1e-12)
    assert np.abs(after[1] - before[1]).max() > 0.01


@pytest.mark.parametrize("normalization", ["batch", "group"])
@pytest.mark.parametrize("stride", [1, 2])
def test_a_graph_of_open_sizes_computes_the_same(stride, normalization):
    rng = np.random.default_rng(4)
    mixed_op = make_mixed_op(rng, 4, 3, stride, normalization)
    op_weights = tf.constant(softmax(rng.normal(size=(3, 8))))
    shapes = []

    @tf.function(input_signature=[tf.TensorSpec([None, None, 8, 4], tf.float64)])
    def graph(x):
        y = mixed_op(x, op_weights)
        shapes.append(y.shape.as_list())
        return y

    for size in (7, 6):
        x = rng.normal(size=(2, size, 8, 4))
        expected = mixed_op(x, op_weights)
        assert expected.shape == (2, -(-size // stride), 8 // stride, 12)
        np.testing.assert_allclose(graph(x), expected, rtol=1e-12, atol=1e-12)
    assert shapes == [[None, None, 8 // stride, 12]]


@pytest.mark.parametrize("stride", [1, 2])
def test_synchronized_statistics_on_one_replica_are_those_of_the_batch(stride):
    rng = np.random.default_rng(7)
    x = rng.normal(size=(4, 7, 8, 4))
    synchronized, apart = (
        make_mixed_op(np.random.default_rng(8), 4, 3, stride, normalization)
        for normalization in ("sync_batch", "batch")
    )
    op_weights = softmax(rng.normal(size=(3, 8)))

    y = mix(synchronized, x, op_weights)

    np.testing.assert_allclose(y, mix(apart, x, op_weights), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("normalization", ["batch", "group"])
@pytest.mark.parametrize("stride", [1, 2])
def test_derivatives_by_image_op_weights_and_kernels_are_numeric(stride, normalization):
    rng = np.random.default_rng(5)
    mixed_op = make_mixed_op(rng, 4, 2, stride, normalization)
    x = rng.normal(size=(4, 5, 6, 4))
    op_weights = softmax(rng.normal(size=(2, 8)))
    kernels = [variable.numpy() for variable in mixed_op.trainable_variables]

    def objective(x, op_weights, *kernels):
        y, _ = mixed_op.stateless_call(kernels, [], x, op_weights)
        return tf.reduce_mean(y**3 + tf.tanh(y))

    assert_derivatives_are_numeric(objective, [x, op_weights, *kernels], rng)


@pytest.mark.parametrize("stride", [1, 2])
def test_training_in_float32_takes_the_same_path(stride):
    rng = np.random.default_rng(6)
    x = rng.normal(size=(2, 9, 8, 4)).astype("float32")
    op_weights = softmax(rng.normal(size=(2, 8)))
    exact = make_mixed_op(rng, 4, 2, stride)
    single = FusedMixedOp(4, 2, stride)
    single.build(x.shape)
    for variable, value in zip(single.weights, exact.weights, strict=True):
        variable.assign(value.numpy())

    y = mix(single, x, op_weights)

    expected = mix(exact, x.astype("float64"), op_weights)
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)
