"""Layers come back from a .keras file by their names alone, with their weights, bit for bit."""

import importlib
import inspect
import pkgutil

import keras
import numpy as np
import pytest

from darts_adv_tf.networks.cell_discriminator import DerivedDiscriminator, SearchDiscriminator
from darts_adv_tf.networks.fcn32s import build_fcn32s
from darts_adv_tf.networks.resnet_discriminator import ResNetDiscriminator
from darts_adv_tf.networks.unet import build_unet
from darts_adv_tf.search_space.cell import DerivedCell, SearchCell
from darts_adv_tf.search_space.fused_mixed_op import FusedMixedOp
from darts_adv_tf.search_space.genotype import random_genotype
from darts_adv_tf.search_space.mixed_op import MixedOp
from darts_adv_tf.search_space.space import PUBLISHED_SPACE
from darts_adv_tf.tf_graph.fused_adam import FusedAdam
from darts_adv_tf.tf_graph.normalization import Normalization

MASKS = (16, 16, 3)
WEIGHTS = PUBLISHED_SPACE.alpha_shape
PARTS = ("networks", "search_space", "tf_graph")
# What is only a base of others.
ABSTRACT = {"Cell", "Discriminator", "Operation"}


def functional(layer, *shapes):
    inputs = [keras.Input(shape) for shape in shapes]
    return keras.Model(inputs[0] if len(inputs) == 1 else inputs, layer(*inputs))


def with_weights(layer, shapes, weights_shape):
    """A model whose second and third input, which hold no images, are the same for all images."""
    inputs = [keras.Input(shape) for shape in shapes]
    weights = [keras.Input(batch_shape=weights_shape) for _ in range(2)]
    return keras.Model([*inputs, *weights], layer(*inputs, *weights))


def cell(layer, *weights):
    inputs = [keras.Input((8, 8, 4)) for _ in range(2)]
    others = [keras.Input(batch_shape=WEIGHTS) for _ in weights]
    return keras.Model([*inputs, *others], layer(*inputs, *others))


def mixed_op(layer, num_operations):
    inputs = [keras.Input((8, 8, 4)), keras.Input(batch_shape=(2, num_operations))]
    return keras.Model(inputs, layer(*inputs))


MODELS = {
    "mixed op": lambda: mixed_op(MixedOp(4, 2, operations=("none", "sep_conv_3x3")), 2),
    "fused mixed op": lambda: mixed_op(FusedMixedOp(4, 2, stride=2), WEIGHTS[1]),
    "search cell": lambda: cell(SearchCell(4, True, False), "op_weights"),
    "derived cell": lambda: cell(DerivedCell(random_genotype(5).normal, 4, False, False)),
    "normalization": lambda: functional(Normalization("group"), (8, 8, 4)),
    "unet": lambda: build_unet((None, None, 1), num_classes=3, width=4, seed=3),
    "fcn32s": lambda: build_fcn32s((None, None, 1), num_classes=3, width=2, seed=3),
    "resnet": lambda: functional(ResNetDiscriminator(18, channels=4, normalization="group"), MASKS),
    "search": lambda: with_weights(SearchDiscriminator(2, "NR"), [MASKS], WEIGHTS),
    "derived": lambda: functional(DerivedDiscriminator(random_genotype(5), channels=2), MASKS),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_from_a_file_without_custom_objects(name, tmp_path):
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")

    random = np.random.default_rng(0)
    inputs = []
    for tensor in model.inputs:
        batch, *others = tensor.shape
        inputs.append(random.uniform(size=[batch or 2, *(size or 24 for size in others)]))
    inputs = inputs[0] if len(inputs) == 1 else inputs
    expected, received = (np.asarray(m(inputs, training=True)) for m in (model, loaded))
    assert np.isfinite(expected).all() and np.ptp(expected) > 0
    np.testing.assert_array_equal(received, expected)
    assert [v.path for v in loaded.variables] == [v.path for v in model.variables]


def test_an_optimizer_comes_back_from_its_config():
    optimizer = FusedAdam(1e-4, beta_1=0.5)
    config = keras.saving.serialize_keras_object(optimizer)
    loaded = keras.saving.deserialize_keras_object(config)
    assert isinstance(loaded, FusedAdam) and loaded.get_config() == optimizer.get_config()


def own_keras_classes():
    for part in PARTS:
        folder = importlib.import_module(f"darts_adv_tf.{part}")
        for module in pkgutil.iter_modules(folder.__path__, f"{folder.__name__}."):
            for name, value in vars(importlib.import_module(module.name)).items():
                kinds = (keras.layers.Layer, keras.Initializer, keras.optimizers.Optimizer)
                is_ours = inspect.isclass(value) and value.__module__ == module.name
                if is_ours and issubclass(value, kinds) and name not in ABSTRACT:
                    yield value


def test_every_layer_is_registered_under_its_name():
    classes = list(own_keras_classes())
    names = {keras.saving.get_registered_name(value) for value in classes}
    assert names == {f"darts_adv_tf>{value.__name__}" for value in classes}
    assert len(names) == len(classes) > 8
