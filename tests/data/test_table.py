"""Tables as people and spreadsheets write them; right values are written out by hand."""

import pytest

from darts_adv_tf.data.split import ListedCases
from darts_adv_tf.system.errors import DataError

PARTS = {"a": "train", "b": "val", "c d": "test"}


@pytest.mark.parametrize(
    ("content", "liberties"),
    [
        pytest.param(b"case,split\na,train\nb,val\nc d,test", (), id="plain, no last line end"),
        pytest.param(b"case,split\r\na,train\r\nb,val\r\nc d,test\r\n\r\n", (), id="Windows"),
        pytest.param(b"case,split\ra,train\rb,val\rc d,test\r", (), id="old Mac"),
        pytest.param(b"\n\ncase,split\n\na,train\n \nb,val\nc d,test\n\n", (), id="blank lines"),
        pytest.param(
            b"case;split\na;train\nb;val\nc d;test\n",
            ("fields separated by semicolons",),
            id="semicolons",
        ),
        pytest.param(
            b"sep=;\r\ncase;split\r\na;train\r\nb;val\r\nc d;test\r\n",
            ("fields separated by semicolons",),
            id="separator named",
        ),
        pytest.param(
            b"case\tsplit\na\ttrain\nb\tval\nc d\ttest\n",
            ("fields separated by tabs",),
            id="tabs",
        ),
        pytest.param(
            "case\tsplit\r\na\ttrain\r\nb\tval\r\nc d\ttest\r\n".encode("utf-16"),
            ("fields separated by tabs",),
            id="Unicode text of a spreadsheet",
        ),
        pytest.param(
            b"\xef\xbb\xbfCASE , Split\na , train\nb , val\nc d , test\n",
            ("' train' read as train", "' val' read as val", "' test' read as test"),
            id="upper case, spaces, byte order mark",
        ),
        pytest.param(
            b"split,case\nTraining,a\nvalidation,b\nTEST,c d\n",
            (
                "'Training' read as train",
                "'validation' read as val",
                "'TEST' read as test",
            ),
            id="other words and order",
        ),
        pytest.param(b",case,split\n0,a,train\n1,b,val\n2,c d,test\n", (), id="numbered rows"),
        pytest.param(b"case,split,,\na,train,,\nb,val,,\nc d,test,,,\n,,,\n", (), id="empty cells"),
        pytest.param(b'"case","split"\n"a","train"\n"b","val"\n"c d","test"\n', (), id="quoted"),
    ],
)
def test_a_table_is_read_however_it_was_saved(tmp_path, content, liberties):
    path = tmp_path / "cases.csv"
    path.write_bytes(content)
    listed = ListedCases.read(path)
    assert listed.of(["a", "b", "c d"]).parts == PARTS
    assert listed.liberties == liberties


def test_a_patient_is_read_by_the_name_of_its_column(tmp_path):
    (tmp_path / "cases.csv").write_text("Patient;Case;Split\n p 1 ;a;train\nq;b;test\n")
    assert ListedCases.read(tmp_path / "cases.csv").patients == {"a": "p 1", "b": "q"}


@pytest.mark.parametrize(
    ("content", "received", "remedy"),
    [
        (b"", "line 1: ", "line case,split[,patient]"),
        (b"name,part\na,train\n", "line 1: name,part", "line case,split[,patient]"),
        # A misspelt column of patients would let a patient be on both sides.
        (b"case,split,patients\na,train,p\n", "case,split,patients", "case,split[,patient]"),
        (b"case,split,case\na,train,b\n", "case,split,case", "case,split[,patient]"),
        (b"case,split\n\nM,\xfcller,train\n", "can't decode byte 0xfc", "as CSV in UTF-8"),
        (b"case,split\n\na,b,train\n", "line 3: a,b,train", "2 fields, separated by commas"),
        (b"case;split\na\n", "line 2: a", "2 fields, separated by semicolons"),
        (b"case,split\na,exam\n", "line 2: a,exam", "Write train, val or test"),
        (b"case,split\n ,train\n", "line 2:  ,train", "Name the case"),
        (b'case,split\n"a,train\n', "unexpected end of data", "quotation mark"),
        (b"sep=;\ncase;split\na;train\na;val\n", "line 4: case a for the second", "Remove one"),
    ],
)
def test_the_remedy_fits_what_is_wrong_with_a_table(tmp_path, content, received, remedy):
    path = tmp_path / "cases.csv"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        ListedCases.read(path)
    assert received in str(caught.value.received)
    assert remedy in caught.value.remedy


def test_a_table_that_cannot_be_opened_is_not_to_be_corrected(tmp_path):
    with pytest.raises(DataError, match="Is a directory") as caught:
        ListedCases.read(tmp_path)
    assert caught.value.remedy == "Name a file that exists and that you may read."


@pytest.mark.parametrize(
    ("listed", "case"),
    [("Mu\u0308ller", "M\u00fcller"), ("M\u00fcller", "Mu\u0308ller"), (" a", "a"), ("a", "a ")],
)
def test_names_agree_in_spite_of_accents_and_spaces(tmp_path, listed, case):
    (tmp_path / "cases.csv").write_text(f"case,split,patient\n{listed},train,p\n", "utf-8")
    table = ListedCases.read(tmp_path / "cases.csv").of(["other", case])
    assert (table.parts, table.patients) == ({case: "train"}, {case: "p"})


@pytest.mark.parametrize(
    ("second", "received", "remedy"),
    [
        ("scan_1.png", "line 3: case scan_1.png, which the data", "Did you mean scan_1? "),
        ("elsewhere", "line 3: case elsewhere, which the data", "or remove the line."),
        (" scan_2", "line 3: case  scan_2 for the second time", "Remove one of the two lines."),
    ],
)
def test_a_name_that_means_no_case_of_its_own_is_refused(tmp_path, second, received, remedy):
    (tmp_path / "cases.csv").write_text(f"case,split\nscan_2,train\n{second},test\n")
    table = ListedCases.read(tmp_path / "cases.csv")
    with pytest.raises(DataError) as caught:
        table.of(["scan_1", "scan_2"])
    assert received in str(caught.value.received)
    assert remedy in caught.value.remedy


def test_names_with_spaces_of_their_own_are_kept_apart(tmp_path):
    (tmp_path / "cases.csv").write_text("case,split\na,train\na ,test\n")
    table = ListedCases.read(tmp_path / "cases.csv").of(["a", "a "])
    assert table.parts == {"a": "train", "a ": "test"}
