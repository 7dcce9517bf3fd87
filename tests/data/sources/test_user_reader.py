"""A user's own reader of a data set: what it returns is used, and checked."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from darts_adv_tf.data.collection import Case, Collection
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.sources.registry import find_collection
from darts_adv_tf.system.errors import ConfigurationError, DataError

IMAGE = DecodedImage(np.arange(12, dtype=np.uint8).reshape(3, 4, 1), 255.0)
MASKS = np.zeros((2, 3, 4), bool)
MASKS[0, 0], MASKS[1, 1] = True, True
NAME = f"{__name__}:find"

answer = None
"""What the user's function returns, or raises."""


def find(data_dir):
    assert isinstance(data_dir, Path)
    if isinstance(answer, Exception):
        raise answer
    return answer


def answered(read=lambda: (IMAGE, MASKS)):
    case = Case("a", "patient", read, (Path("a.npz"),))
    return Collection("mine", ("background", "liver", "tumor"), (case,))


@pytest.fixture
def set_answer(monkeypatch):
    return lambda value: monkeypatch.setitem(globals(), "answer", value)


def test_the_cases_are_those_of_the_function(set_answer, tmp_path):
    set_answer(answered())
    collection = find_collection(NAME, tmp_path)
    assert collection.name == NAME and collection.class_names == answer.class_names
    image, masks = collection.cases[0].read()
    assert image is IMAGE and masks is MASKS


def test_classes_can_be_chosen(set_answer, tmp_path):
    set_answer(answered())
    collection = find_collection(NAME, tmp_path, ("tumor",))
    assert collection.class_names == ("background", "tumor")
    np.testing.assert_array_equal(collection.cases[0].read()[1], MASKS[1:])


def test_a_function_must_return_a_collection(set_answer, tmp_path):
    set_answer([1, 2])
    with pytest.raises(ConfigurationError, match="a list"):
        find_collection(NAME, tmp_path)


def test_an_error_of_the_function_is_shown_as_its_own(set_answer, tmp_path):
    set_answer(KeyError("no such key"))
    with pytest.raises(ConfigurationError, match="no such key") as caught:
        find_collection(NAME, tmp_path)
    assert "raise answer" in str(caught.value.received)
    set_answer(DataError("A rule must hold."))
    with pytest.raises(DataError, match="A rule must hold"):
        find_collection(NAME, tmp_path)


def test_a_function_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="--dataset=<module>:<function>"):
        find_collection(f"{__name__}:absent", tmp_path)


def raising():
    raise ValueError("half a file")


@pytest.mark.parametrize(
    ("read", "received"),
    [
        (raising, "ValueError: half a file"),
        (lambda: IMAGE, "TypeError"),
        (lambda: (IMAGE.pixels, MASKS), r"an image that is a uint8 array of shape \(3, 4, 1\)"),
        (
            lambda: (dataclasses.replace(IMAGE, pixels=IMAGE.pixels[..., 0]), MASKS),
            r"pixels that are a uint8 array of shape \(3, 4\)",
        ),
        (lambda: (IMAGE, MASKS.astype(np.uint8)), r"masks that are a uint8 array"),
        (lambda: (IMAGE, MASKS[:1]), r"bool array of shape \(1, 3, 4\)"),
        (lambda: (IMAGE, MASKS[0]), r"bool array of shape \(3, 4\)"),
        (lambda: (IMAGE, list(MASKS)), "masks that are a list of 2"),
    ],
)
def test_what_a_case_reads_as_is_checked(set_answer, tmp_path, read, received):
    set_answer(answered(read))
    (case,) = find_collection(NAME, tmp_path).cases
    with pytest.raises(DataError, match=received) as caught:
        case.read()
    assert caught.value.file == Path("a.npz") and caught.value.remedy
