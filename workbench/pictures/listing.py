"""Pictures among the files of a folder, in natural order."""

import os
import re
from pathlib import Path

from workbench.pictures.images import SUFFIXES

_LEFT_BY_SYSTEMS = ("__macosx", "thumbs.db", "desktop.ini", "$recycle.bin", "@eadir")
"""Files and folders that Windows, macOS and network drives leave in folders, in lower case; others are hidden."""


def visible(folder: Path) -> list[Path]:
    """Return the entries of a folder in natural order, without hidden ones and those that operating systems leave there.

    Raises
    ------
    OSError
        The folder cannot be read.
    """
    return sorted((entry for entry in folder.iterdir() if _is_visible(entry.name)), key=natural)


def pictures_below(folder: Path) -> list[Path]:
    """Return the pictures in a folder and its sub-folders, by their suffix, in natural order.

    Raises
    ------
    OSError
        A folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise error

    found: list[Path] = []
    for root, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = sorted((name for name in folders if _is_visible(name)), key=lambda name: natural(Path(name)))
        paths = sorted((Path(root, name) for name in names if _is_visible(name)), key=natural)
        found += [path for path in paths if is_picture(path)]
    return found


def is_picture(path: Path) -> bool:
    """Return whether the suffix is that of a picture."""
    return path.suffix.lower() in SUFFIXES


def natural(path: Path) -> tuple[list[str | int], str]:
    """Return a sort key that puts 9 before 10: text and numbers alternate, so that like is compared with like."""
    pieces = re.split(r"([0-9]+)", path.name)  # a file name has at most 255 characters, so a number has few digits
    return [int(piece) if index % 2 else piece for index, piece in enumerate(pieces)], path.name


def _is_visible(name: str) -> bool:
    return not name.startswith(".") and name.lower() not in _LEFT_BY_SYSTEMS
