"""Data sets in the format of the Medical Segmentation Decathlon.

    dataset.json            modality, labels, training
    imagesTr/<case>.nii.gz
    labelsTr/<case>.nii.gz

dataset.json lists the images with their masks; test images are not looked at. Volumes are cut into
slices. Its paths must stay within the folder, links included, since the file comes from elsewhere.

Reference: M. Antonelli et al., "The Medical Segmentation Decathlon", Nature Communications 13,
2022; medicaldecathlon.com
"""

from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from darts_adv_tf.data.collection import Case, Collection, cases_or_error
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.formats.reading import IMAGE_SUFFIXES
from darts_adv_tf.data.sources.description import FILE_NAME, MAXIMUM_CLASSES, Description
from darts_adv_tf.data.sources.folder import find_file, require_folders, stem_of
from darts_adv_tf.data.sources.index_mask import IndexMeaning
from darts_adv_tf.data.sources.planes import find_planes, read_plane
from darts_adv_tf.system.errors import DataError
from darts_adv_tf.system.folders import is_file


def find_decathlon(data_dir: Path) -> Collection:
    """Finds the training cases, or the slices of them, in the order of dataset.json.

    Raises:
        DataError: If dataset.json is wrong or names a file outside the folder.
    """
    require_folders(
        (data_dir,),
        "--data_dir must name a folder.",
        f"Let --data_dir name the folder Task<number>_<name> that holds {FILE_NAME}.",
    )
    description = Description(data_dir / FILE_NAME)
    if description.has("channel_names") and not description.has("modality"):
        raise DataError(
            f"{FILE_NAME} must be that of the Decathlon, with 'modality'.",
            received="'channel_names' instead, as in nnU-Net version 2",
            file=description.path,
            remedy="Use --dataset=nnunet.",
        )
    num_channels = description.channels("modality")
    meaning = _read_labels(description)

    def make(name: str, image: Path, label: Path) -> list[Case]:
        _require_files(image, label)
        return [
            Case(
                plane_name,
                name,
                partial(_read, image, label, plane, num_channels, meaning),
                (image, label),
            )
            for plane_name, plane in find_planes(name, [image, label])
        ]

    cases: list[Case] = []
    for entry in description.sequence("training"):
        if not isinstance(entry, dict) or not {"image", "label"} <= set(entry):
            raise description.refuse(
                "'training' must list objects with 'image' and 'label'.", entry
            )
        image, label = (_path_within(description, entry[key]) for key in ("image", "label"))
        name = stem_of(image.name, IMAGE_SUFFIXES)
        if name is None:
            raise description.refuse(
                f"An image's name must end in one of {', '.join(IMAGE_SUFFIXES)}.", entry["image"]
            )
        cases += cases_or_error(name, make, name, image, label)
    return Collection(name="decathlon", class_names=meaning.class_names, cases=tuple(cases))


def _read_labels(description: Description) -> IndexMeaning:
    """What the values mean, in the order of the values."""
    labels = description.mapping("labels")
    names = list(labels.values())
    if not all(key.isascii() and key.isdigit() and len(key) <= 5 for key in labels) or not all(
        isinstance(name, str) and name.strip() for name in names
    ):
        raise description.refuse("'labels' must map whole numbers to names.", labels)
    by_value = {
        int(key): name for key, name in sorted(labels.items(), key=lambda pair: int(pair[0]))
    }
    if 0 not in by_value or len(by_value) != len(labels) or len(set(names)) != len(names):
        raise description.refuse(
            "'labels' must name the background 0, and each value once.", labels
        )
    if not 2 <= len(by_value) <= MAXIMUM_CLASSES:
        raise description.refuse(
            f"'labels' must name 1 to {MAXIMUM_CLASSES - 1} classes besides the background.", labels
        )
    del by_value[0]
    if "background" in by_value.values():
        raise description.refuse("'labels' must give only 0 the name 'background'.", labels)
    return IndexMeaning(("background", *by_value.values()), tuple((v,) for v in by_value))


def _path_within(description: Description, text: object) -> Path:
    """The path of a file that dataset.json names, inside its folder."""
    folder = description.path.parent
    if not isinstance(text, str) or not text or "\0" in text or "\\" in text:
        raise description.refuse("'training' must name files by relative paths.", text)
    parts = PurePosixPath(text).parts
    path = find_file(folder.joinpath(*parts))
    try:
        is_inside = ".." not in parts and path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError):  # links in circles, or no text that can be a name
        is_inside = False
    if not is_inside:
        raise description.refuse("The files of 'training' must be inside the folder.", text)
    return path


def _require_files(*paths: Path) -> None:
    for path in paths:
        if is_file(path):
            continue
        stem = stem_of(path.name, IMAGE_SUFFIXES) or path.name
        first_channel = path.with_name(f"{stem}_0000{path.name[len(stem) :]}")
        is_nnunet = is_file(first_channel)
        raise DataError(
            f"The files that {FILE_NAME} names must exist.",
            received=f"no such file, but {first_channel.name}, as nnU-Net version 1 names images"
            if is_nnunet
            else "no such file",
            file=path,
            remedy="Convert the data set by nnUNetv2_convert_old_nnUNet_dataset, and use "
            "--dataset=nnunet."
            if is_nnunet
            else f"Add the file, or remove the case from 'training' in {FILE_NAME}.",
        )


def _read(
    image: Path, label: Path, plane: int, num_channels: int, meaning: IndexMeaning
) -> tuple[DecodedImage, np.ndarray]:
    decoded = read_plane(image, plane)
    if decoded.pixels.shape[-1] != num_channels:
        raise DataError(
            f"A case must have the {num_channels} channel(s) that 'modality' names.",
            received=f"{decoded.pixels.shape[-1]} channel(s)",
            file=image,
            remedy=f"Correct 'modality' in {FILE_NAME}, or replace the image.",
        )
    return meaning.read(label, plane, image, decoded)
