"""Arrays in device memory: the simulator's, and those of objects with ``__cuda_array_interface__``."""

import ctypes
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.numba_internals.cuda_simulator import FakeCUDAArray


def array_of(value: Any) -> NDArray[Any] | np.void | None:
    """Return the memory of a simulator array or of an object with ``__cuda_array_interface__``; None for others.

    For a record in device memory, return the record.
    """
    if isinstance(value, FakeCUDAArray):
        memory = np.asarray(value._ary)
        return memory[()] if memory.ndim == 0 and memory.dtype.names else memory
    if isinstance(value, np.ndarray | np.generic | type):
        return None
    interface = getattr(value, "__cuda_array_interface__", None)
    return None if interface is None else array_over(interface, value)


def array_over(interface: dict[str, Any], owner: Any) -> NDArray[Any]:
    """Return a NumPy array over the memory that a ``__cuda_array_interface__`` describes and another object owns.

    Raises
    ------
    TypeError
        The host cannot read the memory: it is a GPU's.
    """
    array: NDArray[Any] = np.asarray(_Foreign(owner, interface))
    if array.size == 0:
        return array
    start, stop = np.lib.array_utils.byte_bounds(array)
    if not (_is_readable(start) and _is_readable(stop - 1)):
        raise TypeError(
            f"{type(owner).__name__} is in the memory of a GPU, which the simulator cannot read; copy it to the host first"
        )
    return array


def _is_readable(address: int) -> bool:
    """Return whether the host can read a byte at an address: the system refuses to write it to a pipe otherwise."""
    reader, writer = os.pipe()
    try:
        return bool(ctypes.CDLL(None).write(writer, ctypes.c_void_p(address), ctypes.c_size_t(1)) == 1)
    finally:
        os.close(reader)
        os.close(writer)


class _Foreign:
    """Memory that another object owns, wrapped for NumPy."""

    def __init__(self, owner: Any, interface: dict[str, Any]) -> None:
        self._owner = owner
        self.__array_interface__ = {name: interface.get(name) for name in ("shape", "strides", "typestr", "data")} | {
            "version": 3
        }


def interface(array: Any) -> dict[str, Any]:
    """Return ``__cuda_array_interface__``, version 3, of an array of the simulator: its pointer is the host's."""
    host = array._ary.__array_interface__
    strides = None if array._ary.flags.c_contiguous else array._ary.strides
    return {
        "shape": tuple(array._ary.shape),
        "strides": strides,
        "typestr": host["typestr"],
        "data": (host["data"][0] if array._ary.size > 0 else 0, False),
        "stream": None,
        "version": 3,
    }
