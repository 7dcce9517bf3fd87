"""Reads dataset.json, by which data sets of many kinds describe themselves."""

import json
from pathlib import Path

from darts_adv_tf.data.formats.regular_file import open_to_decode
from darts_adv_tf.system.errors import DataError
from darts_adv_tf.system.files import without_repetition
from darts_adv_tf.system.text_files import decode_text

FILE_NAME = "dataset.json"
MAXIMUM_BYTES = 2**25
"""32 MiB: a list of a hundred thousand cases; the decoded document takes many times more memory."""

MAXIMUM_CLASSES = 256
"""As many as 8 bits can index, with the background."""


class Description:
    """A dataset.json, the parts of which are read with their types checked.

    Attributes:
        path: Where it was read.
    """

    def __init__(self, path: Path):
        """Reads the file.

        Raises:
            DataError: The file cannot be read, or is no JSON object in UTF-8 with each key once
                and with finite numbers.
        """
        self.path = path
        with open_to_decode(path, "a JSON text", MAXIMUM_BYTES) as stream:
            self._document = json.loads(
                decode_text(stream.read()),
                object_pairs_hook=without_repetition,
                parse_constant=_refuse_constant,
            )
            # A text that is none, such as half of a surrogate pair, can be neither printed nor be
            # the name of a file.
            json.dumps(self._document, ensure_ascii=False).encode()
        if not isinstance(self._document, dict):
            raise self.refuse("The file must hold a JSON object.", self._document)

    def has(self, key: str) -> bool:
        """Whether the file has a part of this name."""
        return key in self._document

    def mapping(self, key: str) -> dict:
        """A part that is an object with at least one member.

        Raises:
            DataError: It is not.
        """
        return self._part(key, dict, "an object")

    def text(self, key: str) -> str:
        """A part that is a text with at least one letter.

        Raises:
            DataError: It is not.
        """
        return self._part(key, str, "a text")

    def sequence(self, key: str) -> list:
        """A part that is a list with at least one element.

        Raises:
            DataError: It is not.
        """
        return self._part(key, list, "a list")

    def channels(self, key: str) -> int:
        """The number of channels, which a part names by their numbers from 0 on.

        Raises:
            DataError: The numbers have gaps, or are none.
        """
        named = self.mapping(key)
        if set(named) != {str(index) for index in range(len(named))}:
            raise self.refuse(f"{key!r} must number the channels from 0.", list(named))
        return len(named)

    def refuse(self, rule: str, received: object) -> DataError:
        """The error for a part that breaks a rule."""
        shown = repr(received)
        return DataError(
            f"{FILE_NAME}: {rule}",
            received=shown if len(shown) <= 200 else shown[:200] + " ...",
            file=self.path,
            remedy="Correct the file as docs/datasets.md describes.",
        )

    def _part(self, key: str, kind: type, name: str):
        if key not in self._document:
            raise self.refuse(f"The key {key!r} must be present.", list(self._document))
        part = self._document[key]
        if not isinstance(part, kind) or not part:
            raise self.refuse(f"{key!r} must be {name} and not empty.", part)
        return part


def is_whole_number(value: object) -> bool:
    """Whether a decoded value is a whole number, which true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _refuse_constant(name: str):
    raise ValueError(f"{name}, which is no JSON")
