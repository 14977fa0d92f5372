"""Readable names for threads, array elements and source lines."""

import linecache
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.sim.common import sites
from workbench.sim.common.fields import path
from workbench.sim.common.region_lookup import Region
from workbench.sim.common.sites import Site
from workbench.sim.runtime import layout as at

Words = NDArray[np.int64]

DYNAMIC_MEMORY = "dynamic shared memory"

_MEMORIES = {at.GLOBAL: "global memory", at.SHARED: "shared memory", at.LOCAL: "local memory"}


@dataclass(frozen=True)
class Launch:
    """The facts about a launch that descriptions need."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    regions: list[Region]

    def place(self, thread: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the block and thread indices, by x, y and z, of a thread's number."""
        size = int(np.prod(self.block))
        return unravel(thread // size, self.grid), unravel(thread % size, self.block)

    def name(self, thread: int) -> str:
        """Return the name of a thread."""
        block, own = self.place(thread)
        return f"thread {own} of block {block}"


def unravel(number: int, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the indices along x, y and z of a number, x first."""
    place = []
    for length in shape:
        place.append(number % length)
        number //= length
    return tuple(place)


def where(number: int) -> str:
    """Return a place in the source, with the text of its line."""
    site = sites.site_at(number)
    if site is None:
        return ""
    source = linecache.getline(site.file, site.line).strip()
    return f"{Path(site.file).name}:{site.line}  {source or '(no source)'}"


def short(number: int) -> str:
    """Return the file and line of a place in the source."""
    site: Site | None = sites.site_at(number)
    return "" if site is None else f"line {site.line}"


def element(record: Words, launch: Launch) -> str:
    """Return the name of the element at a record's address, with the field if the access was to one field."""
    address, size, number = int(record[at.H_ADDRESS]), int(record[at.H_BYTES]), int(record[at.H_ID])
    if record[at.H_MEMORY] == at.LOCAL:
        return "an element of a local array"
    if record[at.H_MEMORY] == at.GLOBAL:
        for name, array in launch.regions[number].arrays:
            found = _index(array, address)
            if found is not None:
                index, rest = found
                field = path(array.dtype, rest, size)
                return name + field if field and not index else f"{name}[{', '.join(map(str, index)) or '()'}]{field}"
        return "an element of an argument"
    offset = address - int(record[at.H_BASE])
    if number == at.DYNAMIC:
        return f"byte {offset} of the dynamic memory"
    declared = sites.declaration_at(number)
    count, rest = divmod(offset, declared.dtype.itemsize)
    place = ", ".join(str(int(each)) for each in np.unravel_index(count, declared.shape))
    return f"{declared.name or 'shared array'}[{place}]{path(declared.dtype, rest, size)}"


def _index(array: NDArray[Any], address: int) -> tuple[tuple[int, ...], int] | None:
    """Return the index of the element at an address, and the offset in it; None if the array has no element there."""
    offset = address - array.ctypes.data
    index = [0] * array.ndim
    for axis in sorted(range(array.ndim), key=lambda axis: -abs(array.strides[axis])):
        stride = array.strides[axis]
        if stride != 0 and array.shape[axis] > 1:
            index[axis] = offset // stride
            offset -= index[axis] * stride
    inside = all(0 <= each < length for each, length in zip(index, array.shape, strict=True))
    return (tuple(index), offset) if inside and 0 <= offset < array.itemsize else None


def memory(record: Words) -> str:
    """Return the kind of memory that a record is about."""
    return _MEMORIES[int(record[at.H_MEMORY])]


def owner(record: Words, launch: Launch) -> str:
    """Return the name of the array that a record is about."""
    if record[at.H_REGION] == 0 or record[at.H_MEMORY] == at.LOCAL:
        return "array"
    number = int(record[at.H_ID])
    if record[at.H_MEMORY] == at.GLOBAL:
        return launch.regions[number].arrays[0][0]
    if number == at.DYNAMIC:
        return DYNAMIC_MEMORY
    return sites.declaration_at(number).name or "shared array"


def is_place(record: Words) -> bool:
    """Return whether the other thread's place is informative: of a returned thread, only a ``return`` statement is."""
    site = sites.site_at(int(record[at.H_OTHER_SITE]))
    if site is None or record[at.H_OTHER_ACCESS] != at.GONE:
        return site is not None
    return "return" in linecache.getline(site.file, site.line).partition("#")[0].split()
