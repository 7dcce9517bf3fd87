"""The page in a headless browser: its pictures are shown, and nothing is complained of."""

import pytest

from darts_adv_tf.reproduction.report import FailedRun, write_report
from tests.reproduction.report.browser import NAMES, Browser, find_browser
from tests.reproduction.results import make_results

BROKEN = """<!DOCTYPE html><meta http-equiv="Content-Security-Policy"
content="default-src 'none'; img-src data:"><img src="data:image/png;base64,AAAA">
<img src="http://127.0.0.1:9/a.png"><script>1</script>"""
SHOWN = """[...document.images].map(image =>
    [image.complete, image.naturalWidth, image.naturalHeight, image.alt])"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    executable = find_browser()
    if executable is None:
        pytest.skip(f"none of {', '.join(NAMES)} is on the PATH: apt-get install chromium")
    with Browser(executable, tmp_path_factory.mktemp("profile")) as browser:
        yield browser


def test_every_picture_is_shown_and_the_console_is_silent(browser, tmp_path):
    runs = make_results(tmp_path / "runs", ("unet", "a<b>:$c"), ("none", "resnet10", "nas"))
    failed = [FailedRun("unet/seed_2/nas", "The loss is nan.", "log.txt")]
    path = write_report(tmp_path, runs, failed, {"dataset": "cx_seg"}, 18)
    browser.open(path.as_uri())
    # Pictures in folded parts of the page are there too.
    shown = browser.evaluate(SHOWN)
    assert len(shown) == path.read_text(encoding="utf-8").count("<img ")
    assert len(shown) >= 2 * (3 + 2 * 2 + 3)
    for complete, width, height, alternative in shown:
        assert complete and width > 0 and height > 0, alternative
    assert browser.errors == []
    assert "12 of 18 runs finished, 1 failed." in browser.evaluate("document.body.innerText")

    for width in (1400, 800, 380):
        browser.resize(width)
        # Wide tables scroll in their places, and the page does not.
        assert browser.evaluate("document.documentElement.scrollWidth") == width


def test_a_broken_page_would_be_noticed(browser, tmp_path):
    path = tmp_path / "broken.html"
    path.write_text(BROKEN, encoding="utf-8")
    browser.open(path.as_uri())
    assert [width for _, width, _, _ in browser.evaluate(SHOWN)] == [0, 0]
    assert any("script" in error for error in browser.errors)
    assert any("a.png" in error for error in browser.errors)
