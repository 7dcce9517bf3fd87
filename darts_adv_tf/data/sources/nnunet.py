"""Data sets in the format of nnU-Net, version 2.

    dataset.json            channel_names, labels, file_ending
    imagesTr/<case>_<four digits, the channel><file_ending>
    labelsTr/<case><file_ending>

Any channels and classes; PNG, BMP, TIFF or NIfTI. A class is a value of the masks, or, as a region,
a list of values; where regions overlap, the later one wins, as nnU-Net writes them one over the
other. Channels are a file each; one file `_0000` with all channels is taken too, as nnU-Net's
reader of natural images does. Volumes are cut into slices. Images without labels are left out, and
imagesTs is not looked at. Pixels to be ignored have no place in the losses here, so data sets with
the label `ignore` are refused.

Shapes: K classes, of which class 0 is the background, H and W pixels, C channels.

Reference: github.com/MIC-DKFZ/nnUNet, documentation/dataset_format.md
"""

from functools import partial
from pathlib import Path

import numpy as np

from darts_adv_tf.data.collection import Case, Collection, cases_or_error
from darts_adv_tf.data.formats.decoded_image import DecodedImage
from darts_adv_tf.data.sources.description import (
    FILE_NAME,
    MAXIMUM_CLASSES,
    Description,
    is_whole_number,
)
from darts_adv_tf.data.sources.folder import files_by_stem, left_out, require_folders
from darts_adv_tf.data.sources.index_mask import IndexMeaning
from darts_adv_tf.data.sources.planes import find_planes, read_plane
from darts_adv_tf.system.errors import DataError

FILE_ENDINGS = (".png", ".bmp", ".tif", ".tiff", ".nii", ".nii.gz")

_REMEDY = f"Let --data_dir name the folder Dataset<number>_<name> that holds {FILE_NAME}."


def find_nnunet(data_dir: Path) -> Collection:
    """Finds a case a file of labelsTr, or one a slice of it, sorted by name.

    Raises:
        DataError: If dataset.json is wrong, or a folder is missing or empty.
    """
    image_dir, label_dir = data_dir / "imagesTr", data_dir / "labelsTr"
    require_folders(
        (data_dir, image_dir, label_dir),
        f"An nnU-Net data set must hold {FILE_NAME}, imagesTr/ and labelsTr/.",
        _REMEDY,
    )
    description = Description(data_dir / FILE_NAME)
    if description.has("modality") and not description.has("channel_names"):
        raise DataError(
            f"{FILE_NAME} must be that of nnU-Net version 2, with 'channel_names'.",
            received="'modality' instead, as in nnU-Net version 1 and in the Decathlon",
            file=description.path,
            remedy="Convert the data set by nnUNetv2_convert_old_nnUNet_dataset; or use "
            "--dataset=decathlon if its images are named as their masks, without _0000.",
        )
    num_channels = description.channels("channel_names")
    meaning = _read_labels(description)
    ending = description.text("file_ending").lower()
    if ending not in FILE_ENDINGS:
        raise description.refuse(f"'file_ending' must be one of {', '.join(FILE_ENDINGS)}.", ending)
    images, labels = files_by_stem(image_dir, (ending,)), files_by_stem(label_dir, (ending,))
    if not labels:
        raise DataError(
            "A data set must hold at least one case.",
            received=f"no {ending} file",
            file=label_dir,
            remedy="Add masks, or correct 'file_ending' in dataset.json.",
        )

    def make(name: str, label: Path) -> list[Case]:
        paths = _channel_files(name, num_channels, images, image_dir / f"{name}_0000{ending}")
        return [
            Case(
                plane_name,
                name,
                partial(_read, paths, label, plane, num_channels, meaning),
                (*paths, label),
            )
            for plane_name, plane in find_planes(name, [*paths, label])
        ]

    cases: list[Case] = []
    for name, label in labels.items():
        cases += cases_or_error(name, make, name, label)
    unlabelled = sorted({stem[:-5] for stem in images} - set(labels))
    return Collection(
        name="nnunet",
        class_names=meaning.class_names,
        cases=tuple(cases),
        issues=left_out(unlabelled, "an image without labels"),
    )


def _read_labels(description: Description) -> IndexMeaning:
    """What the values mean, in the order of the names in the file."""
    labels = description.mapping("labels")
    if "ignore" in labels:
        raise description.refuse(
            "All pixels must have a class; the label 'ignore' is not supported.", labels
        )
    values = {}
    for name, value in labels.items():
        if not name.strip():
            raise description.refuse("'labels' must give each class a name.", labels)
        group = value if isinstance(value, list) else [value]
        if not group or not all(is_whole_number(v) and 0 <= v < 2**16 for v in group):
            raise description.refuse(
                "'labels' must map each name to a whole number from 0 to 65535, or a list of them.",
                {name: value},
            )
        values[name] = tuple(group)
    if values.get("background") != (0,):
        raise description.refuse("'labels' must map 'background' to 0.", labels)
    classes = {name: group for name, group in values.items() if name != "background"}
    if not 1 <= len(classes) < MAXIMUM_CLASSES or any(0 in group for group in classes.values()):
        raise description.refuse(
            f"'labels' must name 1 to {MAXIMUM_CLASSES - 1} classes besides the background, none "
            "of them with the value 0.",
            labels,
        )
    singles = [group for group in classes.values() if len(group) == 1]
    if len(set(singles)) != len(singles):
        raise description.refuse("'labels' must give each class different values.", labels)
    return IndexMeaning(("background", *classes), tuple(classes.values()))


def _channel_files(
    name: str, num_channels: int, images: dict[str, Path], expected: Path
) -> tuple[Path, ...]:
    """The file of each channel, or the one file `_0000` of all of them."""
    names = [f"{name}_{channel:04}" for channel in range(num_channels)]
    found = [stem for stem in names if stem in images]
    if found != names and found != names[:1]:
        missing = next(stem for stem in names if stem not in images)
        raise DataError(
            "Each mask in labelsTr must have an image of the same name in imagesTr, with _0000 for "
            "its first channel, _0001 for the next, and so on.",
            received=f"no {missing}{expected.name[len(names[0]) :]}",
            file=expected,
            remedy="Add the image, or remove the mask from labelsTr/.",
        )
    return tuple(images[stem] for stem in found)


def _read(
    paths: tuple[Path, ...], label: Path, plane: int, num_channels: int, meaning: IndexMeaning
) -> tuple[DecodedImage, np.ndarray]:
    decoded_images = [read_plane(path, plane, paths[0]) for path in paths]
    if len(paths) == 1 < num_channels and decoded_images[0].pixels.shape[-1] == 1:
        # A colour image whose channels agree is decoded as a grey one.
        decoded_images *= num_channels
    decoded = join_channels(decoded_images, paths)
    if decoded.pixels.shape[-1] != num_channels:
        raise DataError(
            f"A case must have the {num_channels} channel(s) that 'channel_names' names.",
            received=f"{decoded.pixels.shape[-1]} in {len(paths)} file(s)",
            file=paths[0],
            remedy="Correct 'channel_names' in dataset.json, or replace the image.",
        )
    return meaning.read(label, plane, paths[0], decoded)


def join_channels(decoded_images: list[DecodedImage], paths: tuple[Path, ...]) -> DecodedImage:
    """One image (H, W, C) of several of the same size.

    Intensities of formats with different bounds are brought to the largest of them.

    Raises:
        DataError: They differ in size.
    """
    if len(decoded_images) == 1:
        return decoded_images[0]
    first = decoded_images[0]
    for decoded, path in zip(decoded_images, paths * len(decoded_images), strict=False):
        if decoded.pixels.shape[:2] != first.pixels.shape[:2]:
            raise DataError(
                "The channels of a case must have the same size.",
                received="{1}x{0} and {3}x{2} (width x height)".format(
                    *decoded.pixels.shape[:2], *first.pixels.shape[:2]
                ),
                file=path,
                remedy="Resize the channel, or remove the case from the data set.",
            )
    bounds = [decoded.intensity_maximum for decoded in decoded_images]
    known = [bound for bound in bounds if bound is not None]
    if len(set(bounds)) == 1:
        maximum = bounds[0]
        channels = [decoded.pixels for decoded in decoded_images]
    elif len(known) < len(bounds):
        maximum = None
        channels = [decoded.pixels.astype(np.float32) for decoded in decoded_images]
    else:
        maximum = max(known)
        channels = [
            decoded.pixels * np.float32(maximum / bound)
            for decoded, bound in zip(decoded_images, known, strict=True)
        ]
    joined = DecodedImage(np.concatenate(channels, axis=-1), maximum, first.spacing)
    return joined.with_remarks([r for decoded in decoded_images for r in decoded.remarks])
