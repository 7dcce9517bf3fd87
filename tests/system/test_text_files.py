import pytest

from darts_adv_tf.system.text_files import composed, decode_text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_of_any_editor_is_read(encoding):
    assert decode_text("case,Zürich\r\n".encode(encoding)) == "case,Zürich\r\n"


def test_both_byte_orders_are_read():
    assert decode_text(b"\xff\xfea\0") == decode_text(b"\xfe\xff\0a") == "a"


@pytest.mark.parametrize("content", [b"Z\xfcrich", b"\xff\xfea"])
def test_other_encodings_are_refused(content):
    with pytest.raises(UnicodeDecodeError):
        decode_text(content)


def test_an_accent_is_part_of_its_letter():
    assert composed("e\u0301") == "\u00e9" == composed("\u00e9")
