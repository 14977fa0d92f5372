"""The compile cache on disk: one folder for every state of this package's sources."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import platformdirs

from kernels.compile.numba_internals.compiling import caching

KERNELS = Path(__file__).parent.parent
"""The whole package: an edit of any of its sources starts a new cache."""


@cache
def cache_folder() -> Path:
    """Return the folder of the compile cache, which depends on the sources of this package, the compiler and its settings.

    Numba keys its cache by the file of the outermost function, so it would run stale code after an edit of another file
    whose code was inlined. Here an edit of any file of the package starts a new folder. Folders not used for 30 days are
    removed. NUMBA_CACHE_DIR is respected. If no location is writable, this process uses a temporary folder.
    """
    root = (
        Path(numba.config.CACHE_DIR or platformdirs.user_cache_path("kernel-workbench", appauthor=False)) / "compiled"
    )
    folder = root / _sources_key()
    try:
        if not folder.exists():
            folder.mkdir(parents=True, exist_ok=True)  # another process may create it too
            _prune(root)
        folder.touch()
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="kernel-workbench-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


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
    """Make a writable folder inside the cache; cached, as hundreds of functions may share it."""
    Path(path).mkdir(parents=True, exist_ok=True)


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
        self._cache_path = str(cache_folder() / name)

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> _Locator:
        locator = cls(py_func, py_file)
        _make_folder(locator._cache_path)
        return locator


class _Impl(caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Locator,)


class DiskCache(caching.FunctionCache):  # type: ignore[misc]
    """Numba's cache of one function, stored in ``cache_folder``."""

    _impl_class = _Impl


def cache_keyed_by(function: Callable[..., Any], folder: Path) -> Any:
    """Return a disk cache for a compiled function, which an edit of any source file in ``folder`` also invalidates."""
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(folder.rglob("*.py")))).hexdigest()[:16]

    class Locator(_Locator):
        def __init__(self, py_func: Callable[..., Any], py_file: str) -> None:
            super().__init__(py_func, py_file)
            self._cache_path = str(cache_folder() / f"{folder.name}-{digest}")

    class Impl(_Impl):
        _locator_classes = (Locator,)

    class Keyed(caching.FunctionCache):  # type: ignore[misc]
        _impl_class = Impl

    return Keyed(function)


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
