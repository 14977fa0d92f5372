"""Reductions over the lanes of a warp, in an order that does not depend on scheduling."""

from typing import Any

from numba import cuda

from kernels.compile.jit import cuda_device
from kernels.simt.tile import Tile, part, put

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


def _make_folded(distance: int) -> Any:
    @cuda_device
    def folded(values: Tile) -> Tile:
        """Keep half of the values, and give the others to the lane so far away, which keeps those; add what it gives."""
        kept, given = part(values, 0, distance), part(values, distance, distance)
        if cuda.threadIdx.x & distance:
            kept, given = given, kept
        for n in range(distance):
            kept = put(kept, n, part(kept, n, 1)[0] + cuda.shfl_xor_sync(ALL, part(given, n, 1)[0], distance))
        return kept

    return folded


_by_16, _by_8, _by_4, _by_2, _by_1 = (_make_folded(distance) for distance in (16, 8, 4, 2, 1))


@cuda_device
def sums_of_warp(values: Tile) -> Any:
    """Return to lane i the sum over the warp of ``values[i]``, of 32 values: 31 exchanges; all lanes call it."""
    return part(_by_1(_by_2(_by_4(_by_8(_by_16(values))))), 0, 1)[0]
