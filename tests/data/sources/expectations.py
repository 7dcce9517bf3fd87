"""What a data set holds of what a fixture wrote, and how it is refused."""

from pathlib import Path

import numpy as np
import pytest

from darts_adv_tf.data.loading import load
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.system.errors import DataError
from tests.data.sources.fixtures import SIZE, Written


def read_all(collection):
    """The images and masks of all cases, by name."""
    return {case.name: case.read() for case in collection.cases}


def assert_holds(collection, written: Written, priority: tuple[int, ...]):
    """Loads it and compares with what was written, pixel by pixel.

    Args:
        collection: What a source found.
        written: What a fixture wrote, of `SIZE`.
        priority: Of the organs, by class index, the strongest first; written out by the test.
    """
    decoded, _ = collection.cases[0].read()
    white = decoded.intensity_maximum or 255.0
    preparation = Preparation(SIZE, normalization="window", window=(0.0, white))
    dataset = load(collection, preparation)
    assert dataset.cases == tuple(written)
    for index, (image, masks) in enumerate(written.values()):
        expected = np.zeros((SIZE, SIZE), np.uint8)
        for organ in reversed(priority):
            expected[masks[organ - 1]] = organ
        np.testing.assert_array_equal(dataset.labels[index], expected)
        image = image if image.ndim == 3 else image[:, :, np.newaxis]
        np.testing.assert_allclose(dataset.images[index], image / 255.0, rtol=1e-5, atol=1e-6)
    return dataset


def assert_refused(find, file: Path | None, received: str):
    """Holds that a call raises a complete DataError; `file` None means any file."""
    with pytest.raises(DataError) as caught:
        find()
    assert caught.value.exit_status == 3
    assert caught.value.file is not None
    assert file is None or Path(caught.value.file) == file
    assert received in str(caught.value.received), caught.value.received
    assert caught.value.rule and caught.value.remedy
    return caught.value


def assert_broken(collection, name: str, file: Path, received: str):
    """Holds that of these cases one is known to be broken, and that loading says why."""
    (case,) = (case for case in collection.cases if case.error is not None)
    assert case.name == name and case.files == (file,)
    assert len(collection.folds) in (0, len(collection.cases))
    assert assert_refused(case.read, file, received) is case.error
    assert assert_refused(lambda: load(collection, Preparation(SIZE)), file, received) is case.error
    return case.error
