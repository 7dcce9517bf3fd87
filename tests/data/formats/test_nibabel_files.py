"""The NIfTI files that come with nibabel, against SimpleITK, which shares no code with it."""

from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK

from darts_adv_tf.data.formats.nifti import num_slices, read_nifti
from darts_adv_tf.system.errors import DataError

FOLDER = Path(nibabel.__file__).parent / "tests" / "data"
READ = ("anatomical.nii", "functional.nii", "example4d.nii.gz", "reoriented_anat_moved.nii")


def read_by_simpleitk(path):
    """(slices, H, W, C): to the head, to the back, to the left."""
    image = SimpleITK.ReadImage(str(path))
    size = [*image.GetSize(), 1][:4]
    volumes = [image]
    if image.GetDimension() == 4:
        volumes = [
            SimpleITK.Extract(image, [*size[:3], 0], [0, 0, 0, index]) for index in range(size[3])
        ]
    turned = [SimpleITK.DICOMOrient(volume, "LPS") for volume in volumes]
    return np.stack([SimpleITK.GetArrayFromImage(volume) for volume in turned], axis=-1)


@pytest.mark.parametrize("name", [*READ, "standard.nii.gz"])
def test_files_of_nibabel_are_read_as_simpleitk_reads_them(name):
    path = FOLDER / name
    slices = [read_nifti(path, index).pixels for index in range(num_slices(path))]
    np.testing.assert_array_equal(np.stack(slices), read_by_simpleitk(path), strict=False)


@pytest.mark.parametrize(
    ("name", "received"),
    [
        ("resampled_anat_moved.nii", "74 of 357 intensities that are infinite or NaN"),
        ("row_major.dconn.nii", "6 axes, 1 x 1 x 1 x 1 x 10 x 10"),
    ],
)
def test_files_of_nibabel_that_are_no_images_are_refused_by_name(name, received):
    with pytest.raises(DataError) as caught:
        for index in range(num_slices(FOLDER / name)):
            read_nifti(FOLDER / name, index)
    assert caught.value.received == received
