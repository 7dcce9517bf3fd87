"""Eq. 6 for any set of operations, against the fused version and against its definition."""

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.search_space.candidate_operations import (
    CANDIDATE_OPERATIONS,
    PUBLISHED_OPERATIONS,
)
from darts_adv_tf.search_space.fused_mixed_op import FusedMixedOp
from darts_adv_tf.search_space.mixed_op import MixedOp
from tests.derivatives import (
    assert_derivatives_are_numeric,
    assert_same_derivatives,
    gradient_and_product,
    weighted,
)
from tests.search_space.weights import assign_operation_weights, mixed_op_weights, randomize

CHANNELS, NUM_EDGES = 4, 3


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


def built(mixed_op):
    mixed_op.build((None, None, None, CHANNELS))
    return mixed_op


def place_of_each_weight(fused: FusedMixedOp, generic: MixedOp) -> list[np.ndarray]:
    """For each variable of the generic one, where in `fused.kernels` its entries stand."""
    fused.kernels.assign(np.arange(fused.kernels.numpy().size).reshape(fused.kernels.shape))
    for edge, layers in enumerate(generic.layers):
        weights = mixed_op_weights(fused, edge)
        for name, layer in zip(generic.operations, layers, strict=True):
            if layer is not None:
                assign_operation_weights(layer, weights[name])
    return [variable.numpy().astype(int) for variable in generic.trainable_variables]


@pytest.mark.parametrize("normalization", ["batch", "group"])
@pytest.mark.parametrize("stride", [1, 2])
def test_the_fused_version_equals_it_in_value_gradient_and_second_gradient(stride, normalization):
    rng = np.random.default_rng(0)
    arguments = (CHANNELS, NUM_EDGES, stride, normalization)
    fused = built(FusedMixedOp(*arguments, dtype="float64"))
    generic = built(MixedOp(*arguments, dtype="float64"))
    places = place_of_each_weight(fused, generic)
    # Every weight of the fused one is one of the generic one's, and no other.
    assert sorted(np.concatenate([place.ravel() for place in places])) == list(
        range(fused.kernels.numpy().size)
    )
    points = [
        rng.normal(size=(2, 7, 6, CHANNELS)),
        softmax(rng.normal(size=(NUM_EDGES, len(PUBLISHED_OPERATIONS)))),
        rng.normal(size=fused.kernels.shape, scale=0.5),
    ]
    directions = [rng.normal(size=point.shape) for point in points]

    def by_fused(x, op_weights, kernels):
        return fused.stateless_call([kernels], [], x, op_weights)[0]

    def by_generic(x, op_weights, kernels):
        weights = [tf.gather(tf.reshape(kernels, [-1]), place) for place in places]
        return generic.stateless_call(weights, [], x, op_weights)[0]

    tensors = [tf.constant(point) for point in points]
    np.testing.assert_allclose(by_generic(*tensors), by_fused(*tensors), rtol=1e-10, atol=1e-10)
    assert_same_derivatives(
        gradient_and_product(weighted(by_generic), points, directions),
        gradient_and_product(weighted(by_fused), points, directions),
        rtol=1e-9,
    )


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("normalization", ["batch", "group", "sync_batch"])
def test_it_is_the_sum_of_its_layers_each_times_its_weight(stride, normalization):
    rng = np.random.default_rng(1)
    operations = tuple(CANDIDATE_OPERATIONS)[::-1]
    mixed_op = built(
        MixedOp(CHANNELS, 2, stride, normalization, operations=operations, dtype="float64")
    )
    randomize(mixed_op, rng)
    x = tf.constant(rng.normal(size=(2, 5, 6, CHANNELS)))
    op_weights = softmax(rng.normal(size=(2, len(operations))))

    edges = np.split(mixed_op(x, tf.constant(op_weights)).numpy(), 2, axis=-1)

    for y, row, layers in zip(edges, op_weights, mixed_op.layers, strict=True):
        assert [layer is None for layer in layers] == [name == "none" for name in operations]
        expected = sum(w * layer(x) for w, layer in zip(row, layers, strict=True) if layer)
        np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-10)


OWN = """
import keras
import tensorflow as tf

from darts_adv_tf.search_space.operations import SeparableConvolution


class Gained(keras.layers.Layer):
    '''A gate, whose weights are called otherwise than any here.'''

    def __init__(self, channels, stride, dtype):
        super().__init__(dtype=dtype)
        self.stride = stride
        self.gains = self.add_weight(shape=(channels,), name="gains", initializer="ones")

    def call(self, x):
        x = x[:, :: self.stride, :: self.stride]
        return tf.tanh(x * self.gains) * x


def gained(channels, stride, normalization, affine, dtype):
    return Gained(channels, stride, dtype)


def sep_conv_7x7(channels, stride, **options):
    return SeparableConvolution(channels, stride, size=7, **options)


def convolution(channels, stride, normalization, affine, dtype):
    layers = [keras.layers.Conv2D(channels, 3, stride, padding="same", activation="tanh")]
    return keras.Sequential(layers, name="sequence")


def with_state(channels, stride, **options):
    return keras.layers.BatchNormalization()


def wrong_size(channels, stride, **options):
    return keras.layers.Conv2D(channels, 3)


def no_layer(channels, stride, **options):
    return lambda x: x


def raising(channels, stride, **options):
    raise RuntimeError("theirs")
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A module of a user's own operations; returns what its functions are called."""
    name = f"own_operations_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    return lambda function: f"{name}:{function}"


@pytest.mark.parametrize("stride", [1, 2])
def test_derivatives_of_a_users_operations_are_numeric(own, stride):
    rng = np.random.default_rng(2)
    operations = (own("gained"), "none", own("sep_conv_7x7"), "skip_connect")
    mixed_op = built(MixedOp(CHANNELS, 2, stride, operations=operations, dtype="float64"))
    randomize(mixed_op, rng)
    x = rng.normal(size=(3, 5, 6, CHANNELS))
    op_weights = softmax(rng.normal(size=(2, len(operations))))
    weights = [variable.numpy() for variable in mixed_op.trainable_variables]

    def objective(x, op_weights, *weights):
        y, _ = mixed_op.stateless_call(weights, [], x, op_weights)
        return tf.reduce_mean(y**3 + tf.tanh(y))

    assert_derivatives_are_numeric(objective, [x, op_weights, *weights], rng)


def test_names_of_a_users_layers_do_not_depend_on_what_was_made_before(own):
    paths = []
    for _ in range(2):
        mixed_op = built(
            MixedOp(CHANNELS, 2, operations=(own("convolution"), "skip_connect"), name="mixed")
        )
        paths.append([variable.path for variable in mixed_op.variables])
    assert paths[0] == paths[1]
    assert len(set(paths[0])) == 4


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("with_state", "trainable weights alone"),
        ("wrong_size", "must map the shape"),
        ("no_layer", r"must be a keras\.layers\.Layer"),
        ("raising", "theirs"),
        ("absent", "no such name"),
    ],
)
def test_what_is_no_operation_is_refused_with_the_reason(own, function, said):
    with pytest.raises(ValueError, match=said):
        built(MixedOp(CHANNELS, operations=(own(function), "none")))


@pytest.mark.parametrize("layer", [MixedOp, FusedMixedOp])
def test_an_input_of_other_channels_is_refused(layer):
    with pytest.raises(ValueError, match=r"channels must equal the input's number of channels"):
        layer(CHANNELS).build((None, 8, 8, CHANNELS + 1))
