"""Reading of regular files only, and atomic writing: a partly written file never appears under its final name."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from workbench.system.errors import InputError
from workbench.system.guard import guarded_path

_SPECIAL = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}

_PIECE = 2**20
"""The least number of bytes to read at a time."""


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a file for reading. A pipe, a device or a socket is refused, because reading it may never end.

    Raises
    ------
    InputError
        It is not a regular file.
    OSError
        It cannot be opened; a folder is an error of this kind.
    """
    _require_regular(path, path.stat())
    # without waiting: the file may have been replaced by a pipe since
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as stream:
        _require_regular(path, os.fstat(handle))
        yield stream


def is_folder(path: Path) -> bool:
    """Return whether a path is that of a folder; False also for a path that no file can have."""
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long, or with a null byte
        return False


def read_regular(path: Path, most: int) -> bytes:
    """Return the content of a regular file of at most ``most`` bytes.

    Raises
    ------
    InputError
        It is not a regular file, or larger.
    OSError
        It cannot be read.
    """
    with open_regular(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        pieces, left = [], most + 1
        if size <= most:  # a file of /proc has no size, and may have no end
            while left > 0 and (piece := stream.read(min(left, max(size + 1, _PIECE)))):
                pieces.append(piece)
                left -= len(piece)
        if size > most or left <= 0:
            raise InputError(f"{path}: larger than {most / 2**20:,.0f} MiB; this is not the kind of file expected here")
        return b"".join(pieces)


def _require_regular(path: Path, found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(found.st_mode):
        kind = _SPECIAL.get(stat.S_IFMT(found.st_mode), "a special file")
        raise InputError(f"{path}: {kind}, not a file; save its content to a file, and name that")


@contextmanager
def atomic_path(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Yield a temporary path next to ``path`` to write to; rename it to ``path`` when the block ends without an error.

    The temporary file is removed if the block raises. A link is followed, an existing file keeps its mode, and a path that
    is not a regular file (a pipe, a device) is written directly. With ``durable`` the file is on the disk before it takes
    the place of another one, and so is its name when the block has ended: a power failure leaves one of the two.

    Raises
    ------
    InputError
        The folder is missing or cannot be written.
    """
    path = path.resolve() if path.is_symlink() else path
    if path.exists() and not path.is_file():
        yield path
        return
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}); use a folder you can write to") from error
    with guarded_path(Path(name)) as temporary:
        try:
            yield temporary
            temporary.chmod(mode)
            if durable:
                _flush(temporary)
            temporary.replace(path)
            if durable and os.name == "posix":
                _flush(path.parent)
        except OSError as error:
            raise InputError(f"{path}: cannot be written ({error.strerror}); use another file") from error


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Yield a new folder, which is removed at the end of the block, or when this process ends before."""
    with guarded_path(Path(tempfile.mkdtemp(prefix="kernel-workbench-"))) as folder:
        yield folder


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def relative(path: Path) -> str:
    """Return a path in its shortest form, relative to the working directory if that is shorter."""
    try:
        return min(str(path), os.path.relpath(path), key=len)
    except ValueError:  # on another drive
        return str(path)
