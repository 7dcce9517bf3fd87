"""The Montgomery County chest radiographs, 138 with a mask of each lung.

    CXR_png/MCUCXR_<number>_<0 or 1, tuberculosis>.png
    ManualMask/leftMask/<the same name>.png
    ManualMask/rightMask/<the same name>.png

Grey, 4020x4892 or 4892x4020, with masks as large as their images. Left and right are the patient's.

Reference: S. Jaeger et al., "Two public chest X-ray datasets for computer-aided screening of
pulmonary diseases", Quantitative Imaging in Medicine and Surgery 4(6), 2014.
"""

from pathlib import Path

from darts_adv_tf.data.collection import Collection
from darts_adv_tf.data.sources.folder import require_folders
from darts_adv_tf.data.sources.mask_folders import find_cases

_REMEDY = (
    "Let --data_dir name the folder MontgomerySet, which holds CXR_png/, ManualMask/leftMask/ and "
    "ManualMask/rightMask/."
)


def find_montgomery(data_dir: Path) -> Collection:
    """Finds the cases of a folder, sorted by name.

    Raises:
        DataError: If a folder is missing or holds no image.
    """
    image_dir = data_dir / "CXR_png"
    mask_dirs = {
        "left_lung": data_dir / "ManualMask" / "leftMask",
        "right_lung": data_dir / "ManualMask" / "rightMask",
    }
    require_folders(
        (data_dir, image_dir, *mask_dirs.values()),
        "A Montgomery folder must hold CXR_png/, ManualMask/leftMask/ and ManualMask/rightMask/.",
        _REMEDY,
    )
    cases, issues = find_cases(image_dir, mask_dirs, (".png",), _REMEDY)
    return Collection(
        name="montgomery",
        class_names=("background", *mask_dirs),
        cases=cases,
        has_whole_organs=True,
        issues=issues,
    )
