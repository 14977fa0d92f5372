"""The IDX format of the MNIST files: a big-endian header (a magic number, the sizes), then unsigned bytes.

The magic number is two zero bytes, the type of the elements (8: unsigned bytes) and the number of axes.
"""

import math
import mmap
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workbench.datasets.dataset import MAX_BYTES, Dataset, Part, from_numbered
from workbench.datasets.npy import map_file
from workbench.system.errors import InputError
from workbench.system.files import open_regular, read_regular

_UNSIGNED_BYTE = 8
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WBITS = 31

_HEADER = 4 + 4 * 255
"""The most bytes of an IDX header."""
_PACKED_HEADER = 2**17
"""The first bytes of a gzip file that are sure to contain it, after gzip's own header."""


def is_idx_folder(folder: Path) -> bool:
    """Return whether any of the four files is present."""
    return any(
        path.exists()
        for part in ("train", "t10k")
        for content, axes in (("images", 3), ("labels", 1))
        for path in _candidates(folder, f"{part}-{content}", axes)
    )


def load(folder: Path) -> Dataset:
    """Load the four IDX files of a folder: train-images-idx3-ubyte, train-labels-idx1-ubyte and the same for t10k.

    Each may be gzipped (.gz), and may have a dot instead of the second hyphen, a common variant.

    Raises
    ------
    InputError
        A file is missing or broken, or the files do not match.
    OSError
        A file cannot be read.
    """
    return from_numbered(folder.resolve().name, _load_part(folder, "train"), _load_part(folder, "t10k"))


def _load_part(folder: Path, part: str) -> Part:
    images_path, labels_path = _find(folder, f"{part}-images", 3), _find(folder, f"{part}-labels", 1)
    images, labels = (parse(_content(path), str(path), axes) for path, axes in ((images_path, 3), (labels_path, 1)))
    return Part(images=images[:, np.newaxis], labels=labels, images_name=str(images_path), labels_name=str(labels_path))


def _content(path: Path) -> bytes | mmap.mmap:
    """Return what a file holds: unpacked if it is gzipped, else mapped into memory, so that it may be larger than that."""
    with open_regular(path) as stream:
        if stream.read(len(_GZIP_MAGIC)) != _GZIP_MAGIC:
            return map_file(stream)
    return unpack(read_regular(path, MAX_BYTES), str(path))


def _find(folder: Path, stem: str, axes: int) -> Path:
    candidates = _candidates(folder, stem, axes)
    for path in candidates:
        if path.exists():
            return path
    raise InputError(f"{candidates[0]}: missing, with or without .gz; the four IDX files belong together")


def _candidates(folder: Path, stem: str, axes: int) -> list[Path]:
    return [folder / f"{stem}{mark}idx{axes}-ubyte{suffix}" for mark in "-." for suffix in ("", ".gz")]


def unpack(data: bytes, name: str) -> bytes:
    """Decompress the bytes of a gzip file and verify its checksum; return other bytes unchanged.

    No more is decompressed than the IDX header in the data claims.

    Raises
    ------
    InputError
        The file is truncated, broken or over-long, or unpacks to more than its header claims, or than MAX_BYTES.
    """
    if not data.startswith(_GZIP_MAGIC):
        return data
    inflater = zlib.decompressobj(_GZIP_WBITS)
    try:
        head = zlib.decompressobj(_GZIP_WBITS).decompress(data[:_PACKED_HEADER], _HEADER)
        most = min(_claimed(head), MAX_BYTES)
        content = inflater.decompress(data, most + 1)
    except zlib.error as error:
        raise InputError(f"{name}: broken gzip data; download it again") from error
    if len(content) > most:
        raise InputError(f"{name}: unpacks to more than the {most:,} bytes that its header claims; download it again")
    if not inflater.eof:
        raise InputError(f"{name}: truncated gzip data; download it again")
    if inflater.unused_data:
        raise InputError(
            f"{name}: {len(inflater.unused_data):,} bytes follow the end of the gzip data; download it again"
        )
    return content


def _claimed(head: bytes) -> int:
    """Return the size that the beginning of an IDX file claims for it."""
    axes = head[3] if len(head) > 3 else 0
    start = 4 + 4 * axes
    return start + math.prod(struct.unpack_from(f">{axes}I", head, 4)) if len(head) >= start else start


def parse(content: bytes | mmap.mmap, name: str, axes: int) -> NDArray[np.uint8]:
    """Return uncompressed IDX bytes as a uint8 array with ``axes`` axes, a read-only view of the bytes.

    Raises
    ------
    InputError
        The header is not that of unsigned bytes with this number of axes, or the size of the data differs from it.
    """
    start = 4 + 4 * axes
    expected = bytes([0, 0, _UNSIGNED_BYTE, axes])
    if content[:4] != expected:
        found = f"starts with {content[:4].hex(' ')}" if content else "is empty"
        raise InputError(f"{name}: not an IDX file of {axes} axes, which starts with {expected.hex(' ')}; it {found}")
    if len(content) < start:
        raise InputError(f"{name}: truncated in its header ({len(content)} of {start} bytes); download it again")
    shape = struct.unpack_from(f">{axes}I", content, 4)
    claimed, actual = math.prod(shape), len(content) - start
    if claimed != actual:
        fault = "truncated" if actual < claimed else "over-long"
        raise InputError(
            f"{name}: {fault}, {actual:,} bytes of data where the header claims {claimed:,}; download it again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)
