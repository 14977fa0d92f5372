"""Arrays in a folder of .npy files, mapped into memory: what is not used is not read, and no copy is made."""

import math
import mmap
import os
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from workbench.datasets.archive import read_header
from workbench.system.errors import InputError
from workbench.system.files import open_regular

SUFFIX = ".npy"

REMEDY = "make it with numpy.save"


def map_file(stream: BinaryIO) -> mmap.mmap | bytes:
    """Return the content of an open file as memory that is read from the file where it is used; empty for an empty file."""
    return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) if os.fstat(stream.fileno()).st_size else b""


class ArrayFolder:
    """A folder of arrays, ``keys`` are their names; it is read like an archive."""

    holder = "the folder"
    remedy = "save x_train.npy, y_train.npy, x_test.npy and y_test.npy"

    def __init__(self, path: Path) -> None:
        self.path = path
        self.keys = sorted(file.stem for file in path.iterdir() if file.suffix == SUFFIX)

    def read(self, key: str, kinds: str) -> NDArray[Any]:
        """Map an array whose dtype is of one of these kinds (the letters of ``numpy.dtype.kind``).

        Raises
        ------
        InputError
            The file is broken, empty, of another dtype, or not as large as its header claims.
        """
        name = self.name(key)
        with open_regular(self.path / f"{key}{SUFFIX}") as stream:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    shape, fortran_order, dtype = read_header(stream)
            except Exception as error:  # the parser of broken headers raises many errors
                raise InputError(f"{name}: broken, not an .npy file; {REMEDY}") from error
            start, size = stream.tell(), os.fstat(stream.fileno()).st_size
            if dtype.kind not in kinds:
                raise InputError(f"{name}: has dtype {dtype}; images must be integers or floats, labels integers")
            if min(shape, default=0) < 1:
                raise InputError(f"{name}: empty, of shape {shape}; it must hold images or their labels")
            if size != start + math.prod(shape) * dtype.itemsize:
                raise InputError(f"{name}: truncated or over-long; its size differs from the size in its header")
            content = map_file(stream)
        return np.frombuffer(content, dtype=dtype, offset=start).reshape(shape, order="F" if fortran_order else "C")

    def name(self, key: str) -> str:
        """Return the name of an array for messages."""
        return str(self.path / f"{key}{SUFFIX}")
