"""Chest radiographs in one of the two folder layouts of CX-SEG.

The 512x512 release:

    png/<uid>.png
    mask/left_lung/<uid>.png
    mask/right_lung/<uid>.png
    mask/heart/<uid>.png

The full release, a folder a patient:

    <id>/original.dcm
    <id>/left_lung.png
    <id>/right_lung.png
    <id>/heart.png
    <id>/key_points.txt (not read)

Masks are 8-bit grey, anti-aliased, as large as their image. Left and right are the patient's.

Reference: github.com/eveningdong/cardiothoracic_ratio_estimation_dataset
"""

from pathlib import Path

from darts_adv_tf.data import chest
from darts_adv_tf.data.collection import Case, Collection
from darts_adv_tf.data.data_issue import DataIssue
from darts_adv_tf.data.sources.folder import left_out, list_data_folder, require_folders
from darts_adv_tf.data.sources.mask_folders import find_cases, make_cases
from darts_adv_tf.system.folders import is_file, is_folder

DICOM_NAME = "original.dcm"
_REMEDY = (
    "Let --data_dir name the folder that holds png/ and mask/, or that of the full release, with "
    f"{DICOM_NAME} in a folder a patient."
)


def find_cx_seg(data_dir: Path, name: str = "cx_seg") -> Collection:
    """Finds the cases of a folder in either layout, sorted by name.

    Args:
        data_dir: The folder.
        name: The data set's name: JSRT comes in this layout too.

    Raises:
        DataError: If a folder is missing or holds no image.
    """
    if is_folder(data_dir / "png") or not _patient_folders(data_dir):
        cases, issues = _find_release(data_dir)
    else:
        cases, issues = _find_full_release(data_dir)
    return Collection(
        name=name,
        class_names=chest.CLASS_NAMES,
        cases=cases,
        priority=chest.PRIORITY,
        has_whole_organs=True,
        issues=issues,
    )


def _find_release(data_dir: Path) -> tuple[tuple[Case, ...], tuple[DataIssue, ...]]:
    image_dir = data_dir / "png"
    mask_dirs = {organ: data_dir / "mask" / organ for organ in chest.ORGANS}
    require_folders(
        (data_dir, image_dir, *mask_dirs.values()),
        "A CX-SEG folder must hold png/ and mask/left_lung/, mask/right_lung/, mask/heart/.",
        _REMEDY,
    )
    return find_cases(image_dir, mask_dirs, (".png",), _REMEDY)


def _find_full_release(data_dir: Path) -> tuple[tuple[Case, ...], tuple[DataIssue, ...]]:
    cases: list[Case] = []
    folders = _patient_folders(data_dir)
    for folder in folders:
        masks = {organ: folder / f"{organ}.png" for organ in chest.ORGANS}
        missing = {organ: path for organ, path in masks.items() if not is_file(path)}
        cases += make_cases(folder.name, folder / DICOM_NAME, list(masks.values()), missing)
    without_image = sorted(
        path.name
        for path in list_data_folder(data_dir)
        if path not in folders and any(is_file(path / f"{organ}.png") for organ in chest.ORGANS)
    )
    return tuple(cases), left_out(without_image, f"a folder without {DICOM_NAME}")


def _patient_folders(data_dir: Path) -> list[Path]:
    if not is_folder(data_dir):
        return []
    return sorted(path for path in list_data_folder(data_dir) if is_file(path / DICOM_NAME))
