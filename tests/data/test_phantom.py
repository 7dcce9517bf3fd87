import cv2
import numpy as np
import pytest

from darts_adv_tf.data.phantom import draw_case, load_phantom
from darts_adv_tf.data.split import split_cases
from darts_adv_tf.errors import ConfigurationError

BACKGROUND, LEFT, RIGHT, HEART = range(4)


@pytest.fixture(scope="module")
def dataset():
    return load_phantom(image_size=64, num_cases=80, seed=0)


def organ_iou(labels, predictions):
    """Mean IoU of the organs over all pixels together."""
    return np.mean(
        [
            np.sum((labels == organ) & (predictions == organ))
            / np.sum((labels == organ) | (predictions == organ))
            for organ in (LEFT, RIGHT, HEART)
        ]
    )


def test_a_data_set_has_the_agreed_form(dataset):
    assert dataset.images.shape == (80, 64, 64, 1)
    assert dataset.images.dtype == np.float32
    assert dataset.labels.shape == (80, 64, 64)
    assert dataset.cases[:2] == ("phantom_0000", "phantom_0001")
    assert dataset.class_names == ("background", "left_lung", "right_lung", "heart")
    stored = dataset.images * dataset.intensity_maximum
    np.testing.assert_allclose(stored, np.round(stored), atol=1e-4)
    assert dataset.images.min() >= 0.0 and dataset.images.max() <= 1.0


def test_a_case_depends_on_seed_and_index_alone(dataset):
    image, labels = draw_case(64, seed=0, case_index=7)
    np.testing.assert_array_equal(image, np.round(dataset.images[7, :, :, 0] * 255.0))
    np.testing.assert_array_equal(labels, dataset.labels[7])
    few = load_phantom(image_size=64, num_cases=2, seed=0)
    np.testing.assert_array_equal(few.images, dataset.images[:2])
    assert (draw_case(64, seed=1, case_index=7)[1] != labels).any()
    assert (dataset.labels[6] != labels).any()


@pytest.mark.parametrize("image_size", [32, 50, 100, 256])
def test_the_anatomy_is_the_same_at_every_size(image_size):
    for case_index in range(3):
        image, labels = draw_case(image_size, seed=0, case_index=case_index)
        large_image, large_labels = draw_case(512, seed=0, case_index=case_index)
        assert image.shape == labels.shape == (image_size, image_size)
        shrunk = cv2.resize(
            large_labels, (image_size, image_size), interpolation=cv2.INTER_NEAREST_EXACT
        )
        # Only pixels on a border may differ; other cases agree in 0.5 to 0.7.
        assert organ_iou(labels, shrunk) > 0.90
        # Without their own noise the pictures agree within a few grey levels.
        small, large = (
            cv2.GaussianBlur(
                cv2.resize(picture, (32, 32), interpolation=cv2.INTER_AREA), (0, 0), 1.0
            ).astype(float)
            for picture in (image, large_image)
        )
        assert np.abs(small - large).mean() < 3.0


def test_the_left_lung_and_the_heart_lie_where_a_radiograph_shows_them(dataset):
    x = np.arange(64)
    nearer_to_left = []
    for labels in dataset.labels:
        left, right, heart = (np.mean(x[np.nonzero(labels == k)[1]]) for k in (LEFT, RIGHT, HEART))
        assert right < heart < left
        nearer_to_left.append(left - heart < heart - right)
    assert np.mean(nearer_to_left) > 0.9


def test_every_case_shows_dark_lungs_and_all_organs(dataset):
    images = dataset.images[..., 0]
    for image, labels in zip(images, dataset.labels, strict=True):
        assert all(np.mean(labels == organ) > 0.02 for organ in (LEFT, RIGHT, HEART))
        lungs = np.isin(labels, (LEFT, RIGHT))
        assert image[lungs].mean() < image[labels == HEART].mean()


def test_exposures_differ(dataset):
    means = dataset.images.mean(axis=(1, 2, 3)) * 255.0
    assert means.min() < 60.0 and means.max() > 140.0


@pytest.mark.parametrize("seed", [0, 1])
def test_the_mean_shape_is_a_poor_segmenter(seed):
    labels = load_phantom(image_size=64, num_cases=80, seed=seed).labels
    split = split_cases(80, 32, seed)
    votes = np.stack([np.sum(labels[list(split.training)] == k, axis=0) for k in range(4)])
    mean_shape = np.argmax(votes, axis=0)
    test_labels = labels[list(split.test)]
    baseline = organ_iou(test_labels, np.broadcast_to(mean_shape, test_labels.shape))
    assert 0.55 < baseline < 0.65


def test_progress_is_told():
    told = []
    load_phantom(32, 3, seed=0, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    "arguments, told",
    [((31, 4, 0), "image_size=31"), ((64, 0, 0), "num_cases=0"), ((64, 1, -1), "seed=-1")],
)
def test_arguments_out_of_range_are_refused(arguments, told):
    with pytest.raises(ConfigurationError, match=told):
        load_phantom(*arguments)
