"""The compile cache on disk: one folder for every state of this package's sources."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import platformdirs

from kernels.compile.cache_files import TolerantCache, remove_damaged
from kernels.compile.notices import say_once
from kernels.compile.numba_internals.compiling import caching

KERNELS = Path(__file__).parent.parent
"""The whole package: an edit of any of its sources starts a new cache."""


@cache
def cache_folder() -> Path | None:
    """Return the folder of the compile cache, which depends on the sources of this package, the compiler and its settings.

    Numba keys its cache by the file of the outermost function, so it would run stale code after an edit of another file
    whose code was inlined. Here an edit of any file of the package starts a new folder. Folders not used for 30 days are
    removed. NUMBA_CACHE_DIR is respected. What the folder contains is run, so it must be the user's alone. None if there can
    be no such folder, which is said on standard error: kernels are then compiled in every process.
    """
    root = (
        Path(numba.config.CACHE_DIR or platformdirs.user_cache_path("kernel-workbench", appauthor=False)) / "compiled"
    )
    folder = root / _sources_key()
    try:
        is_new = not folder.exists()
        root.parent.mkdir(parents=True, exist_ok=True)
        for each in (root, folder):
            each.mkdir(mode=0o700, exist_ok=True)  # another process may make it too
            if fault := _make_private(each):
                say_once(
                    f"{each} {fault}; what is in it would be run, so it is not used as compile cache; remove it, or {REMEDY}"
                )
                return None
        if is_new:
            _prune(root)
        with suppress(OSError):  # a cache that cannot be written can be read
            folder.touch()
    except OSError as error:
        say_once(
            f"there is no compile cache, {folder} cannot be made ({error.strerror}): kernels are compiled anew in every "
            f"process; {REMEDY}"
        )
        return None
    return folder


REMEDY = "set NUMBA_CACHE_DIR to a folder of your own"


def _make_private(folder: Path) -> str:
    """Let nobody else use a folder; return why somebody else may have written to it, "" if nobody can have."""
    if not hasattr(os, "geteuid"):
        return ""
    status = folder.stat()
    if status.st_uid != os.geteuid():
        return "belongs to another user"
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written by other users"
    if status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        with suppress(OSError):  # nobody can write to it as it is
            folder.chmod(0o700)
    return ""


def _sources_key() -> str:
    settings = [numba.config.OPT, numba.config.BOUNDSCHECK, numba.config.DISABLE_INTEL_SVML]  # not in Numba's own key
    parts = [version(name) for name in ("numba", "llvmlite", "numpy")] + [str(value) for value in settings]
    digest = hashlib.sha256(" ".join(parts).encode())
    for file in sorted(KERNELS.rglob("*.py")):
        digest.update(file.relative_to(KERNELS).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _prune(root: Path) -> None:
    month_ago = time.time() - 30 * 86_400
    for folder in root.iterdir():
        with suppress(OSError):  # another process may be pruning too
            if folder.stat().st_mtime < month_ago:
                shutil.rmtree(folder)


@cache
def _make_folder(path: str) -> None:
    """Make a folder inside the cache, if that can be written; cached, as hundreds of functions may share it."""
    folder = Path(path)
    if folder.exists() and not folder.is_dir():
        remove_damaged(folder)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)


class _Locator(caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """Numba's locator for a folder given by the user, with this package's folder."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        self._py_file = py_file
        self._lineno = py_func.__code__.co_firstlineno
        folder = Path(py_file).parent
        inside = folder.is_relative_to(KERNELS)
        name = (
            "-".join(folder.relative_to(KERNELS.parent).parts) if inside else self.get_suitable_cache_subpath(py_file)
        )
        self._cache_path = str(_folder() / name)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Locator:
        locator = cls(py_func, py_file)
        _make_folder(locator._cache_path)
        return locator


def _folder() -> Path:
    folder = cache_folder()
    assert folder is not None
    return folder


class _Impl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Locator,)


class DiskCache(TolerantCache):
    """Numba's cache of one function, stored in ``cache_folder``."""

    _impl_class = _Impl


def disk_cache(function: Callable[..., Any], *, serial: bool = False) -> Any:
    """Return a disk cache for a compiled function, or for its serial twin; one that keeps nothing if there can be none."""
    if cache_folder() is None:
        return caching.NullCache()
    return SerialDiskCache(function) if serial else DiskCache(function)


def cache_keyed_by(function: Callable[..., Any], folder: Path) -> Any:
    """Return a disk cache for a compiled function, which an edit of any source file in ``folder`` also invalidates."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(folder.rglob("*.py")))).hexdigest()[:16]

    class Locator(_Locator):
        def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
            super().__init__(py_func, py_file)
            self._cache_path = str(_folder() / f"{folder.name}-{digest}")

    class Impl(_Impl):
        _locator_classes = (Locator,)

    class Keyed(TolerantCache):
        _impl_class = Impl

    return caching.NullCache() if cache_folder() is None else Keyed(function)


class _SerialLocator(_Locator):
    """Puts serial twins in a separate folder: Numba would take both twins for the same function."""

    def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
        super().__init__(py_func, py_file)
        self._cache_path = str(Path(self._cache_path) / "serial")


class _SerialImpl(_Impl):
    _locator_classes = (_SerialLocator,)


class SerialDiskCache(DiskCache):
    """The cache of a serial twin."""

    _impl_class = _SerialImpl
