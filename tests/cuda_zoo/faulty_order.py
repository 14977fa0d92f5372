"""Races by what is no barrier, or one of too few threads, and by arrays that share memory."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda, float32, int32

from tests.cuda_zoo.entry import Array, faulty, integers, uniform, zeros

FULL = 0xFFFFFFFF
LOWER = 0x0000FFFF
WARP = 32
THREADS = 64


@faulty("race", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def fence_for_barrier(x: Array, y: Array) -> None:
    """A fence orders a thread's own writes and waits for nobody: cells may not be filled yet."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    s[t] = x[t]  # fault
    cuda.threadfence_block()
    y[t] = s[(t + 32) % THREADS]  # fault


@faulty("race", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(1)))
@cuda.jit
def warp_synchronous_reduction(x: Array, out: Array) -> None:
    """No syncwarp in the last warp: since Volta its lanes need not go in step, and sums may be stale."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    if t < WARP:
        stride = WARP
        while stride > 0:
            s[t] += s[t + stride]  # fault
            stride //= 2
    if t == 0:
        out[0] = s[0]


@faulty("race", grid=1, block=WARP, arguments=lambda rng: (uniform(rng, 32), zeros(32), zeros(1, np.int32)))
@cuda.jit
def ballot_for_barrier(x: Array, y: Array, votes: Array) -> None:
    """A vote makes lanes meet but does not order memory: a neighbour's cell may not be filled yet."""
    s = cuda.shared.array(WARP, np.float32)
    lane = cuda.laneid
    s[lane] = x[lane]  # fault
    ballot = cuda.ballot_sync(FULL, x[lane] > 0.5)
    y[lane] = s[lane ^ 1]  # fault
    if lane == 0:
        votes[0] = ballot


@faulty("race", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def syncwarp_for_syncthreads(x: Array, y: Array) -> None:
    """The warp waits for itself only: the other warp's cells may not be filled yet."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    s[t] = x[t]  # fault
    cuda.syncwarp()
    y[t] = s[THREADS - 1 - t]  # fault


@faulty("race", grid=1, block=WARP, arguments=lambda rng: (uniform(rng, 32), zeros(32)))
@cuda.jit
def half_warps_wait_apart(x: Array, y: Array) -> None:
    """Each half of the warp waits for itself only, but reads what the other half wrote."""
    s = cuda.shared.array(WARP, np.float32)
    lane = cuda.laneid
    s[lane] = x[lane]  # fault
    if lane < 16:
        cuda.syncwarp(LOWER)
    else:
        cuda.syncwarp(FULL ^ LOWER)
    y[lane] = s[lane ^ 16]  # fault


@faulty("race", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def views_that_overlap(x: Array, y: Array) -> None:
    """Two views share eight cells: which of two threads wrote them last is open."""
    s = cuda.shared.array(THREADS, np.float32)
    lower = s[:36]
    upper = s[28:]
    t = cuda.threadIdx.x
    if t < 32:
        lower[t + 4] = x[t]  # fault
    else:
        upper[t - 32] = x[t]  # fault
    cuda.syncthreads()
    y[t] = s[4 + t % 56]


@faulty(
    "race",
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 64), uniform(rng, 64), zeros(64)),
    dynamic_shared=2 * THREADS * 4,
)
@cuda.jit
def dynamic_arrays_that_alias(x: Array, y: Array, z: Array) -> None:
    """Both dynamic arrays begin at the same byte: two threads write each cell."""
    left = cuda.shared.array(0, float32)
    right_one = cuda.shared.array(0, float32)
    t = cuda.threadIdx.x
    left[t] = x[t]  # fault
    right_one[THREADS - 1 - t] = y[t]  # fault
    cuda.syncthreads()
    z[t] = left[t] * right_one[t]


@faulty(
    "race",
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 64), integers(rng, 9, 64), zeros(64)),
    dynamic_shared=2 * THREADS * 4,
)
@cuda.jit
def dynamic_arrays_that_overlap(x: Array, n: Array, z: Array) -> None:
    """The second array begins in the middle of the first one: an offset in bytes was taken as one in elements."""
    values = cuda.shared.array(0, float32)[:THREADS]
    counts = cuda.shared.array(0, int32)[THREADS // 2 : THREADS // 2 + THREADS]
    t = cuda.threadIdx.x
    values[t] = x[t]  # fault
    counts[t] = n[t]  # fault
    cuda.syncthreads()
    z[t] = values[t] * counts[t]
