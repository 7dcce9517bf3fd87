import numpy as np
import pytest

from darts_adv_tf.data.formats.decoded_image import MAXIMUM_VALUES, check_size, make_image
from darts_adv_tf.system.errors import DataError


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_8_and_16_bits_stay(dtype):
    values = np.arange(6, dtype=dtype).reshape(2, 3)
    decoded = make_image(values, "image.png", 255.0, (0.5, 0.4))
    assert decoded.pixels.dtype == dtype
    np.testing.assert_array_equal(decoded.pixels, values[:, :, np.newaxis])
    assert decoded.intensity_maximum == 255.0
    assert decoded.spacing == (0.5, 0.4)


@pytest.mark.parametrize("dtype", [">u2", np.int16, np.int64, np.float16, np.float64])
def test_other_numbers_become_float32(dtype):
    values = np.arange(6).reshape(2, 3, 1).astype(dtype)
    decoded = make_image(values, "image.nii")
    assert decoded.pixels.dtype == np.float32
    np.testing.assert_array_equal(decoded.pixels, values)
    assert decoded.intensity_maximum is None
    assert decoded.spacing is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_what_float32_does_not_hold_is_refused(value):
    values = np.zeros((2, 3))
    values[1, 2] = value
    with pytest.raises(DataError, match="1 of 6") as caught:
        make_image(values, "image.nii")
    assert caught.value.file == "image.nii"


@pytest.mark.parametrize("size", [(1, 1, 1), (8192, 8192, 1), (1, MAXIMUM_VALUES, 1)])
def test_sizes_up_to_the_limit_pass(size):
    check_size(*size, "image.png")


@pytest.mark.parametrize(
    "size", [(0, 5, 1), (5, 0, 1), (5, 5, 0), (-1, -1, 1), (8193, 8192, 1), (8192, 8192, 2)]
)
def test_sizes_beyond_the_limit_are_refused(size):
    with pytest.raises(
        DataError, match=f"{size[1]} x {size[0]} pixels, {size[2]} channel"
    ) as caught:
        check_size(*size, "image.png")
    assert caught.value.file == "image.png"
