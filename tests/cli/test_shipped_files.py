"""What is shipped with the program is found by it, from the repository and installed."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from darts_adv_tf.cli.shipped_files import find_flagfile, with_flagfiles, with_installed_paths
from darts_adv_tf.system.errors import ConfigurationError

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """A folder without flagfiles."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_arguments_without_flagfiles_stay():
    arguments = ["--seed=3", "--data_dir", "x", "--", "--flagfile=mine.flags"]
    assert with_flagfiles(arguments) == arguments


@pytest.mark.parametrize("written", [["--flagfile=a"], ["-flagfile=a"], ["--flagfile", "a"]])
def test_a_flagfile_stands_for_its_flags(written, elsewhere):
    (elsewhere / "a").write_text("# comment\n// another\n\n  --seed=3 \n--flagfile=b\n--width=2\n")
    (elsewhere / "b").write_text("--seed=4\n")
    expected = ["--first", "--seed=3", "--seed=4", "--width=2", "--last"]
    assert with_flagfiles(["--first", *written, "--last"]) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_flagfile_is_read_however_its_editor_saved_it(encoding, line_end, elsewhere):
    lines = ["# a run", "--seed=3", "", "--data_dir=Zürich", "", ""]
    (elsewhere / "a").write_bytes(line_end.join(lines).encode(encoding))
    assert with_flagfiles(["--flagfile=a"]) == ["--seed=3", "--data_dir=Zürich"]


@pytest.mark.parametrize("name", ["flags/phantom.flags", "phantom.flags", "phantom"])
def test_a_shipped_flagfile_is_found_from_every_folder(name):
    assert find_flagfile(name).resolve() == ROOT / "flags" / "phantom.flags"


def test_shipped_flagfiles_find_those_that_they_include():
    flags = with_flagfiles(["--flagfile=flags/paper_cx_seg_unet_two_gpus.flags"])
    assert "--num_replicas=2" in flags and not any("flagfile" in flag for flag in flags)


def test_a_file_of_ones_own_goes_before_a_shipped_one(elsewhere):
    (elsewhere / "phantom.flags").write_text("--seed=7\n")
    assert with_flagfiles(["--flagfile=phantom.flags"]) == ["--seed=7"]


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("", "These are shipped: "),
        ("qqqqq.flags", ", phantom."),
        ("elsewhere/phantom.flags", "Did you mean --flagfile=phantom?"),
        ("paper_cx_seg_unt", "Did you mean --flagfile=paper_cx_seg_unet?"),
    ],
)
def test_a_missing_flagfile_is_refused_and_the_shipped_ones_are_named(name, remedy):
    with pytest.raises(ConfigurationError, match="--flagfile must be the path of a file") as caught:
        find_flagfile(name)
    assert caught.value.received == f"--flagfile={name}"
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("content", [b"\xff\xfe\xff", None])
def test_what_is_no_text_is_refused(content, elsewhere):
    path = elsewhere / "a.flags"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="must be a text file"):
        with_flagfiles(["--flagfile=a.flags"])


def test_a_flagfile_that_includes_itself_is_refused(elsewhere):
    (elsewhere / "a.flags").write_text("--flagfile=b.flags\n")
    (elsewhere / "b.flags").write_text("--flagfile=a.flags\n")
    with pytest.raises(ConfigurationError, match="must not include itself") as caught:
        with_flagfiles(["--flagfile=a.flags"])
    assert caught.value.received == "a.flags includes b.flags includes a.flags"


def test_documents_are_named_by_where_they_are(monkeypatch):
    text = "docs/datasets.md, docs/missing.md and https://host/docs/datasets.md"
    located = with_installed_paths(text)
    path, rest = located.split(", ", 1)
    assert Path(path).is_absolute() and Path(path).samefile(ROOT / "docs" / "datasets.md")
    assert rest == "docs/missing.md and https://host/docs/datasets.md"
    monkeypatch.chdir(ROOT)
    assert with_installed_paths(text) == text


@pytest.fixture
def installed(elsewhere):
    """The content of a wheel; built in a copy, since building leaves files beside the sources."""
    source = elsewhere / "source"
    source.mkdir()
    for path in [ROOT / "pyproject.toml", ROOT / "LICENSE", *ROOT.glob("README.md")]:
        shutil.copy(path, source)
    for path in ROOT.glob("requirements*.txt"):
        shutil.copy(path, source)
    for folder in ("darts_adv_tf", "flags", "docs", "tests", "tools"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / folder, source / folder, symlinks=True, ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    command = [*pip, "wheel", str(source), "--no-deps", "--wheel-dir=dist"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = (elsewhere / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall("installed")
    return elsewhere / "installed"


def test_a_wheel_holds_flagfiles_and_documents_and_finds_them(installed):
    assert {path.name.partition("-")[0] for path in installed.iterdir()} == {"darts_adv_tf"}
    for folder, pattern in (("flags", "*.flags"), ("docs", "*.md")):
        shipped = installed / "darts_adv_tf" / folder
        names = {path.name for path in shipped.iterdir()}
        assert names == {path.name for path in (ROOT / folder).glob(pattern)}
    templates = Path("darts_adv_tf", "pages", "templates")
    shipped_templates, own = (
        {path.name for path in (root / templates).iterdir()} for root in (installed, ROOT)
    )
    assert shipped_templates == own and "report.html" in own
    program = (
        "from darts_adv_tf.cli.shipped_files import *\n"
        "print(find_flagfile('flags/paper.flags'))\n"
        "print(with_installed_paths('docs/datasets.md'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(installed)},
    )
    package = installed / "darts_adv_tf"
    assert done.stdout == f"{package}/flags/paper.flags\n{package}/docs/datasets.md\n"
