import numpy as np
import pytest

from darts_adv_tf.data.formats.run_length import decode_run_length
from darts_adv_tf.system.errors import DataError


def encode(mask):
    """Pixel by pixel, counted from 1."""
    runs, inside = [], False
    for number, pixel in enumerate(mask.ravel().tolist(), start=1):
        if pixel and inside:
            runs[-1] += 1
        elif pixel:
            runs += [number, 1]
        inside = pixel
    return " ".join(map(str, runs))


def test_pixels_are_counted_from_1_row_by_row():
    mask = decode_run_length("1 2 5 3 12 1", 3, 4, "table.csv")
    assert mask.dtype == bool
    assert mask.astype(int).tolist() == [[1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.98, 1.0])
def test_masks_come_back(share):
    mask = np.random.default_rng(0).random((37, 41)) < share
    np.testing.assert_array_equal(decode_run_length(encode(mask), 37, 41, "table.csv"), mask)


def test_runs_may_touch():
    assert decode_run_length("1 2 3 2", 1, 5, "table.csv").tolist() == [[True] * 4 + [False]]


def test_no_runs_are_no_pixels():
    assert not decode_run_length(" ", 3, 4, "table.csv").any()


@pytest.mark.parametrize(
    "text, told",
    [
        ("1 2 3", "an odd number of numbers, 3"),
        ("0 2", "a run of 2 from pixel 0 on"),
        ("-1 2", "'-1', which is no number"),
        ("1 -2", "'-2', which is no number"),
        ("1 0", "a run of 0 from pixel 1 on"),
        ("12 2", "a run of 2 from pixel 12 on"),
        ("13 1", "a run of 1 from pixel 13 on"),
        ("1 13", "a run of 13 from pixel 1 on"),
        ("4 3 6 1", "a run from pixel 6 on after one to 6"),
        ("6 1 4 1", "a run from pixel 4 on after one to 6"),
        ("1 nan", "'nan', which is no number"),
        ("1.0 2", "'1.0', which is no number"),
        ("1_0 2", "'1_0', which is no number"),
        ("١ 2", "'١', which is no number"),
        ("1 9223372036854775807", "more than 18 digits"),
        ("999999999999999999 999999999999999999", "from pixel 999999999999999999 on"),
        ("[1, 2]", "'[1,', which is no number"),
    ],
)
def test_damaged_runs_are_refused(text, told):
    with pytest.raises(DataError) as caught:
        decode_run_length(text, 3, 4, "table.csv", "row 7, Heart")
    assert told in caught.value.received
    assert caught.value.received.startswith("row 7, Heart: ")
    assert caught.value.file == "table.csv"
    assert caught.value.exit_status == 3


@pytest.mark.parametrize("height, width", [(0, 4), (100_000, 100_000)])
def test_an_absurd_size_is_refused_before_memory_is_taken(height, width):
    with pytest.raises(DataError, match=f"{width} x {height} pixels"):
        decode_run_length("1 1", height, width, "table.csv")
