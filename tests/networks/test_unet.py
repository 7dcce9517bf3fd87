"""U-Net: sizes, weights as published, initial values, derivatives.

N batch, H, W height and width, K classes.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.networks.unet import build_unet
from tests.derivatives import tangent_error


@pytest.mark.parametrize("size", [(1, 1), (16, 32), (33, 47), (50, 64)])
@pytest.mark.parametrize("is_static", [True, False])
def test_logits_have_the_size_of_the_image(size, is_static):
    image_shape = (*size, 2) if is_static else (None, None, 2)
    segmenter = build_unet(image_shape, num_classes=3, width=2)
    images = np.zeros((2, *size, 2), np.float32)
    assert segmenter(images).shape == (2, *size, 3)
    assert segmenter.output_shape == (None, *image_shape[:2], 3)


def test_unknown_and_known_sizes_give_the_same_logits():
    images = np.random.default_rng(0).uniform(size=(1, 21, 38, 1)).astype(np.float32)
    known = build_unet((21, 38, 1), num_classes=2, width=2, seed=3)
    unknown = build_unet((None, None, 1), num_classes=2, width=2, seed=3)
    graph = tf.function(unknown, input_signature=[tf.TensorSpec((None, None, None, 1))])
    np.testing.assert_allclose(graph(images), known(images), atol=1e-6)


def test_image_is_padded_on_both_sides_and_cropped_back():
    """A 14x14 image stands at (1, 1) of its 16x16 frame: one row of the padding above and left."""
    image = np.random.default_rng(0).uniform(size=(1, 14, 14, 1)).astype(np.float32)
    framed = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)))
    small = build_unet((14, 14, 1), num_classes=2, width=2, seed=1)
    large = build_unet((16, 16, 1), num_classes=2, width=2, seed=1)
    np.testing.assert_allclose(small(image), large(framed)[:, 1:-1, 1:-1], atol=1e-6)


def test_a_size_that_divides_needs_no_padding_in_the_graph():
    segmenter = build_unet((None, None, 1), num_classes=2, width=2)

    def operations(size: int) -> set[str]:
        graph = tf.function(segmenter).get_concrete_function(tf.zeros((1, size, size, 1))).graph
        return {operation.type for operation in graph.get_operations()}

    assert operations(32).isdisjoint({"Pad", "Slice", "StridedSlice"})
    assert {"Pad", "StridedSlice"} <= operations(31)


def test_published_width_has_the_published_weights():
    """Kernel and bias of every convolution of Fig. 1, for one channel and two classes."""
    encoder = (640 + 36_928) + (73_856 + 147_584) + (295_168 + 590_080) + (1_180_160 + 2_359_808)
    bottom = 4_719_616 + 9_438_208
    decoder = (
        (2_097_664 + 4_719_104 + 2_359_808)
        + (524_544 + 1_179_904 + 590_080)
        + (131_200 + 295_040 + 147_584)
        + (32_832 + 73_792 + 36_928)
    )
    score = 130
    segmenter = build_unet((None, None, 1), num_classes=2, width=64)
    assert segmenter.count_params() == encoder + bottom + decoder + score == 31_030_658
    assert not segmenter.non_trainable_variables


def test_skips_carry_full_resolution():
    """With the way through the bottom cut, a change of one pixel still reaches its own logit."""
    segmenter = build_unet((32, 32, 1), num_classes=2, width=4, seed=0)
    for layer in segmenter.layers:
        if layer.name.endswith("up_convolution"):
            layer.kernel.assign(tf.zeros_like(layer.kernel))
    image = np.full((1, 32, 32, 1), 0.5, np.float32)
    changed = image.copy()
    changed[0, 16, 16, 0] = 1.0
    difference = np.abs(segmenter(changed) - segmenter(image)).max(axis=(0, 3))
    rows, columns = np.nonzero(difference > 0)
    assert difference[16, 16] > 0
    assert rows.min() >= 12 and rows.max() <= 20, "four 3x3 convolutions reach four pixels"
    assert columns.min() >= 12 and columns.max() <= 20


def test_the_bottom_sees_far_more_than_the_skips():
    segmenter = build_unet((64, 64, 1), num_classes=2, width=4, seed=0)
    image = np.full((1, 64, 64, 1), 0.5, np.float32)
    changed = image.copy()
    changed[0, 32, 32, 0] = 5.0
    difference = np.abs(segmenter(changed) - segmenter(image)).max(axis=(0, 3))
    assert np.ptp(np.nonzero(difference > 0)[0]) > 40


def test_weights_repeat_for_a_seed_and_differ_between_layers():
    first, same, other = (build_unet((16, 16, 1), 2, width=4, seed=seed) for seed in (5, 5, 6))
    for one, two in zip(first.variables, same.variables, strict=True):
        np.testing.assert_array_equal(one, two)
    kernels = [layer.kernel for layer in first.layers if hasattr(layer, "kernel")]
    others = [layer.kernel for layer in other.layers if hasattr(layer, "kernel")]
    assert not any(np.array_equal(one, two) for one, two in zip(kernels, others, strict=True))
    assert len({np.asarray(kernel).flat[0] for kernel in kernels}) == len(kernels)


def test_kernels_are_he_normal_and_biases_zero():
    segmenter = build_unet((None, None, 1), num_classes=2, width=16, seed=0)
    num_checked = 0
    for layer in segmenter.layers:
        if not hasattr(layer, "kernel"):
            continue
        kernel = np.asarray(layer.kernel)
        if isinstance(layer, keras.layers.Conv2DTranspose):
            expected_variance = 1 / kernel.shape[3]
        else:
            expected_variance = 2 / np.prod(kernel.shape[:3])
        if kernel.size >= 2000:
            # The standard error of a variance of n normal draws is its value times sqrt(2 / n).
            tolerance = 4 * np.sqrt(2 / kernel.size)
            assert kernel.var() == pytest.approx(expected_variance, rel=tolerance), layer.name
            num_checked += 1
        assert not np.any(layer.bias)
    assert num_checked >= 18


def test_float64_reaches_every_layer():
    segmenter = build_unet((16, 16, 1), num_classes=2, width=2, dtype="float64")
    assert {variable.dtype for variable in segmenter.variables} == {"float64"}
    assert segmenter(np.zeros((1, 16, 16, 1))).dtype == tf.float64


def test_float32_agrees_with_float64():
    """The oracle's precision and the training's run through the same function."""
    images = np.random.default_rng(0).uniform(size=(2, 32, 32, 1))
    single = build_unet((32, 32, 1), num_classes=3, width=4, seed=0)
    double = build_unet((32, 32, 1), num_classes=3, width=4, seed=1, dtype="float64")
    double.set_weights([weight.astype(np.float64) for weight in single.get_weights()])
    np.testing.assert_allclose(single(images.astype(np.float32)), double(images), atol=1e-4)


@pytest.mark.parametrize("size", [64, 40])
def test_forward_mode_agrees_with_a_numeric_derivative(size):
    """The segmenter's tangent that the exact architecture gradient needs, inside tf.function."""
    segmenter = build_unet((size, size, 1), num_classes=3, width=4, seed=0, dtype="float64")
    assert tangent_error(segmenter, size) < 1e-7
