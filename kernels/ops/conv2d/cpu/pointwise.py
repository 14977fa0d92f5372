"""Pointwise filters (1 x 1, without padding): a plane is a row of elements, some of which a stride skips."""

from typing import Any

import numpy as np
from numba import prange
from numpy.typing import NDArray

from kernels.compile.jit import cpu_core, cpu_kernel
from kernels.declare.shapes import Padding, Pair
from kernels.simd.product import clear, copy
from kernels.simd.tile import lanes, load_first, steps, store_first, zeros
from kernels.simd.vector_math import even, interleave

Array = NDArray[Any]


def is_pointwise(w: Array, padding: Padding) -> bool:
    """Return whether filters are pointwise."""
    return w.shape[2:] == (1, 1) and padding == ((0, 0), (0, 0))


def as_rows(image: Array) -> Array:
    """View every plane as one row."""
    return image.reshape(*image.shape[:2], 1, image.shape[2] * image.shape[3])


def seen(x: Array, stride: Pair, size: Pair) -> Array:
    """Return the part of x that ``size`` windows read, (N, C, *size): x itself without a stride, else a copy."""
    if stride == (1, 1):
        return x
    found = np.empty((*x.shape[:2], *size), x.dtype)
    _pick(x.reshape(-1), x.shape, stride, found.reshape(-1), found.shape)
    return found


def put_back(found: Array, stride: Pair, dx: Array) -> None:
    """Write elements back to where ``seen`` would take them from, and zeros elsewhere."""
    _spread(found.reshape(-1), found.shape, stride, dx.reshape(-1), dx.shape)


@cpu_core
def _copy_row(source: Array, first: int, step: int, count: int, band: Array, to: int) -> None:
    """Copy ``count`` elements that are ``step`` apart to contiguous memory, and write nothing else."""
    here, size = steps(1, 0, 0), lanes(band)
    whole = count // size * size
    copy(source, first, step, whole, band, to)
    place, rest, target = first + whole * step, count - whole, steps(1, to + whole, 0)
    if step == 1 and rest > 0:
        store_first(load_first(source, steps(1, place, 0), here, rest), band, target, here, rest)
    elif step == 2 and rest > 0:
        both = load_first(source, steps(1, place, 0), steps(2, 0, size), 2 * rest - 1)
        store_first(even(both), band, target, here, rest)
    else:
        for k in range(whole, count):
            band[to + k] = source[first + k * step]


@cpu_kernel
def _pick(
    x: Array, shape: tuple[int, int, int, int], stride: Pair, out: Array, out_shape: tuple[int, int, int, int]
) -> None:
    for unit in prange(shape[0] * shape[1]):
        plane: Any = np.int64(unit)  # a parallel loop's counter is unsigned
        for i in range(out_shape[2]):
            line, to = (plane * shape[2] + i * stride[0]) * shape[3], (plane * out_shape[2] + i) * out_shape[3]
            _copy_row(x, line, stride[1], out_shape[3], out, to)


@cpu_core
def _spread_row(found: Array, first: int, count: int, step: int, out: Array, to: int, width: int) -> None:
    here, size = steps(1, 0, 0), lanes(out)
    if step == 2:
        for j in range(0, width, 2 * size):
            mine = load_first(found, steps(1, first + j // 2, 0), here, count - j // 2)
            pairs = interleave(mine, zeros(here, here, out))
            store_first(pairs, out, steps(1, to + j, 0), steps(2, 0, size), width - j)
        return
    clear(out, to, width)
    if step == 1:
        _copy_row(found, first, 1, count, out, to)
        return
    for j in range(count):
        out[to + j * step] = found[first + j]


@cpu_kernel
def _spread(
    found: Array, shape: tuple[int, int, int, int], stride: Pair, out: Array, out_shape: tuple[int, int, int, int]
) -> None:
    for unit in prange(shape[0] * shape[1]):
        plane: Any = np.int64(unit)  # a parallel loop's counter is unsigned
        for row in range(out_shape[2]):
            to, i = (plane * out_shape[2] + row) * out_shape[3], row // stride[0]
            if row % stride[0] == 0:
                first = (plane * shape[2] + i) * shape[3]
                _spread_row(found, first, shape[3], stride[1], out, to, out_shape[3])
            else:
                clear(out, to, out_shape[3])
