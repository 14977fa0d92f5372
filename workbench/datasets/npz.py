"""Data in an .npz archive or a folder of .npy files: images and labels under the names that people give them."""

from dataclasses import dataclass
from itertools import zip_longest
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.datasets.archive import Archive, open_archive
from workbench.datasets.dataset import Dataset, Images, Part, check_bytes, from_numbered
from workbench.datasets.npy import ArrayFolder
from workbench.system.errors import InputError

_WHITE_BYTE = 255
_FAINTEST_WHITE = 128
"""Floats that reach this are in 0..255; below, and above 1, the range cannot be told."""
_DARK = 64
"""Integers below this are likely to have another range than 0..255."""

Names = tuple[str, str]
"""The names of the arrays of images and of labels."""


_LAYOUTS: tuple[tuple[Names, ...], ...] = (
    (("x", "y"), ("x_test", "y_test"), ("x_val", "y_val")),
    (("x_train", "y_train"), ("x_test", "y_test"), ("x_val", "y_val")),  # Keras
    (("train_images", "train_labels"), ("test_images", "test_labels"), ("val_images", "val_labels")),  # MedMNIST
    (("images", "labels"),),
)
"""The training part, then test parts in order of preference."""


def load(path: Path, seed: int) -> Dataset:
    """Load a training part, and a test part or else a seeded 80/20 split; classes are the numbers 0 to the largest label.

    The names of the arrays are those of a layout, in any case: the training part, and the test part, which is optional.

    Images are (N, H, W), (N, C, H, W) or (N, H, W, C) with C = 1 or 3 (channels first if ambiguous): integers in 0..255, or
    floats in 0..1 or 0..255. Labels are whole numbers from 0, (N,) or (N, 1), or one-hot rows (N, K).

    Raises
    ------
    InputError
        The archive is broken, an array is missing, there under two names or not as above, or the arrays do not match.
    OSError
        The file cannot be read.
    """
    with open_archive(path) as archive:
        return _load(archive, path, seed)


def is_array_folder(folder: Path) -> bool:
    """Return whether a folder has the training images of a layout as a .npy file."""
    return any(each.lower() == layout[0][0] for each in ArrayFolder(folder).keys for layout in _LAYOUTS)


def load_folder(folder: Path, seed: int) -> Dataset:
    """Load a folder of .npy files that are named like the arrays of an archive.

    Images (N, C, H, W) or (N, H, W), in C order, that are uint8 or float32 in 0..1, are not copied: a training reads them
    from the files. Others are converted in memory.

    Raises
    ------
    InputError, OSError
        As ``load`` does.
    """
    return _load(ArrayFolder(folder), folder, seed)


def _load(arrays: Archive | ArrayFolder, path: Path, seed: int) -> Dataset:
    _expect_one_of_each(arrays, path)
    given = {key.lower(): key for key in arrays.keys}
    train, *held = _choose(given, path, arrays.holder, arrays.remedy)
    notes = [f"{path}: {x} and {y} are not used, {held[0][0]} is the test part" for x, y in held[1:]]
    parts = [_load_part(arrays, (given[x], given[y]), notes) for x, y in (train, *held[:1])]
    if held:
        _check_ranges(*parts)
    return from_numbered(path.stem, parts[0], parts[1] if held else None, seed, tuple(notes))


def _expect_one_of_each(arrays: Archive | ArrayFolder, path: Path) -> None:
    """Refuse two arrays that may be the same part, such as x and x_train, or x and X."""
    for parts in zip_longest(*_LAYOUTS, fillvalue=("", "")):
        for names in zip(*parts, strict=True):
            found = sorted({key for key in arrays.keys if key and key.lower() in names})
            if len(found) > 1:
                listed = f"{', '.join(map(repr, found[:-1]))} and {found[-1]!r}"
                raise InputError(
                    f"{path}: {arrays.holder} has {listed}, and which is meant is ambiguous; keep one of them"
                )


def _choose(given: dict[str, str], path: Path, holder: str, remedy: str) -> list[Names]:
    """Return the names of the training part, and of the test parts that are there."""
    layout = max(_LAYOUTS, key=lambda each: len(given.keys() & {name for names in each for name in names}))
    chosen = [layout[0], *(names for names in layout[1:] if given.keys() & set(names))]
    for name in (name for names in chosen for name in names):
        if name not in given:
            listed = [repr(key) for key in given.values()]
            shown = ", ".join(listed[:6] + ["..."] * (len(listed) > 6)) or "none"
            raise InputError(f"{path}: no array {name}; {holder} has {shown}; {remedy}")
    return chosen


@dataclass(frozen=True, kw_only=True)
class _FoundPart(Part):
    """A part, and the value of white in its images as they were: 1 or 255; None for integers."""

    white: int | None


def _load_part(arrays: Archive | ArrayFolder, names: Names, notes: list[str]) -> _FoundPart:
    images_name, labels_name = map(arrays.name, names)
    x = arrays.read(names[0], "iuf")
    white = _white(x, images_name, notes)
    images = _as_images(_channels_first(x, images_name), white, images_name)
    labels = _as_labels(arrays.read(names[1], "biuf"), labels_name)
    return _FoundPart(
        images=images,
        labels=labels,
        images_name=images_name,
        labels_name=labels_name,
        white=white if x.dtype.kind == "f" else None,
    )


def _check_ranges(train: _FoundPart, test: _FoundPart) -> None:
    if None not in (train.white, test.white) and train.white != test.white:
        raise InputError(
            f"{test.images_name}: floats in 0..{test.white}, but {train.images_name} has 0..{train.white}; "
            "scale both to 0..1"
        )


def _channels_first(x: NDArray[Any], name: str) -> NDArray[Any]:
    """Return images as a view (N, C, H, W)."""
    if x.ndim == 3:
        return x[:, np.newaxis]
    if x.ndim == 4 and x.shape[1] in (1, 3):
        return x
    if x.ndim == 4 and x.shape[3] in (1, 3):
        return np.moveaxis(x, 3, 1)
    side = isqrt(x.shape[1]) if x.ndim == 2 else 0
    remedy = f"; reshape them, as in x.reshape(-1, {side}, {side})" if side > 1 and side * side == x.shape[1] else ""
    raise InputError(
        f"{name}: shape {x.shape}; images must be (N, H, W), (N, C, H, W) or (N, H, W, C), C = 1 or 3{remedy}"
    )


def _white(x: NDArray[Any], name: str, notes: list[str]) -> int:
    """Return the value of white, 1 or 255, after the range of the values was checked; add a note if it is a guess."""
    if x.dtype == np.uint8:
        low, high = 0, int(x.max())
    else:
        low, high = x.min(), x.max()
    is_float = x.dtype.kind == "f"
    if not (low >= 0 and high <= _WHITE_BYTE) or (is_float and 1 < high < _FAINTEST_WHITE):  # rejects NaN too
        ranges = f"0..1 or 0..{_WHITE_BYTE}" if is_float else f"0..{_WHITE_BYTE}"
        raise InputError(f"{name}: values from {low} to {high}; scale {x.dtype} images to {ranges}")
    if is_float and high <= 1:
        return 1
    if is_float:
        notes.append(f"{name}: its floats reach {high:g} and are read as 0..{_WHITE_BYTE}")
    elif high < _DARK:
        notes.append(
            f"{name}: the largest value is {high} of {_WHITE_BYTE}; if that is white, save the images as "
            f"floats, divided by {high or 1}"
        )
    return _WHITE_BYTE


def _as_images(x: NDArray[Any], white: int, name: str) -> Images:
    """Return (N, C, H, W) as uint8, or as float32 in 0..1; without a copy if x already is."""
    if not (x.flags.c_contiguous and (x.dtype == np.uint8 or (x.dtype == np.float32 and white == 1))):
        check_bytes(name, len(x), x.shape[1], x.shape[2:], 4 if x.dtype.kind == "f" else 1)
    if x.dtype.kind != "f":
        return np.ascontiguousarray(x, dtype=np.uint8)
    if white == 1:
        return np.ascontiguousarray(x, dtype=np.float32)
    whole = np.ascontiguousarray(x, dtype=np.uint8)
    if np.array_equal(whole, x):
        return whole
    return np.ascontiguousarray(x / x.dtype.type(white), dtype=np.float32)


def _as_labels(y: NDArray[Any], name: str) -> NDArray[np.integer]:
    """Return labels (N,) as integers."""
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim == 2 and np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
        return np.asarray(y.argmax(axis=1), np.int64)
    if y.ndim != 1:
        several = (
            "; its rows are not one-hot, and several classes for an image are not supported" if y.ndim == 2 else ""
        )
        raise InputError(f"{name}: shape {y.shape}; labels must be (N,), one number per image{several}")
    if y.dtype.kind == "b":
        return y.astype(np.int64)
    if y.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            whole = y.astype(np.int64)
        if not np.array_equal(whole, y):
            raise InputError(f"{name}: has dtype {y.dtype}; labels must be integers, convert them with y.astype(int)")
        return whole
    return y
