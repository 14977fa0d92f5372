"""Races in shared memory: a barrier is missing, or stands in the wrong place."""

# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, faulty, integers, uniform, zeros

THREADS = 64
TILE = 8
PADDED = TILE + 1
HALOED = THREADS + 2
BINS = 8


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 128), zeros(128)))
@cuda.jit
def reversed_without_barrier(x: Array, y: Array) -> None:
    """No barrier between fill and read: another warp's cell may not be filled yet."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    s[t] = x[i]  # fault
    y[i] = s[THREADS - 1 - t]  # fault


@faulty(
    "race",
    grid=(2, 2),
    block=(TILE, TILE),
    arguments=lambda rng: (uniform(rng, (16, 24)), uniform(rng, (24, 16)), zeros((16, 16))),
)
@cuda.jit
def matmul_refilled_too_early(a: Array, b: Array, c: Array) -> None:
    """No barrier before the tiles are filled again: a fast warp overwrites what a slow one still multiplies."""
    s = cuda.shared.array((TILE, TILE), np.float32)
    r = cuda.shared.array((TILE, TILE), np.float32)
    column, row = cuda.grid(2)
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    total = np.float32(0)
    for first in range(0, a.shape[1], TILE):
        s[ty, tx] = a[row, first + tx]  # fault
        r[ty, tx] = b[first + ty, column]  # fault
        cuda.syncthreads()
        for k in range(TILE):
            total += s[ty, k] * r[k, tx]  # fault
    c[row, column] = total


@faulty("race", grid=(2, 2), block=(TILE, TILE), arguments=lambda rng: (uniform(rng, (16, 16)), zeros((16, 16))))
@cuda.jit
def transpose_without_barrier(x: Array, y: Array) -> None:
    """No barrier between fill and transposed read: columns of other warps may be missing."""
    tile = cuda.shared.array((TILE, PADDED), np.float32)
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    first_row = cuda.blockIdx.y * TILE
    first_column = cuda.blockIdx.x * TILE
    tile[ty, tx] = x[first_row + ty, first_column + tx]  # fault
    y[first_column + ty, first_row + tx] = tile[tx, ty]  # fault


@faulty("race", grid=(2, 2), block=(TILE, TILE), arguments=lambda rng: (uniform(rng, (16, 16)), zeros((16, 16))))
@cuda.jit
def barrier_before_the_fill(x: Array, y: Array) -> None:
    """Fill and barrier are swapped: the barrier orders nothing, neighbours may be missing."""
    tile = cuda.shared.array((TILE, TILE), np.float32)
    column, row = cuda.grid(2)
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    cuda.syncthreads()
    tile[ty, tx] = x[row, column]  # fault
    y[row, column] = tile[(ty + 1) % TILE, tx] - tile[(ty + TILE - 1) % TILE, tx]  # fault


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (integers(rng, BINS, 128), zeros(BINS, np.int32)))
@cuda.jit
def bins_cleared_without_barrier(keys: Array, counts: Array) -> None:
    """No barrier between clearing and counting: counts of a fast warp are cleared away."""
    s = cuda.shared.array(BINS, np.int32)
    t = cuda.threadIdx.x
    if t < BINS:
        s[t] = 0  # fault
    cuda.atomic.add(s, keys[cuda.grid(1)], 1)  # fault
    cuda.syncthreads()
    if t < BINS:
        cuda.atomic.add(counts, t, s[t])


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (integers(rng, BINS, 128), zeros(BINS, np.int32)))
@cuda.jit
def bins_read_without_barrier(keys: Array, counts: Array) -> None:
    """No barrier between counting and reading: counts of a slow warp are missing."""
    s = cuda.shared.array(BINS, np.int32)
    t = cuda.threadIdx.x
    if t < BINS:
        s[t] = 0
    cuda.syncthreads()
    cuda.atomic.add(s, keys[cuda.grid(1)], 1)  # fault
    if t < BINS:
        mine = s[t]  # fault
        cuda.atomic.add(counts, t, mine)


@faulty("race", grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 5, (3, 64)), zeros((3, 5), np.int32)))
@cuda.jit
def bins_cleared_while_read(keys: Array, counts: Array) -> None:
    """No barrier at the end of the loop: bins are cleared by one thread while others copy them."""
    s = cuda.shared.array(5, np.int32)
    t = cuda.threadIdx.x
    for row in range(keys.shape[0]):
        if t == 0:
            for k in range(5):
                s[k] = 0  # fault
        cuda.syncthreads()
        cuda.atomic.add(s, keys[row, t], 1)
        cuda.syncthreads()
        if t < 5:
            counts[row, t] = s[t]  # fault


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 128), zeros((2, 2))))
@cuda.jit
def buffer_used_again(x: Array, out: Array) -> None:
    """No barrier before the second reduction: a fast warp overwrites the first result before others read it."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    s[t] = x[i]
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride:
            s[t] = max(s[t], s[t + stride])
        cuda.syncthreads()
        stride //= 2
    largest = s[0]  # fault
    s[t] = x[i] / largest  # fault
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride:
            s[t] += s[t + stride]
        cuda.syncthreads()
        stride //= 2
    if t == 0:
        out[cuda.blockIdx.x, 0] = largest
        out[cuda.blockIdx.x, 1] = s[0]


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 128), zeros(2)))
@cuda.jit
def tree_without_barriers(x: Array, sums: Array) -> None:
    """No barrier in the loop: summands may be from the step before."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    s[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride:
            s[t] += s[t + stride]  # fault
        stride //= 2
    if t == 0:
        sums[cuda.blockIdx.x] = s[0]


@faulty("race", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 320), zeros(64)))
@cuda.jit
def two_buffers_no_barrier(x: Array, y: Array) -> None:
    """Two buffers, but no barrier between the steps: one is filled while the slowest still read it."""
    s = cuda.shared.array((2, THREADS), np.float32)
    t = cuda.threadIdx.x
    s[0, t] = x[t]
    cuda.syncthreads()
    total = np.float32(0)
    steps = x.size // THREADS
    for step in range(steps):
        now = step % 2
        if step + 1 < steps:
            s[1 - now, t] = x[(step + 1) * THREADS + t]  # fault
        total += s[now, (t + 1) % THREADS]  # fault
    y[t] = total


@faulty("race", grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 100, 64), zeros(64, np.int32)))
@cuda.jit
def scan_in_place(x: Array, y: Array) -> None:
    """Hillis-Steele in one buffer: a cell may be read before or after it is added to."""
    s = cuda.shared.array(THREADS, np.int32)
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    offset = 1
    while offset < THREADS:
        if t >= offset:
            s[t] += s[t - offset]  # fault
        cuda.syncthreads()
        offset *= 2
    y[t] = s[t]


@faulty("race", grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 100, 64), zeros(64, np.int32)))
@cuda.jit
def scan_without_second_barrier(x: Array, y: Array) -> None:
    """No barrier after the addition: the next step may read a cell that is not added to yet."""
    s = cuda.shared.array(THREADS, np.int32)
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    offset = 1
    while offset < THREADS:
        before = s[t - offset] if t >= offset else 0  # fault
        cuda.syncthreads()
        s[t] += before  # fault
        offset *= 2
    y[t] = s[t]


@cuda.jit(device=True)
def _neighbour(s: Any, value: Any) -> Any:
    t = cuda.threadIdx.x
    s[t] = value  # fault
    return s[t ^ 1]  # fault


@faulty("race", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def barrier_missing_in_device_function(x: Array, y: Array) -> None:
    """A device function exchanges values without a barrier: lanes may get what was there before."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    s[t] = 0
    cuda.syncthreads()
    y[t] = _neighbour(s, x[t])


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 128), zeros(128)))
@cuda.jit
def stencil_without_barrier(x: Array, y: Array) -> None:
    """No barrier between fill and stencil: neighbours, or the halo, may be missing."""
    tile = cuda.shared.array(HALOED, np.float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    tile[t + 1] = x[i]  # fault
    if t == 0:
        tile[0] = x[i - 1] if i > 0 else 0.0
        tile[THREADS + 1] = x[i + THREADS] if i + THREADS < x.size else 0.0  # fault
    y[i] = tile[t] + tile[t + 1] + tile[t + 2]  # fault


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 128), zeros(128)))
@cuda.jit
def broadcast_without_barrier(x: Array, y: Array) -> None:
    """One thread writes a cell that all read at once: other warps may read it too early."""
    s = cuda.shared.array(1, np.float32)
    i = cuda.grid(1)
    if cuda.threadIdx.x == 0:
        s[0] = x[i]  # fault
    y[i] = x[i] - s[0]  # fault


@faulty("race", grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 100, (4, 64)), zeros((4, 64), np.int32)))
@cuda.jit
def total_cleared_too_early(x: Array, y: Array) -> None:
    """No barrier between reading the total and clearing it for the next row: slow warps read zero."""
    total = cuda.shared.array(1, np.int32)
    t = cuda.threadIdx.x
    for row in range(x.shape[0]):
        if t == 0:
            total[0] = 0  # fault
        cuda.syncthreads()
        cuda.atomic.add(total, 0, x[row, t])
        cuda.syncthreads()
        y[row, t] = total[0] - x[row, t]  # fault


@faulty("race", grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 1000, 64), zeros(64, np.int32)))
@cuda.jit
def odd_even_sort_without_barrier(x: Array, y: Array) -> None:
    """No barrier between the phases: neighbours exchange cells at the same time."""
    s = cuda.shared.array(THREADS, np.int32)
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    for phase in range(THREADS):
        if t % 2 == phase % 2 and t + 1 < THREADS:
            lower = s[t]  # fault
            upper = s[t + 1]  # fault
            s[t] = min(lower, upper)  # fault
            s[t + 1] = max(lower, upper)  # fault
    cuda.syncthreads()
    y[t] = s[t]
