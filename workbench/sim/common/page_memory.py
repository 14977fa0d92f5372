"""Memory that is taken from the system page by page as it is touched, and kept for the launches that follow."""

from __future__ import annotations

import ctypes
import mmap

KEPT = 256 << 20
"""Bytes that are kept although they must be cleared before they are used again: that is faster than fresh pages."""


class Memory:
    """One piece of it."""

    def __init__(self) -> None:
        self._map: mmap.mmap | None = None
        self._size = self._used = 0

    def at_least(self, size: int) -> int:
        """Return the address of so many bytes."""
        if size > self._size:
            flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
            self._map, self._size, self._used = mmap.mmap(-1, size, flags=flags), size, 0
        assert self._map is not None
        return ctypes.addressof(ctypes.c_char.from_buffer(self._map))

    def forget(self) -> None:
        """Return the memory back."""
        self._map, self._size, self._used = None, 0, 0

    def cleared(self, size: int) -> int:
        """Return the address of so many bytes, all of them zero."""
        if self._used > KEPT:
            self.forget()
        address = self.at_least(size)
        ctypes.memset(address, 0, min(self._used, size))
        self._used = max(self._used, size)
        return address
