"""The page of the verify command, read by a parser of its own."""

import base64
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from darts_adv_tf.data.collection import Case, Collection
from darts_adv_tf.data.data_issue import KINDS, DataIssue, worst_first
from darts_adv_tf.data.inspection import Inspection, Range
from darts_adv_tf.data.loading import Reading
from darts_adv_tf.pages.rendering import Figure, embed_jpeg
from darts_adv_tf.pages.verification_page import verification_page
from darts_adv_tf.plots.verification_images import LONGEST_SIDE, draw_prepared, draw_stored
from darts_adv_tf.terminal.verification_table import NUM_SHOWN, inspection_table

HOSTILE = '<script>alert("1")</script>&amp;\x1b[2J\n'
CLASS_NAMES = ("background", "lung", "<b>heart")


class Page(HTMLParser):
    """Collects elements, what the page refers to, and the rows of the table of cases."""

    VOID = frozenset({"meta", "img"})

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.rows = [], [], []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append((tag, dict(attributes)))
        if tag == "tr" and ("table", {"class": "cases"}) in self.open:
            self.rows.append("")

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        if any(tag == "style" for tag, _ in self.open):
            return
        self.text += data
        if self.open and self.open[-1] == ("th", {"scope": "row"}) and self.rows:
            self.rows[-1] += data

    def attributes(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def make(issues, num_cases=3):
    cases = tuple(Case(f"case{index}", "p", lambda: None) for index in range(num_cases))
    return Inspection(
        collection=Collection("test", CLASS_NAMES, cases),
        issues=worst_first(issues),
        readings={
            case.name: Reading(case, np.zeros((4, 4, 1)), np.zeros((4, 4)), (1, 1), ())
            for case in cases
        },
        class_shares={"background": 0.5, "lung": 0.375, "<b>heart": 0.125},
        stored={
            "height": Range(512, 512),
            "width": Range(400, 1024),
            "channels": Range(1, 1),
            "intensity_maximum": Range(255, 4095),
        },
        parts={"train": 1, "val": 1, "test": 1},
    )


ISSUES = (
    DataIssue("case1", "stray", "one part too many"),
    DataIssue("case1", "overlap", "two claim it"),
    DataIssue("case0", "unreadable", "half a file", is_fatal=True),
    DataIssue(HOSTILE, "stray", HOSTILE),
    DataIssue("", "split", "nothing is left", is_fatal=True),
)


@pytest.fixture(scope="module")
def page():
    image = embed_jpeg(np.full((20, 30, 3), 90, np.uint8), HOSTILE)
    figures = {case: [Figure(image, HOSTILE)] for case in ("case0", HOSTILE)}
    return Page(verification_page(make(ISSUES), {"data_dir": HOSTILE}, figures))


def test_every_flagged_case_has_one_row_the_worst_first(page):
    one_line = '<script>alert("1")</script>&amp;\N{REPLACEMENT CHARACTER}[2J'
    assert page.rows == ["the whole data set", "case0", "case1", one_line]
    assert not page.open
    for issue in ISSUES[:3]:
        assert page.text.count(issue.message) == 1


def test_names_are_text_and_never_elements(page):
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"script", "b", "link", "iframe", "object"})
    assert '<script>alert("1")</script>' in page.text
    assert "\x1b" not in page.text
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes), tag


def test_nothing_comes_from_elsewhere(page):
    for tag, attributes in page.elements:
        assert "href" not in attributes, tag
        assert attributes.get("src", "data:").startswith("data:"), tag
    (policy,) = [a["content"] for a in page.attributes("meta") if "http-equiv" in a]
    assert "default-src 'none'" in policy


def test_each_image_can_be_decoded(page):
    images = page.attributes("img")
    assert len(images) == 2
    for attributes in images:
        kind, content = attributes["src"].split(",")
        assert kind == "data:image/jpeg;base64"
        decoded = cv2.imdecode(
            np.frombuffer(base64.b64decode(content, validate=True), np.uint8), cv2.IMREAD_COLOR
        )
        assert decoded.shape == (20, 30, 3)
        np.testing.assert_allclose(decoded, 90, atol=2)


def test_the_summary_and_the_kinds_stand_above_the_cases(page):
    before = page.text[: page.text.index("the worst first")]
    for text in ("3 of test", "1 train, 1 val, 1 test", "background 50.0%, lung 37.5%"):
        assert text in before
    assert "400 to 1024 pixels wide, 512 high, 1 channel, intensities up to 255 to 4095" in before
    for kind in ("split", "unreadable", "stray", "overlap"):
        assert KINDS[kind] in before
    assert KINDS["swapped"] not in page.text
    assert "2 fatal issue(s): training cannot start." in before


def test_cases_beyond_those_with_images_say_so():
    text = verification_page(make(ISSUES[:2]), {}, {})
    assert "No images: the page shows" in text and "No fatal issues, 2 warning(s)." in text
    assert "No images: the page shows" not in verification_page(make(ISSUES[:2]), {}, {"case1": []})


def test_a_clean_data_set_has_a_page_too():
    text = verification_page(make(()), {"seed": "0"}, {})
    page = Page(text)
    assert page.rows == [] and "None." in page.text and "--seed=0" in page.text
    assert '<p class="clean"><strong>No issues found.' in text


def test_a_clean_data_set_shows_some_cases_with_their_contours():
    image = embed_jpeg(np.full((20, 30, 3), 90, np.uint8), "case0")
    figures = {case: [Figure(image, case)] for case in ("case0", HOSTILE)}
    page = Page(verification_page(make(()), {}, figures))
    assert not page.open and "Some cases, drawn at random" in page.text
    assert len(page.attributes("img")) == len(page.attributes("figure")) == 2
    assert '<script>alert("1")</script>' in page.text and "\x1b" not in page.text


def test_a_suspected_leak_is_no_good_news():
    leak = DataIssue("case1", "near_duplicate", "as case0", other="case0", crosses_split=True)
    sentence = "Training can start, but 1 near duplicate(s) have one image in training"
    text = verification_page(make((leak, ISSUES[0])), {}, {})
    assert f'<p class="warning"><strong>{sentence}' in text and 'class="clean"' not in text
    assert sentence in inspection_table(make((leak, ISSUES[0])))
    harmless = DataIssue("case1", "near_duplicate", "as case0", other="case0")
    assert '<p class="clean">' in verification_page(make((harmless,)), {}, {})
    fatal = verification_page(make((leak, ISSUES[2])), {}, {})
    assert '<p class="fatal"><strong>1 fatal issue(s): training cannot start.' in fatal


def test_the_table_counts_cases_by_kind_and_shows_the_worst():
    lines = inspection_table(make(ISSUES)).splitlines()
    figures = {line.split()[0]: line.split()[1:3] for line in lines if line[:1].isalpha()}
    assert figures["unreadable"] == ["1", "yes"] and figures["stray"] == ["2", "no"]
    assert lines.index("all of them:") < next(
        number for number, line in enumerate(lines) if line.endswith("case0: half a file")
    )
    assert "\x1b" not in "".join(lines)
    assert [line.split()[:2] for line in lines[-5:-3]] == [
        ["fatal", "split"],
        ["fatal", "unreadable"],
    ]


def test_the_table_ends_after_the_worst():
    many = [DataIssue(f"case{n:02}", "stray", "parts") for n in range(NUM_SHOWN + 3)]
    lines = inspection_table(make(many)).splitlines()
    assert "and 3 more, see the report" in lines and "the worst:" in lines
    assert sum(line.startswith("warning") for line in lines) == NUM_SHOWN


def test_a_clean_data_set_has_a_short_table():
    assert inspection_table(make(())).splitlines()[-1].split() == ["issues", "none"]


@pytest.mark.parametrize("shape", [(512, 256, 1), (8, 8, 3), (1, 900, 1)])
def test_images_have_one_length_and_the_image_s_form(shape):
    image = np.random.default_rng(0).random(shape)
    drawn = draw_stored(image, np.zeros((2, *shape[:2]), bool), 3)
    assert max(drawn.shape[:2]) == LONGEST_SIDE
    assert drawn.shape[0] == max(1, round(LONGEST_SIDE * shape[0] / max(shape[:2])))
    assert (drawn == drawn[:, :, :1]).all()


def test_contours_lie_around_each_mask_even_where_they_overlap():
    masks = np.zeros((2, 96, 96), bool)
    masks[0, 20:60, 20:60] = masks[1, 40:80, 40:80] = True
    drawn = draw_stored(np.zeros((96, 96, 1)), masks, 3).astype(int)
    coloured = np.ptp(drawn, axis=2) > 20
    rows = np.flatnonzero(coloured.any(axis=1))
    assert abs(rows.min() - 60) <= 3 and abs(rows.max() - 240) <= 3
    # The left edge of the second square shows inside the first.
    assert coloured[140, 117:124].any() and not coloured[140, 130:170].any()


def test_masks_of_another_size_are_left_out():
    drawn = draw_stored(np.zeros((9, 9, 1)), np.ones((2, 5, 5), bool), 3)
    assert (drawn == 0).all()


def test_labels_are_drawn_as_their_masks_are():
    labels = np.zeros((32, 32), np.uint8)
    labels[4:20, 4:20] = 2
    image = np.random.default_rng(0).random((32, 32, 1))
    masks = np.stack([labels == 1, labels == 2])
    np.testing.assert_array_equal(draw_prepared(image, labels, 3), draw_stored(image, masks, 3))
