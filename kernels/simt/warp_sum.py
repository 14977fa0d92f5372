"""Reductions over the lanes of a warp, in an order that does not depend on scheduling."""

from typing import Any

from numba import cuda

from kernels.compile.jit import cuda_device

ALL = 0xFFFFFFFF
"""The mask of all lanes."""


@cuda_device
def sum_of_warp(value: Any) -> Any:
    """Return, in every lane, the sum of ``value`` over the warp, added in pairs; all lanes call it."""
    distance = 16
    while distance > 0:
        value += cuda.shfl_xor_sync(ALL, value, distance)
        distance //= 2
    return value


@cuda_device
def largest_of_warp(value: Any) -> Any:
    """Return, in every lane, the largest ``value`` of the warp; all lanes call it."""
    distance = 16
    while distance > 0:
        value = max(value, cuda.shfl_xor_sync(ALL, value, distance))
        distance //= 2
    return value
