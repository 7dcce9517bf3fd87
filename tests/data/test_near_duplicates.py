"""Copies that were changed are found, and different people are not.

The changes are made here by means of their own, as other programs make them.
"""

import cv2
import numpy as np
import pytest

from darts_adv_tf.data import near_duplicates
from darts_adv_tf.data.dataset import Dataset
from darts_adv_tf.data.near_duplicates import describe, find_near_duplicates
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.sources.phantom import make_phantoms
from darts_adv_tf.data.split import Split

NUM_CASES = 16
SIZE = 128


def phantoms(size, domain="uniform", num_cases=NUM_CASES):
    cases = make_phantoms(size, num_cases, 0, domain).cases
    return np.array([case.read()[0].pixels for case in cases], np.float32) / 255


@pytest.fixture(scope="module")
def images():
    return phantoms(SIZE)


def make(images, patients=()):
    return Dataset(
        name="test",
        class_names=("background", "lung"),
        cases=tuple(f"case{index}" for index in range(len(images))),
        images=images,
        labels=np.zeros(images.shape[:3], np.uint8),
        preparation=Preparation(images.shape[1]),
        patients=tuple(patients),
    )


def split_at(first_test, num_cases):
    return Split(tuple(range(1, first_test)), (0,), tuple(range(first_test, num_cases)))


def compressed(image):
    quality = [cv2.IMWRITE_JPEG_QUALITY, 30]
    _, encoded = cv2.imencode(".jpg", np.round(255 * image).astype(np.uint8), quality)
    return cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)[:, :, np.newaxis] / 255


def halved(image):
    small = cv2.resize(image, (SIZE // 2, SIZE // 2), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)[:, :, np.newaxis]


CHANGES = {
    "mirrored": lambda image: image[:, ::-1],
    "darker": lambda image: 0.5 * image + 0.1,
    "gamma": lambda image: image**1.5,
    "inverse_gamma": lambda image: image**0.6,
    "noise": lambda image: np.clip(
        image + np.random.default_rng(1).normal(0, 0.03, image.shape), 0, 1
    ),
    "jpeg": compressed,
    "halved": halved,
    "shifted": lambda image: np.roll(image, (2, -2), axis=(0, 1)),
    "shifted_further": lambda image: np.roll(image, (-4, 3), axis=(0, 1)),
    "mirrored_and_darker": lambda image: 0.5 * image[:, ::-1],
}


@pytest.mark.parametrize(("size", "domain"), [(32, "mixed"), (64, "uniform"), (128, "mixed")])
def test_different_people_are_told_apart(size, domain):
    dataset = make(phantoms(size, domain, num_cases=60))
    assert find_near_duplicates(dataset, split_at(20, 60)) == []


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_of_every_case_is_found(images, change):
    copies = np.array([CHANGES[change](image) for image in images], np.float32)
    both = make(np.concatenate([images, copies]))
    issues = find_near_duplicates(both, split_at(NUM_CASES, 2 * NUM_CASES))
    expected = [(f"case{NUM_CASES + index}", f"case{index}") for index in range(NUM_CASES)]
    assert [(issue.case, issue.other) for issue in issues] == expected
    for issue in issues:
        assert issue.kind == "near_duplicate" and not issue.is_fatal and issue.crosses_split
        assert f"{issue.other} (train and test), correlation 0." in issue.message or (
            "correlation 1.00" in issue.message
        )


def test_a_copy_on_one_side_is_told_without_its_sides(images):
    both = make(np.concatenate([images[:3], images[:1] ** 1.5]))
    for split in (split_at(2, 3), None):
        (issue,) = find_near_duplicates(both, split)
        assert (issue.case, issue.other) == ("case3", "case0")
        assert "train and test" not in issue.message and not issue.crosses_split


def test_of_two_copies_that_on_the_other_side_is_told(images):
    # Case 1 is the likelier one, and lies in the same part as case 3.
    several = np.stack([images[0] ** 1.5, images[0] * 0.99, images[1], images[0]])
    split = Split(train=(0,), val=(2,), test=(1, 3))
    issues = {f.case: f for f in find_near_duplicates(make(several), split)}
    assert set(issues) == {"case1", "case3"}
    assert issues["case3"].other == "case0" and "train and test" in issues["case3"].message
    assert find_near_duplicates(make(several), None)[-1].other == "case1"


def test_equal_images_are_told_elsewhere(images):
    assert find_near_duplicates(make(images[[0, 1, 0]]), None) == []


def test_images_of_one_patient_are_expected_to_be_alike(images):
    both = np.concatenate([images[:2], images[:2] ** 1.5])
    assert len(find_near_duplicates(make(both), None)) == 2
    (issue,) = find_near_duplicates(make(both, "pqpr"), None)
    assert issue.case == "case3"


def test_blocks_change_nothing(images, monkeypatch):
    both = make(np.concatenate([images[:9], images[:9] ** 1.5]))
    whole = find_near_duplicates(both, split_at(4, 18))
    assert len(whole) == 9
    monkeypatch.setattr(near_duplicates, "_BLOCK", 4)
    assert find_near_duplicates(both, split_at(4, 18)) == whole


def test_images_without_contrast_are_like_nothing(images):
    flat = np.stack([np.zeros_like(images[0]), np.full_like(images[0], 0.5), images[0]])
    assert find_near_duplicates(make(flat), None) == []


@pytest.mark.parametrize("shape", [(1, 16, 16, 1), (2, 64, 64, 3), (1, 33, 33, 2)])
def test_descriptions_have_length_one_whatever_the_image(shape):
    described = describe(np.random.default_rng(0).random(shape, np.float32))
    assert described.shape == (shape[0], 1024)
    np.testing.assert_allclose(np.linalg.norm(described, axis=1), 1, rtol=1e-5)
