"""The Shenzhen chest radiographs, 662, of which 566 have a mask of both lungs together.

    CXR_png/CHNCXR_<number>_<0 or 1, tuberculosis>.png
    mask/<name of the image>_mask.png, or below masks/ or mask/mask/

Which lung is which stands nowhere, and lungs may touch in a mask, so both are one class. The masks
were made apart from the images; images without one are left out.

References: S. Jaeger et al., "Two public chest X-ray datasets for computer-aided screening of
pulmonary diseases", Quantitative Imaging in Medicine and Surgery 4(6), 2014. S. Stirenko et al.,
"Chest X-ray analysis of tuberculosis by deep learning with segmentation and augmentation",
ELNANO, 2018 (the masks).
"""

from pathlib import Path

from darts_adv_tf.data.collection import Collection
from darts_adv_tf.data.sources.folder import files_by_stem, left_out, require_folders
from darts_adv_tf.data.sources.mask_folders import make_cases
from darts_adv_tf.system.errors import DataError
from darts_adv_tf.system.folders import is_folder

_MASK_DIRS = ("mask/mask", "masks", "mask")
_RULE = "A Shenzhen folder must hold CXR_png/, and mask/ with files <name of the image>_mask.png."
_REMEDY = "Let --data_dir name the folder that holds CXR_png/, and put mask/ beside it."


def find_shenzhen(data_dir: Path) -> Collection:
    """Finds the images that have a mask, sorted by name.

    Raises:
        DataError: If a folder is missing, or no image has a mask.
    """
    image_dir = data_dir / "CXR_png"
    mask_dirs = [data_dir / name for name in _MASK_DIRS]
    mask_dir = next(filter(is_folder, mask_dirs), mask_dirs[-1])
    require_folders((data_dir, image_dir, mask_dir), _RULE, _REMEDY)
    images = files_by_stem(image_dir, (".png",))
    masks = files_by_stem(mask_dir, ("_mask.png",))
    cases = tuple(
        case
        for name, image in images.items()
        if name in masks
        for case in make_cases(name, image, [masks[name]])
    )
    if not cases:
        raise DataError(
            _RULE,
            received=f"{len(images)} image(s) and {len(masks)} mask(s), none of the same name",
            file=mask_dir,
            remedy=_REMEDY,
        )
    return Collection(
        name="shenzhen",
        class_names=("background", "lungs"),
        cases=cases,
        issues=(
            *left_out([name for name in images if name not in masks], "an image without a mask"),
            *left_out([name for name in masks if name not in images], "a mask without an image"),
        ),
    )
