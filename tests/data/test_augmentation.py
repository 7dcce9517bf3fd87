import numpy as np
import pytest

from darts_adv_tf.data.augmentation import Augmentation, mirrored_classes

SIDE = 32
KEYS = [(0, epoch, 5) for epoch in range(40)]
SETTINGS = {
    "rotation": 20.0,
    "scaling": 0.3,
    "shift": 0.2,
    "gamma": 0.5,
    "noise": 0.1,
    "flip": True,
}


def case(channels=1):
    """A bright square that is labelled, off the middle."""
    labels = np.zeros((SIDE, SIDE), np.uint8)
    labels[8:20, 6:14] = 1
    image = np.repeat(labels[:, :, np.newaxis] * np.float32(0.6) + np.float32(0.2), channels, 2)
    return image, labels


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_alone_changes_the_image_and_repeats(name):
    augmentation = Augmentation(**{name: SETTINGS[name]})
    assert not augmentation.is_none
    image, labels = case()
    varied = [augmentation(image, labels, key) for key in KEYS]
    again = [augmentation(image, labels, key) for key in KEYS]
    for one, other in zip(varied, again, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])
    assert all(one.dtype == np.float32 and one.shape == image.shape for one, _ in varied)
    assert all(one.dtype == np.uint8 and one.shape == labels.shape for _, one in varied)
    changed = [not np.array_equal(one, image) for one, _ in varied]
    assert (sum(changed) > 35) if name != "flip" else (10 < sum(changed) < 30)
    np.testing.assert_array_equal(image, case()[0])


def test_nothing_set_changes_nothing():
    augmentation = Augmentation()
    assert augmentation.is_none
    image, labels = case()
    for key in KEYS:
        varied, varied_labels = augmentation(image, labels, key)
        np.testing.assert_array_equal(varied, image)
        np.testing.assert_array_equal(varied_labels, labels)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_labels_move_with_their_image(channels):
    augmentation = Augmentation(rotation=30.0, scaling=0.3, shift=0.2, flip=True)
    for key in KEYS:
        image, labels = augmentation(*case(channels), key)
        assert image.shape == (SIDE, SIDE, channels)
        bright = image[:, :, -1] > 0.5
        union = np.count_nonzero(bright | (labels == 1))
        assert np.count_nonzero(bright & (labels == 1)) > 0.85 * union


def extents(**settings):
    """Rows and columns of the square's centre, and its area, over the keys."""
    found = []
    for key in KEYS:
        _, labels = Augmentation(**settings)(*case(), key)
        rows, columns = np.nonzero(labels)
        found.append((rows.mean(), columns.mean(), len(rows)))
    return np.array(found).T


def test_shifts_and_sizes_stay_within_their_bounds():
    rows, columns, _ = extents(shift=0.125)
    for places, centre in ((rows, 13.5), (columns, 9.5)):
        assert np.abs(places - centre).max() <= 0.125 * SIDE + 0.5
        assert np.abs(places - centre).max() > 0.09 * SIDE
    _, _, areas = extents(scaling=0.2)
    # A square of 12 x 8 pixels, each side of it to the next whole pixel.
    assert 9 * 6 <= areas.min() < 85 and 110 < areas.max() <= 15 * 10


def test_a_rotation_by_a_right_angle_at_most_keeps_the_middle():
    image = np.zeros((SIDE, SIDE, 1), np.float32)
    image[14:18, 14:18] = 1
    for key in KEYS:
        varied, _ = Augmentation(rotation=90.0)(image, np.zeros((SIDE, SIDE), np.uint8), key)
        np.testing.assert_allclose(varied[15:17, 15:17], 1, atol=1e-3)


def test_gamma_keeps_black_and_white_and_its_bounds():
    image = np.array([0, 0.5, 1], np.float32).reshape(1, 3, 1)
    exponents = []
    for key in KEYS:
        varied, _ = Augmentation(gamma=0.25)(image, np.zeros((1, 3), np.uint8), key)
        assert varied[0, 0, 0] == 0 and varied[0, 2, 0] == 1
        exponents.append(np.log(varied[0, 1, 0]) / np.log(0.5))
    assert 1 / 1.25 - 1e-6 <= min(exponents) < 0.85 and 1.15 < max(exponents) <= 1.25 + 1e-6


def test_noise_is_as_strong_as_it_may_be_at_most():
    image, labels = np.full((64, 64, 1), 0.5, np.float32), np.zeros((64, 64), np.uint8)
    deviations = [Augmentation(noise=0.1)(image, labels, key)[0].std() for key in KEYS]
    assert max(deviations) <= 0.105 and max(deviations) > 0.08 and min(deviations) < 0.03


def test_in_a_mirror_left_and_right_change_places():
    classes = mirrored_classes(["background", "left_lung", "heart", "right_lung", "left_kidney"])
    assert classes == (0, 3, 2, 1, 4)
    image, labels = case()
    augmentation = Augmentation(flip=True, mirrored_classes=classes)
    mirrored = [augmentation(image, labels, key) for key in KEYS]
    flipped = [(one, other) for one, other in mirrored if not np.array_equal(one, image)]
    assert flipped
    for one, other in flipped:
        np.testing.assert_array_equal(one, image[:, ::-1])
        np.testing.assert_array_equal(other, 3 * labels[:, ::-1])


def test_one_setting_leaves_the_others_draws_alone():
    image, labels = case()
    for key in KEYS:
        _, alone = Augmentation(shift=0.2)(image, labels, key)
        _, beside = Augmentation(shift=0.2, gamma=0.5, noise=0.2)(image, labels, key)
        np.testing.assert_array_equal(alone, beside)
