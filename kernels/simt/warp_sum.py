"""Reductions over the lanes of a warp, in an order that does not depend on scheduling."""

from typing import Any

from numba import cuda

from kernels.compile.jit import cuda_device
from kernels.simt.tile import Tile, part

ALL = 0xFFFFFFFF
"""The mask of all lanes."""


@cuda_device
def sum_of_warp(value: Any) -> Any:
    """Return, in every lane, the sum of ``value`` over the warp, added in pairs; all lanes call it."""
    value += cuda.shfl_xor_sync(ALL, value, 16)
    value += cuda.shfl_xor_sync(ALL, value, 8)
    value += cuda.shfl_xor_sync(ALL, value, 4)
    value += cuda.shfl_xor_sync(ALL, value, 2)
    return value + cuda.shfl_xor_sync(ALL, value, 1)


@cuda_device
def largest_of_warp(value: Any) -> Any:
    """Return, in every lane, the largest ``value`` of the warp; all lanes call it."""
    value = max(value, cuda.shfl_xor_sync(ALL, value, 16))
    value = max(value, cuda.shfl_xor_sync(ALL, value, 8))
    value = max(value, cuda.shfl_xor_sync(ALL, value, 4))
    value = max(value, cuda.shfl_xor_sync(ALL, value, 2))
    return max(value, cuda.shfl_xor_sync(ALL, value, 1))


@cuda_device
def sums_of_warp(values: Tile) -> Any:
    """Return to lanes 2*i and 2*i + 1 the sum over the warp of ``values[i]``, of 16 values; all lanes call it.

    At each step a lane keeps half of the values, and gives the others to the lane that keeps those: 16 exchanges, 16 sums.
    """
    lane = cuda.threadIdx.x % 32
    kept, given = part(values, 0, 8), part(values, 8, 8)
    if lane & 16:
        kept, given = given, kept
    a, b = _exchanged(part(kept, 0, 4), part(given, 0, 4), 16), _exchanged(part(kept, 4, 4), part(given, 4, 4), 16)
    if lane & 8:
        a, b = b, a
    a = _exchanged(a, b, 8)
    kept_2, given_2 = part(a, 0, 2), part(a, 2, 2)
    if lane & 4:
        kept_2, given_2 = given_2, kept_2
    one = kept_2[0] + cuda.shfl_xor_sync(ALL, given_2[0], 4)
    two = kept_2[1] + cuda.shfl_xor_sync(ALL, given_2[1], 4)
    if lane & 2:
        one, two = two, one
    one += cuda.shfl_xor_sync(ALL, two, 2)
    return one + cuda.shfl_xor_sync(ALL, one, 1)


@cuda_device
def _exchanged(kept: Tile, given: Tile, distance: int) -> Tile:
    return (
        kept[0] + cuda.shfl_xor_sync(ALL, given[0], distance),
        kept[1] + cuda.shfl_xor_sync(ALL, given[1], distance),
        kept[2] + cuda.shfl_xor_sync(ALL, given[2], distance),
        kept[3] + cuda.shfl_xor_sync(ALL, given[3], distance),
    )
