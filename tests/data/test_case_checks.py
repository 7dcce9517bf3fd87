"""Each fault of a case is found where it is, and only there.

Masks are hand-made rectangles at the places of organs on a radiograph, 64x64 pixels.
"""

import numpy as np
import pytest

from darts_adv_tf.data import chest
from darts_adv_tf.data.case_checks import check_image, check_masks, check_prepared, check_sizes
from darts_adv_tf.data.collection import Case, Collection
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.sources.phantom import make_phantoms
from darts_adv_tf.system.errors import DataError

NAMES = (*chest.ORGANS, "left_clavicle", "right_clavicle")
# Rows from and to, columns from and to. The patient's left is on the right.
PLACES = {
    "left_lung": (10, 46, 38, 54),
    "right_lung": (10, 46, 10, 28),
    "heart": (34, 50, 29, 48),
    "left_clavicle": (4, 8, 36, 56),
    "right_clavicle": (4, 8, 8, 28),
}
CASE = Case("one", "one", lambda: None)


def make_masks(organs, **changed):
    masks = np.zeros((len(organs), 64, 64), bool)
    for mask, organ in zip(masks, organs, strict=True):
        top, bottom, left, right = (PLACES | changed)[organ]
        mask[top:bottom, left:right] = True
    return masks


def collection(organs, has_whole_organs=True, priority=()):
    return Collection("test", ("background", *organs), (CASE,), priority, has_whole_organs)


def kinds(masks, organs, **options):
    _, issues = check_masks(masks, CASE, collection(organs, **options))
    assert all(issue.case == "one" for issue in issues)
    return {issue.kind: issue for issue in issues}


@pytest.fixture
def seams():
    """The five organs, the heart beside the lung and not over it."""
    return make_masks(NAMES, heart=(34, 50, 29, 38))


@pytest.mark.parametrize("domain", ["uniform", "mixed"])
def test_eighty_clean_phantoms_have_no_issue(domain):
    phantoms = make_phantoms(64, 80, 0, domain)
    for case in phantoms.cases:
        decoded, masks = case.read()
        check_sizes(decoded, masks, case)
        assert check_image(decoded, case) == []
        checked, issues = check_masks(masks, case, phantoms)
        assert issues == []
        np.testing.assert_array_equal(checked, masks)


def test_masks_of_another_size_are_refused_with_both_sizes():
    decoded = DecodedImage(np.zeros((64, 48, 1), np.uint8), 255.0)
    check_sizes(decoded, np.zeros((2, 64, 48), bool), CASE)
    with pytest.raises(DataError) as caught:
        check_sizes(decoded, np.zeros((2, 48, 64), bool), CASE)
    assert "mask 64x48, image 48x64" in str(caught.value.received)


@pytest.mark.parametrize(
    ("deviation", "found"), [(0, {"constant": True}), (4, {"low_contrast": False}), (6, {})]
)
@pytest.mark.parametrize(("dtype", "maximum"), [(np.uint8, 255.0), (np.uint16, 65535.0)])
def test_contrast_is_measured_against_white(deviation, found, dtype, maximum):
    # Half the pixels lie as far above the mean as the other half below; the limit is 5.1 of 255.
    pixels = np.full((8, 8, 1), 100 - deviation)
    pixels[::2] = 100 + deviation
    decoded = DecodedImage((pixels * (maximum // 255)).astype(dtype), maximum)
    issues = check_image(decoded, CASE)
    assert {issue.kind: issue.is_fatal for issue in issues} == found


def test_without_a_maximum_the_largest_intensity_stands_for_white():
    pixels = np.full((8, 8, 1), 1000, np.float32)
    pixels[::2] = 1030
    (issue,) = check_image(DecodedImage(pixels), CASE)
    assert issue.kind == "low_contrast" and "1030 being white" in issue.message
    pixels[::2] = 1100
    assert check_image(DecodedImage(pixels), CASE) == []


@pytest.mark.parametrize(("is_whole", "is_fatal"), [(True, True), (False, False)])
def test_masks_without_a_pixel_are_fatal_where_each_case_has_organs(is_whole, is_fatal):
    empty = np.zeros((3, 64, 64), bool)
    found = kinds(empty, chest.ORGANS, has_whole_organs=is_whole)
    assert list(found) == ["all_background"]
    assert found["all_background"].is_fatal == is_fatal


def test_an_empty_mask_is_named_and_fatal(seams):
    seams[2] = False
    found = kinds(seams, NAMES)
    assert list(found) == ["empty_mask"]
    assert found["empty_mask"].is_fatal and "heart" in found["empty_mask"].message
    assert kinds(seams, NAMES, has_whole_organs=False) == {}


def test_pixels_outside_an_organ_are_counted(seams):
    seams[0, 60, 60:63] = True
    found = kinds(seams, NAMES)
    assert list(found) == ["stray"]
    assert found["stray"].message == "left_lung is in 2 parts, 3 pixels outside the largest"
    assert not found["stray"].is_fatal


def test_a_stray_pixel_of_a_large_organ_is_passed_over():
    # 1 of 1600 pixels lies below the threshold of 0.002.
    masks = np.zeros((1, 64, 64), bool)
    masks[0, :40, :40] = masks[0, 50, 50] = True
    assert kinds(masks, ("liver",)) == {}
    masks[0, 50, 52:55] = True
    assert list(kinds(masks, ("liver",))) == ["stray"]


def test_organs_in_parts_are_no_fault_of_other_data_sets(seams):
    seams[0, 60, 60:63] = True
    assert kinds(seams, NAMES, has_whole_organs=False) == {}


def test_an_overlap_is_told_with_its_size_and_who_got_it():
    # The heart of 16 x 19 pixels shares 12 x 10 with the lung.
    found = kinds(make_masks(NAMES), NAMES, priority=("heart",))
    assert list(found) == ["overlap"]
    assert found["overlap"].message == (
        "120 pixels in more than one mask (39% of heart), given to heart over left_lung"
    )
    told = kinds(make_masks(NAMES), NAMES, priority=("left_lung",))["overlap"].message
    assert told.endswith("given to left_lung over heart")


def test_a_seam_between_two_masks_is_passed_over():
    # 10 of the heart's 210 pixels are too many, 2 are not.
    masks = make_masks(("left_lung", "heart"), heart=(34, 44, 18, 39))
    assert np.count_nonzero(masks.all(axis=0)) == 10
    assert list(kinds(masks, ("left_lung", "heart"))) == ["overlap"]
    masks[:, 36:46] &= ~masks.all(axis=0)[36:46]
    assert kinds(masks, ("left_lung", "heart")) == {}


def exchange(masks, one, other):
    order = list(range(len(masks)))
    order[one], order[other] = other, one
    return masks[order]


@pytest.mark.parametrize("organs", [chest.ORGANS, chest.ORGANS[::-1]])
@pytest.mark.parametrize("lung", ["left_lung", "right_lung"])
def test_an_exchanged_heart_is_put_right_in_any_order_of_the_classes(lung, organs):
    _, masks = make_phantoms(64, 1, 0, "uniform").cases[0].read()
    masks = masks[[chest.ORGANS.index(organ) for organ in organs]]
    wrong = exchange(masks, organs.index(lung), organs.index("heart"))
    mended, issues = check_masks(wrong, CASE, collection(organs))
    assert [issue.kind for issue in issues] == ["swapped"]
    assert lung in issues[0].message and not issues[0].is_fatal
    np.testing.assert_array_equal(mended, masks)


def test_an_exchanged_heart_is_found_among_more_organs(seams):
    _, masks = make_phantoms(64, 1, 0, "uniform").cases[0].read()
    masks = np.concatenate([masks, seams[3:]])
    wrong = exchange(masks, 0, 2)
    before = wrong.copy()
    mended, issues = check_masks(wrong, CASE, collection(NAMES))
    assert "swapped" in [issue.kind for issue in issues]
    np.testing.assert_array_equal(mended, masks)
    # What was given is the caller's.
    np.testing.assert_array_equal(wrong, before)


@pytest.mark.parametrize("organs", [chest.ORGANS, NAMES, NAMES[:2], NAMES[3:], NAMES[::-1]])
def test_left_and_right_exchanged_are_told_by_position(organs):
    _, masks = make_phantoms(64, 1, 0, "uniform").cases[0].read()
    by_name = dict(zip(chest.ORGANS, masks, strict=True))
    by_name |= dict(zip(NAMES[3:], make_masks(NAMES[3:]), strict=True))
    right = np.array([by_name[organ] for organ in organs])
    wrong = right[:, :, ::-1].copy()
    assert "mirrored" not in kinds(right, organs)
    mended, issues = check_masks(wrong, CASE, collection(organs))
    (found,) = [issue for issue in issues if issue.kind == "mirrored"]
    assert all(organ in found.message for organ in organs if organ.startswith("left_"))
    np.testing.assert_array_equal(mended, wrong)


def test_no_side_is_asked_for_where_images_are_no_radiographs():
    masks = make_masks(("left_kidney", "right_kidney"), left_kidney=(9, 20, 5, 15),
                       right_kidney=(9, 20, 40, 55))  # fmt: skip
    organs = ("left_kidney", "right_kidney")
    assert kinds(masks, organs, has_whole_organs=False) == {}
    assert list(kinds(masks, organs)) == ["mirrored"]


def test_what_preparing_loses_is_told():
    image = np.linspace(0, 1, 16, dtype=np.float32).reshape(4, 4, 1)
    labels = np.array([[0, 1], [1, 2]], np.uint8)
    organs = {1: "lung", 2: "heart"}
    assert check_prepared(image, labels, [], CASE, organs) == []
    (constant,) = check_prepared(np.ones_like(image), labels, [], CASE, organs)
    assert constant.kind == "constant" and constant.is_fatal
    labels[1, 1] = 0
    (vanished,) = check_prepared(image, labels, [], CASE, organs)
    assert vanished.kind == "vanished" and not vanished.is_fatal
    assert vanished.message == "no pixel of heart is left at 2x2"
    assert check_prepared(image, labels, [], CASE, {1: "lung"}) == []


def test_what_is_known_of_the_stored_case_is_not_told_again():
    image, labels = np.zeros((4, 4, 1), np.float32), np.zeros((4, 4), np.uint8)
    (constant,) = check_image(DecodedImage(np.zeros((4, 4, 1), np.uint8), 255.0), CASE)
    _, empty = check_masks(np.zeros((3, 4, 4), bool), CASE, collection(chest.ORGANS))
    known = [constant, *empty]
    assert check_prepared(image, labels, known, CASE, {1: "left_lung"}) == []
