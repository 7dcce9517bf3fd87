import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.networks.resnet_discriminator import (
    Convolution,
    ResidualBlock,
    ResNetDiscriminator,
)
from tests.networks.test_cell_discriminator import MAX_STEPS, random_masks, separable_batches
from tests.oracles.operations import batch_normalization, group_normalization
from tests.oracles.resnet import basic_block, bottleneck_block, resnet
from tests.search_space.weights import randomize

NUM_MASK_CHANNELS = 3
DEPTHS = (10, 18, 50)
BLOCKS = {10: (1, 1, 1, 1), 18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}


def built(num_layers, rng, **kwargs):
    discriminator = ResNetDiscriminator(num_layers, dtype="float64", **kwargs)
    discriminator.build((None, None, None, NUM_MASK_CHANNELS))
    randomize(discriminator, rng)
    return discriminator


def of_convolution(layer):
    arrays = (layer.kernel, layer.normalization.scale, layer.normalization.offset)
    return dict(zip(("kernel", "scale", "offset"), (each.numpy() for each in arrays), strict=True))


def of_stages(discriminator):
    """The weights of each block, the blocks shared out as He et al. do."""
    blocks = iter(discriminator.blocks)
    stages = [
        [next(blocks) for _ in range(num_blocks)] for num_blocks in BLOCKS[discriminator.num_layers]
    ]
    assert next(blocks, None) is None
    return [
        [
            {
                "convolutions": [of_convolution(layer) for layer in block.convolutions],
                "shortcut": None if block.shortcut is None else of_convolution(block.shortcut),
            }
            for block in stage
        ]
        for stage in stages
    ]


@pytest.mark.parametrize("normalization", ["batch", "group"])
@pytest.mark.parametrize("size", [(32, 32), (37, 45)])
@pytest.mark.parametrize("num_layers", DEPTHS)
def test_logits_equal_those_of_the_oracle(num_layers, size, normalization):
    rng = np.random.default_rng(1)
    discriminator = built(num_layers, rng, channels=4, normalization=normalization)
    masks = random_masks(rng, 4, size)

    logits = discriminator(masks).numpy()

    expected = resnet(
        masks.numpy(),
        of_convolution(discriminator.stem),
        of_stages(discriminator),
        discriminator.bottom_kernel.numpy(),
        discriminator.bottom_bias.numpy(),
        bottleneck_block if num_layers == 50 else basic_block,
        {"batch": batch_normalization, "group": group_normalization}[normalization],
    )
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-9)
    # A network that has lost its input gives every image the same logit.
    assert np.ptp(expected) > 1e-3


# With one input channel a 7x7 stem of 64 channels has 49 * 64 weights for each channel more.
WEIGHTS_OF_A_CHANNEL = 49 * 64


@pytest.mark.parametrize(
    ("num_layers", "published", "features"),
    # Of torchvision's models without their 1000 classes: 11,689,512 and 25,557,032 with them.
    [
        (18, 11_689_512 - 1000 * (512 + 1), 512),
        (50, 25_557_032 - 1000 * (2048 + 1), 2048),
    ],
)
@pytest.mark.parametrize("num_mask_channels", [3, 4])
def test_number_of_weights_is_that_of_the_published_networks(
    num_layers, published, features, num_mask_channels
):
    discriminator = ResNetDiscriminator(num_layers)
    discriminator.build((None, None, None, num_mask_channels))

    of_channels = (num_mask_channels - 3) * WEIGHTS_OF_A_CHANNEL
    assert discriminator.count_params() == published + of_channels + features + 1
    # No moving statistics.
    assert len(discriminator.trainable_variables) == len(discriminator.variables)


def test_number_of_weights_of_resnet10_by_hand():
    discriminator = ResNetDiscriminator(10, channels=8)
    discriminator.build((None, None, None, NUM_MASK_CHANNELS))

    stem = 49 * 3 * 8 + 16
    first = 2 * (9 * 8 * 8 + 16)
    second = (9 * 8 * 16 + 32) + (9 * 16 * 16 + 32) + (8 * 16 + 32)
    third = (9 * 16 * 32 + 64) + (9 * 32 * 32 + 64) + (16 * 32 + 64)
    fourth = (9 * 32 * 64 + 128) + (9 * 64 * 64 + 128) + (32 * 64 + 128)
    assert discriminator.count_params() == stem + first + second + third + fourth + 64 + 1


@pytest.mark.parametrize(("num_layers", "num_convolutions"), [(10, 9), (18, 17), (50, 49)])
def test_it_has_as_many_layers_as_it_is_named_after(num_layers, num_convolutions):
    """With the fully connected one, and without the shortcuts, as He et al. count."""
    blocks = ResNetDiscriminator(num_layers, channels=4).blocks
    assert 1 + sum(len(block.convolutions) for block in blocks) == num_convolutions


@pytest.mark.parametrize("size", [(64, 64), (33, 47), (7, 5), (1, 2)])
@pytest.mark.parametrize("num_layers", DEPTHS)
def test_every_image_gets_one_logit_at_any_size(num_layers, size):
    logits = ResNetDiscriminator(num_layers, channels=2)(
        random_masks(np.random.default_rng(2), 3, size, "float32")
    )

    assert logits.shape == (3,)
    assert np.isfinite(logits).all()


@pytest.mark.parametrize(
    ("stride", "has_bottleneck", "shape"),
    [(1, False, (7, 9, 4)), (2, False, (4, 5, 4)), (1, True, (7, 9, 16)), (2, True, (4, 5, 16))],
)
def test_shapes_of_a_block(stride, has_bottleneck, shape):
    block = ResidualBlock(4, stride, has_bottleneck)

    y = block(tf.random.uniform((2, 7, 9, 4)))

    assert y.shape == (2, *shape)
    assert block.output_channels == shape[-1]
    # The input is its own shortcut where it can be added.
    assert (block.shortcut is None) == (shape == (7, 9, 4))


@pytest.mark.parametrize("num_layers", [0, 34, "18"])
def test_other_depths_are_refused(num_layers):
    with pytest.raises(ValueError, match=f"Received: num_layers={num_layers}"):
        ResNetDiscriminator(num_layers)


def test_kernels_start_as_he_normal_and_the_bottom_as_that_of_the_others():
    keras.utils.set_random_seed(0)
    discriminator = ResNetDiscriminator(10, channels=64)
    discriminator.build((None, None, None, NUM_MASK_CHANNELS))

    # Fan-in of the stem and of the last convolution.
    for kernel, fan_in in (
        (discriminator.stem.kernel, 49 * NUM_MASK_CHANNELS),
        (discriminator.blocks[-1].convolutions[-1].kernel, 9 * 512),
    ):
        values = kernel.numpy()
        tolerance = 5 * 2 / np.sqrt(5 * values.size)
        np.testing.assert_allclose(np.mean(values**2), 2 / fan_in, rtol=tolerance)
    bottom = discriminator.bottom_kernel.numpy()
    assert np.abs(bottom).max() <= 512**-0.5 < 1.1 * np.abs(bottom).max()
    assert discriminator.bottom_bias.numpy() == 0


@pytest.mark.parametrize(("num_layers", "num_images"), [(10, 1), (10, 4), (18, 4), (50, 1)])
def test_learns_separable_batches(num_layers, num_images):
    """64x64 pixels leave 2x2 after the last stage: normalization needs more than one value."""
    keras.utils.set_random_seed(0)
    real_masks, fake_masks = separable_batches(np.random.default_rng(4), num_images, size=64)
    discriminator = ResNetDiscriminator(num_layers, channels=8)
    discriminator.build(real_masks.shape)
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(discriminator.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.softplus(-discriminator(real_masks)))
            loss += tf.reduce_mean(tf.nn.softplus(discriminator(fake_masks)))
        variables = discriminator.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    losses = [float(step())]
    while len(losses) < MAX_STEPS and losses[-1] >= 0.7:
        losses.append(float(step()))

    assert losses[0] > 1
    assert losses[-1] < 0.7


@pytest.mark.parametrize("num_layers", [10, 50])
def test_gradients_reach_every_weight(num_layers):
    rng = np.random.default_rng(5)
    discriminator = built(num_layers, rng, channels=4)
    masks = random_masks(rng, 4, (64, 64))

    with tf.GradientTape() as tape:
        value = tf.reduce_sum(tf.sin(discriminator(masks)))
    gradients = tape.gradient(value, discriminator.trainable_variables)

    for variable, gradient in zip(discriminator.trainable_variables, gradients, strict=True):
        assert np.abs(gradient).max() > 0, variable.path


def test_config_makes_an_equal_discriminator():
    rng = np.random.default_rng(6)
    discriminator = built(50, rng, channels=4, normalization="group")

    config = json.loads(json.dumps(discriminator.get_config()))
    restored = ResNetDiscriminator.from_config(config)

    restored.build((None, None, None, NUM_MASK_CHANNELS))
    restored.set_weights(discriminator.get_weights())
    masks = random_masks(rng, 2)
    np.testing.assert_array_equal(restored(masks), discriminator(masks))
    assert restored.get_config() == discriminator.get_config()
    assert (config["num_layers"], config["channels"], config["normalization"]) == (50, 4, "group")


@pytest.mark.parametrize(
    "layer",
    [
        Convolution(6, 3, 2, "group", dtype="float64", name="it"),
        ResidualBlock(6, 2, True, "sync_batch", dtype="float64", name="it"),
    ],
)
def test_configs_of_its_layers_make_equal_ones(layer):
    restored = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    layer.build((None, None, None, 4))
    restored.build((None, None, None, 4))
    assert restored.get_config() == layer.get_config()
    assert [w.shape for w in restored.weights] == [w.shape for w in layer.weights]
    assert [w.path for w in restored.weights] == [w.path for w in layer.weights]


def names_of_variables():
    discriminator = ResNetDiscriminator(50, channels=2, name="discriminator")
    discriminator.build((None, None, None, NUM_MASK_CHANNELS))
    return [variable.path for variable in discriminator.variables]


def test_variables_have_names_of_their_own_that_another_process_gives_them_too():
    """Checkpoints go by them, whatever a process has made before."""
    code = (
        "from tests.networks.test_resnet_discriminator import names_of_variables\n"
        "print(*names_of_variables(), sep='\\n')"
    )
    process = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    again = process.stdout.splitlines()
    ResNetDiscriminator(50, channels=2).build((None, None, None, NUM_MASK_CHANNELS))
    names = names_of_variables()
    # Stem, 48 convolutions and 4 shortcuts with three each, and the bottom's two.
    assert len(set(names)) == len(names) == 3 * (1 + 48 + 4) + 2
    assert again == names
    assert "discriminator/stage_3_block_2/convolution_1/kernel" in names
