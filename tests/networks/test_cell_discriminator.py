import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.adversarial.game import AdversarialGame, Batch
from darts_adv_tf.networks.cell_discriminator import (
    CELL_PATTERN,
    DerivedDiscriminator,
    SearchDiscriminator,
)
from darts_adv_tf.search_space.candidate_operations import PUBLISHED_OPERATIONS
from darts_adv_tf.search_space.cell import DerivedCell, SearchCell
from darts_adv_tf.search_space.genotype import Genotype
from darts_adv_tf.search_space.space import PUBLISHED_SPACE as SPACE
from tests.oracles.discriminator import bottom, derived_cell, head, search_cell
from tests.oracles.operations import batch_normalization, group_normalization
from tests.search_space.weights import derived_cell_weights, randomize, search_cell_weights

GENOTYPE = Genotype(
    normal=(
        (("sep_conv_3x3", 0), ("max_pool_3x3", 1)),
        (("skip_connect", 0), ("dil_conv_5x5", 2)),
        (("avg_pool_3x3", 1), ("skip_connect", 3)),
        (("sep_conv_5x5", 0), ("dil_conv_3x3", 4)),
    ),
    reduction=(
        (("max_pool_3x3", 0), ("skip_connect", 1)),
        (("dil_conv_3x3", 1), ("sep_conv_3x3", 2)),
        (("avg_pool_3x3", 0), ("skip_connect", 2)),
        (("dil_conv_5x5", 3), ("max_pool_3x3", 4)),
    ),
)
NUM_MASK_CHANNELS = 3
PHASES = ("search", "derived")


def make_discriminator(phase, **kwargs):
    if phase == "search":
        return SearchDiscriminator(**kwargs)
    return DerivedDiscriminator(GENOTYPE, **kwargs)


def random_op_weights(rng):
    weights = np.exp(rng.normal(size=SPACE.alpha_shape))
    return weights / weights.sum(axis=1, keepdims=True)


def caller(discriminator, rng):
    """The discriminator with what a search passes along; returns a function of masks alone."""
    if isinstance(discriminator, DerivedDiscriminator):
        return discriminator
    cells = [random_op_weights(rng) for _ in range(2)]
    return lambda masks, **kwargs: discriminator(
        masks, *(tf.constant(weights, masks.dtype) for weights in cells), **kwargs
    )


def random_masks(rng, num_images, size=(16, 16), dtype="float64"):
    return tf.constant(rng.random((num_images, *size, NUM_MASK_CHANNELS)), dtype)


def built(discriminator, rng):
    discriminator.build((None, None, None, NUM_MASK_CHANNELS))
    randomize(discriminator, rng)
    return discriminator


@pytest.mark.parametrize("num_images", [1, 4])
@pytest.mark.parametrize("normalization", ["batch", "group"])
@pytest.mark.parametrize("phase", PHASES)
def test_real_and_fake_masks_of_a_game_keep_their_own_statistics(phase, normalization, num_images):
    rng = np.random.default_rng(0)
    discriminator = make_discriminator(
        phase, channels=4, cell_pattern="NR", normalization=normalization, dtype="float64"
    )
    built(discriminator, rng)
    segmenter = keras.layers.Identity(dtype="float64")
    game = AdversarialGame(segmenter, discriminator, NUM_MASK_CHANNELS, 0.7, num_images)
    alpha = (
        [tf.constant(rng.normal(size=SPACE.alpha_shape)) for _ in range(2)]
        if phase == "search"
        else []
    )
    op_weights = [tf.nn.softmax(scores) for scores in alpha]
    images = random_masks(rng, num_images)
    labels = tf.constant(rng.integers(0, NUM_MASK_CHANNELS, images.shape[:3]))
    real_masks = tf.one_hot(labels, NUM_MASK_CHANNELS, dtype=tf.float64)
    fake_masks = tf.nn.softmax(images)
    phi = [tf.constant(variable.value) for variable in discriminator.trainable_variables]

    result = game.training_gradients([], phi, alpha, Batch(images, labels))
    objective = game.architecture_objective([], phi, alpha, Batch(images, labels))

    def loss(real_logits, fake_logits):
        values = tf.nn.softplus(-real_logits) + tf.nn.softplus(fake_logits)
        return tf.reduce_mean(values)

    variables = discriminator.trainable_variables
    with tf.GradientTape() as tape:
        apart = loss(*(discriminator(masks, *op_weights) for masks in (real_masks, fake_masks)))
    np.testing.assert_allclose(result.losses.discriminator, apart, rtol=1e-12)
    np.testing.assert_allclose(objective, apart, rtol=1e-12)
    for one, other in zip(result.grad_phi, tape.gradient(apart, variables), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * np.abs(other).max())
    stacked = discriminator(tf.concat([real_masks, fake_masks], axis=0), *op_weights)
    together = loss(*tf.split(stacked, 2))
    if normalization == "batch":
        assert np.abs(together - apart) > 1e-3
    else:
        np.testing.assert_allclose(together, apart, rtol=1e-10)


@pytest.mark.parametrize("normalization", ["batch", "group"])
@pytest.mark.parametrize("size", [(16, 16), (15, 21)])
@pytest.mark.parametrize("phase", PHASES)
def test_logits_equal_those_of_the_oracle(phase, size, normalization):
    rng = np.random.default_rng(1)
    discriminator = make_discriminator(
        phase, channels=4, cell_pattern="NRN", normalization=normalization, dtype="float64"
    )
    built(discriminator, rng)
    masks = random_masks(rng, 4, size)
    op_weights = {"N": random_op_weights(rng), "R": random_op_weights(rng)}
    arguments = [tf.constant(op_weights[kind]) for kind in "NR"] if phase == "search" else []

    logits = discriminator(masks, *arguments).numpy()

    normalize = {"batch": batch_normalization, "group": group_normalization}[normalization]
    kept_edges = {"N": GENOTYPE.normal, "R": GENOTYPE.reduction}
    affine = discriminator.head_normalization
    older = newer = head(
        masks.numpy(),
        discriminator.head_kernel.numpy(),
        affine.scale.numpy(),
        affine.offset.numpy(),
        normalize,
    )
    for cell, kind, kind_before in zip(discriminator.cells, "NRN", "-NR", strict=True):
        shape = {"reduction": kind == "R", "previous_reduction": kind_before == "R"}
        if phase == "search":
            weights, wiring, compute = search_cell_weights(cell), op_weights, search_cell
        else:
            weights, wiring, compute = derived_cell_weights(cell), kept_edges, derived_cell
        older, newer = (
            newer,
            compute(older, newer, weights, wiring[kind], **shape, normalize=normalize),
        )
    expected = bottom(newer, discriminator.bottom_kernel.numpy(), discriminator.bottom_bias.numpy())
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [(32, 32), (33, 47), (7, 5), (2, 3)])
@pytest.mark.parametrize("phase", PHASES)
def test_every_image_gets_one_logit_at_any_size(phase, size):
    rng = np.random.default_rng(2)
    call = caller(make_discriminator(phase, channels=2, cell_pattern="RR"), rng)

    logits = call(random_masks(rng, 3, size, "float32"))

    assert logits.shape == (3,)
    assert np.isfinite(logits).all()


@pytest.mark.parametrize("phase", PHASES)
def test_reduction_cells_double_the_channels(phase):
    discriminator = make_discriminator(phase, channels=16)

    assert CELL_PATTERN == discriminator.cell_pattern == "NRNRNRN"
    assert [cell.channels for cell in discriminator.cells] == [16, 32, 32, 64, 64, 128, 128]
    assert [cell.reduction for cell in discriminator.cells] == [kind == "R" for kind in "NRNRNRN"]
    assert [cell.previous_reduction for cell in discriminator.cells] == [
        kind == "R" for kind in "NNRNRNR"
    ]
    kind = {"search": SearchCell, "derived": DerivedCell}[phase]
    assert all(isinstance(cell, kind) for cell in discriminator.cells)


def test_cells_that_follow_each_other_directly():
    cells = make_discriminator("derived", channels=4, cell_pattern="RRN").cells

    assert [cell.channels for cell in cells] == [8, 16, 16]
    assert [cell.previous_reduction for cell in cells] == [False, True, True]


def test_number_of_weights_of_a_derived_discriminator_by_hand():
    discriminator = make_discriminator("derived", channels=4, cell_pattern="NR")
    discriminator.build((None, 16, 16, NUM_MASK_CHANNELS))

    head_weights = 9 * 3 * 12 + 2 * 12
    # Normal cell, C = 4: both inputs have 12 channels. A normalization learns 2 C = 8.
    preprocessing = 2 * (12 * 4 + 8)
    separable = 2 * (9 * 4 + 16 + 8) + 2 * (25 * 4 + 16 + 8)
    dilated = (25 * 4 + 16 + 8) + (9 * 4 + 16 + 8)
    normal = preprocessing + separable + dilated
    # Reduction cell, C = 8: older has 12 channels, newer 4 * 4. skip_connect counts on the edge
    # from an input node alone.
    preprocessing = (12 * 8 + 16) + (16 * 8 + 16)
    skip = 8 * 8 + 16
    separable = 2 * (9 * 8 + 64 + 16)
    dilated = (9 * 8 + 64 + 16) + (25 * 8 + 64 + 16)
    reduction = preprocessing + skip + separable + dilated
    bottom_weights = 4 * 8 + 1
    assert discriminator.count_params() == head_weights + normal + reduction + bottom_weights
    assert len(discriminator.trainable_variables) == len(discriminator.variables)


def test_alpha_is_no_variable_of_the_search_discriminator():
    discriminator = make_discriminator("search", channels=4, cell_pattern="NR")
    discriminator.build((None, 16, 16, NUM_MASK_CHANNELS))

    assert all(variable.shape != SPACE.alpha_shape for variable in discriminator.variables)
    assert len(discriminator.trainable_variables) == len(discriminator.variables)


def test_normal_and_reduction_cells_read_their_own_op_weights():
    rng = np.random.default_rng(3)
    masks = random_masks(rng, 2)
    normal, reduction, other = (tf.constant(random_op_weights(rng)) for _ in range(3))
    for pattern, reads_normal, reads_reduction in (("N", 1, 0), ("R", 0, 1), ("NR", 1, 1)):
        discriminator = make_discriminator(
            "search", channels=4, cell_pattern=pattern, dtype="float64"
        )
        built(discriminator, rng)

        logits = discriminator(masks, normal, reduction)

        changed_by_normal = np.any(discriminator(masks, other, reduction) != logits)
        changed_by_reduction = np.any(discriminator(masks, normal, other) != logits)
        assert (changed_by_normal, changed_by_reduction) == (reads_normal, reads_reduction)


def test_head_and_bottom_start_uniform_with_variance_one_third_of_the_fan_in():
    keras.utils.set_random_seed(0)
    discriminator = make_discriminator("derived", channels=64, cell_pattern="N")
    discriminator.build((None, 16, 16, NUM_MASK_CHANNELS))

    for kernel, fan_in in (
        (discriminator.head_kernel, 9 * NUM_MASK_CHANNELS),
        (discriminator.bottom_kernel, 4 * 64),
    ):
        values = kernel.numpy()
        tolerance = 5 * 2 / np.sqrt(5 * values.size)
        assert np.abs(values).max() <= fan_in**-0.5
        np.testing.assert_allclose(np.mean(values**2), 1 / (3 * fan_in), rtol=tolerance)
        fourth_power = 1.8 / (3 * fan_in) ** 2
        np.testing.assert_allclose(np.mean(values**4), fourth_power, rtol=2 * tolerance)
    assert discriminator.bottom_bias.numpy() == 0


MAX_STEPS = 150


def separable_batches(rng, num_images, size=32):
    """Real: one-hot masks of large rectangles. Fake: softmax noise in every pixel."""
    labels = np.zeros((num_images, size, size), int)
    labels[:, size // 4 : size // 2, size // 4 :] = 1
    labels[:, size // 2 :, : size // 2] = 2
    real_masks = np.eye(NUM_MASK_CHANNELS)[labels]
    noise = np.exp(rng.normal(size=real_masks.shape))
    fake_masks = noise / noise.sum(axis=-1, keepdims=True)
    return tf.constant(real_masks, tf.float32), tf.constant(fake_masks, tf.float32)


@pytest.mark.parametrize(("num_images", "cell_pattern"), [(1, CELL_PATTERN), (4, "NRN")])
@pytest.mark.parametrize("phase", PHASES)
def test_learns_separable_batches(phase, num_images, cell_pattern):
    """Without the ReLU before the pooling the loss stays at 2 ln 2 = 1.386 for ever."""
    keras.utils.set_random_seed(0)
    real_masks, fake_masks = separable_batches(np.random.default_rng(4), num_images)
    discriminator = make_discriminator(phase, channels=4, cell_pattern=cell_pattern)
    uniform = tf.fill(SPACE.alpha_shape, 1 / len(PUBLISHED_OPERATIONS))
    arguments = [uniform, uniform] if phase == "search" else []
    discriminator.build(real_masks.shape)
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(discriminator.trainable_variables)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.nn.softplus(-discriminator(real_masks, *arguments)))
            loss += tf.reduce_mean(tf.nn.softplus(discriminator(fake_masks, *arguments)))
        variables = discriminator.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        return loss

    losses = [float(step())]
    while len(losses) < MAX_STEPS and losses[-1] >= 0.7:
        losses.append(float(step()))

    assert losses[0] > 1
    assert losses[-1] < 0.7


@pytest.mark.parametrize("phase", PHASES)
def test_gradients_reach_every_weight(phase):
    rng = np.random.default_rng(5)
    discriminator = make_discriminator(phase, channels=4, cell_pattern="NRN", dtype="float64")
    call = caller(built(discriminator, rng), rng)
    masks = random_masks(rng, 4)

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(tf.sin(call(masks)))
        return tape.gradient(value, discriminator.trainable_variables)

    for variable, gradient in zip(discriminator.trainable_variables, gradients(), strict=True):
        assert np.abs(gradient).max() > 0, variable.path


@pytest.mark.parametrize("phase", PHASES)
def test_config_makes_an_equal_discriminator(phase):
    rng = np.random.default_rng(6)
    discriminator = make_discriminator(
        phase, channels=6, cell_pattern="RN", normalization="group", dtype="float64"
    )
    built(discriminator, rng)

    config = json.loads(json.dumps(discriminator.get_config()))
    restored = type(discriminator).from_config(config)

    restored.build((None, None, None, NUM_MASK_CHANNELS))
    restored.set_weights(discriminator.get_weights())
    masks = random_masks(rng, 2)
    logits = caller(discriminator, np.random.default_rng(7))(masks)
    np.testing.assert_array_equal(caller(restored, np.random.default_rng(7))(masks), logits)
    assert restored.get_config() == discriminator.get_config()


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("pattern", ["", "NXN", "nrn", "N R"])
def test_patterns_of_other_letters_are_refused(pattern, phase):
    with pytest.raises(ValueError, match=f"Received: cell_pattern='{pattern}'"):
        make_discriminator(phase, cell_pattern=pattern)
