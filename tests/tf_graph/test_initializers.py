import json

import keras
import numpy as np
import pytest

from darts_adv_tf.tf_graph.initializers import ConvolutionUniform, convolution_uniform

ROWS_AND_FAN_INS = ((300, 9), (200, 25), (400, 64))
COLUMNS = 50


def test_rows_are_uniform_within_the_bound_of_their_own_fan_in():
    keras.utils.set_random_seed(0)

    values = np.asarray(ConvolutionUniform(ROWS_AND_FAN_INS)((900, COLUMNS)))

    assert values.shape == (900, COLUMNS)
    for part, (rows, fan_in) in zip(np.split(values, [300, 500]), ROWS_AND_FAN_INS, strict=True):
        bound = fan_in**-0.5
        assert len(part) == rows
        assert np.abs(part).max() <= bound
        # The outermost tenths hold a tenth each, so a smaller bound would be seen.
        for share in (part > 0.8 * bound, part < -0.8 * bound):
            np.testing.assert_allclose(share.mean(), 0.1, rtol=0.1)
        np.testing.assert_allclose(np.mean(part**2), 1 / (3 * fan_in), rtol=0.05)


def test_no_two_kinds_of_kernels_start_equal():
    keras.utils.set_random_seed(0)

    values = np.asarray(ConvolutionUniform(((20, 9), (20, 9)))((40, COLUMNS)))

    assert not np.isclose(values[:20], values[20:], rtol=1e-3, atol=0).any(axis=0).all()
    assert np.abs(np.corrcoef(values[:20].ravel(), values[20:].ravel())[0, 1]) < 0.15


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_type_is_as_asked(dtype):
    values = ConvolutionUniform(ROWS_AND_FAN_INS)((900, 2), dtype)

    assert keras.backend.standardize_dtype(values.dtype) == dtype


def test_draws_follow_the_seed():
    draws = []
    for seed in (0, 0, 1):
        keras.utils.set_random_seed(seed)
        draws.append(np.asarray(ConvolutionUniform(ROWS_AND_FAN_INS)((900, 2))))

    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.abs(draws[2] - draws[0]).max() > 0.01


def test_config_survives_json():
    initializer = ConvolutionUniform(ROWS_AND_FAN_INS)
    config = json.loads(json.dumps(initializer.get_config()))

    restored = ConvolutionUniform.from_config(config)

    assert json.loads(json.dumps(restored.get_config())) == config
    draws = []
    for one in (initializer, restored):
        keras.utils.set_random_seed(2)
        draws.append(np.asarray(one((900, 3))))
    np.testing.assert_array_equal(*draws)


def test_one_fan_in_by_hand():
    keras.utils.set_random_seed(0)

    values = np.asarray(convolution_uniform(4)((1000,)))

    assert 0.49 < np.abs(values).max() <= 0.5
