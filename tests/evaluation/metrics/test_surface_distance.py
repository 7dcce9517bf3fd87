import json

import numpy as np
import pytest
import SimpleITK
from medpy.metric import binary
from scipy.ndimage import gaussian_filter

from darts_adv_tf.evaluation.metrics.surface_distance import (
    assd,
    hd95,
    score_surfaces,
    surface_distances,
)

NUM_RANDOM = 240


def mask_of(*rows):
    return np.array([[pixel == "#" for pixel in row] for row in rows])


def random_mask(rng, shape):
    """Blobs, often several and cut by the border; at times a bar, a pixel, or everything."""
    mask = np.zeros(shape, bool)
    kind = rng.choice(["blobs", "blobs", "blobs", "bar", "pixel", "noise", "all"])
    if kind == "blobs":
        field = gaussian_filter(rng.standard_normal(shape), rng.uniform(1, 4), mode="wrap")
        mask = field > np.quantile(field, rng.uniform(0.2, 0.9))
    elif kind == "bar":
        top, left = (rng.integers(length) for length in shape)
        mask[top : top + rng.integers(1, 9), left : left + rng.integers(1, 30)] = True
    elif kind == "pixel":
        mask[tuple(rng.integers(length) for length in shape)] = True
    elif kind == "noise":
        mask = rng.random(shape) < 0.1
        mask.flat[rng.integers(mask.size)] = True
    else:
        mask[:] = True
    return mask


def random_pairs():
    """Pairs of masks that are not empty, with a spacing: height and width of a pixel."""
    rng = np.random.default_rng(0)
    for index in range(NUM_RANDOM):
        shape = tuple(rng.integers(5, 48, size=2))
        true, predicted = random_mask(rng, shape), random_mask(rng, shape)
        if index % 3 == 0:
            # As in practice: a prediction that is nearly right.
            predicted = np.roll(true, rng.integers(-3, 4, size=2), axis=(0, 1))
        yield true, predicted, (1.0, 1.0) if index % 2 else tuple(rng.uniform(0.1, 3.0, size=2))


def distances_by_simpleitk(true, predicted, spacing):
    """The two directions, surfaces and distance maps both by SimpleITK, in float32."""
    surfaces, maps = [], []
    for mask in (true, predicted):
        # A rim of background: SimpleITK knows nothing beyond the border.
        image = SimpleITK.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))
        image.SetSpacing([float(length) for length in reversed(spacing)])
        surface = SimpleITK.LabelContour(image, fullyConnected=False)
        distances = SimpleITK.SignedMaurerDistanceMap(
            surface, squaredDistance=False, useImageSpacing=True
        )
        surfaces.append(SimpleITK.GetArrayFromImage(surface) > 0)
        maps.append(np.abs(SimpleITK.GetArrayFromImage(distances)))
    return maps[1][surfaces[0]], maps[0][surfaces[1]]


def test_random_masks_are_of_every_sort():
    pairs = list(random_pairs())
    assert len(pairs) >= 200
    assert all(true.any() and predicted.any() for true, predicted, _ in pairs)
    assert sum(spacing[0] != spacing[1] for *_, spacing in pairs) > 100
    on_border = [true[0].any() or true[:, -1].any() for true, *_ in pairs]
    assert 50 < sum(on_border) < NUM_RANDOM
    assert 5 < sum(true.sum() == 1 for true, *_ in pairs) < 60


def test_random_masks_agree_with_simpleitk():
    for true, predicted, spacing in random_pairs():
        first, second = distances_by_simpleitk(true, predicted, spacing)
        expected = max(np.percentile(first, 95), np.percentile(second, 95))
        assert hd95(true, predicted, spacing) == pytest.approx(expected, rel=1e-5, abs=1e-4)
        expected = (first.sum() + second.sum()) / (len(first) + len(second))
        assert assd(true, predicted, spacing) == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_random_masks_agree_with_medpy():
    for true, predicted, spacing in random_pairs():
        expected = binary.assd(predicted, true, voxelspacing=spacing)
        assert assd(true, predicted, spacing) == pytest.approx(expected, rel=1e-9, abs=1e-12)
        # MedPy's percentile is that of both directions together.
        pooled = np.concatenate(surface_distances(true, predicted, spacing))
        expected = binary.hd95(predicted, true, voxelspacing=spacing)
        assert np.percentile(pooled, 95) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_a_small_surface_that_is_wrong_is_not_outvoted():
    large, small = np.zeros((2, 60, 60), bool)
    large[:50, :50] = True
    small[0, 0] = True
    # Half the rim of `large` is farther than 49 from the corner, and `small` lies on that rim.
    assert hd95(large, small) == hd95(small, large) > 60

    outlier = large.copy()
    outlier[59, 59] = True
    assert hd95(large, outlier) == 0
    assert assd(large, outlier) == pytest.approx(np.hypot(10, 10) / (196 + 197))


def test_distances_by_hand():
    true = mask_of(
        "......",
        ".###..",
        ".###..",
        ".###..",
        "......",
    )
    predicted = np.roll(true, 1, axis=1)

    first, second = surface_distances(true, predicted)

    # Eight surface pixels each. Of the left column all are one away; the middle column's ends
    # and the right one's lie on the other surface, but the right one's middle pixel lies inside.
    assert sorted(first) == sorted(second) == [0, 0, 0, 0, 1, 1, 1, 1]
    assert assd(true, predicted) == 0.5
    assert hd95(true, predicted) == 1


def test_the_percentile_is_interpolated_by_hand():
    point = np.zeros((1, 22), bool)
    point[0, 0] = True
    line = np.zeros((1, 22), bool)
    line[0, :21] = True
    # 0, 1, ... 20 from the line: the 95th of a hundred lies at place 19; 0 from the point.
    assert hd95(line, point) == 19
    assert assd(line, point) == pytest.approx(210 / 22)
    line[0, 21] = True
    assert hd95(line, point) == pytest.approx(19.95)


def test_diagonal_neighbours_do_not_make_a_surface():
    true = np.ones((5, 5), bool)
    true[0, 0] = False
    point = np.zeros((5, 5), bool)
    point[2, 2] = True
    first, _ = surface_distances(true, point)
    # The rim without its corner, 15 pixels; the pixel beside the hole diagonally is inside.
    assert len(first) == 15
    assert min(first) == 2


def test_the_border_of_the_image_is_a_surface():
    everything, middle = np.ones((5, 5), bool), np.zeros((5, 5), bool)
    middle[2, 2] = True
    first, second = surface_distances(everything, middle)
    assert len(first) == 16
    assert second.tolist() == [2]


def test_height_and_width_of_a_pixel_are_not_exchanged():
    first, below, beside = np.zeros((3, 8, 8), bool)
    first[2, 2] = below[5, 2] = beside[2, 5] = True
    assert hd95(first, below, (2.0, 0.5)) == assd(first, below, (2.0, 0.5)) == 6
    assert hd95(first, beside, (2.0, 0.5)) == assd(first, beside, (2.0, 0.5)) == 1.5


def test_millimetres_are_pixels_times_their_size():
    for true, predicted, _ in list(random_pairs())[:20]:
        for measure in (hd95, assd):
            pixels = measure(true, predicted)
            assert measure(true, predicted, (0.7, 0.7)) == pytest.approx(0.7 * pixels)


def test_equal_masks_are_nowhere_apart():
    for true, *_ in list(random_pairs())[:20]:
        assert hd95(true, true) == assd(true, true) == 0


def test_what_lies_where_in_the_image_does_not_matter():
    for true, predicted, spacing in list(random_pairs())[:20]:
        moved = [np.pad(mask, ((3, 7), (11, 2))) for mask in (true, predicted)]
        assert hd95(*moved, spacing) == hd95(true, predicted, spacing)
        assert assd(*moved, spacing) == assd(true, predicted, spacing)


@pytest.mark.parametrize("measure", [hd95, assd])
@pytest.mark.filterwarnings("error")
def test_one_empty_mask_counts_as_the_diagonal(measure):
    empty, present = np.zeros((2, 30, 40), bool)
    present[3:9, 4:7] = True
    assert measure(empty, present) == measure(present, empty) == 50
    assert measure(empty, present, (0.2, 0.1)) == pytest.approx(np.hypot(6, 4))
    corners = np.zeros((2, 30, 40), bool)
    corners[0, 0, 0] = corners[1, -1, -1] = True
    assert measure(*corners) < 50


@pytest.mark.parametrize("measure", [hd95, assd])
@pytest.mark.filterwarnings("error")
def test_two_empty_masks_have_no_distance(measure):
    empty = np.zeros((4, 4), bool)
    assert np.isnan(measure(empty, empty))


@pytest.mark.parametrize(
    ("true", "predicted", "spacing"),
    [
        (np.ones((2, 2), bool), np.ones((2, 3), bool), (1, 1)),
        (np.ones((2, 2), bool), np.ones((2, 2), np.uint8), (1, 1)),
        (np.ones((2, 2, 2), bool), np.ones((2, 2, 2), bool), (1, 1)),
        (np.ones((2, 2), bool), np.ones((2, 2), bool), (1, 0)),
        (np.ones((2, 2), bool), np.ones((2, 2), bool), (1, np.nan)),
        (np.ones((2, 2), bool), np.ones((2, 2), bool), (np.inf, 1)),
        (np.ones((2, 2), bool), np.ones((2, 2), bool), (1, 1, 1)),
    ],
)
def test_what_cannot_be_measured_is_refused(true, predicted, spacing):
    with pytest.raises(ValueError, match="Received"):
        hd95(true, predicted, spacing)


@pytest.mark.filterwarnings("error")
def test_scores_and_their_summary_by_hand():
    # Case 0: lung off by one column, heart missed. Case 1: lung right, heart in neither.
    labels, predictions = np.zeros((2, 2, 3, 4), np.uint8)
    labels[0, 0, 0], predictions[0, 0, 1], labels[0, 2, 3] = 1, 1, 2
    labels[1, 1, 1] = predictions[1, 1, 1] = 1

    pixels = score_surfaces(labels, predictions, num_classes=4)
    summary = pixels.summarize(["lung", "heart", "liver"])

    np.testing.assert_array_equal(pixels.hd95, [[1, 5, np.nan], [0, np.nan, np.nan]])
    np.testing.assert_array_equal(pixels.assd, pixels.hd95)
    assert summary == {
        "mean_hd95_organs": (0.5 + 5) / 2,
        "mean_assd_organs": (0.5 + 5) / 2,
        "hd95": {"lung": 0.5, "heart": 5, "liver": None},
        "assd": {"lung": 0.5, "heart": 5, "liver": None},
    }
    json.dumps(summary, allow_nan=False)


@pytest.mark.filterwarnings("error")
def test_scores_in_millimetres_know_each_cases_pixels():
    labels, predictions = np.zeros((2, 3, 3, 4), np.uint8)
    labels[:, 0, 0] = predictions[:, 0, 2] = 1

    scores = score_surfaces(
        labels, predictions, 2, np.array([[1.0, 0.5], [9.0, 0.25], [np.nan, np.nan]])
    )

    np.testing.assert_array_equal(scores.hd95, [[1], [0.5], [np.nan]])
    np.testing.assert_array_equal(scores.assd, [[1], [0.5], [np.nan]])


def test_summary_tells_hd95_from_assd():
    labels, predictions = np.zeros((2, 1, 1, 30), np.uint8)
    labels[0, 0, 0], predictions[0, 0, :21] = 1, 1
    summary = score_surfaces(labels, predictions, 2).summarize(["lung"])
    assert summary["hd95"]["lung"] == summary["mean_hd95_organs"] == 19
    assert summary["assd"]["lung"] == summary["mean_assd_organs"] == pytest.approx(210 / 22)
