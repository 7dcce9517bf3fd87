"""All sources, by the names of `--dataset`."""

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

SOURCES = {
    "cx_seg": find_cx_seg,
    "jsrt": find_jsrt,
    "montgomery": find_montgomery,
    "shenzhen": find_shenzhen,
    "chexmask": find_chexmask,
    "nnunet": find_nnunet,
    "decathlon": find_decathlon,
    "folders": find_folders,
}
"""What finds the cases of a folder; the phantom has none."""

_CHOOSING = ("jsrt", "folders")
"""Sources that look for other files when other classes are chosen."""


def find_collection(
    name: str, data_dir: str | Path, classes: tuple[str, ...] | None = None
) -> Collection:
    """Finds the cases of a folder.

    Args:
        name: The source, a key of `SOURCES`.
        data_dir: The folder.
        classes: The organs to use, in this order; the source's own if None.

    Raises:
        DataError: The folder is not as the source expects it.
        ConfigurationError: A class is unknown or named twice.
    """
    if name in _CHOOSING:
        return SOURCES[name](Path(data_dir), classes)
    collection = SOURCES[name](Path(data_dir))
    return collection if classes is None else collection.with_classes(classes)
