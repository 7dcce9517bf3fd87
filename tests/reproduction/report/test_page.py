"""The page as HTML: whole, harmless, with pictures that can be decoded."""

import base64
import io
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

from darts_adv_tf.reproduction.report import FailedRun, write_report
from tests.reproduction.report.reading import Page, markdown_tables
from tests.reproduction.results import make_results

HOSTILE = '<script>alert("1")</script>&amp;|`$x_$\x1b[2J\n![](http://a.b/c) **bold**'
ONE_LINE = HOSTILE.replace("\x1b", "\N{REPLACEMENT CHARACTER}").replace("\n", " ")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    runs = make_results(folder / "runs", (HOSTILE, "my_net:build"), ("none", "nas"), (0, 1))
    failed = [FailedRun(HOSTILE, HOSTILE, HOSTILE)]
    write_report(folder, runs, failed, {"dataset": HOSTILE, HOSTILE: HOSTILE}, 9)
    return folder


@pytest.fixture(scope="module")
def page(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_all_elements_are_closed_and_none_comes_from_a_name(page):
    assert not page.open
    tags = {tag for tag, _ in page.elements}
    assert tags.isdisjoint({"script", "iframe", "object", "link", "a:b"})
    assert '<script>alert("1")</script>' in page.text and "\x1b" not in page.text
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") for name in attributes), tag


def test_nothing_comes_from_elsewhere(page):
    (policy,) = [a["content"] for a in page.attributes("meta") if "http-equiv" in a]
    assert "default-src 'none'" in policy and "script" not in policy
    anchors = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    for tag, attributes in page.elements:
        assert attributes.get("src", "data:").startswith("data:"), tag
        assert attributes.get("href", "#table").removeprefix("#") in anchors, tag


def test_each_picture_decodes_to_its_size_and_has_a_text(page):
    pictures = page.attributes("img")
    # For each backbone: curves, discriminators, α, two cells for each of two seeds, two overlays.
    assert len(pictures) == 2 * (3 + 2 * 2 + 2)
    kinds = []
    for attributes in pictures:
        assert attributes["alt"].strip()
        head, content = attributes["src"].split(",")
        kinds.append(head)
        content = base64.b64decode(content, validate=True)
        size = int(attributes["width"]), int(attributes["height"])
        if head == "data:image/svg+xml;base64":
            drawing = ElementTree.fromstring(content)
            assert drawing.tag == "{http://www.w3.org/2000/svg}svg"
            # Points of 1/72 inch, where the page counts 1/96.
            points = [float(drawing.attrib[side][:-2]) for side in ("width", "height")]
            assert [96 / 72 * side for side in points] == pytest.approx(size, abs=1)
        else:
            image = Image.open(io.BytesIO(content))
            assert image.size == size and head == f"data:image/{image.format.lower()};base64"
            assert len(set(image.convert("L").tobytes())) > 5, "an empty picture"
    assert len(set(kinds)) == 3


def test_every_heading_of_a_table_tells_what_it_heads(page):
    headings = page.attributes("th")
    assert headings and all(each.get("scope") in ("col", "row") for each in headings)
    widths = {caption: {len(row) for row in rows} for caption, rows in page.tables.items()}
    assert all(len(each) == 1 for each in widths.values()), widths


def test_a_verdict_is_told_by_a_sign_and_a_word_too(page):
    badges = [attributes for attributes in page.attributes("b") if "badge" in attributes["class"]]
    assert len(badges) == 6 * 2
    for row in page.tables[""][1:]:
        assert all(cell.lstrip()[0] in "✓✗?–" for cell in row[1:])


def test_markdown_obeys_no_name(folder):
    text = (folder / "report.md").read_text(encoding="utf-8")
    before_settings = text[: text.index("## Settings")]
    assert "<script" not in before_settings and "![" not in before_settings
    assert "**bold**" not in before_settings and "\x1b" not in text
    (failure,) = markdown_tables(text)["Runs that failed."][1:]
    assert failure == [ONE_LINE] * 3
    settings_and_notes = text[text.index("## Settings") : text.index("## Glossary")].strip()
    notes, *settings = settings_and_notes.splitlines()[2:]
    assert notes == "Versions: darts\\_adv\\_tf 0.1.0, tensorflow 2.21.0." and settings.pop(0) == ""
    # Indented code: its signs are shown as they are.
    assert settings == [f"    --dataset={ONE_LINE}", f"    --{ONE_LINE}={ONE_LINE}"]
