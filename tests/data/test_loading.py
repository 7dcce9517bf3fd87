import dataclasses
import threading
from pathlib import Path

import numpy as np
import pytest

from darts_adv_tf.data import chest, loading
from darts_adv_tf.data.collection import Case, Collection, cases_or_error
from darts_adv_tf.data.data_issue import KINDS
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.loading import load, match_range, read_cases
from darts_adv_tf.data.preparation import Preparation
from darts_adv_tf.data.sources.planes import read_masks
from darts_adv_tf.system.errors import ConfigurationError, DataError
from tests.data.sources.fixtures import write_mask

SIZE = 8
PREPARATION = Preparation(SIZE, None)


def decoded(seed=0, shape=(16, 16, 1), maximum=255, dtype=np.uint8, spacing=None):
    pixels = np.random.default_rng(seed).integers(0, 200, shape).astype(dtype)
    return DecodedImage(pixels, maximum, spacing)


def masks(shape=(16, 16), organs=2):
    made = np.zeros((organs, *shape), bool)
    for index in range(organs):
        made[index, 4 * index : 4 * index + 4, 4:12] = True
    return made


def make_case(name, image=None, organs=None, error=None):
    def read():
        if error is not None:
            raise error
        made = decoded(seed=sum(map(ord, name))) if image is None else image
        return made, masks() if organs is None else organs

    return Case(name, name, read)


def collect(*cases, **changes):
    collection = Collection("test", ("background", "upper", "lower"), cases)
    return dataclasses.replace(collection, **changes)


def test_a_data_set_holds_the_cases_in_order_as_prepared():
    cases = [make_case(name) for name in ("c", "a", "b")]
    seen = []
    data = load(collect(*cases), PREPARATION, lambda *place: seen.append(place))
    assert data.cases == data.patients == ("c", "a", "b")
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert data.preparation == Preparation(SIZE, 255)
    for index, case in enumerate(cases):
        stored, _ = case.read()
        expected = data.preparation.prepare_images(stored.pixels[np.newaxis])[0]
        np.testing.assert_array_equal(data.images[index], expected)
    # Halved: four rows of each organ become two.
    np.testing.assert_array_equal(data.labels[0, :, 4], [1, 1, 2, 2, 0, 0, 0, 0])


def test_cases_are_read_side_by_side_and_not_all_at_once():
    lock, running, most = threading.Lock(), [], []

    def slowly():
        with lock:
            running.append(1)
            most.append(len(running))
        event.wait(0.02)
        with lock:
            running.pop()
        return decoded(), masks()

    event = threading.Event()
    cases = [Case(f"{index}", f"{index}", slowly) for index in range(20)]
    readings = read_cases(collect(*cases), Preparation(SIZE))
    assert next(readings).case.name == "0"
    readings.close()
    assert len(most) < 20
    assert max(most) <= len(loading.os.sched_getaffinity(0))


def test_a_pixel_size_follows_the_resizing():
    wide = decoded(shape=(16, 32, 1), spacing=(0.5, 0.25))
    data = load(collect(make_case("a", wide, masks((16, 32)))), PREPARATION)
    np.testing.assert_array_equal(data.pixel_sizes, [[1.0, 1.0]])


def test_a_deeper_image_is_brought_to_the_range_of_the_first():
    deep = DecodedImage(decoded().pixels.astype(np.uint16) * 257, 65535)
    data = load(collect(make_case("a", decoded()), make_case("b", deep)), PREPARATION)
    np.testing.assert_allclose(data.images[1], data.images[0], rtol=1e-6)
    pixels = match_range(deep, 255)
    np.testing.assert_allclose(pixels, decoded().pixels, rtol=1e-6)
    assert pixels.dtype == np.float32


def test_intensities_without_bounds_need_a_normalization():
    unbounded = decoded(maximum=None, dtype=np.float32)
    collection = collect(dataclasses.replace(make_case("a", unbounded), files=("a.nii",)))
    with pytest.raises(ConfigurationError, match="--normalization=range") as caught:
        load(collection, PREPARATION)
    assert "percentile" in caught.value.remedy
    percentile = dataclasses.replace(PREPARATION, normalization="percentile")
    assert load(collection, percentile).preparation.intensity_maximum is None


def test_cases_that_do_not_fit_into_memory_are_refused_at_once():
    cases = [make_case(f"{index}") for index in range(100)]
    with pytest.raises(ConfigurationError, match="GiB of memory"):
        load(collect(*cases), Preparation(100_000, None))


def test_a_collection_without_a_case_is_refused():
    with pytest.raises(DataError, match="no case of test"):
        load(collect(), PREPARATION)


BROKEN = DataError("A file can be read.", received="damaged", file="broken.png")
FAULTY = {
    "unreadable": make_case("x", error=BROKEN),
    "size_mismatch": make_case("x", organs=masks((16, 15))),
    "channels": make_case("x", decoded(shape=(16, 16, 3))),
    "range": make_case("x", decoded(maximum=None, dtype=np.float32)),
    "constant": make_case("x", DecodedImage(np.full((16, 16, 1), 9, np.uint8), 255)),
}


@pytest.mark.parametrize("kind", FAULTY)
def test_a_case_that_cannot_be_used_is_named(kind):
    collection = collect(make_case("a"), FAULTY[kind], make_case("b"))
    with pytest.raises(DataError) as caught:
        load(collection, PREPARATION)
    assert caught.value.exit_status == 3
    (reading,) = [
        reading
        for reading in loading.match_channels(list(read_cases(collection, Preparation(SIZE))))
        if any(issue.is_fatal for issue in reading.issues)
    ]
    (issue,) = reading.issues
    assert (issue.case, issue.kind) == ("x", kind)
    assert kind in KINDS


def test_one_broken_file_is_told_as_its_decoder_does():
    with pytest.raises(DataError) as caught:
        load(collect(make_case("a"), FAULTY["unreadable"]), PREPARATION)
    assert caught.value is BROKEN


def test_of_many_broken_files_the_first_are_named_and_all_counted():
    broken = [make_case(f"x{index}", error=BROKEN) for index in range(7)]
    with pytest.raises(DataError) as caught:
        load(collect(make_case("a"), *broken), PREPARATION)
    received = caught.value.received
    assert "7 of 8 cases" in received and "x0: " in received and "x4: " in received
    assert "x5" not in received and "and 2 more" in received
    assert "verify" in caught.value.remedy


def known_to_be_broken(name):
    def make():
        raise BROKEN

    (case,) = cases_or_error(name, make)
    return case


def test_cases_that_are_known_to_be_broken_are_refused_before_any_is_read():
    def read():
        raise AssertionError("read in vain")

    others = [Case(f"{index}", f"{index}", read) for index in range(3)]
    with pytest.raises(DataError) as caught:
        load(collect(*others, known_to_be_broken("x")), PREPARATION)
    assert caught.value is BROKEN
    broken = [known_to_be_broken(f"x{index}") for index in range(7)]
    with pytest.raises(DataError) as caught:
        load(collect(*others, *broken), PREPARATION)
    received = caught.value.received
    assert "7 of 10 cases" in received and "x0: " in received and "and 2 more" in received
    assert caught.value.file == Path("broken.png")


def test_a_case_that_is_known_to_be_broken_stays_so_whatever_is_chosen():
    collection = collect(known_to_be_broken("x"), make_case("a")).with_patients({"x": "p"})
    case, _ = collection.with_classes(["lower"]).cases
    assert (case.name, case.patient, case.error) == ("x", "p", BROKEN)
    with pytest.raises(DataError) as caught:
        case.read()
    assert caught.value is BROKEN


def test_what_is_made_is_no_broken_case():
    cases = [make_case("a"), make_case("b")]
    assert cases_or_error("x", lambda *made: made, *cases) == tuple(cases)
    with pytest.raises(ConfigurationError):
        cases_or_error("x", collect(*cases).with_classes, ["heart"])


def test_masks_of_two_sizes_are_no_unreadable_file(tmp_path):
    for name, size in (("upper", 16), ("lower", 15)):
        write_mask(tmp_path / f"{name}.png", np.eye(size, dtype=bool))
    paths = [tmp_path / "upper.png", tmp_path / "lower.png"]
    case = Case("x", "x", lambda: (decoded(), read_masks(paths, plane=0)))
    (reading,) = read_cases(collect(case), Preparation(SIZE, 255))
    (issue,) = reading.issues
    assert (issue.kind, issue.is_fatal) == ("size_mismatch", True)
    assert "15x15, expected 16x16" in issue.message and "lower.png" in issue.message


def test_what_preparing_loses_is_heeded():
    windowed = Preparation(SIZE, None, normalization="window", window=(250.0, 255.0))
    with pytest.raises(DataError, match="x: every pixel is 0 once prepared"):
        load(collect(make_case("x", decoded())), windowed)
    tiny = masks()
    tiny[1] = False
    tiny[1, 12, 12] = True
    case = make_case("x", organs=tiny)
    for is_whole in (True, False):
        (issue,) = load(collect(case, has_whole_organs=is_whole), PREPARATION).issues
        assert (issue.kind, issue.message) == ("vanished", "no pixel of lower is left at 8x8")
    # A class that the case never had has not vanished.
    tiny[1] = False
    assert load(collect(case), PREPARATION).issues == ()


def test_a_file_that_is_broken_at_the_beginning_does_not_hide_the_others():
    constant = dataclasses.replace(FAULTY["constant"], name="y")
    with pytest.raises(DataError, match="2 of 3 cases"):
        load(collect(FAULTY["unreadable"], make_case("a"), constant), PREPARATION)


def test_two_cases_of_one_name_are_refused():
    with pytest.raises(DataError, match="a for a second time"):
        collect(make_case("a"), make_case("b"), make_case("a"))


def test_classes_that_are_not_chosen_become_background():
    collection = collect(make_case("a"), priority=("upper", "lower")).with_classes(["lower"])
    assert collection.class_names == ("background", "lower")
    data = load(collection, PREPARATION)
    np.testing.assert_array_equal(data.labels[0, :, 4], [0, 0, 1, 1, 0, 0, 0, 0])


@pytest.mark.parametrize("chosen", [["heart"], ["upper", "upper"], ["background"]])
def test_classes_that_are_not_there_are_refused(chosen):
    with pytest.raises(ConfigurationError, match="Choose from upper, lower"):
        collect(make_case("a")).with_classes(chosen)


def test_organs_without_a_stated_priority_go_later_over_earlier():
    names = ("background", "a", "b", "c", "d")
    collection = Collection("test", names, (), priority=("b",))
    assert collection.class_priority == (2, 4, 3, 1)
    assert Collection("chest", chest.CLASS_NAMES, (), chest.PRIORITY).class_priority == (3, 1, 2)


def test_some_cases_alone_keep_their_order_folds_and_patients():
    cases = [make_case(name) for name in "dabc"]
    collection = collect(*cases, folds=("1", "2", "1", "2"))
    some = collection.only({"c", "a"}).with_patients({"a": "p"})
    assert [case.name for case in some.cases] == ["a", "c"]
    assert [case.patient for case in some.cases] == ["p", "c"]
    assert some.folds == ("2", "2")


def with_channels(name, num_channels):
    return make_case(name, decoded(seed=ord(name), shape=(16, 16, num_channels)))


@pytest.mark.parametrize(
    ("channels", "common", "refused", "grey"),
    [
        ((1, 3, 3, 3), 3, [], ["a"]),
        ((3, 3, 3, 1), 3, [], ["d"]),
        ((3, 1, 1, 3), 3, [], ["b", "c"]),
        ((3, 1, 1, 1), 1, ["a"], []),
        ((1, 1, 1, 3), 1, ["d"], []),
        ((2, 1, 1, 1), 1, ["a"], []),
        ((2, 2, 1, 2), 2, ["c"], []),
        ((4, 3, 3, 1), 3, ["a"], ["d"]),
    ],
)
def test_channels_are_those_of_most_images_in_any_order(channels, common, refused, grey):
    cases = [with_channels(name, number) for name, number in zip("abcd", channels, strict=True)]
    before = list(read_cases(collect(*cases), Preparation(SIZE)))
    after = loading.match_channels(before)
    assert [reading.case.name for reading in after if reading.image is None] == refused
    for old, new in zip(before, after, strict=True):
        if new.image is not None:
            assert new.image.shape[-1] == common
            # A grey image has its values in each channel.
            np.testing.assert_array_equal(new.image, np.broadcast_to(old.image, new.image.shape))
    told = [reading.case.name for reading in after if reading.remarks]
    assert told == grey
    messages = [issue.message for reading in after for issue in reading.issues]
    most = channels.count(common)
    assert messages == [
        f"{channels['abcd'.index(name)]} channel(s), where most images have {common} ({most} of 4)"
        for name in refused
    ]


def test_a_remark_is_told_once_however_many_cases_it_is_true_of():
    remarked = [
        make_case(name, dataclasses.replace(decoded(ord(name)), remarks=remarks))
        for name, remarks in (("a", ()), ("b", ("one",)), ("c", ("two", "one")), ("d", ("one",)))
    ]
    issues = load(collect(*remarked), PREPARATION).issues
    assert [(issue.case, issue.kind, issue.message, issue.is_fatal) for issue in issues] == [
        ("b", "interpreted", "one, as in 2 more", False),
        ("c", "interpreted", "two", False),
    ]


@pytest.mark.parametrize(
    ("remarks", "shape", "received", "remedy"),
    [
        ((), (8, 16), "mask 16x8, image 8x16 (width x height)", "exchanged"),
        (
            ("turned by 90 degrees as the EXIF orientation 6 says",),
            (8, 16),
            "; the image was turned by 90 degrees as the EXIF orientation 6 says",
            "remove the orientation",
        ),
        ((), (8, 8), "mask 8x8", "Resize"),
    ],
)
def test_a_mask_of_another_size_has_the_remedy_of_its_cause(remarks, shape, received, remedy):
    image = dataclasses.replace(decoded(shape=(16, 8, 1)), remarks=remarks)
    with pytest.raises(DataError) as caught:
        load(collect(make_case("x", image, masks(shape))), PREPARATION)
    assert received in caught.value.received and remedy in caught.value.remedy
