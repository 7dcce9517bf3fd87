"""The verify command: what it writes, prints, and ends with."""

import csv
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from darts_adv_tf.cli import config_from_flags
from darts_adv_tf.config import DataConfig
from darts_adv_tf.config.verify import VerifyConfig
from darts_adv_tf.run.verification import verify
from darts_adv_tf.system.errors import ConfigurationError, DataError
from tests.command_line import CommandLine, write_cx_seg

REAL_FOLDER = Path(__file__).parents[3] / "shared" / "data" / "cx_seg"
ON_A_FOLDER = ("--dataset=cx_seg", "--image_size=32", "--train_cases=4")
SWAPPED = "1.2.410.200048.10757.20170517111459"


class CasesOfPage(HTMLParser):
    """Names in the first column of the table of cases, and the number of its pictures."""

    def __init__(self, path):
        super().__init__()
        self.names, self.num_pictures, self._tags = [], 0, []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.num_pictures += tag == "img"
        if tag not in ("img", "meta"):
            self._tags.append(dict(attributes).get("class") if tag == "table" else tag)

    def handle_endtag(self, _):
        self._tags.pop()

    def handle_data(self, data):
        if self._tags[-1:] == ["th"] and "cases" in self._tags:
            self.names.append(data)


def rows_of(folder):
    with open(folder / "findings.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def damage(data_dir, name):
    path = data_dir / "png" / f"{name}.png"
    path.write_bytes(path.read_bytes()[:60])


def shrink(path):
    cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[::2])


def swap(data_dir, name):
    left, heart = (data_dir / "mask" / organ / f"{name}.png" for organ in ("left_lung", "heart"))
    content = left.read_bytes()
    left.write_bytes(heart.read_bytes())
    heart.write_bytes(content)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """Command lines on three folders, by name: clean, with a warning, and broken."""
    folder = tmp_path_factory.mktemp("verify")
    for name, num_cases in (("clean", 6), ("warned", 6), ("broken", 8)):
        write_cx_seg(folder / name, num_cases)
    swap(folder / "warned", "phantom_0002")
    swap(folder / "broken", "phantom_0002")
    damage(folder / "broken", "phantom_0004")
    (folder / "broken" / "mask" / "heart" / "phantom_0001.png").unlink()
    shrink(folder / "broken" / "mask" / "heart" / "phantom_0003.png")
    (folder / "occupied").write_text("a file, in which no folder can be made")
    commands = CommandLine(folder)
    flags = {
        name: (*ON_A_FOLDER, f"--data_dir={name}", f"--workdir=of_{name}")
        for name in ("clean", "warned", "broken")
    }
    flags["unsplit"] = (*flags["warned"][:2], "--data_dir=warned", "--workdir=of_unsplit")
    flags["unwritable"] = (*ON_A_FOLDER, "--data_dir=clean", "--workdir=occupied/report")
    flags["misspelt"] = ("--batch_size=2",)
    started = {name: commands.start("verify", *each) for name, each in flags.items()}
    results = {name: future.result() for name, future in started.items()}
    commands.close()
    return folder, results


def test_a_clean_data_set_ends_with_0_and_no_issue(ended):
    folder, results = ended
    result = results["clean"]
    assert result.returncode == 0, result.stderr
    assert "issues           none" in result.stdout
    assert "6 of cx_seg" in result.stdout and "2 train, 2 val, 2 test" in result.stdout
    assert rows_of(folder / "of_clean") == []
    page = CasesOfPage(folder / "of_clean" / "report.html")
    # Some cases are shown for all that, without a row of the table.
    assert (page.names, page.num_pictures) == ([], 6)
    assert "verify 6/6" in result.stderr


def test_warnings_alone_end_with_0(ended):
    folder, results = ended
    assert results["warned"].returncode == 0, results["warned"].stderr
    (row,) = rows_of(folder / "of_warned")
    assert (row["case"], row["kind"], row["spoils"]) == ("phantom_0002", "swapped", "no")
    page = CasesOfPage(folder / "of_warned" / "report.html")
    assert page.names == ["phantom_0002"] and page.num_pictures == 2


def test_fatal_issues_end_with_3_after_the_whole_report(ended):
    folder, results = ended
    result = results["broken"]
    assert result.returncode == 3
    rows = rows_of(folder / "of_broken")
    found = [(row["case"], row["kind"]) for row in rows]
    assert found == [
        ("phantom_0001", "unreadable"),
        ("phantom_0004", "unreadable"),
        ("phantom_0003", "size_mismatch"),
        ("phantom_0002", "swapped"),
    ]
    missing, _, shrunk, _ = (row["message"] for row in rows)
    assert "no mask of heart" in missing and "heart/phantom_0001.png" in missing
    assert "mask 64x32, image 64x64" in shrunk and "heart/phantom_0003.png" in shrunk
    page = CasesOfPage(folder / "of_broken" / "report.html")
    assert page.names == [case for case, _ in found] and page.num_pictures == 2
    assert "fatal   unreadable      phantom_0004" in result.stdout
    assert "8 of cx_seg, 3 of which cannot be used" in result.stdout
    assert result.stdout.splitlines()[-1].split() == ["report", "of_broken/report.html"]
    assert "3 fatal issue(s), the first: phantom_0001" in result.stderr
    assert "Traceback" not in result.stderr


def test_too_few_cases_to_split_do_not_hide_the_rest(ended):
    folder, results = ended
    assert results["unsplit"].returncode == 3
    assert [row["kind"] for row in rows_of(folder / "of_unsplit")] == ["split", "swapped"]
    assert "train_cases=32 of 6 cases" in results["unsplit"].stdout


def test_flags_and_disks_have_their_own_statuses(ended):
    _, results = ended
    assert results["misspelt"].returncode == 2
    assert "unknown flag --batch_size" in results["misspelt"].stderr
    assert results["unwritable"].returncode == 6
    # What was found is told all the same.
    assert "issues           none" in results["unwritable"].stdout


def test_the_flags_are_those_of_a_search_s_data():
    config = config_from_flags("verify", ["--image_size=32", "--seed=3", "--split=folds"])
    assert isinstance(config, VerifyConfig)
    assert config.data == DataConfig(image_size=32, split="folds") and config.seed == 3
    assert config.workdir.startswith("runs/verify-")


@pytest.mark.parametrize(
    "flags",
    [["--phantom_cases=9", "--dataset=cx_seg", "--data_dir=x"], ["--seed=-1"], ["--window=1,2"]],
)
def test_flags_that_contradict_are_refused(flags):
    with pytest.raises(ConfigurationError):
        config_from_flags("verify", flags)


def test_an_occupied_folder_is_refused(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ConfigurationError):
        config_from_flags("verify", [f"--workdir={tmp_path}"])


def test_a_copy_is_pictured_beside_its_original(tmp_path, capsys):
    write_cx_seg(tmp_path / "data")
    path = tmp_path / "data" / "png" / "phantom_0000.png"
    mirrored = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)[:, ::-1]
    cv2.imwrite(str(path.with_name("phantom_0005.png")), np.ascontiguousarray(mirrored))
    data = DataConfig("cx_seg", str(tmp_path / "data"), train_cases=4)
    verify(VerifyConfig(data, workdir=str(tmp_path / "out")))
    (row,) = rows_of(tmp_path / "out")
    assert (row["case"], row["kind"]) == ("phantom_0005", "near_duplicate")
    assert "phantom_0000" in row["message"]
    page = CasesOfPage(tmp_path / "out" / "report.html")
    assert page.names == ["phantom_0005"] and page.num_pictures == 3
    assert "near_duplicate" in capsys.readouterr().out


def test_a_missing_folder_is_the_user_s_error(tmp_path):
    config = VerifyConfig(DataConfig("cx_seg", str(tmp_path / "no")), workdir=str(tmp_path / "out"))
    with pytest.raises(DataError, match="no such folder"):
        verify(config)
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not REAL_FOLDER.is_dir(), reason=f"CX-SEG is not at {REAL_FOLDER}")
def test_on_cx_seg_the_swapped_and_the_overlapping_cases_are_found(tmp_path, capsys):
    config = VerifyConfig(DataConfig("cx_seg", str(REAL_FOLDER)), workdir=str(tmp_path / "out"))
    verify(config)
    rows = rows_of(tmp_path / "out")
    assert [row["case"] for row in rows if row["kind"] == "swapped"] == [SWAPPED]
    assert sum(row["kind"] == "overlap" for row in rows) == 10
    assert len(rows) == 11
    assert "heart over left_lung" in capsys.readouterr().out
    assert CasesOfPage(tmp_path / "out" / "report.html").num_pictures == 22
