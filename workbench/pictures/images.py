"""Pictures as arrays: read, resize, write, and make a photographed digit look like those of MNIST.

An image is an array (C, H, W) with C = 1 (grey) or 3 (RGB): uint8 in 0..255, or float32 in 0..1 where stated.
"""

import warnings
from io import BytesIO
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps, UnidentifiedImageError

from workbench.system.errors import InputError
from workbench.system.files import atomic_path, read_regular

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff")

_MOST_BYTES = 2**30

_PHOTOMETRIC = 262
"""TIFF's tag that says whether 0 is white."""

# ITU-R BT.601, which Pillow and most other programs use to convert colour to grey.
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

# MNIST's geometry: the digit's larger side, and the pixel of its centre of mass (measured over all 60,000).
_MNIST_SIDE, _DIGIT_SIDE, _MNIST_CENTRE = 28, 20, 14

# Ink fainter than this (of 255) counts as paper, however even the paper is.
_FAINTEST_INK = 16

Pixels = TypeVar("Pixels", bound=np.uint8 | np.float32)


def read_image(path: Path, channels: int | None = None) -> NDArray[np.uint8]:
    """Read a picture: the first frame, rotated as its EXIF data say, transparency over white, 16 bits reduced to 8.

    Grey samples of 16 bits are rounded; of colours with 16 bits Pillow keeps the upper 8.

    Parameters
    ----------
    path
        A PNG, JPEG, BMP, GIF, WebP or TIFF file, whatever its suffix.
    channels
        1 for grey, 3 for RGB, None for the channels of the file (a palette counts as colour).

    Returns
    -------
    image
        (C, H, W) uint8.

    Raises
    ------
    InputError
        The file is missing, unreadable, empty, truncated, broken, too large or not a picture.
    """
    try:
        data = read_regular(path, _MOST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read ({reason}); pass a picture file") from error
    return decode_image(data, str(path), channels)


def decode_image(data: bytes, path: str, channels: int | None = None) -> NDArray[np.uint8]:
    """Return the picture that the bytes of a file contain, as ``read_image`` does; error messages name it ``path``."""
    if not data:
        raise InputError(f"{path}: an empty file, not a picture")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=_FORMATS) as picture:
                if picture.mode == "F":
                    raise InputError(
                        f"{path}: its pixels are floats, whose range is unknown; save it with 8 or 16 bits"
                    )
                # Pillow opens both of these as something else: grey with alpha in 16 bits as RGBA, white as 0 as black
                grey = any(tile[3] == "LA;16B" for tile in picture.tile)
                inverted = picture.mode.startswith("I") and getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == 0
                flat = _flatten(ImageOps.exif_transpose(picture), path, inverted)
                flat = flat.convert("L") if grey else flat
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: not a picture in PNG, JPEG, BMP, GIF, WebP or TIFF; convert or remove it") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: holds more than {Image.MAX_IMAGE_PIXELS:,} pixels; scale it down first") from error
    except (InputError, MemoryError):
        raise
    except Exception as error:  # for broken data, Pillow's decoders raise anything from OSError to SyntaxError
        raise InputError(f"{path}: a truncated or broken picture; save or download it again") from error
    if channels is not None:
        flat = flat.convert("L" if channels == 1 else "RGB")
    image = np.array(flat)
    return image[np.newaxis] if image.ndim == 2 else np.ascontiguousarray(np.moveaxis(image, 2, 0))


def _flatten(picture: Image.Image, path: str, inverted: bool) -> Image.Image:
    """Convert any Pillow mode to L (grey) or RGB, 8 bits, opaque."""
    if picture.mode.startswith("I"):  # 16 bits, in "I;16" or, from Pillow before 11, "I"; convert() would clip
        samples = np.asarray(picture).astype(np.int32)
        if samples.min() < 0 or samples.max() > 65535:
            raise InputError(
                f"{path}: its pixels run from {samples.min()} to {samples.max()}, beyond 16 bits, so black and white are "
                "unknown; save it with 8 or 16 bits"
            )
        samples = 65535 - samples if inverted else samples
        samples[samples == picture.info.get("transparency", -1)] = 65535
        return Image.fromarray(((samples + 128) // 257).astype(np.uint8))
    mode = "L" if picture.mode in ("1", "L", "LA", "La") else "RGB"
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert(mode)


def write_png(image: NDArray[np.uint8], path: Path) -> None:
    """Write (C, H, W) uint8 as a PNG file, atomically.

    Raises
    ------
    InputError
        The file cannot be written.
    """
    pixels = image[0] if len(image) == 1 else np.ascontiguousarray(np.moveaxis(image, 0, 2))
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")


def to_channels(images: NDArray[Pixels], channels: int) -> NDArray[Pixels]:
    """Convert (..., C, H, W), uint8 or float32, to grey (channels 1) or RGB (3); return the same array if it already is."""
    if images.shape[-3] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-3)
    grey = np.expand_dims(np.tensordot(_LUMA, images, axes=(0, -3)), -3)
    return _like(images, grey)


def resize(images: NDArray[Pixels], size: tuple[int, int]) -> NDArray[Pixels]:
    """Scale (..., H, W), uint8 or float32 in 0..1, to (..., *size) with the Lanczos filter, which avoids aliasing.

    Returns the same array if it already has that size.
    """
    *outer, old_height, old_width = images.shape
    height, width = size
    if (height, width) == (old_height, old_width):
        return images
    # One Pillow call per image would take most of the time. Planes stacked vertically do not mix under a horizontal
    # filter, nor planes side by side under a vertical one, so two calls suffice for any number of planes.
    rows = _resample(images.astype(np.float32).reshape(-1, old_width), (-1, width))
    columns = np.moveaxis(rows.reshape(-1, old_height, width), 1, 0).reshape(old_height, -1)
    result = np.moveaxis(_resample(columns, (height, -1)).reshape(height, -1, width), 0, 1)
    return _like(images, result).reshape(*outer, height, width)


def _resample(plane: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Scale (H, W) to ``size``, where -1 keeps a side."""
    height, width = (old if new == -1 else new for old, new in zip(plane.shape, size, strict=True))
    return np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.LANCZOS))


def _like(images: NDArray[Pixels], result: NDArray[np.floating]) -> NDArray[Pixels]:
    """Convert a result computed in floats to the range and dtype of its source; filters overshoot."""
    in_range = np.rint(result.clip(0, 255)) if images.dtype == np.uint8 else result.clip(0, 1)
    return np.ascontiguousarray(in_range, dtype=images.dtype)


def like_mnist(image: NDArray[np.uint8], name: str) -> NDArray[np.uint8]:
    """Convert a picture of one digit to the style of MNIST: white ink on black, of the same size and position.

    The background is estimated from the border. Ink is what differs from it, darker or lighter, whichever differs more. As
    MNIST's authors did, the ink is scaled so that its larger side is 20 pixels, and placed on 28 x 28 with its centre of
    mass in the middle (LeCun et al., 1998, section III.A).

    Parameters
    ----------
    image
        (C, H, W) uint8, of any size.
    name
        The name of the picture in error messages.

    Returns
    -------
    digit
        (1, 28, 28) uint8: the background 0, the ink up to 255.

    Raises
    ------
    InputError
        Nothing stands out from the background.
    """
    ink, noise = _lift_ink(to_channels(image, 1)[0].astype(np.float32))
    smooth = np.asarray(Image.fromarray(ink.astype(np.uint8)).filter(ImageFilter.BoxBlur(1)))
    full = float(np.percentile(ink[smooth >= smooth.max() / 2], 90))
    grain = 4 * noise
    strokes = (ink > max(0.3 * full, grain)) & (smooth > 0.15 * full)  # a lone pixel is dirt: smoothed, it is a ninth
    if full < max(_FAINTEST_INK, 6 * noise) or not strokes.any():
        raise InputError(f"{name}: no digit found, nothing stands out from the background; use a picture of one digit")
    ink[ink < max(0.1 * full, grain)] = 0
    rows, columns = (np.flatnonzero(strokes.any(axis=axis)) for axis in (1, 0))
    box = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = _DIGIT_SIDE / max(box.shape)
    height, width = (max(1, round(side * scale)) for side in box.shape)
    small = resize((box / full).clip(0, 1)[np.newaxis], (height, width))[0]
    return _centre(np.rint(small * (255 / small.max())).astype(np.uint8))


def _lift_ink(grey: NDArray[np.float32]) -> tuple[NDArray[np.float32], float]:
    """Subtract the background from (H, W); return the ink, positive on 0, and the background's standard deviation.

    The background is the plane that fits the border best, since paper is lit unevenly.
    """
    height, width = grey.shape
    ring = max(1, min(height, width) // 20)
    border = np.ones(grey.shape, dtype=bool)
    border[ring : height - ring, ring : width - ring] = False
    # Ink may touch the border: pixels far from its median do not count.
    median = np.percentile(grey[border], 50, method="lower")
    border &= np.abs(grey - median) <= np.ptp(grey) / 4
    y, x = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
    y, x = np.meshgrid(y, x, indexing="ij", copy=False)
    terms = np.stack([y[border], x[border], np.ones_like(y[border])], axis=1)
    plane, *_ = np.linalg.lstsq(terms, grey[border], rcond=None)
    ink = grey - (plane[0] * y + plane[1] * x + plane[2])
    noise = 1.4826 * float(np.median(np.abs(ink[border])))  # from the median deviation, for a normal distribution
    if -ink.min() > ink.max():
        ink = -ink
    return ink.clip(0, 255), noise


def _centre(digit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Place (h, w), h and w at most 20, on (1, 28, 28) with its centre of mass in the middle."""
    image = np.zeros((1, _MNIST_SIDE, _MNIST_SIDE), dtype=np.uint8)
    corner = []
    for axis, side in enumerate(digit.shape):
        mass = digit.sum(axis=1 - axis, dtype=np.float64)
        centre = float(mass @ np.arange(side) / mass.sum())
        corner.append(min(max(round(_MNIST_CENTRE - centre), 0), _MNIST_SIDE - side))
    top, left = corner
    height, width = digit.shape
    image[0, top : top + height, left : left + width] = digit
    return image
