"""The one definition of how an image file becomes the network's input: docs/preprocessing.md.

Training, calibration, verification, prediction and the app's golden images use these functions
only. Everything after the decoder is integer arithmetic or a table of 256 values, so that another
language can reproduce it bit for bit.
"""

import io
import struct
import threading
import warnings
import zlib
from typing import TYPE_CHECKING, Final, assert_never

import numpy as np
import numpy.typing as npt

from mobiledeploy.base.errors import RequestError
from mobiledeploy.data import image_formats
from mobiledeploy.data.dataset import Pixels
from mobiledeploy.data.resize import resize
from mobiledeploy.spec.config import Preprocessing, Scaling

if TYPE_CHECKING:
    from PIL import Image

MAX_SIDE: Final = 65_535
MAX_PIXELS: Final = 2**27
"""134 million: more than a phone's camera makes, and 400 MB when decoded."""

_ORIENTATION: Final = 0x0112
_UNREADABLE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    OverflowError,
    struct.error,
    zlib.error,
)
"""What Pillow raises on damaged files."""
_header_lock = threading.Lock()


def decode(data: bytes, name: str) -> Pixels:
    """Return the upright RGB pixels of an image file, in its own size.

    Of an animation, the first frame is used. The EXIF orientation is applied. Of 16 bits per
    channel, the high byte is used. Transparent parts get a white background. Colour profiles are
    ignored.

    Args:
        data: The file, of a format in `image_formats`.
        name: For messages.

    Raises:
        RequestError: The file is not such an image, is damaged, or is larger than `MAX_PIXELS`.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        image = _open(data, name)
        image.load()
        return np.ascontiguousarray(_upright(_rgb(image, name), _orientation(image)))
    except RequestError:
        raise
    except UnidentifiedImageError as error:
        raise RequestError(
            f"`{name}` is {image_formats.kind(data, name)}",
            hint="python -m pip install 'mobiledeploy[heic]', or save it as JPEG or PNG"
            if image_formats.is_heic(data)
            else "remove the file, or save it as JPEG or PNG",
        ) from error
    except Image.DecompressionBombError as error:
        raise RequestError(
            f"expected at most {MAX_PIXELS} pixels in `{name}`, its header says many more",
            hint="scale the image down",
        ) from error
    except _UNREADABLE as error:
        raise RequestError(
            f"cannot decode `{name}`: {str(error) or type(error).__name__}",
            hint="the file is damaged: remove it, or save it again",
        ) from error


def preprocess(pixels: Pixels, preprocessing: Preprocessing) -> Pixels:
    """Return the cropped and resized image: uint8, of the shape `preprocessing.shape`."""
    height, width, _ = preprocessing.shape
    match preprocessing.crop:
        case "center":
            pixels = centre_crop(pixels, height, width)
        case "stretch":
            pass
        case _:
            assert_never(preprocessing.crop)
    resized = resize(pixels, height, width)
    return to_grey(resized) if preprocessing.colour == "grey" else resized


def centre_crop(pixels: Pixels, height: int, width: int) -> Pixels:
    """Return the largest centred part with the proportions of `height` x `width`, rounded down."""
    rows, columns = pixels.shape[:2]
    if rows * width >= columns * height:
        kept = max(1, columns * height // width), columns
    else:
        kept = rows, max(1, rows * width // height)
    top, left = (rows - kept[0]) // 2, (columns - kept[1]) // 2
    return pixels[top : top + kept[0], left : left + kept[1]]


def to_grey(pixels: Pixels) -> Pixels:
    """Return the brightness of RGB images, shape (..., 1).

    `(19595 R + 38470 G + 7471 B + 32768) >> 16`, in integers: the luma of ITU-R BT.601, as Pillow
    rounds it. The factors add up to 65536, so that a grey image keeps its values.
    """
    weighted = pixels.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32)
    return ((weighted + 32768) >> 16).astype(np.uint8)[..., None]


def to_float32(pixels: Pixels, scaling: Scaling) -> npt.NDArray[np.float32]:
    """Return `(pixel - mean) / std`, computed in float64 and rounded once, same shape."""
    mean, std = scaling
    values = (np.arange(256, dtype=np.float64) - mean) / std
    return values.astype(np.float32).take(pixels)  # half the time of indexing


def to_int8(pixels: Pixels) -> npt.NDArray[np.int8]:
    """Return `pixel - 128`, same shape: the int8 value at any input scaling."""
    return (pixels ^ np.uint8(128)).view(np.int8)


def _open(data: bytes, name: str) -> "Image.Image":
    """Read the header, and refuse images that would not fit into memory."""
    from PIL import Image

    with _header_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes and metadata; the pixels are checked here
        formats = image_formats.readable(data)
        image = Image.open(io.BytesIO(data), formats=formats)
    refused = image_formats.refused(image, name)
    if refused:
        raise RequestError(f"`{name}` is {refused}", hint="save the photo as JPEG or PNG")
    width, height = image.size
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise RequestError(
            f"expected at most {MAX_PIXELS} pixels and {MAX_SIDE} a side in `{name}`, its "
            f"header says {width} x {height}",
            hint="scale the image down",
        )
    return image


def _rgb(image: "Image.Image", name: str) -> Pixels:
    """Convert every colour mode of the supported formats to RGB."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    if image.mode not in {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK"}:
        raise RequestError(
            f"`{name}` has the colour mode {image.mode}, expected grey or RGB",
            hint="save it as a JPEG or PNG of 8 bits a channel",
        )
    if image.has_transparency_data:
        rgba = np.asarray(image.convert("RGBA")).astype(np.uint16)
        colour, alpha = rgba[..., :3], rgba[..., 3:]
        return ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    return np.asarray(image.convert("RGB"))


def _orientation(image: "Image.Image") -> int:
    """Return the EXIF orientation; 1 where there is none or it cannot be read."""
    from PIL import Image

    exif = Image.Exif()
    with _header_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exif.load(image.info.get("exif", b""))
            value = exif.get(_ORIENTATION)
        except _UNREADABLE:
            return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Apply the EXIF orientation: EXIF 2.3, 4.6.4, tag 274."""
    if orientation >= 5:  # rows were stored as columns
        pixels = pixels.swapaxes(0, 1)
    if orientation in {3, 4, 7, 8}:  # the scene's bottom comes first
        pixels = pixels[::-1]
    if orientation in {2, 3, 6, 7}:  # its right side comes first
        pixels = pixels[:, ::-1]
    return pixels
