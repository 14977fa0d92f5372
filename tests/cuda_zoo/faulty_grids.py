"""Races between blocks, and where flags and locks do not order memory."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, faulty, integers, uniform, zeros

THREADS = 32
TWO_WARPS = 64


@faulty("race", grid=3, block=THREADS, arguments=lambda rng: (uniform(rng, 96), zeros(1)))
@cuda.jit
def one_output_of_all_blocks(x: Array, out: Array) -> None:
    """Each block stores its sum in the same cell: the last one wins."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    s[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    if t == 0:
        total = np.float32(0)
        for k in range(THREADS):
            total += s[k]
        out[0] = total  # fault


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64), zeros(64)))
@cuda.jit
def block_barrier_for_the_grid(x: Array, y: Array, z: Array) -> None:
    """The barrier is one of the block: what the other block writes may not be there."""
    i = cuda.grid(1)
    y[i] = 2 * x[i]  # fault
    cuda.threadfence()
    cuda.syncthreads()
    z[i] = y[y.size - 1 - i]  # fault


@faulty("race", grid=3, block=THREADS, arguments=lambda rng: (uniform(rng, 90), zeros(90), 4))
@cuda.jit
def heat_with_one_barrier_too_few(u: Array, v: Array, steps: int) -> None:
    """No barrier of the grid after the copy: the next step reads neighbours that are not copied yet."""
    grid = cuda.cg.this_grid()
    i = cuda.grid(1)
    inner = 0 < i < u.size - 1
    for _ in range(steps):
        if inner:
            v[i] = u[i] + (u[i - 1] - 2 * u[i] + u[i + 1]) / 4  # fault
        grid.sync()
        if inner:
            u[i] = v[i]  # fault


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (integers(rng, 100, (4, 64)),))
@cuda.jit
def rows_without_grid_barrier(m: Array) -> None:
    """A barrier of the block where the rows need one of the grid: the row before may not be complete."""
    column = cuda.grid(1)
    for row in range(1, m.shape[0]):
        m[row, column] = m[row - 1, m.shape[1] - 1 - column] + 1  # fault
        cuda.syncthreads()


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(2), zeros(64)))
@cuda.jit
def second_phase_without_grid_barrier(x: Array, sums: Array, y: Array) -> None:
    """The sums of all blocks are read although only the own block's is sure to be there."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    s[t] = x[i]
    cuda.syncthreads()
    if t == 0:
        total = np.float32(0)
        for k in range(THREADS):
            total += s[k]
        sums[cuda.blockIdx.x] = total  # fault
    cuda.syncthreads()
    y[i] = x[i] / (sums[0] + sums[1])  # fault


@faulty("race", grid=4, block=THREADS, arguments=lambda rng: (uniform(rng, 4), zeros(4), zeros(1, np.int32), zeros(1)))
@cuda.jit
def last_block_without_fence(x: Array, partial: Array, finished: Array, out: Array) -> None:
    """No fence between result and count: the last block may count a result that it cannot see yet."""
    b = cuda.blockIdx.x
    if cuda.threadIdx.x == 0:
        partial[b] = 2 * x[b]  # fault
        if cuda.atomic.add(finished, 0, 1) == cuda.gridDim.x - 1:
            total = np.float32(0)
            for k in range(cuda.gridDim.x):
                total += partial[k]  # fault
            out[0] = total


@faulty("race", grid=4, block=THREADS, arguments=lambda rng: (uniform(rng, 4), zeros(4), zeros(1, np.int32), zeros(1)))
@cuda.jit
def last_block_with_fence_of_block(x: Array, partial: Array, finished: Array, out: Array) -> None:
    """The fences are those of a block: the last block may not see the results of others."""
    b = cuda.blockIdx.x
    if cuda.threadIdx.x == 0:
        partial[b] = 2 * x[b]  # fault
        cuda.threadfence_block()
        before = cuda.atomic.add(finished, 0, 1)
        cuda.threadfence_block()
        if before == cuda.gridDim.x - 1:
            total = np.float32(0)
            for k in range(cuda.gridDim.x):
                total += partial[k]  # fault
            out[0] = total


@faulty("race", grid=3, block=1, arguments=lambda _: (zeros(1, np.int32), zeros(1, np.int32)))
@cuda.jit
def lock_without_fences(lock: Array, out: Array) -> None:
    """No fence in the lock: the next holder may not see the last one's sum."""
    while cuda.atomic.cas(lock, 0, 0, 1) != 0:
        pass
    out[0] += 1 + cuda.blockIdx.x  # fault
    cuda.atomic.exch(lock, 0, 0)


@faulty("race", grid=3, block=1, arguments=lambda _: (zeros(1, np.int32), zeros(1, np.int32)))
@cuda.jit
def lock_released_by_plain_store(lock: Array, out: Array) -> None:
    """The lock is opened by a plain store, which is not ordered with the swaps of those who wait."""
    while cuda.atomic.cas(lock, 0, 0, 1) != 0:  # fault
        pass
    cuda.threadfence()
    out[0] += 1 + cuda.blockIdx.x  # fault
    cuda.threadfence()
    lock[0] = 0  # fault


@faulty("race", grid=3, block=1, arguments=lambda _: (zeros(1, np.int32), zeros(1, np.int32)))
@cuda.jit
def lock_taken_by_plain_look(lock: Array, out: Array) -> None:
    """Look and store are two steps: two threads may both find the lock open."""
    while lock[0] != 0:  # fault
        pass
    lock[0] = 1  # fault
    cuda.threadfence()
    out[0] += 1 + cuda.blockIdx.x  # fault
    cuda.threadfence()
    lock[0] = 0  # fault


@faulty("race", grid=1, block=TWO_WARPS, arguments=lambda rng: (integers(rng, 100, 1), zeros(1, np.int32)))
@cuda.jit
def flag_of_plain_stores(x: Array, y: Array) -> None:
    """The flag is stored and read plainly: the reader may never see it, or see it before the value."""
    s = cuda.shared.array(2, np.int32)
    t = cuda.threadIdx.x
    if t < 2:
        s[t] = 0
    cuda.syncthreads()
    if t == 0:
        s[0] = x[0] + 1  # fault
        s[1] = 1  # fault
    elif t == 32:
        while s[1] == 0:  # fault
            pass
        y[0] = s[0]  # fault


@faulty("race", grid=1, block=TWO_WARPS, arguments=lambda rng: (integers(rng, 100, 1), zeros(1, np.int32)))
@cuda.jit
def flag_without_fences(x: Array, y: Array) -> None:
    """The flag is atomic, but no fence keeps the value before it."""
    s = cuda.shared.array(2, np.int32)
    t = cuda.threadIdx.x
    if t < 2:
        s[t] = 0
    cuda.syncthreads()
    if t == 0:
        s[0] = x[0] + 1  # fault
        cuda.atomic.exch(s, 1, 1)
    elif t == 32:
        while cuda.atomic.add(s, 1, 0) == 0:
            pass
        y[0] = s[0]  # fault


@faulty("race", grid=1, block=TWO_WARPS, arguments=lambda rng: (integers(rng, 100, 1), zeros(1, np.int32)))
@cuda.jit
def flag_before_the_value(x: Array, y: Array) -> None:
    """The flag is raised before the value is stored: the reader may be faster."""
    s = cuda.shared.array(2, np.int32)
    t = cuda.threadIdx.x
    if t < 2:
        s[t] = 0
    cuda.syncthreads()
    if t == 0:
        cuda.threadfence_block()
        cuda.atomic.exch(s, 1, 1)
        s[0] = x[0] + 1  # fault
    elif t == 32:
        while cuda.atomic.add(s, 1, 0) == 0:
            pass
        cuda.threadfence_block()
        y[0] = s[0]  # fault


@faulty("race", grid=1, block=TWO_WARPS, arguments=lambda rng: (integers(rng, 100, 8), zeros(8, np.int32)))
@cuda.jit
def cell_given_back_too_early(x: Array, y: Array) -> None:
    """The consumer gives a cell of the ring back before it has read it: the producer may overwrite it."""
    ring = cuda.shared.array(2, np.int32)
    control = cuda.shared.array(2, np.int32)
    t = cuda.threadIdx.x
    if t < 2:
        control[t] = 0
    cuda.syncthreads()
    if t == 0:
        for k in range(x.size):
            while k - cuda.atomic.add(control, 1, 0) >= 2:
                pass
            cuda.threadfence_block()
            ring[k % 2] = x[k]  # fault
            cuda.threadfence_block()
            cuda.atomic.add(control, 0, 1)
    elif t == 32:
        for k in range(y.size):
            while cuda.atomic.add(control, 0, 0) <= k:
                pass
            cuda.atomic.add(control, 1, 1)
            cuda.threadfence_block()
            y[k] = ring[k % 2]  # fault


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (integers(rng, 100, 64), zeros(1, np.int32)))
@cuda.jit
def reset_by_one_block(x: Array, total: Array) -> None:
    """The first block clears the total, the second may have added by then."""
    i = cuda.grid(1)
    if i == 0:
        total[0] = 0  # fault
    cuda.syncthreads()
    cuda.atomic.add(total, 0, x[i])  # fault
