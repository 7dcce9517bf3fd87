"""FCN-32s: sizes, weights as published, the fixed upsampling, derivatives.

N batch, h, w height and width of the score map, K classes.
"""

import numpy as np
import pytest
import tensorflow as tf

from darts_adv_tf.networks.fcn32s import BilinearUpsampling, bilinear_kernel, build_fcn32s
from tests.derivatives import tangent_error


@pytest.mark.parametrize("size", [(1, 1), (32, 64), (33, 95), (50, 64)])
@pytest.mark.parametrize("is_static", [True, False])
def test_logits_have_the_size_of_the_image(size, is_static):
    image_shape = (*size, 2) if is_static else (None, None, 2)
    segmenter = build_fcn32s(image_shape, num_classes=3, width=1)
    assert segmenter(np.zeros((2, *size, 2), np.float32)).shape == (2, *size, 3)
    assert segmenter.output_shape == (None, *image_shape[:2], 3)


def test_unknown_and_known_sizes_give_the_same_logits():
    images = np.random.default_rng(0).uniform(size=(1, 45, 70, 1)).astype(np.float32)
    known = build_fcn32s((45, 70, 1), num_classes=2, width=2, seed=3)
    unknown = build_fcn32s((None, None, 1), num_classes=2, width=2, seed=3)
    graph = tf.function(unknown, input_signature=[tf.TensorSpec((None, None, None, 1))])
    np.testing.assert_allclose(graph(images), known(images), atol=1e-6)


def test_every_layer_has_its_weights():
    """Width 1, one channel, two classes: kernel and bias of each convolution, by hand."""
    blocks = (10 + 10) + (20 + 38) + (76 + 148 + 148) + (296 + 584 + 584) + 3 * 584
    fc6, fc7, score = 7 * 7 * 8 * 64 + 64, 64 * 64 + 64, 64 * 2 + 2
    segmenter = build_fcn32s((None, None, 1), num_classes=2, width=1)
    assert segmenter.count_params() == blocks + fc6 + fc7 + score == 33_108
    assert not segmenter.non_trainable_variables, "the upsampling kernel is a constant"


def test_body_is_vgg_16_at_the_published_width():
    """A quarter of the published width: the convolutions' channels are those of VGG-16 / 4."""
    segmenter = build_fcn32s((None, None, 3), num_classes=21, width=16)
    channels = [
        layer.filters
        for layer in segmenter.layers
        if layer.name.startswith(("block", "fc")) and hasattr(layer, "filters")
    ]
    published = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512, 4096, 4096]
    assert [4 * channel for channel in channels] == published


def test_bilinear_kernel_by_hand():
    np.testing.assert_allclose(
        bilinear_kernel(2), np.outer([0.25, 0.75, 0.75, 0.25], [0.25, 0.75, 0.75, 0.25])
    )
    assert bilinear_kernel(32).sum() == pytest.approx(32**2)


def test_upsampling_keeps_a_constant_everywhere():
    scores = np.full((1, 3, 2, 2), (5.0, -1.0))
    enlarged = BilinearUpsampling(32, dtype="float64")(scores)
    assert enlarged.shape == (1, 96, 64, 2)
    np.testing.assert_allclose(enlarged, np.broadcast_to((5.0, -1.0), (1, 96, 64, 2)), rtol=1e-12)


def test_upsampling_keeps_a_ramp_linear_between_the_outermost_centres():
    """Coarse pixel j covers fine pixels 32j .. 32j+31, so its centre lies at 32j + 15.5."""
    scores = np.broadcast_to(np.arange(4.0).reshape((1, 4, 1, 1)), (1, 4, 3, 1))
    enlarged = np.asarray(BilinearUpsampling(32, dtype="float64")(scores))
    expected = (np.arange(128) - 15.5) / 32
    np.testing.assert_allclose(enlarged[0, 16:112, 50, 0], expected[16:112], rtol=1e-12)
    assert (enlarged[0, :16, :, 0] == pytest.approx(0)) and (enlarged[0, 112:] == pytest.approx(3))


def test_upsampling_equals_bilinear_resizing_and_mixes_no_classes():
    scores = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    enlarged = BilinearUpsampling(32)(scores)
    np.testing.assert_allclose(enlarged, tf.image.resize(scores, (96, 160)), atol=1e-5)


def test_weights_repeat_for_a_seed_and_differ_between_layers():
    first, same, other = (build_fcn32s((32, 32, 1), 2, width=1, seed=seed) for seed in (5, 5, 6))
    for one, two in zip(first.variables, same.variables, strict=True):
        np.testing.assert_array_equal(one, two)
    kernels = [layer.kernel for layer in first.layers if hasattr(layer, "filters")]
    others = [layer.kernel for layer in other.layers if hasattr(layer, "filters")]
    assert not any(np.array_equal(one, two) for one, two in zip(kernels, others, strict=True))
    assert len({np.asarray(kernel).flat[0] for kernel in kernels}) == len(kernels)


def test_kernels_are_he_normal_and_biases_zero():
    segmenter = build_fcn32s((None, None, 1), num_classes=2, width=4, seed=0)
    num_checked = 0
    for layer in segmenter.layers:
        if not hasattr(layer, "filters"):
            continue
        kernel = np.asarray(layer.kernel)
        if kernel.size >= 2000:
            # The standard error of a variance of n normal draws is its value times sqrt(2 / n).
            tolerance = 4 * np.sqrt(2 / kernel.size)
            expected_variance = 2 / np.prod(kernel.shape[:3])
            assert kernel.var() == pytest.approx(expected_variance, rel=tolerance), layer.name
            num_checked += 1
        assert not np.any(layer.bias)
    assert num_checked >= 10


def test_float32_agrees_with_float64():
    """The oracle's precision and the training's run through the same function."""
    images = np.random.default_rng(0).uniform(size=(2, 64, 64, 1))
    single = build_fcn32s((64, 64, 1), num_classes=3, width=2, seed=0)
    double = build_fcn32s((64, 64, 1), num_classes=3, width=2, seed=1, dtype="float64")
    assert {variable.dtype for variable in double.variables} == {"float64"}
    double.set_weights([weight.astype(np.float64) for weight in single.get_weights()])
    logits = double(images)
    assert logits.dtype == tf.float64
    np.testing.assert_allclose(single(images.astype(np.float32)), logits, atol=1e-4)


@pytest.mark.parametrize("size", [64, 40])
def test_forward_mode_agrees_with_a_numeric_derivative(size):
    """The segmenter's tangent that the exact architecture gradient needs, inside tf.function."""
    segmenter = build_fcn32s((size, size, 1), num_classes=3, width=2, seed=0, dtype="float64")
    assert tangent_error(segmenter, size) < 1e-7
