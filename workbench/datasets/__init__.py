"""Labelled images to train on: the embedded MNIST, image folders, IDX files, .npz archives."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.datasets import folder, idx, mnist, named, npz
from workbench.datasets.dataset import MAX_CLASSES, MAX_SIDE, Dataset, Images, fit
from workbench.datasets.npy import SUFFIX
from workbench.system.encoding import require_text
from workbench.system.errors import InputError

__all__ = ["MAX_CLASSES", "MAX_SIDE", "NAMES", "Dataset", "load", "to_unit"]

NAMES = ("mnist", *named.FILES)
"""Data sets that are known by name."""

_SOURCES = f"{', '.join(NAMES)}, a folder of images, of the four IDX files or of .npy files, or an .npz archive"
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".rar", ".7z")


def load(source: str, *, image_size: tuple[int, int] | None = None, channels: int = 1, seed: int = 0) -> Dataset:
    """Load a data set, with its images converted to one size and one number of channels.

    Parameters
    ----------
    source
        One of NAMES (a folder of that name is "./mnist"), or the path of a folder of images, of a folder with the four
        IDX files, of a folder with .npy files, or of an .npz archive.
    image_size
        (height, width) in pixels; None for the size of the first training image.
    channels
        1 for grey, 3 for RGB.
    seed
        Seed, at least 0, of the stratified 80/20 split that is used if the source has no test part.

    Raises
    ------
    InputError
        The source is missing, unreadable, broken or inconsistent, or an argument is out of range.
    """
    if channels not in (1, 3):
        raise InputError(f"channels is {channels}; must be 1 (grey) or 3 (RGB)")
    if image_size is not None and min(image_size) < 1:
        raise InputError(f"image size is {image_size[0]}x{image_size[1]}; both sides must be at least 1 pixel")
    try:
        return _load(source, image_size, channels, seed)
    except OSError as error:
        raise InputError(f"{error.filename or source}: cannot be read ({error.strerror or error})") from error
    except MemoryError as error:
        raise InputError(f"{source}: does not fit into memory; use less data or a smaller image size") from error


def _load(source: str, image_size: tuple[int, int] | None, channels: int, seed: int) -> Dataset:
    path = Path(source)
    if source == "mnist":
        return fit(mnist.load(), image_size, channels)
    if source in named.FILES:
        return fit(named.load(source, channels), image_size, channels)
    if not source or not path.exists():
        raise InputError(f"{source!r}: no such file or folder; must be {_SOURCES}")
    require_text(path.resolve())
    if path.is_dir():
        for each in (path, path / "raw", path / "MNIST" / "raw"):  # the others are torchvision's
            if idx.is_idx_folder(each):
                return fit(idx.load(each), image_size, channels)
        if npz.is_array_folder(path):
            return fit(npz.load_folder(path, seed), image_size, channels)
        return folder.load(path, image_size, channels, seed)
    if path.suffix.lower() == ".npz":
        return fit(npz.load(path, seed), image_size, channels)
    if path.suffix.lower() == SUFFIX:
        raise InputError(f"{source}: one array; pass the folder, with images and labels in x.npy and y.npy")
    if path.name.lower().endswith(_ARCHIVES):
        raise InputError(f"{source}: an archive; unpack it, and pass the folder with the data")
    raise InputError(f"{source}: not a data set; must be {_SOURCES}")


def to_unit(images: Images) -> NDArray[np.float32]:
    """Scale uint8 pixels 0..255 to float32 0..1; return float32 images unchanged. Any shape."""
    if images.dtype == np.uint8:
        return np.divide(images, 255, dtype=np.float32)
    return images.astype(np.float32, copy=False)
