import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.fused_mixed_op import FusedMixedOp
from darts_adv_tf.search_space.make_operation import make_operation
from darts_adv_tf.search_space.operations import (
    DilatedConvolution,
    FactorizedReduce,
    ReluConvolution,
    SeparableConvolution,
)
from tests.oracles.operations import (
    OPERATIONS,
    batch_normalization,
    factorized_reduce,
    group_normalization,
    relu_convolution,
)
from tests.search_space.weights import operation_weights, randomize, stacked_kernels

DERIVABLE = [primitive for primitive in PUBLISHED_OPERATIONS if primitive != "none"]
SIZES = [(8, 8), (7, 9), (2, 3)]
NORMALIZE = {"batch": batch_normalization, "group": group_normalization}


def images(rng, size, channels, num_images=4):
    return rng.normal(size=(num_images, *size, channels))


def test_the_oracle_knows_the_same_operations_in_the_same_order():
    assert tuple(OPERATIONS) == PUBLISHED_OPERATIONS


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("affine", [False, True])
@pytest.mark.parametrize("primitive", DERIVABLE)
def test_operation_equals_the_oracle(primitive, affine, stride, size):
    rng = np.random.default_rng(0)
    x = images(rng, size, channels=5)
    layer = make_operation(primitive, 5, stride, affine=affine, dtype="float64")
    layer.build(x.shape)
    randomize(layer, rng)

    y = layer(x).numpy()

    normalize = None if "pool" in primitive and affine else NORMALIZE["batch"]
    expected = OPERATIONS[primitive](x, stride, operation_weights(layer), normalize)
    assert y.shape == (4, -(-size[0] // stride), -(-size[1] // stride), 5)
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("primitive", DERIVABLE)
def test_group_normalization_inside_operations(primitive, stride):
    rng = np.random.default_rng(1)
    x = images(rng, (7, 6), channels=8)
    layer = make_operation(
        primitive, 8, stride, affine="pool" not in primitive, normalization="group", dtype="float64"
    )
    layer.build(x.shape)
    randomize(layer, rng)

    y = layer(x).numpy()

    weights = operation_weights(layer)
    expected = OPERATIONS[primitive](x, stride, weights, group_normalization)
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize("stride", [1, 2])
def test_pools_of_a_search_are_normalized(kind, stride, size):
    rng = np.random.default_rng(2)
    x = images(rng, size, channels=3)
    primitive = f"{kind}_pool_3x3"
    layer = make_operation(primitive, 3, stride, affine=False, dtype="float64")

    y = layer(x).numpy()

    expected = OPERATIONS[primitive](x, stride, {}, NORMALIZE["batch"])
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("layer_class", "oracle"),
    [(FactorizedReduce, factorized_reduce), (ReluConvolution, relu_convolution)],
)
def test_preprocessing_changes_the_number_of_channels(layer_class, oracle, size):
    rng = np.random.default_rng(3)
    x = images(rng, size, channels=6)
    layer = layer_class(5, dtype="float64")
    layer.build(x.shape)
    randomize(layer, rng)

    y = layer(x).numpy()

    expected = oracle(x, operation_weights(layer), NORMALIZE["batch"])
    np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("primitive", DERIVABLE)
def test_training_in_float32_takes_the_same_path(primitive, stride):
    rng = np.random.default_rng(4)
    x = images(rng, (9, 8), channels=4)
    layer = make_operation(primitive, 4, stride)
    layer.build(x.shape)
    randomize(layer, rng)

    y = tf.function(layer)(tf.constant(x, tf.float32)).numpy()

    normalize = None if "pool" in primitive else NORMALIZE["batch"]
    expected = OPERATIONS[primitive](x, stride, operation_weights(layer), normalize)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-4)


CHANNELS = 64


@pytest.mark.parametrize(
    ("layer", "fan_ins"),
    [
        (SeparableConvolution(CHANNELS, size=3), {"depthwise": 9, "kernel": CHANNELS}),
        (SeparableConvolution(CHANNELS, size=5), {"depthwise": 25, "kernel": CHANNELS}),
        (DilatedConvolution(CHANNELS, size=3), {"depthwise": 9, "kernel": CHANNELS}),
        (DilatedConvolution(CHANNELS, size=5), {"depthwise": 25, "kernel": CHANNELS}),
        (FactorizedReduce(CHANNELS), {"kernel": CHANNELS}),
        (ReluConvolution(CHANNELS), {"kernel": CHANNELS}),
    ],
    ids=lambda value: value.name if isinstance(value, keras.layers.Layer) else "",
)
def test_initial_weights_are_uniform_with_variance_one_third_of_the_fan_in(layer, fan_ins):
    keras.utils.set_random_seed(0)
    layer.build((None, 8, 8, CHANNELS))
    kernels = [variable for variable in layer.weights if len(variable.shape) > 1]

    checked = 0
    for kernel in kernels:
        for prefix, fan_in in fan_ins.items():
            if kernel.name.startswith(prefix):
                assert_uniform(kernel.numpy(), fan_in)
                checked += 1
                break
    assert checked == len(kernels) > 0


@pytest.mark.parametrize("stride", [1, 2])
def test_initial_weights_of_a_mixed_op_are_those_of_its_operations(stride):
    keras.utils.set_random_seed(0)
    mixed_op = FusedMixedOp(CHANNELS, 4, stride)
    mixed_op.build((None, 8, 8, CHANNELS))

    kernels = stacked_kernels(mixed_op, mixed_op.kernels.numpy())

    fan_ins = {"depthwise_3x3": 9, "depthwise_5x5": 25}
    for name, values in kernels.items():
        assert_uniform(values, fan_ins.get(name, CHANNELS))
    assert ("reduction" in kernels) == (stride == 2)


def assert_uniform(values, fan_in):
    bound = fan_in**-0.5
    assert np.abs(values).max() <= bound
    # The standard error of a uniform draw's mean square is 2 / sqrt(5 n) of its size.
    tolerance = 5 * 2 / np.sqrt(5 * values.size)
    np.testing.assert_allclose(np.mean(values**2), 1 / (3 * fan_in), rtol=tolerance)
    np.testing.assert_allclose(np.mean(values), 0, atol=5 * bound / np.sqrt(3 * values.size))
    # The mean fourth power tells a uniform draw (1.8 times the squared variance) from others.
    np.testing.assert_allclose(np.mean(values**4), 1.8 / (3 * fan_in) ** 2, rtol=2 * tolerance)


def test_no_two_kernels_start_equal():
    keras.utils.set_random_seed(0)
    layer = SeparableConvolution(4, size=3)
    layer.build((None, 8, 8, 4))

    first, second = (kernel.numpy() for kernel in layer.depthwise)

    assert not np.isclose(first, second).any()


@pytest.mark.parametrize(
    ("primitive", "counts"),
    [
        # C = 6, scale and offset included. Depthwise k * k * C, pointwise C * C, 2 C each.
        ("max_pool_3x3", (0, 0)),
        ("avg_pool_3x3", (0, 0)),
        ("skip_connect", (0, 36 + 12)),
        ("sep_conv_3x3", (2 * (54 + 36 + 12),) * 2),
        ("sep_conv_5x5", (2 * (150 + 36 + 12),) * 2),
        ("dil_conv_3x3", (54 + 36 + 12,) * 2),
        ("dil_conv_5x5", (150 + 36 + 12,) * 2),
    ],
)
def test_number_of_weights_by_hand(primitive, counts):
    for stride, count in zip((1, 2), counts, strict=True):
        layer = make_operation(primitive, 6, stride)
        layer.build((None, 8, 8, 6))

        assert layer.count_params() == count


@pytest.mark.parametrize(
    "primitive",
    ["none", "", "sep_conv_7x7", "max_pool_5x5", "dil_conv", "skip_connect_3x3", "conv_3x3"],
)
def test_what_is_no_operation_is_refused(primitive):
    with pytest.raises(ValueError, match=f"Received: '{primitive}'"):
        make_operation(primitive, 4, 1)
