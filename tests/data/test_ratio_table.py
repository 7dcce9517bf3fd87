import pytest

from darts_adv_tf.data.ratio_table import RATIOS_FILE, read_ratios
from darts_adv_tf.system.errors import DataError


def test_a_table_is_read_by_case(tmp_path):
    path = tmp_path / RATIOS_FILE
    path.write_bytes(b"\xef\xbb\xbfid,ctr\r\n1.2.png,0.7279\r\nb,0.5\r\n\r\n")
    assert read_ratios(path) == {"1.2": 0.7279, "b": 0.5}


def test_a_table_of_a_spreadsheet_with_decimal_commas_is_read(tmp_path):
    path = tmp_path / RATIOS_FILE
    path.write_text("CTR;ID\n0,7279;1.2.png\n0.5;Mu\u0308ller.png\n", "utf-8")
    assert read_ratios(path) == {"1.2": 0.7279, "M\u00fcller": 0.5}


@pytest.mark.parametrize(
    ("text", "received"),
    [
        ("", "line 1: "),
        ("case,ratio\na,0.5\n", "line 1: case,ratio"),
        ("id,ctr\na,0.5\nb\n", "line 3: b"),
        ("id,ctr\na,0.5,1\n", "line 2: a,0.5,1"),
        ("id,ctr\na,half\n", "line 2: a,half"),
        ("id,ctr\na,nan\n", "line 2: a,nan"),
        ("id,ctr\na,inf\n", "line 2: a,inf"),
        ("id,ctr\na,0\n", "line 2: a,0"),
        ("id,ctr\na,-0.5\n", "line 2: a,-0.5"),
        ("id,ctr\na,54.1\n", "line 2: a,54.1"),
        ("id,ctr\n.png,0.5\n", "line 2: .png,0.5"),
        ("id,ctr\na.png,0.5\n\na,0.5\n", "line 4: a for the second time"),
        ('id,ctr\n"a,0.5\n', "unexpected end of data"),
        ("id,ctr\n\xff,0.5\n", "codec can't decode"),
    ],
)
def test_a_malformed_table_is_refused(tmp_path, text, received):
    path = tmp_path / RATIOS_FILE
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError) as caught:
        read_ratios(path)
    assert received in str(caught.value.received)
    assert caught.value.file == path
    assert caught.value.rule and caught.value.remedy


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_ratios(tmp_path / RATIOS_FILE)
