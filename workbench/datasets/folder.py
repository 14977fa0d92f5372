"""Folders of pictures with one sub-folder per class, in train/ and test/ or, without them, side by side."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.datasets.dataset import MAX_CLASSES, Dataset, check_bytes
from workbench.datasets.split import stratified_split
from workbench.pictures.images import SUFFIXES, read_image, resize
from workbench.system.errors import InputError


def load(root: Path, image_size: tuple[int, int] | None, channels: int, seed: int) -> Dataset:
    """Load pictures labelled by their folder; without train/ and test/, split them 80/20.

    Classes and files are in natural order. Hidden files and files without a picture suffix are ignored.

    Parameters
    ----------
    root
        The folder that contains train/ and test/, or the classes.
    image_size
        (height, width) in pixels; None for the size of the first training picture.
    channels
        1 for grey, 3 for RGB.
    seed
        Seed of the split.

    Raises
    ------
    InputError
        A picture is broken or outside the class folders, a class is empty or in only one part, or there are
        fewer than two classes.
    OSError
        A folder cannot be read.
    """
    if all((root / part).is_dir() for part in ("train", "test")):
        _refuse_pictures_in(root)
        train, test = _list_classes(root / "train"), _list_classes(root / "test")
        _check_same_classes(root, train, test)
        train_files, train_labels = _flatten(train)
        test_files, test_labels = _flatten(test)
    else:
        train = _list_classes(root)
        paths, labels = _flatten(train)
        kept, held = stratified_split(labels, list(train), str(root), seed)
        train_files, train_labels = [paths[index] for index in kept], labels[kept]
        test_files, test_labels = [paths[index] for index in held], labels[held]
    size = image_size or _size_of(train_files[0])
    check_bytes(str(root), len(train_files) + len(test_files), channels, size)
    return Dataset(
        name=root.resolve().name,
        train_images=_read(train_files, channels, size),
        train_labels=train_labels,
        test_images=_read(test_files, channels, size),
        test_labels=test_labels,
        classes=tuple(train),
    )


def _list_classes(root: Path) -> dict[str, list[Path]]:
    """Return the pictures of every class, in natural order."""
    _refuse_pictures_in(root)
    classes = {folder.name: _list_pictures(folder) for folder in _visible(root) if folder.is_dir()}
    if not classes:
        raise InputError(
            f"{root}: no data found; looked for train/ and test/, for a folder per class, "
            "and for the IDX files (train-images-idx3-ubyte[.gz] ...)"
        )
    if len(classes) == 1:
        raise InputError(f"{root}: a single class, {next(iter(classes))}; there is nothing to learn")
    if len(classes) > MAX_CLASSES:
        raise InputError(f"{root}: {len(classes):,} classes, but at most {MAX_CLASSES:,} are supported")
    return classes


def _list_pictures(folder: Path) -> list[Path]:
    entries = _visible(folder)
    for entry in entries:
        if entry.is_dir():
            raise InputError(
                f"{entry}: a folder inside a class folder; put the pictures directly into {folder}; "
                "for your own split, provide both train/ and test/"
            )
    pictures = [entry for entry in entries if _is_picture(entry)]
    if not pictures:
        raise InputError(f"{folder}: no pictures ({', '.join(SUFFIXES)}); add some or remove the folder")
    return pictures


def _refuse_pictures_in(root: Path) -> None:
    for entry in _visible(root):
        if _is_picture(entry) and not entry.is_dir():
            raise InputError(f"{entry}: a picture without a label; put it into the folder of its class")


def _check_same_classes(root: Path, train: dict[str, list[Path]], test: dict[str, list[Path]]) -> None:
    for one, other, names in (("test", "train", test.keys() - train), ("train", "test", train.keys() - test)):
        if names:
            raise InputError(f"{root / one / min(names)}: this class is missing from {root / other}; both need it")


def _flatten(classes: dict[str, list[Path]]) -> tuple[list[Path], NDArray[np.int64]]:
    """Return the files of all classes and their labels, (N,)."""
    counts = [len(paths) for paths in classes.values()]
    return [path for paths in classes.values() for path in paths], np.repeat(np.arange(len(counts)), counts)


def _size_of(path: Path) -> tuple[int, int]:
    _, height, width = read_image(path).shape
    return height, width


def _read(paths: list[Path], channels: int, size: tuple[int, int]) -> NDArray[np.uint8]:
    images = np.empty((len(paths), channels, *size), dtype=np.uint8)
    for image, path in zip(images, paths, strict=True):
        image[...] = resize(read_image(path, channels), size)
    return images


def _visible(folder: Path) -> list[Path]:
    return sorted((entry for entry in folder.iterdir() if not entry.name.startswith(".")), key=_natural)


def _natural(path: Path) -> tuple[list[str | int], str]:
    """Return a sort key that puts 9 before 10: text and numbers alternate, so that like is compared with like."""
    pieces = re.split(r"([0-9]+)", path.name)
    return [int(piece) if index % 2 else piece for index, piece in enumerate(pieces)], path.name


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES
