import numpy as np
import pytest

from darts_adv_tf.data.sources.folders import find_folders
from darts_adv_tf.system.errors import ConfigurationError
from tests.data.sources.expectations import assert_broken, assert_holds, assert_refused
from tests.data.sources.fixtures import (
    SHAPES,
    SIZE,
    chest_case,
    shapes_case,
    to_values,
    write_dicom,
    write_label_folders,
    write_mask,
    write_mask_folders,
    write_nifti,
    write_png,
)


def test_a_mask_a_class_comes_back_as_written(tmp_path):
    written = write_mask_folders(tmp_path, image_ending=".bmp")
    for name in (".thumbnails", "__MACOSX", "@eaDir", ".ipynb_checkpoints", "lost+found"):
        (tmp_path / "masks" / name).mkdir()
    (tmp_path / "masks" / "notes.txt").write_text("text")
    (tmp_path / "images" / "deeper").mkdir()
    collection = find_folders(tmp_path)
    assert collection.class_names == ("background", *sorted(SHAPES))
    chosen = find_folders(tmp_path, SHAPES)
    dataset = assert_holds(chosen, written, (4, 3, 2, 1))
    assert dataset.name == "folders"
    assert dataset.class_names == ("background", *SHAPES)
    assert dataset.cases == dataset.patients == ("slide-0", "slide-1", "slide-2")
    assert not dataset.has_whole_organs


def test_names_agree_whichever_way_their_accents_are_encoded(tmp_path):
    image, masks = shapes_case(0)
    write_png(tmp_path / "images" / "Mu\u0308ller.png", image)
    write_mask(tmp_path / "masks" / "re\u0301sidu" / "M\u00fcller.png", masks[0])
    for classes in (None, ["r\u00e9sidu"], ["re\u0301sidu"]):
        collection = find_folders(tmp_path, classes)
        assert collection.class_names == ("background", "r\u00e9sidu")
        assert_holds(collection, {"M\u00fcller": (image, masks[:1])}, (1,))


@pytest.mark.parametrize("name", ["slide-0_mask.png", "slide-0-seg.gif", "slide-0.label.png"])
def test_a_mask_that_is_named_otherwise_is_to_be_renamed(tmp_path, name):
    write_mask_folders(tmp_path / "one", 1)
    write_label_folders(tmp_path / "two", 1)
    for folder in (tmp_path / "one" / "masks" / "liver", tmp_path / "two" / "labels"):
        (path,) = folder.iterdir()
        path.rename(folder / name)
    for folder in (tmp_path / "one", tmp_path / "two"):
        error = find_folders(folder, SHAPES).cases[0].error
        assert error.received.endswith(f", but {name}")
        assert error.remedy == "Rename the mask as its image."


def test_chosen_classes_come_in_their_order_and_the_later_wins(tmp_path):
    written = write_mask_folders(tmp_path, 1)
    everywhere = np.ones((SIZE, SIZE), bool)
    write_mask(tmp_path / "masks" / "spleen" / "slide-0.gif", everywhere)
    image, masks = written["slide-0"]
    expected = {"slide-0": (image, np.array([everywhere, masks[0]]))}
    assert_holds(find_folders(tmp_path, ("spleen", "liver")), expected, (2, 1))


def test_values_are_classes_in_the_order_of_their_names(tmp_path):
    written = write_label_folders(tmp_path)
    dataset = assert_holds(find_folders(tmp_path, SHAPES), written, (4, 3, 2, 1))
    assert dataset.class_names == ("background", *SHAPES)
    path = tmp_path / "labels" / "slide-0.png"
    assert_refused(find_folders(tmp_path, SHAPES[:3]).cases[0].read, path, "the value 4")


def test_dicom_images_are_taken_too(tmp_path):
    image, masks = chest_case(0)
    (tmp_path / "images").mkdir()
    write_dicom(tmp_path / "images" / "a.dcm", image)
    write_png(tmp_path / "labels" / "a.png", to_values(masks))
    assert_holds(find_folders(tmp_path, ("l", "r", "h")), {"a": (image, masks)}, (3, 2, 1))


@pytest.mark.parametrize("layout", ["masks", "labels"])
def test_volumes_become_slices(tmp_path, layout):
    slices = [shapes_case(z, num_channels=1, num_organs=1) for z in range(3)]
    values = np.stack([to_values(masks) for _, masks in slices])
    write_nifti(tmp_path / "images" / "v.nii.gz", np.stack([i[:, :, 0] for i, _ in slices]))
    mask_dir = tmp_path / ("labels" if layout == "labels" else "masks/organ")
    write_nifti(mask_dir / "v.nii", values)
    written = {f"v_slice{z:03}": case for z, case in enumerate(slices)}
    dataset = assert_holds(find_folders(tmp_path, ("organ",)), written, (1,))
    assert dataset.patients == ("v",) * 3


def test_masks_without_an_image_are_told(tmp_path):
    write_label_folders(tmp_path)
    (tmp_path / "images" / "slide-1.png").unlink()
    collection = find_folders(tmp_path, SHAPES)
    assert [str(issue) for issue in collection.issues] == [
        "slide-1: a mask without an image, left out"
    ]


@pytest.mark.parametrize("classes", [None, (), ("a", "a"), ("background",), ("x",) * 300])
def test_the_values_need_names(tmp_path, classes):
    write_label_folders(tmp_path)
    with pytest.raises(ConfigurationError, match="--classes"):
        find_folders(tmp_path, classes)


def test_more_classes_than_8_bits_can_index_are_refused(tmp_path):
    write_label_folders(tmp_path)
    with pytest.raises(ConfigurationError, match="256"):
        find_folders(tmp_path, tuple(map(str, range(256))))
    assert len(find_folders(tmp_path, tuple(map(str, range(255)))).class_names) == 256


@pytest.mark.parametrize("classes", [(), ("liver", "liver"), ("brain",)])
def test_classes_are_folders(tmp_path, classes):
    write_mask_folders(tmp_path)
    with pytest.raises(ConfigurationError, match="kidney, lesion, liver, spleen"):
        find_folders(tmp_path, classes)


def test_what_is_missing_or_too_much_is_named(tmp_path):
    assert_refused(lambda: find_folders(tmp_path), tmp_path / "images", "no such folder")
    (tmp_path / "images").mkdir()
    assert_refused(lambda: find_folders(tmp_path), tmp_path, "neither")
    (tmp_path / "masks").mkdir()
    assert_refused(lambda: find_folders(tmp_path), tmp_path / "masks", "no folder")
    (tmp_path / "masks" / "background").mkdir()
    assert_refused(lambda: find_folders(tmp_path), tmp_path / "masks", "background")
    (tmp_path / "masks" / "background").rename(tmp_path / "masks" / "organ")
    assert_refused(lambda: find_folders(tmp_path), tmp_path / "images", "file")
    (tmp_path / "labels").mkdir()
    assert_refused(lambda: find_folders(tmp_path), tmp_path, "both")


def test_an_image_without_a_mask_is_refused(tmp_path):
    write_label_folders(tmp_path / "a")
    (tmp_path / "a" / "labels" / "slide-2.png").unlink()
    image = tmp_path / "a" / "images" / "slide-2.png"
    assert_broken(find_folders(tmp_path / "a", SHAPES), "slide-2", image, "no mask")
    write_mask_folders(tmp_path / "b")
    (tmp_path / "b" / "masks" / "liver" / "slide-2.gif").unlink()
    mask = tmp_path / "b" / "masks" / "liver" / "slide-2.png"
    assert_broken(find_folders(tmp_path / "b"), "slide-2", mask, "no mask of liver")


@pytest.mark.parametrize("layout", ["masks", "labels"])
def test_a_volume_that_is_damaged_is_one_broken_case(tmp_path, layout):
    mask_dir = tmp_path / ("labels" if layout == "labels" else "masks/organ")
    for name in ("v", "w"):
        for folder in (tmp_path / "images", mask_dir):
            write_nifti(folder / f"{name}.nii.gz", np.zeros((3, 8, 8), np.uint8))
    path = tmp_path / "images" / "v.nii.gz"
    path.write_bytes(path.read_bytes()[:10])
    collection = find_folders(tmp_path, ("organ",))
    assert [case.name for case in collection.cases] == ["v", *(f"w_slice00{z}" for z in range(3))]
    assert_broken(collection, "v", path, "")
