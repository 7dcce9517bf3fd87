"""Readers of data sets: one line per layout of a folder, by the names of `--dataset`."""

from collections.abc import Callable, Sequence
from pathlib import Path

from darts_adv_tf.data.collection import Collection
from darts_adv_tf.data.sources.chexmask import find_chexmask
from darts_adv_tf.data.sources.cx_seg import find_cx_seg
from darts_adv_tf.data.sources.decathlon import find_decathlon
from darts_adv_tf.data.sources.folders import find_folders
from darts_adv_tf.data.sources.jsrt import find_jsrt
from darts_adv_tf.data.sources.montgomery import find_montgomery
from darts_adv_tf.data.sources.nnunet import find_nnunet
from darts_adv_tf.data.sources.shenzhen import find_shenzhen
from darts_adv_tf.data.sources.user_reader import load_user_reader

Reader = Callable[[Path, Sequence[str] | None], Collection]
"""Finds the cases of a folder, with these classes in this order, or the layout's own if None."""


def _with_own_classes(find: Callable[[Path], Collection]) -> Reader:
    """A reader of a layout whose files are the same whichever classes are used."""

    def read(data_dir: Path, classes: Sequence[str] | None) -> Collection:
        collection = find(data_dir)
        return collection if classes is None else collection.with_classes(classes)

    return read


DATASET_READERS: dict[str, Reader] = {
    "cx_seg": _with_own_classes(find_cx_seg),
    "jsrt": find_jsrt,
    "montgomery": _with_own_classes(find_montgomery),
    "shenzhen": _with_own_classes(find_shenzhen),
    "chexmask": _with_own_classes(find_chexmask),
    "nnunet": _with_own_classes(find_nnunet),
    "decathlon": _with_own_classes(find_decathlon),
    "folders": find_folders,
}
"""The phantom is drawn, not read, and so has no entry."""


def find_collection(
    name: str, data_dir: str | Path, classes: Sequence[str] | None = None
) -> Collection:
    """Finds the cases of a folder.

    Args:
        name: A key of `DATASET_READERS`, or `<module>:<function>`, a user's own.
        data_dir: The folder.
        classes: The classes to use, without the background, in this order; the data set's own if
            None.

    Raises:
        DataError: The folder does not have the layout of the data set.
        ConfigurationError: A class is unknown or named twice, or there is no such function.
    """
    reader = DATASET_READERS.get(name) or _with_own_classes(load_user_reader(name))
    return reader(Path(data_dir), classes)
