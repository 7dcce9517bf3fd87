"""Where files of one case lie by their headers, and the planes of single slices.

Affines go to mm to the patient's right, front and head.
"""

import nibabel
import numpy as np
import pytest

from darts_adv_tf.data.formats.nifti import num_slices, read_nifti, read_nifti_mask
from darts_adv_tf.data.formats.nifti_header import HeaderMismatch

SHAPE = (4, 5, 3)
STORED = np.random.default_rng(0).integers(1, 100, SHAPE).astype(np.int16)
LPS = np.diag([-1.0, -1.0, 2.0, 1.0])


def moved(affine, *offset):
    affine = affine.copy()
    affine[:3, 3] += offset
    return affine


def turned(affine, degrees):
    angle = np.deg2rad(degrees)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return turn @ affine


def save(path, values, affine=None):
    """Without an affine, the file says nothing of where it lies."""
    image = nibabel.Nifti1Image(values, affine)
    nibabel.save(image, path)
    return path


def pair(folder, image_affine, mask_affine, mask=STORED):
    return save(folder / "image.nii", STORED, image_affine), save(
        folder / "mask.nii.gz", mask, mask_affine
    )


PAIRED = "paired voxel by voxel"
SPACING = f"NIfTI headers of one case disagree in spacing, 1 x 1 x 2 and 1 x 1 x 3 mm: {PAIRED}"


@pytest.mark.parametrize(
    ("image_affine", "mask_affine", "remarks"),
    [
        (LPS, LPS, []),
        (LPS, moved(LPS, 0.3, 0.0, 0.0), []),
        (
            LPS,
            moved(LPS, 40.0, 0.0, 0.0),
            [f"NIfTI headers of one case disagree in position: {PAIRED}"],
        ),
        (LPS, np.diag([-1.0, -1.0, 3.0, 1.0]), [SPACING]),
        (LPS, turned(LPS, 30), [f"NIfTI headers of one case disagree in rotation: {PAIRED}"]),
        (LPS, None, [f"no orientation in the header of the mask or channel: {PAIRED}"]),
        (None, LPS, [f"no orientation in the header of the image: {PAIRED}"]),
        (None, None, []),
    ],
)
def test_what_headers_of_one_orientation_disagree_in_is_told(
    tmp_path, image_affine, mask_affine, remarks
):
    image, mask = pair(tmp_path, image_affine, mask_affine)
    for index in range(3):
        told = []
        labels = read_nifti_mask(mask, index, image, told.append)
        # The same numbers were stored in both files.
        np.testing.assert_array_equal(labels, read_nifti(image, index).pixels[:, :, 0])
        assert told == remarks


@pytest.mark.parametrize(
    ("mask_affine", "received"),
    [
        (np.diag([1.0, 1.0, 2.0, 1.0]), "directions of the axes, LPS and RAS"),
        (np.diag([1.0, -1.0, 2.0, 1.0]), "LPS and RPS"),
        (np.diag([-1.0, -1.0, -2.0, 1.0]), "LPS and LPI"),
        (np.diag([-1.0, -1.0, 2.0, 1.0])[[1, 0, 2, 3]], "LPS and PLS"),
        (turned(LPS, 90), "directions of the axes"),
    ],
)
def test_headers_of_two_orientations_and_places_are_refused(tmp_path, mask_affine, received):
    image, mask = pair(tmp_path, LPS, mask_affine)
    for read in (lambda: num_slices(mask, image), lambda: read_nifti(mask, 0, image)):
        with pytest.raises(HeaderMismatch) as caught:
            read()
        assert received in caught.value.received
        assert caught.value.file == mask


@pytest.mark.parametrize("axis", range(3))
def test_a_mask_that_was_stored_along_other_axes_in_the_same_place_fits(tmp_path, axis):
    """Reversing an axis moves the first voxel to the other end."""
    affine = LPS.copy()
    affine[:3, 3] += affine[:3, axis] * (SHAPE[axis] - 1)
    affine[:3, axis] *= -1
    image, mask = pair(tmp_path, LPS, affine, np.flip(STORED, axis))
    told = []
    labels = read_nifti_mask(mask, 1, image, told.append)
    np.testing.assert_array_equal(labels, read_nifti(image, 1).pixels[:, :, 0])
    assert told == []


def test_a_channel_without_an_orientation_takes_that_of_the_first(tmp_path):
    image, other = pair(tmp_path, np.diag([1.0, 1.0, 2.0, 1.0]), None)
    decoded = read_nifti(other, 2, image)
    np.testing.assert_array_equal(decoded.pixels, read_nifti(image, 2).pixels)
    assert decoded.remarks == (f"no orientation in the header of the mask or channel: {PAIRED}",)


# As a radiologist sees them: rows down, columns to the right.
PLANE = np.array([[1, 2, 3], [4, 5, 6]], np.int16)
LEFT, BACK, HEAD = [-1, 0, 0], [0, -1, 0], [0, 0, 1]
DOWN = [0, 0, -1]


@pytest.mark.parametrize(
    ("rows_to", "columns_to", "thickness", "across"),
    [
        pytest.param(BACK, LEFT, 3.0, HEAD, id="axial"),
        pytest.param(DOWN, LEFT, 3.0, BACK, id="frontal"),
        pytest.param(DOWN, BACK, 3.0, LEFT, id="sagittal"),
    ],
)
@pytest.mark.parametrize("flat_axis", range(3))
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_a_single_slice_is_read_in_its_own_plane(
    tmp_path, rows_to, columns_to, thickness, across, flat_axis, suffix
):
    """Stored along any axis, pixels 2 mm high and 1 mm wide."""
    axes = [np.array(columns_to) * 1.0, np.array(rows_to) * 2.0]
    axes.insert(flat_axis, np.array(across) * thickness)
    affine = np.eye(4)
    affine[:3, :3] = np.stack(axes, axis=1)
    path = save(tmp_path / f"slice{suffix}", np.expand_dims(PLANE.T, flat_axis), affine)
    assert num_slices(path) == 1
    decoded = read_nifti(path)
    np.testing.assert_array_equal(decoded.pixels[:, :, 0], PLANE)
    assert decoded.spacing == (2.0, 1.0)


@pytest.mark.parametrize("slices_along", range(3))
@pytest.mark.parametrize("num_channels", [1, 2])
def test_slices_of_files_too_large_to_keep_inflated_are_the_same(
    tmp_path, monkeypatch, slices_along, num_channels
):
    """Read in runs, of which some hold several slices, some a part of one."""
    values = np.random.default_rng(1).integers(0, 999, (4, 5, 6, num_channels)).astype(np.int16)
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, np.roll([0, 1, 2], slices_along + 1)]
    path = save(tmp_path / "volume.nii.gz", values, affine)
    kept = [read_nifti(path, index).pixels for index in range(num_slices(path))]
    module = "darts_adv_tf.data.formats.nifti"
    monkeypatch.setattr(f"{module}.LARGEST_KEPT_BYTES", 0)
    for chunk in (2**20, 96, 8):
        monkeypatch.setattr(f"{module}._CHUNK", chunk)
        for index, pixels in enumerate(kept):
            np.testing.assert_array_equal(read_nifti(path, index).pixels, pixels)
