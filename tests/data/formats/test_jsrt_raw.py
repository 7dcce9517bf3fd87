import numpy as np
import pytest

from darts_adv_tf.data.formats.jsrt_raw import read_jsrt_raw
from darts_adv_tf.system.errors import DataError


def test_densities_are_clipped_and_inverted(tmp_path):
    densities = np.zeros((2048, 2048), ">u2")
    densities[0, :5] = 0, 1, 4095, 4096, 65535
    densities[2047, 1] = 0x0102
    (tmp_path / "JPCLN031.IMG").write_bytes(densities.tobytes())
    decoded = read_jsrt_raw(tmp_path / "JPCLN031.IMG")
    assert decoded.pixels.shape == (2048, 2048, 1)
    assert decoded.pixels.dtype == np.uint16
    assert decoded.pixels[0, :5, 0].tolist() == [4095, 4094, 0, 0, 0]
    assert decoded.pixels[2047, :2, 0].tolist() == [4095, 4095 - 258]
    assert decoded.intensity_maximum == 4095.0
    assert decoded.spacing == (0.175, 0.175)


@pytest.mark.parametrize("num_bytes", [1, 8_388_607, 8_388_609])
def test_another_size_is_refused(tmp_path, num_bytes):
    (tmp_path / "image.IMG").write_bytes(bytes(num_bytes))
    with pytest.raises(DataError, match="exactly 8,388,608 bytes") as caught:
        read_jsrt_raw(tmp_path / "image.IMG")
    assert caught.value.received == f"{num_bytes:,} bytes"
    assert caught.value.file == tmp_path / "image.IMG"
