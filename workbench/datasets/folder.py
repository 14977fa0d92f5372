"""Folders of pictures with one sub-folder per class, in train/ and test/ or, without them, side by side."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.datasets.dataset import MAX_CLASSES, Dataset, check_bytes
from workbench.datasets.split import stratified_split
from workbench.pictures.images import SUFFIXES, read_image, resize
from workbench.pictures.listing import is_picture, visible
from workbench.system.encoding import require_text
from workbench.system.errors import InputError

TRAIN = ("train", "training")
HELD_OUT = ("test", "testing", "val", "valid", "validation")
"""Names of the folders of the two parts, in any case; the first that is there is used."""


@dataclass(kw_only=True)
class _Found:
    """The pictures of every class, and the files in class folders that are none."""

    classes: dict[str, list[Path]] = field(default_factory=dict)
    skipped: list[Path] = field(default_factory=list)


def load(root: Path, image_size: tuple[int, int] | None, channels: int, seed: int) -> Dataset:
    """Load pictures labelled by their folder; without train/ and test/ (or val/), split them 80/20.

    Classes and files are in natural order. Hidden files and those that operating systems leave in folders are ignored; other
    files without a picture suffix are skipped, and a note says so.

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
    parts = _parts(root)
    found = _Found()
    notes = []
    if parts is not None:
        train_folder, test_folder, *others = parts
        _refuse_pictures_in(root)
        _refuse_pictures_in(test_folder, f", or pass {train_folder} to have it split 80/20")
        train, test = _list_classes(train_folder, found), _list_classes(test_folder, found)
        _check_same_classes((train_folder, test_folder), (train, test))
        train_files, train_labels = _flatten(train)
        test_files, test_labels = _flatten(test)
        notes += [f"{other} is not used: {test_folder.name}/ is the test part" for other in others]
    else:
        train = _list_classes(root, found)
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
        notes=(*notes, *_note_of(found.skipped)),
    )


def _parts(root: Path) -> list[Path] | None:
    """Return the folder of the training part, that of the test part, and other candidates for it; None without both."""
    folders = {entry.name.lower(): entry for entry in visible(root) if entry.is_dir()}
    train = [folders[name] for name in TRAIN if name in folders]
    held = [folders[name] for name in HELD_OUT if name in folders]
    return [train[0], *held] if train and held else None


def _list_classes(root: Path, found: _Found) -> dict[str, list[Path]]:
    """Return the pictures of every class, in natural order."""
    _refuse_pictures_in(root)
    folders = [entry for entry in visible(root) if entry.is_dir()]
    for each in folders:
        require_text(each)
    classes = {folder.name: _list_pictures(folder, root, folders, found) for folder in folders}
    if not classes:
        raise InputError(
            f"{root}: no data found; looked for train/ and test/ (or val/), for a folder per class, "
            "and for the IDX files (train-images-idx3-ubyte[.gz] ...)"
        )
    if len(classes) == 1:
        raise InputError(f"{root}: a single class, {next(iter(classes))}; there is nothing to learn")
    if len(classes) > MAX_CLASSES:
        raise InputError(f"{root}: {len(classes):,} classes, but at most {MAX_CLASSES:,} are supported")
    return classes


def _list_pictures(folder: Path, root: Path, folders: Sequence[Path], found: _Found) -> list[Path]:
    entries = visible(folder)
    for entry in entries:
        if entry.is_dir():
            raise InputError(f"{entry}: a folder inside a class folder; {_remedy(folder, root, folders)}")
    pictures = [entry for entry in entries if is_picture(entry)]
    others = [entry for entry in entries if not is_picture(entry)]
    if not pictures and others:
        raise InputError(
            f"{folder}: no pictures ({', '.join(SUFFIXES)}), but {_counted(others)}; convert them to PNG or JPEG"
        )
    if not pictures:
        raise InputError(f"{folder}: no pictures ({', '.join(SUFFIXES)}); add some, or remove the empty folder")
    found.skipped += others
    return pictures


def _remedy(folder: Path, root: Path, folders: Sequence[Path]) -> str:
    """Return what to do about class folders that contain folders: nothing that moves or removes pictures."""
    if folder.name.lower() in (*TRAIN, *HELD_OUT):
        return f"provide both train/ and test/ (or val/) in {root}, or pass {folder} to have it split 80/20"
    if len(folders) == 1:
        return f"pass {folder} if that is the folder with the classes, or provide both train/ and test/"
    return "pass the folder whose sub-folders are the classes; for your own split, provide both train/ and test/"


def _refuse_pictures_in(root: Path, otherwise: str = "") -> None:
    for entry in visible(root):
        if is_picture(entry) and not entry.is_dir():
            raise InputError(f"{entry}: a picture without a label; put it into the folder of its class{otherwise}")


def _check_same_classes(parts: tuple[Path, Path], classes: tuple[dict[str, list[Path]], ...]) -> None:
    for one, other in ((1, 0), (0, 1)):
        names = classes[one].keys() - classes[other].keys()
        if names:
            raise InputError(f"{parts[one] / min(names)}: this class is missing from {parts[other]}; both need it")


def _note_of(skipped: Sequence[Path]) -> list[str]:
    if not skipped:
        return []
    return [f"skipped, no pictures ({', '.join(SUFFIXES)}): {_counted(skipped)}, such as {skipped[0]}"]


def _counted(files: Sequence[Path]) -> str:
    """Return the number of files of every kind, in words."""
    kinds = Counter(path.suffix.lower() or "without a suffix" for path in files).most_common(5)
    return f"{len(files):,} file{'' if len(files) == 1 else 's'} ({', '.join(f'{name}: {n:,}' for name, n in kinds)})"


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
