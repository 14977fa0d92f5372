"""Arrays in a zip archive, as ``numpy.savez`` writes them, read only after what the archive says about them was verified."""

import math
import struct
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from workbench.datasets.dataset import MAX_BYTES
from workbench.system.errors import InputError
from workbench.system.files import open_regular

REMEDY = "make it with numpy.savez(file, x=images, y=labels)"

_ENCRYPTED, _SIZES_FOLLOW = 0x41, 0x08
"""Flags of a member: encrypted, weakly or strongly; sizes after the data instead of before."""

_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_IN_ZIP64 = 2**32 - 1


class Archive:
    """An open archive; ``keys`` are the names of its arrays."""

    holder, remedy = "the archive", REMEDY

    def __init__(self, path: Path, stream: BinaryIO, members: zipfile.ZipFile) -> None:
        self.path = path
        self._stream, self._members = stream, members
        self.keys = [name.removesuffix(".npy") for name in members.namelist() if name.endswith(".npy")]

    def read(self, key: str, kinds: str) -> NDArray[Any]:
        """Read an array whose dtype is of one of these kinds (the letters of ``numpy.dtype.kind``).

        Raises
        ------
        InputError
            The member is encrypted, broken, larger than MAX_BYTES, empty, of another dtype, or not as large as the archive
            or its own header claim.
        """
        name = self.name(key)
        if self.keys.count(key) > 1:
            raise InputError(f"{name}: the archive contains it {self.keys.count(key)} times; {REMEDY}")
        info = self._members.getinfo(f"{key}.npy")
        self._verify(info, name)
        try:
            with self._members.open(info) as member, warnings.catch_warnings():
                warnings.simplefilter("ignore")
                shape, fortran_order, dtype = read_header(member)
                start = member.tell()
        except Exception as error:  # for broken data, zipfile, its decoders and the header parser raise many errors
            raise InputError(f"{name}: broken, cannot be decoded; {REMEDY}") from error
        if dtype.kind not in kinds:
            raise InputError(f"{name}: has dtype {dtype}; images must be integers or floats, labels integers")
        if min(shape, default=1) < 1:
            raise InputError(f"{name}: empty, of shape {shape}; it must hold images and their labels")
        if info.file_size != start + math.prod(shape) * dtype.itemsize:
            raise InputError(f"{name}: truncated or over-long; its size differs from the size in its header")
        try:
            content = self._members.read(info)
        except MemoryError:
            raise
        except Exception as error:
            raise InputError(f"{name}: broken, cannot be decoded; {REMEDY}") from error
        if len(content) != info.file_size:
            raise InputError(f"{name}: truncated or over-long; the archive claims another size than it has")
        return np.frombuffer(content, dtype=dtype, offset=start).reshape(shape, order="F" if fortran_order else "C")

    def name(self, key: str) -> str:
        """Return the name of an array for messages."""
        return f"{self.path}: array {key}"

    def _verify(self, info: zipfile.ZipInfo, name: str) -> None:
        """Compare what the archive's directory and the member itself say, before anything is decompressed."""
        flags, method, sizes = self._local(info, name)
        if (info.flag_bits | flags) & _ENCRYPTED:
            raise InputError(f"{name}: encrypted; save it without a password, or {REMEDY}")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise InputError(f"{name}: compressed by another method than zip's own; {REMEDY}")
        if info.file_size > MAX_BYTES:
            raise InputError(f"{name}: larger than {MAX_BYTES // 2**30} GiB; use less data")
        claimed = (info.compress_size, info.file_size)
        untrue = method != info.compress_type or (sizes != claimed and not flags & _SIZES_FOLLOW)
        if untrue or (method == zipfile.ZIP_STORED and info.compress_size != info.file_size):
            raise InputError(f"{name}: broken, the archive's directory contradicts its contents; {REMEDY}")

    def _local(self, info: zipfile.ZipInfo, name: str) -> tuple[int, int, tuple[int, int]]:
        """Return flags, method and sizes (packed, unpacked) from the header before a member's data."""
        self._stream.seek(info.header_offset)
        head = self._stream.read(_LOCAL_HEADER.size)
        if len(head) < _LOCAL_HEADER.size or not head.startswith(b"PK\3\4"):
            raise InputError(f"{name}: broken, its header is missing; {REMEDY}")
        _, _, flags, method, _, _, _, packed, size, name_bytes, extra_bytes = _LOCAL_HEADER.unpack(head)
        self._stream.seek(name_bytes, 1)
        extra = self._stream.read(extra_bytes)
        if _IN_ZIP64 in (packed, size):
            packed, size = _zip64_sizes(extra) or (packed, size)
        return flags, method, (packed, size)


def _zip64_sizes(extra: bytes) -> tuple[int, int] | None:
    """Return the sizes (packed, unpacked) from the extra fields of a member's header; None if they are not there."""
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<2H", extra)
        if kind == 1 and length >= 16 and len(extra) >= 20:
            size, packed = struct.unpack_from("<2Q", extra, 4)
            return packed, size
        extra = extra[4 + length :]
    return None


@contextmanager
def open_archive(path: Path) -> Iterator[Archive]:
    """Open an archive for the block.

    Raises
    ------
    InputError
        It is not a regular file, or not a zip archive.
    OSError
        The file cannot be read.
    """
    with open_regular(path) as stream:
        try:
            members = zipfile.ZipFile(stream)
        except OSError:
            raise
        except Exception as error:  # not only BadZipFile: a broken directory may raise other errors too
            raise InputError(f"{path}: truncated, broken or not an .npz archive; {REMEDY}") from error
        with members:
            yield Archive(path, stream, members)


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the header of an array: its shape, whether it is in Fortran order, and its dtype."""
    if npy.read_magic(stream) == (1, 0):
        return npy.read_array_header_1_0(stream)
    return npy.read_array_header_2_0(stream)
