"""What every layer of the search space must keep: one test for all of them."""

import dataclasses
import json

import keras
import numpy as np
import pytest

from darts_adv_tf.search_space.cell import DerivedCell, SearchCell
from darts_adv_tf.search_space.fused_mixed_op import FusedMixedOp
from darts_adv_tf.search_space.mixed_op import MixedOp
from darts_adv_tf.search_space.operations import (
    DilatedConvolution,
    FactorizedReduce,
    Identity,
    NormalizedConvolution,
    Pool,
    ReluConvolution,
    SeparableConvolution,
)
from darts_adv_tf.search_space.space import SearchSpace
from darts_adv_tf.tf_graph.normalization import Normalization
from tests.search_space.weights import randomize

CHANNELS = 6
KEPT_EDGES = (
    (("sep_conv_3x3", 0), ("max_pool_3x3", 1)),
    (("skip_connect", 0), ("dil_conv_5x5", 2)),
    (("avg_pool_3x3", 1), ("skip_connect", 3)),
    (("sep_conv_5x5", 0), ("dil_conv_3x3", 4)),
)
OPTIONS = {"normalization": "group", "affine": False}
OPERATIONS = {
    "max pool": lambda: Pool(CHANNELS, 2, "max", normalized=True, **OPTIONS),
    "average pool": lambda: Pool(CHANNELS, 1, "average", **OPTIONS),
    "identity": lambda: Identity(CHANNELS, **OPTIONS),
    "factorized reduce": lambda: FactorizedReduce(CHANNELS, **OPTIONS),
    "normalized convolution": lambda: NormalizedConvolution(CHANNELS, **OPTIONS),
    "relu convolution": lambda: ReluConvolution(CHANNELS, **OPTIONS),
    "separable": lambda: SeparableConvolution(CHANNELS, 2, 5, **OPTIONS),
    "dilated": lambda: DilatedConvolution(CHANNELS, 2, 5, **OPTIONS),
    "normalization": lambda: Normalization("group", affine=False),
    "batch normalization": lambda: Normalization(),
}
OTHERS = {
    "mixed": lambda: MixedOp(CHANNELS, 3, 2, "group", ("none", "conv_1x1", "sep_conv_3x3")),
    "fused": lambda: FusedMixedOp(CHANNELS, 3, 2, "group"),
    "search cell": lambda: SearchCell(CHANNELS, True, True, "group"),
    "search cell of another space": lambda: SearchCell(
        CHANNELS, True, True, "group", SearchSpace(("skip_connect", "conv_1x1"), 3, 1)
    ),
    "derived cell": lambda: DerivedCell(KEPT_EDGES, CHANNELS, True, True, "group", affine=False),
}
LAYERS = OPERATIONS | OTHERS


def through_json(layer: keras.layers.Layer) -> keras.layers.Layer:
    return type(layer).from_config(json.loads(json.dumps(layer.get_config())))


def as_json(config: dict) -> dict:
    return json.loads(json.dumps(config, default=dataclasses.asdict))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())
def test_config_survives_json(make):
    layer = make()

    restored = through_json(layer)

    assert as_json(restored.get_config()) == as_json(layer.get_config())


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())
def test_every_argument_of_the_constructor_is_in_the_config(make):
    layer = make()
    config = layer.get_config()

    arguments = type(layer).__init__.__code__
    names = arguments.co_varnames[1 : arguments.co_argcount]
    assert set(names) <= set(config)
    for name in names:
        assert as_json({name: getattr(layer, name)}) == as_json({name: config[name]})


@pytest.mark.parametrize("make", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_restored_operation_computes_the_same(make):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4, 7, 8, CHANNELS)).astype("float32")
    layer = make()
    layer.build(x.shape)
    randomize(layer, rng)

    restored = through_json(layer)

    restored.build(x.shape)
    restored.set_weights(layer.get_weights())
    np.testing.assert_array_equal(restored(x), layer(x))


def test_restored_derived_cell_computes_the_same():
    rng = np.random.default_rng(1)
    older = rng.normal(size=(2, 10, 12, 4)).astype("float32")
    newer = rng.normal(size=(2, 5, 6, 8)).astype("float32")
    cell = OTHERS["derived cell"]()
    cell.build(older.shape, newer.shape)
    randomize(cell, rng)

    restored = through_json(cell)

    restored.build(older.shape, newer.shape)
    restored.set_weights(cell.get_weights())
    np.testing.assert_array_equal(restored(older, newer), cell(older, newer))


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())
def test_no_layer_keeps_statistics(make):
    layer = make()
    shape = (None, 8, 8, CHANNELS)
    layer.build(*([shape, shape] if "cell" in layer.name else [shape]))

    assert layer.non_trainable_weights == []
