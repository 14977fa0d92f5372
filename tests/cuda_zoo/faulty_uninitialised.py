"""Reads of shared memory that no thread has written."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda, float32

from tests.cuda_zoo.entry import Array, faulty, integers, uniform, zeros

FULL = 0xFFFFFFFF
DEPTH = 4
THREADS = 64
HALOED = THREADS + 2
TILE = 8
HALOED_TILE = TILE + 2
BINS = 8
TABLE = 100
WARP = 32
WARPS = 2


@faulty("uninitialised", grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 130), zeros(128)))
@cuda.jit
def halo_of_one_side(x: Array, y: Array) -> None:
    """The right halo is never filled: the last thread of each block adds whatever is there."""
    tile = cuda.shared.array(HALOED, np.float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    tile[t + 1] = x[i + 1]
    if t == 0:
        tile[0] = x[i]
    cuda.syncthreads()
    y[i] = tile[t] + tile[t + 1] + tile[t + 2]  # fault


@faulty("uninitialised", grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 100), zeros(2)))
@cuda.jit
def tail_not_filled(x: Array, sums: Array) -> None:
    """Threads of the tail do not write their cells, but the sum includes them."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    if i < x.size:
        s[t] = x[i]
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride:
            s[t] += s[t + stride]  # fault
        cuda.syncthreads()
        stride //= 2
    if t == 0:
        sums[cuda.blockIdx.x] = s[0]


@faulty(
    "uninitialised",
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 64), zeros(64)),
    dynamic_shared=THREADS * 4,
)
@cuda.jit
def dynamic_memory_not_written(x: Array, y: Array) -> None:
    """Dynamic shared memory is assumed to be zero, but holds values from an earlier block."""
    s = cuda.shared.array(0, float32)
    t = cuda.threadIdx.x
    y[t] = x[t] + s[t]  # fault


@faulty("uninitialised", grid=1, block=THREADS, arguments=lambda rng: (integers(rng, BINS, 64), zeros(BINS, np.int32)))
@cuda.jit
def bins_not_cleared(keys: Array, counts: Array) -> None:
    """The bins are not cleared: counts start from whatever is there."""
    s = cuda.shared.array(BINS, np.int32)
    t = cuda.threadIdx.x
    cuda.atomic.add(s, keys[t], 1)  # fault
    cuda.syncthreads()
    if t < BINS:
        counts[t] = s[t]  # fault


@faulty("uninitialised", grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 1000, 64), zeros(1, np.int32)))
@cuda.jit
def largest_from_anywhere(x: Array, out: Array) -> None:
    """The search for the largest starts from whatever is in the cell."""
    best = cuda.shared.array(1, np.int32)
    t = cuda.threadIdx.x
    cuda.atomic.max(best, 0, x[t])  # fault
    cuda.syncthreads()
    if t == 0:
        out[0] = best[0]  # fault


@faulty(
    "uninitialised",
    grid=(2, 2),
    block=(TILE, TILE),
    arguments=lambda rng: (uniform(rng, (13, 5)), uniform(rng, (5, 13)), zeros((13, 13))),
)
@cuda.jit
def matmul_without_filling_up(a: Array, b: Array, c: Array) -> None:
    """Cells beyond the edges are multiplied without being cleared."""
    s = cuda.shared.array((TILE, TILE), np.float32)
    r = cuda.shared.array((TILE, TILE), np.float32)
    column, row = cuda.grid(2)
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    total = np.float32(0)
    for first in range(0, a.shape[1], TILE):
        if row < a.shape[0] and first + tx < a.shape[1]:
            s[ty, tx] = a[row, first + tx]
        if first + ty < b.shape[0] and column < b.shape[1]:
            r[ty, tx] = b[first + ty, column]
        cuda.syncthreads()
        for k in range(TILE):
            total += s[ty, k] * r[k, tx]  # fault
        cuda.syncthreads()
    if row < c.shape[0] and column < c.shape[1]:
        c[row, column] = total


@faulty("uninitialised", grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 100, 64), zeros(1, np.int32)))
@cuda.jit
def sums_of_warps_that_are_not(x: Array, out: Array) -> None:
    """The first warp reads a sum for each of its lanes although there are only two warps."""
    parts = cuda.shared.array(WARP, np.int32)
    t = cuda.threadIdx.x
    value = x[t]
    for k in range(5):
        value += cuda.shfl_xor_sync(FULL, value, 1 << k)
    if cuda.laneid == 0:
        parts[t // WARP] = value
    cuda.syncthreads()
    if t < WARP:
        value = parts[t]  # fault
        for k in range(5):
            value += cuda.shfl_xor_sync(FULL, value, 1 << k)
        if t == 0:
            out[0] = value


@faulty("uninitialised", grid=1, block=(TILE, TILE), arguments=lambda rng: (uniform(rng, (10, 10)), zeros((8, 8))))
@cuda.jit
def halo_without_corners(x: Array, y: Array) -> None:
    """The halo is filled along the sides only: diagonal neighbours of the corners are missing."""
    tile = cuda.shared.array((HALOED_TILE, HALOED_TILE), np.float32)
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    tile[ty + 1, tx + 1] = x[ty + 1, tx + 1]
    if ty == 0:
        tile[0, tx + 1] = x[0, tx + 1]
        tile[TILE + 1, tx + 1] = x[TILE + 1, tx + 1]
    if tx == 0:
        tile[ty + 1, 0] = x[ty + 1, 0]
        tile[ty + 1, TILE + 1] = x[ty + 1, TILE + 1]
    cuda.syncthreads()
    total = np.float32(0)
    for i in range(3):
        for j in range(3):
            total += tile[ty + i, tx + j]  # fault
    y[ty, tx] = total / 9


@faulty(
    "uninitialised", grid=1, block=32, arguments=lambda rng: (uniform(rng, TABLE), integers(rng, 100, 32), zeros(32))
)
@cuda.jit
def table_filled_with_gaps(table: Array, places: Array, y: Array) -> None:
    """The stride of the fill is twice the number of threads: every other part of the table is missing."""
    s = cuda.shared.array(TABLE, np.float32)
    t = cuda.threadIdx.x
    for k in range(t, TABLE, 2 * cuda.blockDim.x):
        s[k] = table[k]
    cuda.syncthreads()
    y[t] = s[places[t]]  # fault


@faulty("uninitialised", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def scale_under_a_condition(x: Array, y: Array) -> None:
    """The scale is written under a condition that is false here, but is always read."""
    scale = cuda.shared.array(1, np.float32)
    t = cuda.threadIdx.x
    if t == 0 and x[0] >= 1:
        scale[0] = 1 / x[0]
    cuda.syncthreads()
    y[t] = x[t] * scale[0]  # fault


@faulty("uninitialised", grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 100, 64), zeros(64, np.int32)))
@cuda.jit
def scan_that_does_not_copy(x: Array, y: Array) -> None:
    """Finished values are not copied to the other buffer: the next step reads cells that were never written."""
    s = cuda.shared.array((2, THREADS), np.int32)
    t = cuda.threadIdx.x
    s[0, t] = x[t]
    cuda.syncthreads()
    source = 0
    offset = 1
    while offset < THREADS:
        if t >= offset:
            s[1 - source, t] = s[source, t] + s[source, t - offset]  # fault
        cuda.syncthreads()
        source = 1 - source
        offset *= 2
    y[t] = s[source, t]


@faulty("uninitialised", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def filled_after_the_read(x: Array, y: Array) -> None:
    """Each thread reads its cell before it fills it."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    y[t] = x[t] - s[t]  # fault
    cuda.syncthreads()
    s[t] = x[t]


@faulty("uninitialised", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, (64, 3)), zeros(64)))
@cuda.jit
def local_sums_not_cleared(x: Array, y: Array) -> None:
    """Sums of a thread are added to whatever its local array holds."""
    sums = cuda.local.array(DEPTH, np.float32)
    t = cuda.threadIdx.x
    for k in range(x.shape[1]):
        sums[k] += x[t, k]  # fault
    for k in range(x.shape[1]):
        y[t] += sums[k]  # fault


@faulty("uninitialised", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, (64, 3)), zeros(64)))
@cuda.jit
def window_one_too_short(x: Array, y: Array) -> None:
    """The window has four places, of which only as many are filled as there are columns."""
    window = cuda.local.array(DEPTH, np.float32)
    t = cuda.threadIdx.x
    for k in range(x.shape[1]):
        window[k] = x[t, k]
    largest = window[0]
    for k in range(1, DEPTH):
        if window[k] > largest:  # fault
            largest = window[k]  # fault
    y[t] = largest


@cuda.jit
def add_to(x: Array, total: Array) -> None:
    """Add an array to another one."""
    i = cuda.grid(1)
    if i < x.size:
        total[i] += x[i]  # fault


@faulty("uninitialised", arguments=lambda rng: (uniform(rng, 100), zeros(100)))
def sums_in_fresh_memory(x: Array, y: Array) -> None:
    """The array for the sums is allocated, but nothing clears it."""
    total = cuda.device_array(x.size, np.float32)
    add_to[2, 64](cuda.to_device(x), total)
    total.copy_to_host(y)


@cuda.jit
def mean_of_three(x: Array, y: Array) -> None:
    """Average each element with its neighbours."""
    i = cuda.grid(1)
    if i < y.size:
        y[i] = (x[i] + x[i + 1] + x[i + 2]) / 3  # fault


@faulty("uninitialised", arguments=lambda rng: (uniform(rng, 62), zeros(62)))
def padding_not_cleared(x: Array, y: Array) -> None:
    """The padded copy has the data in its middle; nothing writes its ends."""
    padded, result = cuda.device_array(x.size + 2, np.float32), cuda.device_array(y.size, np.float32)
    padded[1:-1].copy_to_device(x)
    mean_of_three[1, 64](padded, result)
    result.copy_to_host(y)
