import pytest

from darts_adv_tf.config import data as data_config
from darts_adv_tf.data.sources.registry import DATASET_READERS, find_collection
from darts_adv_tf.system.errors import ConfigurationError, DataError
from tests.data.sources.fixtures import (
    SHAPES,
    write_chexmask,
    write_cx_seg,
    write_decathlon,
    write_jsrt,
    write_label_folders,
    write_montgomery,
    write_nnunet,
    write_shenzhen,
)

WRITERS = {
    "cx_seg": write_cx_seg,
    "jsrt": lambda folder: write_jsrt(folder, ("JPCLN001",)),
    "montgomery": write_montgomery,
    "shenzhen": write_shenzhen,
    "chexmask": write_chexmask,
    "nnunet": write_nnunet,
    "decathlon": write_decathlon,
    "folders": write_label_folders,
}


def test_the_flag_offers_all_sources_and_the_phantom():
    assert set(data_config.DATASETS) == {"phantom", *DATASET_READERS}


def test_each_source_has_a_fixture():
    assert set(WRITERS) == set(DATASET_READERS)


@pytest.mark.parametrize("name", DATASET_READERS)
def test_each_source_is_found_by_its_name(tmp_path, name):
    written = WRITERS[name](tmp_path)
    collection = find_collection(name, str(tmp_path), SHAPES if name == "folders" else None)
    assert collection.name == name
    assert [case.name for case in collection.cases] == list(written)
    assert collection.class_names[0] == "background"
    for case in collection.cases:
        assert case.files and all(path.is_file() for path in case.files)
    decoded, masks = collection.cases[0].read()
    assert masks.dtype == bool
    assert masks.shape == (len(collection.class_names) - 1, *decoded.pixels.shape[:2])


@pytest.mark.parametrize("name", DATASET_READERS)
def test_classes_can_be_chosen_of_each_source(tmp_path, name):
    WRITERS[name](tmp_path)
    if name == "folders":
        chosen = tuple(reversed(SHAPES))
    else:
        chosen = find_collection(name, tmp_path).class_names[:0:-1]
    collection = find_collection(name, tmp_path, chosen)
    assert collection.class_names == ("background", *chosen)
    _, masks = collection.cases[0].read()
    if name != "folders":
        _, unchosen = find_collection(name, tmp_path).cases[0].read()
        assert (masks == unchosen[::-1]).all()
        with pytest.raises(ConfigurationError, match=f"classes of {name}"):
            find_collection(name, tmp_path, ("gall_bladder",))


@pytest.mark.parametrize("name", DATASET_READERS)
def test_a_missing_folder_is_named(tmp_path, name):
    with pytest.raises(DataError) as caught:
        find_collection(name, tmp_path / "absent")
    assert caught.value.file == tmp_path / "absent"
