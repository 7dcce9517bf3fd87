"""Text as editors and spreadsheets of any system save it."""

import codecs
import unicodedata

_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def decode_text(content: bytes) -> str:
    """Decodes UTF-8, or UTF-16 with a byte order mark, as Windows calls Unicode.

    Raises:
        UnicodeDecodeError: It is neither.

    Example:
        >>> decode_text(b"\\xef\\xbb\\xbfcase"), decode_text("case".encode("utf-16"))
        ('case', 'case')
    """
    marks = (name for mark, name in _BYTE_ORDER_MARKS.items() if content.startswith(mark))
    return content.decode(next(marks, "utf-8"))


def composed(name: str) -> str:
    """A name with each accented letter as one sign (NFC), so that equal names compare equal.

    macOS writes some of them as a letter and an accent (NFD).

    Example:
        >>> composed("Mu\\u0308ller") == "M\\u00fcller"
        True
    """
    return unicodedata.normalize("NFC", name)
