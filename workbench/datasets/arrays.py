"""Data in an .npz archive: arrays x and y, and optionally x_test and y_test."""

import math
import warnings
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from workbench.datasets.dataset import MAX_BYTES, Dataset, Images, Part, from_numbered
from workbench.system.errors import InputError

_REMEDY = "make it with numpy.savez(file, x=images, y=labels)"


def load(path: Path, seed: int) -> Dataset:
    """Load x and y, and x_test and y_test or else a seeded 80/20 split; classes are the numbers 0..max(y).

    x is (N, H, W), (N, C, H, W) or (N, H, W, C) with C = 1 or 3 (channels first if ambiguous): integers in 0..255 or
    floats in 0..1. y is (N,), integers from 0.

    Raises
    ------
    InputError
        The archive is broken, an array is missing or not as above, or the arrays do not match.
    OSError
        The file cannot be read.
    """
    try:
        archive = zipfile.ZipFile(path)
    except OSError:
        raise
    except Exception as error:  # not only BadZipFile: a broken directory may raise other errors too
        raise InputError(f"{path}: truncated, broken or not an .npz archive; {_REMEDY}") from error
    with archive:
        keys = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
        has_test = "x_test" in keys or "y_test" in keys
        for key in ("x", "y", "x_test", "y_test") if has_test else ("x", "y"):
            if key not in keys:
                raise InputError(f"{path}: no array {key}; the archive has {_listed(keys)}; {_REMEDY}")
        train = _load_part(archive, path, "x", "y")
        test = _load_part(archive, path, "x_test", "y_test") if has_test else None
    return from_numbered(path.stem, train, test, seed)


def _listed(keys: list[str]) -> str:
    shown = [repr(key) for key in keys[:6]]
    return ", ".join(shown + ["..."] * (len(keys) > len(shown))) or "none"


def _load_part(archive: zipfile.ZipFile, path: Path, x: str, y: str) -> Part:
    images_name, labels_name = f"{path}: array {x}", f"{path}: array {y}"
    images = _as_images(_read(archive, x, images_name), images_name)
    labels = _as_labels(_read(archive, y, labels_name), labels_name)
    return Part(images=images, labels=labels, images_name=images_name, labels_name=labels_name)


def _read(archive: zipfile.ZipFile, key: str, name: str) -> NDArray[Any]:
    """Read one array after checking its size: numpy.load allocates whatever a header claims."""
    member = f"{key}.npy"
    if archive.getinfo(member).file_size > MAX_BYTES:
        raise InputError(f"{name}: larger than {MAX_BYTES // 2**30} GiB; use less data")
    try:
        content = archive.read(member)
        stream = BytesIO(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, fortran_order, dtype = _read_header(stream)
    except Exception as error:  # for broken data, zipfile, its decoders and the header parser raise many errors
        raise InputError(f"{name}: broken, cannot be decoded; {_REMEDY}") from error
    if dtype.kind not in "iuf":
        raise InputError(f"{name}: has dtype {dtype}; images must be integers or floats, labels integers")
    if min(shape, default=1) < 1:
        raise InputError(f"{name}: empty, of shape {shape}; it must hold images and their labels")
    start = stream.tell()
    if len(content) - start != math.prod(shape) * dtype.itemsize:
        raise InputError(f"{name}: truncated or over-long; its size differs from the size in its header")
    flat = np.frombuffer(content, dtype=dtype, offset=start)
    return flat.reshape(shape, order="F" if fortran_order else "C")


def _read_header(stream: BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    if npy.read_magic(stream) == (1, 0):
        return npy.read_array_header_1_0(stream)
    return npy.read_array_header_2_0(stream)


def _as_images(x: NDArray[Any], name: str) -> Images:
    """Return x as (N, C, H, W), uint8 or float32; without a copy if x already is."""
    if x.ndim == 3:
        x = x[:, np.newaxis]
    elif x.ndim == 4 and x.shape[1] not in (1, 3) and x.shape[3] in (1, 3):
        x = np.moveaxis(x, 3, 1)
    elif x.ndim != 4 or x.shape[1] not in (1, 3):
        raise InputError(f"{name}: shape {x.shape}; images must be (N, H, W), (N, C, H, W) or (N, H, W, C), C = 1 or 3")
    is_float = x.dtype.kind == "f"
    if x.dtype != np.uint8:
        low, high = x.min(), x.max()
        top = 1 if is_float else 255
        if not (low >= 0 and high <= top):  # written this way to reject NaN too
            raise InputError(f"{name}: values from {low} to {high}; scale {x.dtype} images to 0..{top}")
    if is_float:
        return np.ascontiguousarray(x, dtype=np.float32)
    return np.ascontiguousarray(x, dtype=np.uint8)


def _as_labels(y: NDArray[Any], name: str) -> NDArray[np.integer]:
    if y.ndim != 1:
        raise InputError(f"{name}: shape {y.shape}; labels must be (N,), one number per image")
    if y.dtype.kind == "f":
        raise InputError(f"{name}: has dtype {y.dtype}; labels must be integers, convert them with y.astype(int)")
    return y
