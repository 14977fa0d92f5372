"""The files of a compile cache, each with a digest: one that is damaged is removed, and its function compiled anew.

Numba reads what it finds; machine code in which a bit has changed runs, and does anything. What the machine lacks, such as
space for a file, is no error of a kernel: the kernel runs, and this is said once.
"""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import Any

from kernels.compile.notices import say_once
from kernels.compile.numba_internals.compiling import caching

_SEAL = b"kernel-workbench sha256:"
"""What stands between the content of a file and its digest. Numba ignores what follows the content."""


class SealedFiles(caching.IndexDataCacheFile):  # type: ignore[misc]
    """Numba's index and data files of one function, each with its digest at the end."""

    def _load_index(self) -> dict[Any, str]:
        index: dict[Any, str] | None = self._loaded(self._index_path, super()._load_index)
        return {} if index is None else index

    def _load_data(self, name: str) -> Any:
        return self._loaded(self._data_path(name), lambda: super(SealedFiles, self)._load_data(name))

    def _is_whole(self, file: Path) -> bool:
        """Return whether a file is as it was written."""
        return _is_sealed(file)

    def _loaded(self, path: str, load: Any) -> Any:
        """Return what ``load`` reads from a file; None if there is none, or if it is damaged."""
        file = Path(path)
        try:
            if not self._is_whole(file):
                raise ValueError("its digest is another")
            return load()
        except FileNotFoundError:
            return None
        except Exception:
            remove_damaged(file)
            return None

    @contextmanager
    def _open_for_write(self, filepath: str) -> Iterator[BytesIO]:
        content = BytesIO()
        yield content
        _write(Path(filepath), content.getvalue())


class UsersFiles(SealedFiles):
    """As above, for the caches of other functions: a file that plain Numba has written, without a digest, is read too."""

    def _is_whole(self, file: Path) -> bool:
        return _SEAL not in file.read_bytes() or _is_sealed(file)


class TolerantCache(caching.FunctionCache):  # type: ignore[misc]
    """A cache of one function that does without its folder where that cannot be read or written."""

    def __init__(self, py_func: Any) -> None:
        super().__init__(py_func)
        self._cache_file = SealedFiles(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=self._impl.locator.get_source_stamp(),
        )

    @contextmanager
    def _guard_against_spurious_io_errors(self) -> Iterator[None]:
        with tolerated(self._cache_path):
            yield


def mend_other_caches() -> None:
    """Make the caches of all functions in this process, also those of ``@njit(cache=True)``, notice damage."""

    def guarded(cache: Any) -> Any:
        return tolerated(cache.cache_path)

    caching.IndexDataCacheFile = UsersFiles
    caching.Cache._guard_against_spurious_io_errors = guarded


@contextmanager
def tolerated(folder: str) -> Iterator[None]:
    """Go on after an error of the system at a cache's files; say once that kernels are compiled anew each time."""
    try:
        yield
    except OSError as error:
        say_once(
            f"the compile cache {folder} cannot be written ({error.strerror or error}): kernels are compiled anew in every "
            "process; make room or set NUMBA_CACHE_DIR to another folder",
            "unwritable",
        )


def remove_damaged(path: Path) -> None:
    """Remove a file that is not what was written, or what is in its place; say so once."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    say_once(
        f"{path}, in the compile cache, is damaged: it is compiled anew, as is what else is damaged there", "damaged"
    )


def write_sealed(file: Path, content: bytes) -> None:
    """Write a file with its digest, if the cache can be written."""
    with tolerated(str(file.parent)):
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(file, content)


def read_sealed(file: Path) -> bytes | None:
    """Return the content of a file; None if it is absent, or damaged: then it is removed."""
    try:
        if _is_sealed(file):
            return file.read_bytes().rpartition(_SEAL)[0]
    except FileNotFoundError:
        return None
    except OSError:
        pass
    remove_damaged(file)
    return None


def _is_sealed(file: Path) -> bool:
    if not file.is_file() and file.exists():
        return False
    content, _, digest = file.read_bytes().rpartition(_SEAL)
    return digest == _digest(file, content)


def _digest(file: Path, content: bytes) -> bytes:
    return hashlib.sha256(file.name.encode() + b"\n" + content).digest()


def _write(file: Path, content: bytes) -> None:
    """Write a file with its digest, which other processes see whole or not at all."""
    temporary = file.with_name(f"{file.name}.tmp.{uuid.uuid4().hex[:16]}")
    try:
        temporary.write_bytes(content + _SEAL + _digest(file, content))
        if file.is_dir():
            remove_damaged(file)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
