"""Names from foreign disks as text that can be shown anywhere."""

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """The text in one line, without what a terminal would obey or UTF-8 cannot encode.

    Example:
        >>> printable("one\\ntwo")
        'one two'
    """
    in_a_line = " ".join(text.split())
    return "".join(sign if sign.isprintable() else _REPLACEMENT for sign in in_a_line)
