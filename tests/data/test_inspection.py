"""A whole data set is read to its end, whatever is wrong with it."""

import dataclasses

import numpy as np
import pytest

from darts_adv_tf.data.collection import cases_or_error
from darts_adv_tf.data.data_issue import KINDS, DataIssue, worst_first
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.inspection import inspect
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.sources.phantom import make_phantoms
from darts_adv_tf.data.split import split_at_random
from darts_adv_tf.system.errors import DataError

SIZE = 64
NUM_CASES = 8


def split_of(dataset):
    return split_at_random(dataset.patients, 4, 0)


def inspected(changes=None, split=split_of, **collection_changes):
    """Clean phantoms, of which some cases, by index, are changed before they are inspected."""
    phantoms = make_phantoms(SIZE, NUM_CASES, 0, "uniform")
    cases = list(phantoms.cases)
    for index, change in (changes or {}).items():
        cases[index] = change(cases[index], cases)
    changed = dataclasses.replace(phantoms, **({"cases": tuple(cases)} | collection_changes))
    return inspect(changed, Preparation(SIZE, None), split)


def with_read(alter):
    """A change of what a case's `read` returns."""

    def change(case, _):
        return dataclasses.replace(case, read=lambda: alter(*case.read()))

    return change


def unreadable(case, _):
    def read():
        raise DataError("An image is whole.", received="half of it", file="one.png")

    return dataclasses.replace(case, read=read)


def known_to_be_broken(case, _):
    def make():
        raise DataError("A mask is there.", received="no mask", file="one.png")

    (broken,) = cases_or_error(case.name, make)
    return broken


def copy_of(index, alter=lambda decoded: decoded):
    def change(case, cases):
        def read():
            decoded, masks = cases[index].read()
            return alter(decoded), masks

        return dataclasses.replace(case, read=read)

    return change


def darker(decoded):
    return dataclasses.replace(decoded, pixels=decoded.pixels // 2)


def emptied(masks, *organs):
    masks = masks.copy()
    masks[list(organs)] = False
    return masks


def speck(masks):
    masks = masks.copy()
    masks[0, 0, 0:5] = True
    return masks


def overlapping(masks):
    masks = masks.copy()
    masks[0] |= masks[2]
    return masks


def deep(decoded, masks):
    return DecodedImage(decoded.pixels.astype(np.float32), None), masks


# The change of case 3, the kind that it must lead to, and whether that is fatal.
FAULTS = {
    "unreadable": (unreadable, True),
    "size_mismatch": (with_read(lambda decoded, masks: (decoded, masks[:, 1:])), True),
    "channels": (
        with_read(lambda p, m: (DecodedImage(np.repeat(p.pixels, 3, axis=2), 255.0), m)),
        True,
    ),
    "range": (with_read(deep), True),
    "empty_mask": (with_read(lambda p, m: (p, emptied(m, 2))), True),
    "all_background": (with_read(lambda p, m: (p, emptied(m, 0, 1, 2))), True),
    "constant": (with_read(lambda p, m: (DecodedImage(np.zeros_like(p.pixels), 255.0), m)), True),
    "low_contrast": (with_read(lambda p, m: (DecodedImage(p.pixels // 32, 255.0), m)), False),
    "stray": (with_read(lambda p, m: (p, speck(m))), False),
    "overlap": (with_read(lambda p, m: (p, overlapping(m))), False),
    "swapped": (with_read(lambda p, m: (p, m[[2, 1, 0]])), False),
    "mirrored": (with_read(lambda p, m: (p, m[[1, 0, 2]])), False),
    "unusual": (with_read(lambda p, m: (p, m.transpose(0, 2, 1).copy())), False),
    "near_duplicate": (copy_of(0, darker), False),
}


def test_clean_phantoms_have_no_issue_and_are_summed_up():
    inspection = inspected()
    assert inspection.issues == ()
    assert inspection.num_usable == NUM_CASES
    assert inspection.parts == {"train": 2, "val": 2, "test": 4}
    assert {name: (each.lowest, each.highest) for name, each in inspection.stored.items()} == {
        "height": (64, 64),
        "width": (64, 64),
        "channels": (1, 1),
        "intensity_maximum": (255, 255),
    }
    pixels = np.zeros(4)
    for case in make_phantoms(SIZE, NUM_CASES, 0, "uniform").cases:
        areas = case.read()[1].sum(axis=(1, 2))
        pixels += [SIZE**2 - areas.sum(), *areas]
    assert list(inspection.class_shares) == ["background", "left_lung", "right_lung", "heart"]
    np.testing.assert_allclose(
        list(inspection.class_shares.values()), pixels / pixels.sum(), atol=1e-9
    )


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_found_in_its_case_and_nowhere_else(kind):
    change, is_fatal = FAULTS[kind]
    inspection = inspected({3: change})
    assert {(f.case, f.kind, f.is_fatal) for f in inspection.issues} == {
        ("phantom_0003", kind, is_fatal)
    }
    assert bool(inspection.fatal_issues) == is_fatal


@pytest.mark.parametrize(("test_cases", "is_fatal"), [({3}, True), ({0, 3}, False), ({5}, False)])
def test_an_equal_image_is_fatal_across_the_split(test_cases, is_fatal):
    def split(dataset):
        others = [index for index in range(NUM_CASES) if index not in test_cases]
        parts = split_at_random(dataset.patients, 4, 0)
        return dataclasses.replace(
            parts, train=(others[0],), val=tuple(others[1:]), test=tuple(test_cases)
        )

    (issue,) = inspected({3: copy_of(0)}, split).issues
    assert (issue.case, issue.kind, issue.is_fatal) == ("phantom_0003", "duplicate", is_fatal)


def test_a_patient_on_both_sides_is_found():
    def of_one_patient(case, _):
        return dataclasses.replace(case, patient="p")

    def split(dataset):
        return dataclasses.replace(split_of(dataset), train=(0, 1), val=(2,), test=(3, 4, 5, 6, 7))

    (issue,) = inspected({0: of_one_patient, 3: of_one_patient}, split).issues
    assert (issue.case, issue.kind, issue.is_fatal) == ("phantom_0003", "patient", True)


def test_cases_that_cannot_be_split_are_an_issue_like_others():
    def split(dataset):
        return split_at_random(dataset.patients, 20, 0)

    inspection = inspected({3: FAULTS["stray"][0], 4: copy_of(0)}, split)
    whole, *others = inspection.issues
    assert (whole.case, whole.kind, whole.is_fatal) == ("", "split", True)
    assert "train_cases=20 of 8 cases" in whole.message
    assert sorted(issue.kind for issue in others) == ["duplicate", "stray"]
    assert inspection.parts == {}


def test_where_no_case_can_be_read_each_says_why():
    inspection = inspected(dict.fromkeys(range(NUM_CASES), unreadable))
    assert [issue.kind for issue in inspection.issues] == NUM_CASES * ["unreadable"]
    assert "half of it; one.png" in inspection.issues[0].message
    assert (inspection.num_usable, inspection.class_shares, inspection.stored) == (0, {}, {})


@pytest.mark.parametrize("indices", [(0, 3), range(NUM_CASES)])
def test_cases_that_are_known_to_be_broken_hide_nothing(indices):
    changes = {7: FAULTS["stray"][0]} | dict.fromkeys(indices, known_to_be_broken)
    inspection = inspected(changes, lambda dataset: split_at_random(dataset.patients, 2, 0))
    told = {(f.case, f.kind) for f in inspection.issues}
    expected = {(f"phantom_{index:04}", "unreadable") for index in indices}
    assert told == expected | ({("phantom_0007", "stray")} if 7 not in indices else set())
    assert inspection.num_usable == NUM_CASES - len(indices)
    assert "no mask; one.png" in inspection.issues[0].message


def test_without_a_case_there_is_nothing_to_inspect():
    with pytest.raises(DataError, match="at least one case"):
        inspected(cases=())


def test_what_the_source_found_is_told_too():
    issue = DataIssue("phantom_0001", "unlisted", "a mask without an image, left out")
    assert inspected(issues=(issue,)).issues == (issue,)


def test_issues_are_counted_by_case_and_sorted():
    both = {2: FAULTS["stray"][0], 3: FAULTS["swapped"][0], 5: FAULTS["empty_mask"][0]}
    both[6] = with_read(lambda p, m: (p, speck(m)))
    inspection = inspected(both)
    assert [(f.kind, f.case[-1]) for f in inspection.issues] == [
        ("empty_mask", "5"),
        ("swapped", "3"),
        ("stray", "2"),
        ("stray", "6"),
    ]
    assert inspection.cases_by_kind() == {
        ("empty_mask", True): 1,
        ("swapped", False): 1,
        ("stray", False): 2,
    }
    assert list(inspection.issues_by_case()) == [f"phantom_000{n}" for n in (5, 3, 2, 6)]


def test_two_issues_of_a_kind_in_a_case_are_one_case():
    found = tuple(DataIssue("a", "stray", message) for message in ("one organ", "another"))
    assert inspected(issues=found).cases_by_kind() == {("stray", False): 1}


def test_fatal_issues_come_before_graver_kinds():
    kinds = list(KINDS)
    issues = [DataIssue("b", kind, "") for kind in kinds] + [DataIssue("a", kinds[-1], "", True)]
    assert worst_first(reversed(issues)) == (issues[-1], *issues[:-1])
