"""The encoding of file names and texts: UTF-8, whatever the locale says."""

import os
import sys
from pathlib import Path

from workbench.system.errors import InputError


def ensure_utf8() -> None:
    """Start this command again in Python's UTF-8 mode where the locale is ASCII.

    Python does so itself for the locale "C", unless it is told not to. In an ASCII locale file names have surrogates, which
    Numba cannot write into the code that it compiles.
    """
    if sys.flags.utf8_mode or not _is_ascii(sys.getfilesystemencoding()) or not sys.executable:
        return
    command = [sys.executable, "-X", "utf8", *sys.orig_argv[1:]]
    os.execve(sys.executable, command, {**os.environ, "PYTHONUTF8": "1"})


def is_text(name: str) -> bool:
    """Return whether a file name is text in the encoding of the file system: it has no bytes that mean no character."""
    return not any("\udc80" <= each <= "\udcff" for each in name)


def require_text(path: Path) -> None:
    """Refuse a path that is not text: it could not be stored in a JSON file and read back.

    Raises
    ------
    InputError
        A part of it has bytes that mean no character.
    """
    if not is_text(str(path)):
        raise InputError(f"{path}: the name is not UTF-8; rename it")


def _is_ascii(encoding: str) -> bool:
    return encoding.lower() in ("ascii", "us-ascii", "646", "ansi_x3.4-1968")
