"""One small good file of every kind that is read, for tests that damage them."""

import cv2
import nibabel
import numpy as np
from PIL import Image

from tests.data.formats.dicom_files import (
    LOSSLESS,
    LOSSY,
    NATIVE,
    make_dataset,
    write_dicom,
)

HEIGHT, WIDTH = 24, 32


def write_example_files(folder):
    """Returns the paths of the files, each of 24 x 32 pixels but for JSRT's."""
    random = np.random.default_rng(0)
    ramp = np.add.outer(np.arange(HEIGHT) * 5, np.arange(WIDTH) * 3).astype(np.uint8)
    grey = ramp + random.integers(0, 20, ramp.shape, np.uint8)
    deep = grey.astype(np.uint16) * 250 + random.integers(0, 250, grey.shape, np.uint16)
    colour = np.stack([grey, ramp, ramp // 2], axis=-1)
    deep_colour = colour.astype(np.uint16) * 257
    palette = Image.fromarray(grey % 4).convert("P")
    palette.putpalette([0, 0, 0, 90, 90, 90, 160, 160, 160, 255, 255, 255])

    for name, pixels, options in (
        ("grey.png", grey, {}),
        ("deep.png", deep, {}),
        ("colour.png", colour, {}),
        ("opaque.png", np.dstack([colour, np.full_like(grey, 255)]), {}),
        ("bits.png", grey > 100, {}),
        ("grey.jpg", grey, {}),
        ("colour.jpg", colour, {}),
        ("progressive.jpg", colour, {"progressive": True}),
        ("grey.tif", grey, {}),
        ("deep.tif", deep, {}),
        ("float.tif", deep.astype(np.float32) / 7, {}),
        ("colour.tif", colour, {}),
        ("deflated.tif", deep, {"compression": "tiff_adobe_deflate"}),
        ("lzw.tif", colour, {"compression": "tiff_lzw"}),
        ("packbits.tif", grey, {"compression": "packbits"}),
        ("grey.bmp", grey, {}),
        ("colour.bmp", colour, {}),
        ("grey.gif", grey, {}),
    ):
        Image.fromarray(pixels).save(folder / name, **options)
    palette.save(folder / "palette.png", bits=2)
    palette.save(folder / "palette.gif")
    palette.save(folder / "palette.bmp")
    for name in ("deep_colour.png", "deep_colour.tif"):
        assert cv2.imwrite(str(folder / name), deep_colour)
    # OpenCV comments on reading its own alpha channels.
    opaque = np.dstack([deep_colour, np.full(grey.shape, 65535, np.uint16)])
    assert cv2.imwrite(str(folder / "deep_opaque.tif"), opaque)

    for index, syntax in enumerate((*NATIVE, *LOSSLESS)):
        dataset = make_dataset(deep >> 4, BitsStored=12, WindowCenter=2000, WindowWidth=3000)
        write_dicom(folder / f"deep_{index}.dcm", dataset, syntax)
    for index, syntax in enumerate(LOSSY):
        write_dicom(folder / f"grey_{index}.dcm", make_dataset(grey), syntax)

    volume = np.stack([deep.T, deep.T // 2, deep.T // 3], axis=-1).astype(np.float32)
    affine = np.diag([-1.0, -1.0, 1.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(grey.T, affine), folder / "flat.nii")
    nibabel.save(nibabel.Nifti1Image(grey.T, affine), folder / "flat.nii.gz")
    nibabel.save(nibabel.Nifti2Image(grey.T, affine), folder / "second.nii")
    nibabel.save(nibabel.Nifti1Image(volume, affine), folder / "volume.nii.gz")
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)[[2, 0, 1, 3]]), folder / "turned.nii")
    return sorted(folder.iterdir())
