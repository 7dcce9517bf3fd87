import gzip
import itertools
import sys

import nibabel
import numpy as np
import pytest

from darts_adv_tf.data.formats.nifti import num_slices, read_nifti, read_nifti_mask
from darts_adv_tf.system.errors import ConfigurationError, DataError

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (6, 5), np.uint8)
# What SimpleITK writes for identity directions: its axes run to the left, the back and the head.
IDENTITY_OF_ITK = np.diag([-1.0, -1.0, 1.0, 1.0])


def save(path, values, affine=IDENTITY_OF_ITK, **fields):
    """Values are stored as they are, (x, y, z, channels)."""
    image = nibabel.Nifti1Image(values, affine)
    for name, value in fields.items():
        image.header[name] = value
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["image.nii", "image.nii.gz"])
def test_a_image_that_itk_wrote_comes_out_as_it_was(tmp_path, name):
    # ITK's first axis is the columns, the second one the rows.
    path = save(tmp_path / name, GREY.T)
    decoded = read_nifti(path)
    assert decoded.pixels.dtype == np.uint8
    np.testing.assert_array_equal(decoded.pixels, GREY[:, :, np.newaxis])
    assert decoded.intensity_maximum == 255.0
    assert decoded.spacing == (1.0, 1.0)
    assert num_slices(path) == 1


def test_the_second_version_is_read(tmp_path):
    nibabel.save(nibabel.Nifti2Image(GREY.T, IDENTITY_OF_ITK), tmp_path / "image.nii")
    np.testing.assert_array_equal(read_nifti(tmp_path / "image.nii").pixels[:, :, 0], GREY)


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<u2", "<i4", "<f4", ">f4", "<f8"])
def test_other_numbers_become_float32_without_a_maximum(tmp_path, dtype):
    values = RANDOM.integers(0, 1000, (6, 5)).astype(dtype)
    decoded = read_nifti(save(tmp_path / "image.nii", values.T))
    assert decoded.pixels.dtype == np.float32
    assert decoded.intensity_maximum is None
    np.testing.assert_array_equal(decoded.pixels[:, :, 0], values.astype(np.float32))


def test_scaling_is_applied(tmp_path):
    image = nibabel.Nifti1Image(GREY.T, IDENTITY_OF_ITK)
    image.header.set_slope_inter(2.0, -7.0)
    nibabel.save(image, tmp_path / "image.nii")
    loaded = nibabel.load(tmp_path / "image.nii")
    assert (loaded.dataobj.slope, loaded.dataobj.inter) == (2.0, -7.0)
    decoded = read_nifti(tmp_path / "image.nii")
    assert decoded.pixels.dtype == np.float32
    assert decoded.intensity_maximum is None
    np.testing.assert_array_equal(decoded.pixels[:, :, 0], loaded.get_fdata().T)


AFFINES = [
    (order, signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]


@pytest.mark.parametrize("order, signs", AFFINES)
def test_every_orientation_gives_the_same_slices(tmp_path, order, signs):
    stored = RANDOM.integers(-999, 999, (4, 5, 6)).astype(np.int16)
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    for axis, (patient_axis, sign) in enumerate(zip(order, signs, strict=True)):
        affine[patient_axis, axis] = sign * (axis + 1.0)
    name = "volume.nii" if signs[0] > 0 else "volume.nii.gz"
    path = save(tmp_path / name, stored, affine)

    canonical = nibabel.as_closest_canonical(nibabel.load(path))
    values, zooms = np.asarray(canonical.dataobj), canonical.header.get_zooms()
    assert num_slices(path) == values.shape[2]
    for index in range(values.shape[2]):
        decoded = read_nifti(path, index)
        # Canonical axes run to the right, the front and the head; rows to the back, columns to
        # the left.
        np.testing.assert_array_equal(decoded.pixels[:, :, 0], values[::-1, ::-1, index].T)
        assert decoded.spacing == (zooms[1], zooms[0])


def test_a_frontal_image_is_upright(tmp_path):
    # x to the left, y to the head, z to the back: a radiograph stored bottom up.
    affine = np.array([[-1, 0, 0, 0], [0, 0, -1, 0], [0, 1, 0, 0], [0, 0, 0, 1]], float)
    path = save(tmp_path / "image.nii", GREY[::-1].T[:, :, np.newaxis], affine)
    assert num_slices(path) == 1
    np.testing.assert_array_equal(read_nifti(path).pixels[:, :, 0], GREY)


@pytest.mark.parametrize("shape", [(5, 6, 1, 3), (5, 6, 4, 2), (5, 6, 4, 1, 2)])
def test_further_axes_are_channels(tmp_path, shape):
    values = RANDOM.normal(size=shape).astype(np.float32)
    path = save(tmp_path / "image.nii.gz", values)
    assert num_slices(path) == shape[2]
    for index in range(shape[2]):
        expected = values[:, :, index].reshape(5, 6, -1).swapaxes(0, 1)
        np.testing.assert_array_equal(read_nifti(path, index).pixels, expected)


@pytest.mark.parametrize(
    "unit, expected", [("mm", (3.0, 2.0)), ("micron", (0.003, 0.002)), ("unknown", (3.0, 2.0))]
)
def test_spacing_is_in_millimetres(tmp_path, unit, expected):
    image = nibabel.Nifti1Image(GREY.T, np.diag([-2.0, -3.0, 1.0, 1.0]))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "image.nii")
    assert read_nifti(tmp_path / "image.nii").spacing == pytest.approx(expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_labels_keep_their_numbers(tmp_path, dtype):
    labels = read_nifti_mask(save(tmp_path / "labels.nii.gz", (GREY % 4).T.astype(dtype)))
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, GREY % 4)


def test_labels_above_255_take_16_bits(tmp_path):
    labels = read_nifti_mask(save(tmp_path / "labels.nii", GREY.T.astype(np.int32) * 200))
    assert labels.dtype == np.uint16
    np.testing.assert_array_equal(labels, GREY.astype(int) * 200)


@pytest.mark.parametrize("value", [-1.0, 0.5, 65536.0, np.nan, np.inf])
def test_numbers_that_are_no_labels_are_refused(tmp_path, value):
    values = np.zeros((5, 6), np.float32)
    values[2, 3] = value
    with pytest.raises(DataError, match="label image"):
        read_nifti_mask(save(tmp_path / "labels.nii", values))


def test_a_slice_that_is_not_there_is_refused(tmp_path):
    path = save(tmp_path / "volume.nii", np.zeros((4, 5, 6), np.int16))
    for index in (-1, 6):
        with pytest.raises(DataError, match=f"slice {index} of 6"):
            read_nifti(path, index)


def test_the_number_of_slices_needs_no_more_than_the_header(tmp_path):
    path = save(tmp_path / "volume.nii", np.zeros((4, 5, 6), np.int16))
    content = path.read_bytes()
    path.write_bytes(content[:540])
    assert num_slices(path) == 6


@pytest.mark.parametrize("compress", [False, True])
def test_a_file_without_its_last_slices_is_refused_for_each_slice(tmp_path, compress):
    path = save(tmp_path / "volume.nii", np.zeros((4, 5, 6), np.int16))
    content = path.read_bytes()[:-1]
    path.write_bytes(gzip.compress(content) if compress else content)
    for index in range(6):
        with pytest.raises(DataError, match="ends within the image"):
            read_nifti(path, index)


def test_a_damaged_checksum_is_found_wherever_the_slice_lies(tmp_path):
    path = save(tmp_path / "volume.nii.gz", np.zeros((40, 50, 6), np.int16))
    content = bytearray(path.read_bytes())
    assert read_nifti(path, 0).pixels.shape == (50, 40, 1)
    content[-6] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match="CRC"):
        read_nifti(path, 0)


def test_what_follows_the_image_is_not_inflated_without_end(tmp_path):
    path = save(tmp_path / "image.nii", GREY.T)
    path.write_bytes(gzip.compress(path.read_bytes() + bytes(2**20)))
    assert read_nifti(path).pixels.shape == (6, 5, 1)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(2**24)))
    with pytest.raises(DataError, match="much more data"):
        read_nifti(path)


def test_values_that_are_not_finite_are_refused(tmp_path):
    values = np.ones((5, 6), np.float32)
    values[2, 3] = np.nan
    with pytest.raises(DataError, match="1 of 30"):
        read_nifti(save(tmp_path / "image.nii", values))


@pytest.mark.parametrize(
    "fields, told",
    [
        ({"magic": b"ni1"}, "in another file"),
        ({"dim": [3, 8000, 8000, 30000, 1, 1, 1, 1]}, "1,920,000,000,000 bytes"),
        ({"dim": [3, 32767, 32767, 1, 1, 1, 1, 1]}, "32767 x 32767"),
        ({"datatype": 32, "bitpix": 64}, "complex64"),
    ],
)
def test_headers_that_cannot_be_meant_are_refused(tmp_path, fields, told):
    path = save(tmp_path / "image.nii", GREY.T)
    header = nibabel.load(path).header
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + path.read_bytes()[348:])
    with pytest.raises(DataError) as caught:
        read_nifti(path)
    assert told in str(caught.value.received)
    assert caught.value.file == path


def test_a_compressed_file_is_known_by_its_content(tmp_path):
    path = save(tmp_path / "image.nii", GREY.T)
    path.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(read_nifti(path).pixels[:, :, 0], GREY)


def test_a_missing_package_is_told_with_its_remedy(tmp_path, monkeypatch):
    path = save(tmp_path / "image.nii", GREY.T)
    monkeypatch.setitem(sys.modules, "nibabel", None)
    with pytest.raises(ConfigurationError, match="requirements-medical"):
        read_nifti(path)
