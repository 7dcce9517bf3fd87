"""PNG, JPEG, TIFF, BMP and GIF, decoded by Pillow.

Pillow raises on files that end early, where OpenCV returns half an image and writes to the
terminal. Only 16-bit colour, which Pillow reduces to 8 bits without a word, goes to OpenCV, once
Pillow has found the file whole.

Shapes: H, W pixels, C channels.
"""

import contextlib
import ctypes
import dataclasses
import io
import logging
import warnings
from pathlib import Path

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageOps

from darts_adv_tf.data.formats.decoded_image import (
    DecodedImage,
    Report,
    check_size,
    make_image,
    unreported,
)
from darts_adv_tf.data.formats.label_image import no_label_image, to_label_image, to_mask
from darts_adv_tf.data.formats.regular_file import open_to_decode
from darts_adv_tf.system.errors import DataError

RASTER_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".gif")

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF")
# What Pillow calls a JPEG of one page, and one of several, which is refused for its pages.
_JPEG = ("JPEG", "MPO")
_KIND = "a PNG, JPEG, TIFF, BMP or GIF image"

_MOST_SCANS = 100
"""A progressive JPEG has about ten scans; decoding takes time for each, whatever its size."""

_PNG_END = b"IEND\xae\x42\x60\x82"

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_WHITE_IS_ZERO = 0
_UNSIGNED, _SIGNED = 1, 2
_LARGEST_EXACT_FLOAT = 2**24

_TURNS = {
    orientation: f"{kind} as the EXIF orientation {orientation} says"
    for orientation, kind in (
        (2, "mirrored"),
        (3, "turned by 180 degrees"),
        (4, "flipped"),
        (5, "turned and mirrored"),
        (6, "turned by 90 degrees"),
        (7, "turned and mirrored"),
        (8, "turned by 90 degrees"),
    )
}
"""What is told of an image that is not upright: a mask drawn on the stored pixels would not fit."""


@dataclasses.dataclass(frozen=True)
class _Loaded:
    """A file that Pillow has decoded completely.

    Attributes:
        image: The one page.
        raw_mode: Pillow's name for how the pixels are packed in the file, such as "RGB;16B".
        orientation: The EXIF orientation, 1 for upright; already applied to `image`.
        content: The whole file.
    """

    image: Image.Image
    raw_mode: str
    orientation: int
    content: bytes

    @property
    def has_deep_colour(self) -> bool:
        """More than 8 bits a channel in colours: `image` has only the upper 8 of them."""
        return self.image.mode in ("RGB", "RGBA", "LA") and "16" in self.raw_mode

    def tag(self, number: int, default: int) -> int:
        """The first value of a TIFF tag; `default` in files of other formats."""
        value = getattr(self.image, "tag_v2", {}).get(number, default)
        return value[0] if isinstance(value, tuple) else value


def read_raster(path: str | Path) -> DecodedImage:
    """Decodes a PNG, JPEG, TIFF, BMP or GIF image of one page.

    Colours whose channels agree are grey stored in a wider format, and become one channel. A
    palette is applied; 1-bit images become 0 and 255. TIFF files that store white as zero are
    inverted. The EXIF orientation is applied, as viewers do. Resolutions in dots per inch say how
    to print a file, not how large the body is, so `spacing` is None.

    Returns:
        uint8 or uint16 with the format's maximum (255, 65535, 4095 for 12-bit TIFF); float32
        without one for TIFF files of floating-point, signed or 32-bit numbers. (H, W, 1) or
        (H, W, 3).

    Raises:
        DataError: The file cannot be read, is damaged, is too large, or holds something that would
            have to be guessed at: several pages, transparent pixels, colours that are not RGB,
            integers that float32 cannot hold, numbers that are not finite.
    """
    with open_to_decode(path, _KIND) as stream:
        loaded = _load(stream.read(), path)
        turn = _TURNS.get(loaded.orientation)
        return _to_image(loaded, path).with_remarks([] if turn is None else [turn])


def read_mask(path: str | Path, report: Report = unreported) -> np.ndarray:
    """Decodes a mask of one class from any raster image; see `to_mask`.

    Args:
        path: The file.
        report: Called with what had to be interpreted.

    Returns:
        bool (H, W).

    Raises:
        DataError: As `read_raster`, and where it cannot be told which pixels are inside.
    """
    decoded = read_raster(path)
    for remark in decoded.remarks:
        report(remark)
    return to_mask(decoded, path, report)


def read_index_mask(path: str | Path, report: Report = unreported) -> np.ndarray:
    """Decodes an image whose numbers are labels: a palette's indices, or grey values.

    The numbers are those that the file stores, not those that a viewer shows: colours of a palette
    and transparency play no part, and an image of 1, 2 or 4 bits is not stretched to 255.

    Args:
        path: The file.
        report: Called with what had to be interpreted.

    Returns:
        uint8 (H, W), or uint16 where a label is above 255.

    Raises:
        DataError: As `read_raster`, and where the file is a JPEG, which does not keep numbers
            exactly, is coloured, or holds numbers that are no labels.
    """
    with open_to_decode(path, _KIND) as stream:
        loaded = _load(stream.read(), path)
        if loaded.image.format in _JPEG:
            raise no_label_image("a JPEG, which changes numbers", path)
        if loaded.tag(_PHOTOMETRIC, 1) == _WHITE_IS_ZERO:
            raise no_label_image("a TIFF that stores white as zero", path)
        if loaded.image.mode in ("P", "1"):
            return np.asarray(loaded.image).astype(np.uint8)
        decoded = _to_image(loaded, path)
        labels = decoded.pixels[:, :, 0]
        if loaded.raw_mode in ("L;2", "L;4"):
            # Pillow has stretched 0..3 and 0..15 to 0..255.
            labels = labels // (255 // (2 ** int(loaded.raw_mode[-1]) - 1))
        if decoded.pixels.shape[2] != 1:
            raise no_label_image("colours", path)
        return to_label_image(labels, path, report)


def _load(content: bytes, path: str | Path) -> _Loaded:
    _silence_pillow()
    image = Image.open(io.BytesIO(content), formats=_FORMATS)
    check_size(image.height, image.width, len(image.getbands()), path)
    if image.format == "PNG":
        # Decoding alone passes over the checksums of the pixels.
        Image.open(io.BytesIO(content), formats=("PNG",)).verify()
        if _PNG_END not in content:
            raise ValueError("a damaged last chunk")
    # Entropy-coded data never hold this pair of bytes, so each is the head of a scan.
    if image.format in _JPEG and content.count(b"\xff\xda") > _MOST_SCANS:
        raise ValueError(f"more than {_MOST_SCANS} scans")
    # Forgotten once the pixels are loaded.
    arguments = image.tile[0].args if image.tile else ""
    raw_mode = str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)
    orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    image.load()
    _refuse_pages(content, path)
    upright: Image.Image = image
    # Pillow itself turns TIFF files on loading.
    if orientation != 1 and image.format != "TIFF":
        upright = ImageOps.exif_transpose(image)
        upright.format = image.format
    return _Loaded(upright, raw_mode, orientation, content)


def _silence_pillow() -> None:
    """Silences what Pillow logs: it also raises it, or it is about metadata."""
    logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)
    # Appended, so that whoever turns warnings into errors still gets them.
    warnings.filterwarnings("ignore", module=r"PIL(\.|$)", append=True)
    # libtiff writes to the terminal by itself, and Pillow has no way to stop it.
    library = ctypes.CDLL(Image.core.__file__)
    for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
        # Absent where Pillow was built without libtiff, or hides it.
        with contextlib.suppress(AttributeError):
            getattr(library, name)(None)


def _refuse_pages(content: bytes, path: str | Path) -> None:
    # Another page is looked for in a copy, since turning pages loses the first one.
    pages = Image.open(io.BytesIO(content), formats=_FORMATS)
    try:
        pages.seek(1)
    except EOFError:
        return
    raise DataError(
        "An image file must hold one image.",
        received="an animation, or several pages",
        file=path,
        remedy="Save the page to use as a separate file.",
    )


def _to_image(loaded: _Loaded, path: str | Path) -> DecodedImage:
    image = loaded.image
    mode = image.mode
    if mode == "1":
        return make_image(np.asarray(image).astype(np.uint8) * np.uint8(255), path, 255.0)
    if mode in ("I", "F") or mode.startswith("I;16"):
        return _deep_grey(loaded, path)
    if loaded.has_deep_colour:
        values, maximum = _deep_colour(loaded, path), 65535
    elif mode in ("P", "PA"):
        values, maximum = np.asarray(image.convert("RGBA")), 255
    elif image.has_transparency_data and mode in ("L", "RGB"):
        # One grey value or colour is declared transparent.
        values, maximum = np.asarray(image.convert("RGBA")), 255
    elif mode in ("L", "RGB", "LA", "RGBA"):
        values, maximum = np.asarray(image), 255
    else:
        raise DataError(
            "An image must be grey or RGB.",
            received=f"pixels of the Pillow mode {mode!r}",
            file=path,
            remedy="Convert the image to grey.",
        )
    if mode == "L" and loaded.tag(_SAMPLE_FORMAT, _UNSIGNED) != _UNSIGNED:
        raise ValueError("signed 8-bit numbers")
    if values.ndim == 3 and values.shape[2] in (2, 4):
        if (values[:, :, -1] != maximum).any():
            _refuse_transparency(path)
        values = values[:, :, :-1]
    if values.ndim == 3 and (values == values[:, :, :1]).all():
        values = values[:, :, :1]
    return make_image(np.ascontiguousarray(values), path, float(maximum))


def _refuse_transparency(path: str | Path) -> None:
    raise DataError(
        "All pixels of an image must be opaque.",
        received="transparent pixels",
        file=path,
        remedy="Save the image without an alpha channel.",
    )


def _deep_grey(loaded: _Loaded, path: str | Path) -> DecodedImage:
    """16-bit, 32-bit and floating-point grey."""
    values = np.asarray(loaded.image)
    transparent = loaded.image.info.get("transparency")
    if transparent is not None and (values == transparent).any():
        _refuse_transparency(path)
    white_is_zero = loaded.tag(_PHOTOMETRIC, 1) == _WHITE_IS_ZERO
    if loaded.image.mode.startswith("I;16"):
        maximum = 2 ** loaded.tag(_BITS_PER_SAMPLE, 16) - 1
        values = values.astype(np.uint16)
        # Pillow inverts such files in 8 bits, but not in 16.
        return make_image(maximum - values if white_is_zero else values, path, float(maximum))
    if white_is_zero:
        raise ValueError("white is zero, in numbers without a maximum")
    if loaded.image.mode == "I":
        signed = loaded.tag(_SAMPLE_FORMAT, _UNSIGNED) == _SIGNED
        # Pillow reads 32 unsigned bits as signed ones.
        largest = np.abs(values.astype(np.int64)).max()
        if largest > _LARGEST_EXACT_FLOAT or (not signed and values.min() < 0):
            raise ValueError(f"integers beyond {_LARGEST_EXACT_FLOAT:,}, which float32 cannot hold")
    return make_image(values, path)


def _deep_colour(loaded: _Loaded, path: str | Path) -> np.ndarray:
    """Returns uint16 (H, W, 3 or 4), RGB or RGBA."""
    # Else it comments on metadata in the terminal.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    values = cv2.imdecode(np.frombuffer(loaded.content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or loaded.orientation != 1:
        raise DataError(
            "A 16-bit colour image must be upright and readable by OpenCV.",
            received=f"EXIF orientation {loaded.orientation}",
            file=path,
            remedy="Convert the image to grey.",
        )
    if values.ndim == 2:
        return values[:, :, np.newaxis]
    order = [2, 1, 0, 3] if values.shape[2] == 4 else [2, 1, 0]
    return values[:, :, order]
