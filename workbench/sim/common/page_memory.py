"""Memory that the system provides page by page when touched, kept for later launches."""

import ctypes
import mmap

import numpy as np
from numpy.typing import NDArray

KEPT = 256 << 20
"""Bytes that are kept although they must be cleared before reuse: that is faster than fresh pages."""


class Memory:
    """One piece of memory."""

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None
        self._size = self._used = 0

    def at_least(self, size: int) -> int:
        """Return the address of at least ``size`` bytes."""
        if size > self._size:
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
            self._map, self._size, self._used = mmap.mmap(-1, size, flags=flags), size, 0
        assert self._map is not None
        return ctypes.addressof(ctypes.c_char.from_buffer(self._map))

    def words(self, count: int) -> NDArray[np.int64]:
        """Return the first 64-bit words, as a view."""
        return np.frombuffer(self._map or b"", np.int64, count)

    def forget(self) -> None:
        """Release the memory."""
        self._map, self._size, self._used = None, 0, 0

    def cleared(self, size: int) -> int:
        """Return the address of at least ``size`` zero bytes."""
        if self._used > KEPT:
            self.forget()
        address = self.at_least(size)
        ctypes.memset(address, 0, min(self._used, size))
        self._used = max(self._used, size)
        return address
