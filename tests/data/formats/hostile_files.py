"""Files that mean harm: headers that promise too much, bombs, loops, and damage at random."""

import gzip
import io
import random
import struct
import zlib

import nibabel
import numpy as np
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from tests.data.formats.dicom_files import make_dataset
from tests.data.formats.jpeg_lossless_encoder import encode_jpeg_lossless

GREY = np.arange(24 * 32, dtype=np.uint8).reshape(24, 32)
DEEP = GREY.astype(np.uint16) * 200


def damaged_variants(name, content, seed):
    """Yields (what was done, content): cut, and overwritten at random, never left as it was."""
    for what, damaged in _variants(content, random.Random(f"{seed} {name}")):
        if damaged != content:
            yield what, damaged


def _variants(content, chance):
    size = len(content)
    for offset in {0, 1, 2, 4, 8, 131, size // 2, size - 1, *chance.sample(range(size), 6)}:
        yield f"cut at {offset}", content[:offset]
    for index in range(24):
        # Headers are where harm is done, so half of the bytes lie there.
        offset = chance.randrange(min(size, 400) if index % 2 else size)
        value = chance.choice([0, 127, 128, 255, chance.randrange(256)])
        yield f"byte {offset} is {value}", content[:offset] + bytes([value]) + content[offset + 1 :]
    for word in (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"):
        offset = chance.randrange(size)
        yield f"{word!r} at {offset}", content[:offset] + word + content[offset + 4 :]
    yield "wrong first bytes", b"XXXXXXXX" + content[8:]
    yield "all zeros", bytes(size)


def _png_chunk(kind, content):
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def _png(width, height, depth=8, colour=0, extra=b""):
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _png_chunk(b"IHDR", header),
            extra,
            _png_chunk(b"IDAT", zlib.compress(bytes(1000))),
            _png_chunk(b"IEND", b""),
        ]
    )


def _saved(kind, pixels=GREY, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def _tiff(tags, next_directory=0):
    """A little-endian TIFF of one directory; tags are (number, value), all of 32 bits."""
    entries = b"".join(struct.pack("<HHII", number, 4, 1, value) for number, value in tags)
    return (
        b"II*\x00" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", next_directory)
    )


def _big_tiff_tags(width, height):
    return [
        (256, width),
        (257, height),
        (258, 8),
        (259, 1),
        (262, 1),
        (273, 200),
        (277, 1),
        (278, height),
        (279, 1000),
    ]


def _deflated_zeros(num_mib):
    """Deflated data, about 1 KiB for each MiB."""
    squeezing = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    block = squeezing.compress(bytes(2**20)) + squeezing.flush(zlib.Z_FULL_FLUSH)
    return block * num_mib + squeezing.flush()


def raster_bombs():
    """Yields (name, content) that must be refused."""
    yield "huge.png", _png(60_000, 60_000)
    yield "wide.png", _png(2**31 - 1, 1)
    yield "no_width.png", _png(0, 24)
    yield "half.png", _png(32, 2400)
    yield (
        "text.png",
        _png(32, 24, extra=_png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))),
    )
    jpeg = _saved("JPEG")
    frame = jpeg.index(b"\xff\xc0")
    yield "huge.jpg", jpeg[: frame + 5] + b"\xff\xdc\xff\xdc" + jpeg[frame + 9 :]
    yield "no_height.jpg", jpeg[: frame + 5] + b"\0\0" + jpeg[frame + 7 :]
    scan = jpeg[jpeg.index(b"\xff\xda") : -2]
    yield "scans.jpg", jpeg[:-2] + scan * 200 + b"\xff\xd9"
    yield "huge.tif", _tiff(_big_tiff_tags(60_000, 60_000)) + bytes(1000)
    yield "short.tif", _tiff(_big_tiff_tags(6_000, 6_000)) + bytes(1000)
    yield "no_width.tif", _tiff(_big_tiff_tags(0, 24)) + bytes(1000)
    yield (
        "tiles.tif",
        _tiff(
            [
                *_big_tiff_tags(32, 24)[:5],
                (277, 1),
                (322, 2**30),
                (323, 2**30),
                (324, 200),
                (325, 9),
            ]
        ),
    )
    bitmap = _saved("BMP")
    yield "huge.bmp", bitmap[:18] + struct.pack("<ii", 60_000, 60_000) + bitmap[26:]
    yield "negative.bmp", bitmap[:18] + struct.pack("<ii", -32, -(2**31)) + bitmap[26:]
    yield "no_width.bmp", bitmap[:18] + struct.pack("<ii", 0, 24) + bitmap[26:]
    gif = _saved("GIF")
    # After the header and the palette.
    frame = gif.index(b"\x2c", 13 + 3 * 256)
    yield "huge.gif", gif[:6] + b"\xff\xff\xff\xff" + gif[10:]
    yield "huge_frame.gif", gif[: frame + 5] + b"\xff\xff\xff\xff" + gif[frame + 9 :]
    values = np.ones((24, 32), np.float32)
    for value in (np.nan, np.inf, -np.inf):
        values[3, 4] = value
        yield f"{value}.tif", _saved("TIFF", values)
    yield "transparent.png", _saved("PNG", np.dstack([GREY] * 4))
    yield "two.gif", _saved("GIF", save_all=True, append_images=[Image.fromarray(255 - GREY)])
    yield "two.tif", _saved("TIFF", save_all=True, append_images=[Image.fromarray(GREY)])


def _dicom(syntax=ExplicitVRLittleEndian, frame=None, pixels=DEEP, **elements):
    dataset = make_dataset(pixels, **elements)
    if frame is not None:
        dataset.PixelData = encapsulate([frame])
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
    stream = io.BytesIO()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def dicom_bombs():
    """Yields (name, content) that must be refused."""
    yield "rows.dcm", _dicom(Rows=65535, Columns=65535)
    yield "no_rows.dcm", _dicom(Rows=0)
    yield "short.dcm", _dicom(Rows=4000, Columns=4000)
    yield "frames.dcm", _dicom(NumberOfFrames=2_000_000_000)
    yield "samples.dcm", _dicom(SamplesPerPixel=60_000)
    yield "colour.dcm", _dicom(PhotometricInterpretation="RGB", SamplesPerPixel=3)
    yield "bits.dcm", _dicom(BitsAllocated=64, BitsStored=64)
    yield "no_pixels.dcm", _dicom(PixelData=None)
    yield "window.dcm", _dicom(WindowCenter=10, WindowWidth=-5)
    yield "slope.dcm", _dicom(RescaleSlope="1e308", RescaleIntercept="1e308")
    deflated = _dicom(DeflatedExplicitVRLittleEndian)
    start = 132 + 12 + int.from_bytes(deflated[140:144], "little")
    yield "deflated.dcm", deflated[:start] + _deflated_zeros(1000)
    stream = io.BytesIO()
    Image.fromarray(DEEP).save(stream, "JPEG2000", no_jp2=True)
    wide = stream.getvalue()
    size = wide.index(b"\xff\x51") + 6
    wide = wide[:size] + struct.pack(">4L", 60_000, 60_000, 0, 0) + wide[size + 16 :]
    yield "wide_j2k.dcm", _dicom(JPEG2000Lossless, wide)
    lossless = encode_jpeg_lossless(DEEP, 16)
    frame = lossless.index(b"\xff\xc3")
    lossless = lossless[: frame + 5] + b"\xff\xff\xff\xff" + lossless[frame + 9 :]
    yield "wide_lossless.dcm", _dicom(JPEGLosslessSV1, lossless)
    yield (
        "wide_ls.dcm",
        _dicom(JPEGLSLossless, b"\xff\xd8\xff\xf7\0\x0b\x10\xff\xff\xff\xff\1\1\x11\0"),
    )
    yield "segments.dcm", _dicom(RLELossless, struct.pack("<16L", 2, 2**31, 2**32 - 1, *[0] * 13))
    whole = _dicom()
    start = 132 + 12 + int.from_bytes(whole[140:144], "little")
    level = b"\x08\0\x12\x21SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\0\xe0\xff\xff\xff\xff"
    yield "nested.dcm", whole[:start] + level * 20_000 + whole[start:]
    yield "directory.dcm", _dicom(SOPClassUID="1.2.840.10008.1.3.10")


def bounded_bombs():
    """Yields (name, content) that may be decoded, if without more time and memory than they say."""
    yield "loop.tif", _tiff(_big_tiff_tags(32, 24), next_directory=8) + bytes(1000)
    # Each pair of bytes stands for 128 pixels, many times those of the image.
    runs = struct.pack("<16L", 2, 64, 64 + 10**7, *[0] * 13) + b"\x81\0" * 10**7
    yield "runs.dcm", _dicom(RLELossless, runs, Rows=1000, Columns=1000)
    yield "largest.dcm", _dicom(RLELossless, runs, Rows=4096, Columns=4096)
    yield "largest.png", _saved("PNG", np.zeros((8192, 8192), np.uint8))


def _nifti(compress=False, data=None, **fields):
    """A NIfTI-1 file of 32 x 24 pixels of 8 bits whose header fields are set afterwards."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((32, 24))
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    for name, value in fields.items():
        header[name] = value
    content = header.binaryblock + bytes(4) + (GREY.tobytes() if data is None else data)
    return gzip.compress(content) if compress else content


def nifti_bombs():
    """Yields (name, content) that must be refused."""
    yield "huge.nii", _nifti(dim=[3, 32767, 32767, 32767, 1, 1, 1, 1])
    yield "volume.nii", _nifti(dim=[3, 512, 512, 32767, 1, 1, 1, 1])
    yield "channels.nii", _nifti(dim=[4, 32, 24, 1, 32767, 1, 1, 1])
    yield "negative.nii", _nifti(dim=[2, -32, -24, 1, 1, 1, 1, 1])
    yield "no_width.nii", _nifti(dim=[2, 0, 24, 1, 1, 1, 1, 1])
    yield "no_axes.nii", _nifti(dim=[0, 1, 1, 1, 1, 1, 1, 1])
    yield "axes.nii", _nifti(dim=[7, 4, 4, 4, 4, 4, 4, 4])
    yield "offset.nii", _nifti(vox_offset=1e30)
    yield "offset_nan.nii", _nifti(vox_offset=np.nan)
    yield "complex.nii", _nifti(datatype=32, bitpix=64)
    yield "unknown.nii", _nifti(datatype=4711)
    yield "rgb.nii", _nifti(datatype=128, bitpix=24)
    yield "slope_large.nii", _nifti(scl_slope=3e38, data=np.full((24, 32), 255, np.uint8).tobytes())
    yield "affine.nii", _nifti(sform_code=1, srow_x=[np.nan] * 4)
    yield "flat_affine.nii", _nifti(sform_code=1, srow_x=[0] * 4, srow_y=[0] * 4, srow_z=[0] * 4)
    yield "short.nii", _nifti(data=b"12345")
    values = np.ones((24, 32), np.float32)
    values[1, 2] = np.nan
    yield "nan.nii", _nifti(datatype=16, bitpix=32, data=values.tobytes())
    yield "pair.nii", _nifti(magic=b"ni1")
    whole = _nifti(compress=True)
    yield "checksum.nii.gz", whole[:-8] + bytes([whole[-8] ^ 1]) + whole[-7:]
    yield "cut.nii.gz", whole[:-4]
    yield "not_packed.nii.gz", b"\x1f\x8b" + bytes(100)
    # A gzip file of two members, which are read as if they were one.
    yield "bomb.nii.gz", whole + whole[:10] + _deflated_zeros(2000) + bytes(8)
