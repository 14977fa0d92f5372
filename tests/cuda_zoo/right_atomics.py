"""Right kernels whose threads meet in atomic operations."""

# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, integers, right, uniform, zeros

THREADS = 64
BINS = 10


@right(
    grid=3,
    block=THREADS,
    arguments=lambda rng: (integers(rng, BINS, 170), zeros(BINS, np.int32)),
    expected=lambda keys, _: {1: np.bincount(keys, minlength=BINS)},
    exact=True,
)
@cuda.jit
def histogram_in_global(keys: Array, counts: Array) -> None:
    """Count in global memory."""
    i = cuda.grid(1)
    if i < keys.size:
        cuda.atomic.add(counts, keys[i], 1)


@right(
    grid=3,
    block=THREADS,
    arguments=lambda rng: (integers(rng, BINS, 400), zeros(BINS, np.int32)),
    expected=lambda keys, _: {1: np.bincount(keys, minlength=BINS)},
    exact=True,
)
@cuda.jit
def histogram_by_blocks(keys: Array, counts: Array) -> None:
    """Clear, wait, count in shared memory, wait, add to global memory."""
    s = cuda.shared.array(BINS, np.int32)
    t = cuda.threadIdx.x
    if t < BINS:
        s[t] = 0
    cuda.syncthreads()
    for i in range(cuda.grid(1), keys.size, cuda.gridsize(1)):
        cuda.atomic.add(s, keys[i], 1)
    cuda.syncthreads()
    if t < BINS:
        cuda.atomic.add(counts, t, s[t])


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 128), np.array([np.inf, -np.inf], np.float32)),
    expected=lambda x, _: {1: np.array([x.min(), x.max()])},
    exact=True,
)
@cuda.jit
def atomic_extremes(x: Array, out: Array) -> None:
    """Keep the least and the largest of floating-point numbers."""
    i = cuda.grid(1)
    cuda.atomic.min(out, 0, x[i])
    cuda.atomic.max(out, 1, x[i])


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 1 << 20, 128), np.array([(1 << 20) - 1, 0, 0], np.int32)),
    expected=lambda x, out: {
        1: np.array([out[0] & np.bitwise_and.reduce(x), np.bitwise_or.reduce(x), np.bitwise_xor.reduce(x)]),
    },
    exact=True,
)
@cuda.jit
def atomic_bits(x: Array, out: Array) -> None:
    """Combine the bits of all."""
    i = cuda.grid(1)
    cuda.atomic.and_(out, 0, x[i])
    cuda.atomic.or_(out, 1, x[i])
    cuda.atomic.xor(out, 2, x[i])


@right(
    grid=2,
    block=50,
    arguments=lambda _: (np.array([0, 5], np.uint32), zeros(7, np.int32)),
    expected=lambda *_: {
        0: np.array([100 % 7, (5 - 100) % 7]),
        1: np.array([15, 15, 14, 14, 14, 14, 14]),
    },
    exact=True,
)
@cuda.jit
def counters_that_wrap(counters: Array, met: Array) -> None:
    """Count up and down modulo seven."""
    before = cuda.atomic.inc(counters, 0, np.uint32(6))
    cuda.atomic.add(met, before, 1)
    cuda.atomic.dec(counters, 1, np.uint32(6))


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 9), zeros(1, np.int32)),
    expected=lambda cells, _: {0: np.zeros_like(cells), 1: cells.sum(keepdims=True)},
    exact=True,
)
@cuda.jit
def taken_once(cells: Array, total: Array) -> None:
    """Exchange what is in a cell for zero: of all that try, one gets it."""
    taken = cuda.atomic.exch(cells, cuda.grid(1) % cells.size, 0)
    cuda.atomic.add(total, 0, taken)


@cuda.jit(device=True)
def _atomic_multiply(array: Any, index: Any, factor: Any) -> None:
    """Multiply by comparing and swapping until nobody came between."""
    seen = cuda.atomic.add(array, index, 0)
    while True:
        before = cuda.atomic.cas(array, index, seen, seen * factor % 1000003)
        if before == seen:
            break
        seen = before


def _product(x: Array) -> int:
    product = 1
    for factor in x.tolist():
        product = product * factor % 1000003
    return product


@right(
    grid=2,
    block=32,
    arguments=lambda rng: (1 + integers(rng, 1000, 64, np.int64), np.ones(1, np.int64)),
    expected=lambda x, _: {1: np.array([_product(x)])},
    exact=True,
)
@cuda.jit
def product_by_swaps(x: Array, out: Array) -> None:
    """Make an atomic operation of one that compares and swaps."""
    _atomic_multiply(out, 0, x[cuda.grid(1)])


def _table(keys: Array, table: Array) -> Array:
    table = table.copy()
    table[keys * 7 % table.size] = keys
    return table


@right(
    grid=2,
    block=32,
    arguments=lambda rng: (rng.permutation(64).astype(np.int32) % 16, np.full(32, -1, np.int32)),
    expected=lambda keys, table: {1: _table(keys, table)},
    exact=True,
)
@cuda.jit
def hash_set(keys: Array, table: Array) -> None:
    """Insert keys by comparing and swapping: equal ones find each other, others probe on."""
    key = keys[cuda.grid(1)]
    place = key * 7 % table.size
    while True:
        before = cuda.atomic.cas(table, place, -1, key)
        if before == -1 or before == key:
            break
        place = (place + 1) % table.size


@right(
    grid=(2, 2),
    block=(8, 4),
    arguments=lambda rng: (uniform(rng, (8, 16)), zeros(16), zeros((2, 2))),
    expected=lambda x, *_: {1: x.sum(axis=0), 2: x.reshape(2, 4, 2, 8).sum(axis=(1, 3)).T},
)
@cuda.jit
def sums_of_columns_and_blocks(x: Array, columns: Array, blocks: Array) -> None:
    """Add atomically at indices of one and of two dimensions."""
    column, row = cuda.grid(2)
    cuda.atomic.add(columns, column, x[row, column])
    cuda.atomic.add(blocks, (cuda.blockIdx.x, cuda.blockIdx.y), x[row, column])


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 5, (3, 64)), zeros((3, 5), np.int32)),
    expected=lambda keys, _: {1: np.array([np.bincount(row, minlength=5) for row in keys])},
    exact=True,
)
@cuda.jit
def one_histogram_after_another(keys: Array, counts: Array) -> None:
    """Clear the bins again when all have read them."""
    s = cuda.shared.array(5, np.int32)
    t = cuda.threadIdx.x
    for row in range(keys.shape[0]):
        if t < 5:
            s[t] = 0
        cuda.syncthreads()
        cuda.atomic.add(s, keys[row, t], 1)
        cuda.syncthreads()
        if t < 5:
            counts[row, t] = s[t]
        cuda.syncthreads()
