"""The host's side of a matrix product by blocks: how its operands are read, and how its sums are split between blocks."""

from typing import Any, NamedTuple

from numba import cuda, uint64
from numpy.typing import NDArray

from kernels.compile.jit import cuda_kernel, launch
from kernels.memory.devices import address_of
from kernels.simt.block_product import DEPTH, SIDE, SPREAD, TERMS, Layout
from kernels.simt.tile_ir import ACCESS_BYTES

Array = NDArray[Any]

BLOCKS = 512
"""How many blocks a product should have: about four for each multiprocessor of a large GPU."""

LEAST_TERMS = 2 * DEPTH
"""Of a part of a sum; with fewer, reading and adding the parts costs more than they save."""


def layout(array: Array, places: int, terms: int, neighbours: int) -> Layout:
    """Return how a contiguous matrix of rows or columns, its places, and terms is read: by 16 bytes if they are aligned.

    Parameters
    ----------
    array : the matrix, or the first of several
    neighbours : ``TERMS`` if neighbours in memory are terms of one place, ``PLACES`` if they are places of one term
    """
    place_step, term_step = (terms, 1) if neighbours == TERMS else (1, places)
    is_wide = max(place_step, term_step) % 4 == 0 and is_aligned(array)
    return Layout(neighbours if is_wide else SPREAD, places, place_step, term_step)


def is_aligned(array: Array) -> bool:
    """Return whether an array's elements can be accessed 16 bytes at a time."""
    return address_of(array) % ACCESS_BYTES == 0


class Split(NamedTuple):
    """How sums are split: the number of parts, the terms of a part, and the blocks of threads for all parts."""

    parts: int
    terms: int
    blocks: int


def split(rows: int, columns: int, terms: int, groups: int = 1) -> Split:
    """Return how the sums of products of matrices of this size are split; the sizes alone decide."""
    tiles = groups * -(-rows // SIDE) * -(-columns // SIDE)
    parts = max(1, min(BLOCKS // max(1, tiles), terms // LEAST_TERMS))
    own = max(1, -(-terms // (parts * DEPTH))) * DEPTH
    parts = max(1, -(-terms // own))
    return Split(parts, own, tiles * parts)


@cuda_kernel
def _add(parts: Array, count: int, y: Array) -> None:
    size, end = uint64(y.size), uint64(count) * uint64(y.size)
    index = uint64(cuda.grid(1))
    while index < size:
        total, place = parts[index], index + size
        while place + uint64(3) * size < end:  # four reads at a time are under way
            one, two = parts[place], parts[place + size]
            three, four = parts[place + uint64(2) * size], parts[place + uint64(3) * size]
            total = total + one + two + three + four
            place += uint64(4) * size
        while place < end:
            total += parts[place]
            place += size
        y[index] = total
        index += uint64(cuda.gridsize(1))


def add_parts(parts: Array, count: int, y: Array) -> None:
    """Write the sums of ``count`` parts, which are one after the other in memory, to ``y``, in their order."""
    launch(_add, y.size, parts, count, y.reshape(y.size))
