"""The folder of a run: created, locked while the run writes into it, and removed if it stays empty."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

from workbench.system.errors import InputError
from workbench.system.files import is_folder

if sys.platform != "win32":
    import fcntl


class RunFolder:
    """The folder of a run that this process writes into.

    While the run lasts, the operating system holds a lock on the folder itself: the lock needs no file, and ends with the
    process, whatever ends it. Where folders cannot be locked, the run goes on without.

    Attributes
    ----------
    path : the folder
    saved : the last epoch that was saved; 0 before the first one
    """

    def __init__(self, path: Path, made: Sequence[Path], handle: int | None) -> None:
        self.path = path
        self.saved = 0
        self._made = made
        self._found = _identity(path)
        self._unlock = weakref.finalize(self, lambda: None if handle is None else os.close(handle))

    @classmethod
    def claim(cls, out: Path | None, model: str, data: str, files: Sequence[str]) -> RunFolder:
        """Create and lock a folder: ``out``, or the first free runs/<model>-<data>-<n>.

        Raises
        ------
        InputError
            It cannot be created, already contains one of the ``files`` of a run, or another process writes into it.
        """
        if out is not None:
            return cls._lock(out, _make(out), files)
        for path in (Path("runs") / f"{model}-{data}-{number}" for number in count(1)):
            if not path.exists():
                made = _make(path)
                if path in made:  # or else another process was faster
                    return cls._lock(path, made, files)
        raise AssertionError

    @classmethod
    def reopen(cls, path: Path) -> RunFolder:
        """Lock the folder of a run that is to be continued.

        Raises
        ------
        InputError
            There is no such folder, or another process writes into it.
        """
        if not is_folder(path):
            raise InputError(f"--resume {path}: no such folder; must be one written by 'workbench train'")
        try:
            return cls(path, (), _locked(path, "--resume"))
        except OSError as error:
            raise InputError(f"--resume {path}: cannot be used ({error.strerror})") from error

    @classmethod
    def _lock(cls, path: Path, made: Sequence[Path], files: Sequence[str]) -> RunFolder:
        try:
            _refuse_run_in(path, files)
            handle = _locked(path)
            _refuse_run_in(path, files)  # that another process wrote before it gave the lock back
            return cls(path, made, handle)
        except BaseException as error:
            _remove_empty(made)
            if isinstance(error, OSError):
                raise InputError(f"--out {path}: cannot be used ({error.strerror}); use another folder") from error
            raise

    def check(self) -> None:
        """Raise InputError if the folder was removed or replaced since it was locked."""
        if _identity(self.path) != self._found:
            raise InputError(f"{self.path}: the folder was removed while the training wrote into it; train again")

    @property
    def kept(self) -> str:
        """What the folder keeps, in words."""
        return f"{self.path} keeps epoch {self.saved}" if self.saved else "no epoch was saved"

    def release(self) -> None:
        """Unlock the folder; remove it, and the folders that were made for it, if nothing was saved."""
        if not self.saved:
            _remove_empty(self._made)
        self._unlock()


def _make(path: Path) -> list[Path]:
    """Create a folder and those above it where they are missing; return those that were created here."""
    made: list[Path] = []
    try:
        for each in reversed((path, *path.parents)):
            if not each.is_dir():
                with suppress(FileExistsError):
                    each.mkdir()
                    made.append(each)
        if not path.is_dir():
            raise NotADirectoryError(0, "not a folder")
    except BaseException as error:
        _remove_empty(made)
        if isinstance(error, OSError):
            raise InputError(f"--out {path}: cannot be created ({error.strerror}); use another folder") from error
        raise
    return made


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in reversed(folders):
        with suppress(OSError):
            folder.rmdir()  # fails if the folder is not empty


def _refuse_run_in(path: Path, files: Sequence[str]) -> None:
    for name in files:
        if (path / name).exists():
            raise InputError(f"--out {path}: already contains a run ({name}); use another folder")


def _locked(path: Path, option: str = "--out") -> int | None:
    """Lock a folder and return the handle that holds the lock; None where folders cannot be locked."""
    if sys.platform == "win32":
        return None
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        remedy = "use another folder" if option == "--out" else "wait for its end"
        raise InputError(f"{option} {path}: another training writes into this folder; {remedy}") from None
    except OSError:  # the file system, such as some network drives, has no such locks
        os.close(handle)
        return None
    if _identity(path) != (os.fstat(handle).st_dev, os.fstat(handle).st_ino):
        os.close(handle)
        raise InputError(f"{option} {path}: another process removed this folder; try again")
    return handle


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a folder from another one with the same path; None if it is missing."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
