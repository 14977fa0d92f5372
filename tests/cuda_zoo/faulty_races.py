"""Races by updates: what many threads change should be changed atomically, or by one of them."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, faulty, integers, uniform, zeros

THREADS = 64
BINS = 8
CHUNK = 4


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (integers(rng, BINS, 128), zeros(BINS, np.int32)))
@cuda.jit
def histogram_not_atomic(keys: Array, counts: Array) -> None:
    """Read, add and write are three steps: increments of other threads are lost."""
    key = keys[cuda.grid(1)]
    counts[key] += 1  # fault


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (integers(rng, BINS, 128), zeros(BINS, np.int32)))
@cuda.jit
def shared_histogram_not_atomic(keys: Array, counts: Array) -> None:
    """Increments of other threads of the block are lost."""
    s = cuda.shared.array(BINS, np.int32)
    t = cuda.threadIdx.x
    if t < BINS:
        s[t] = 0
    cuda.syncthreads()
    s[keys[cuda.grid(1)]] += 1  # fault
    cuda.syncthreads()
    if t < BINS:
        cuda.atomic.add(counts, t, s[t])


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 128), zeros(1)))
@cuda.jit
def sum_not_atomic(x: Array, out: Array) -> None:
    """All threads add to one cell: most sums are lost."""
    i = cuda.grid(1)
    out[0] += x[i]  # fault


@faulty("race", grid=1, block=32, arguments=lambda rng: (uniform(rng, (32, 5)), zeros(5)))
@cuda.jit
def columns_by_threads_of_rows(x: Array, sums: Array) -> None:
    """A thread adds a row to the sums of columns, which all threads share."""
    row = cuda.grid(1)
    for column in range(x.shape[1]):
        sums[column] += x[row, column]  # fault


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 128), zeros(1, np.int32)))
@cuda.jit
def same_value_by_many(x: Array, found: Array) -> None:
    """Many threads store the same number: a race all the same, though GPUs of today end up with it."""
    if x[cuda.grid(1)] > 0.25:
        found[0] = 1  # fault


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (1 + integers(rng, 1000, 128), np.full(1, -1, np.int32)))
@cuda.jit
def largest_by_plain_store(x: Array, best: Array) -> None:
    """Compare and store are two steps: a smaller number may be stored after a larger one."""
    i = cuda.grid(1)
    if x[i] > best[0]:  # fault
        best[0] = x[i]  # fault


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (1 + integers(rng, 1000, 128), np.full(1, -1, np.int32)))
@cuda.jit
def plain_look_before_atomic(x: Array, best: Array) -> None:
    """The look that is to spare atomic operations is a plain read: it need not see what others have stored."""
    i = cuda.grid(1)
    if x[i] > best[0]:  # fault
        cuda.atomic.max(best, 0, x[i])  # fault


@faulty("race", grid=2, block=THREADS, arguments=lambda rng: (integers(rng, 2, 128), zeros(1, np.int32), zeros(128)))
@cuda.jit
def count_read_too_early(x: Array, count: Array, y: Array) -> None:
    """The count of all blocks is read when only the own block has finished."""
    i = cuda.grid(1)
    cuda.atomic.add(count, 0, x[i])  # fault
    cuda.syncthreads()
    y[i] = x[i] / (1.0 + count[0])  # fault


@faulty("race", grid=1, block=THREADS, arguments=lambda rng: (integers(rng, BINS, 64), zeros(BINS, np.int32)))
@cuda.jit
def half_atomic(keys: Array, counts: Array) -> None:
    """One branch adds atomically and the other does not: increments are lost."""
    t = cuda.threadIdx.x
    if t % 2 == 0:
        cuda.atomic.add(counts, keys[t], 1)  # fault
    else:
        counts[keys[t]] += 1  # fault


@faulty("race", grid=2, block=32, arguments=lambda rng: (uniform(rng, 66),))
@cuda.jit
def stencil_in_place(x: Array) -> None:
    """Neighbours are read while other threads overwrite them: some are old, some new."""
    i = cuda.grid(1) + 1
    x[i] = (x[i - 1] + x[i] + x[i + 1]) / 3  # fault


@faulty("race", grid=2, block=32, arguments=lambda rng: (uniform(rng, 200), zeros(200)))
@cuda.jit
def stride_of_the_block(x: Array, y: Array) -> None:
    """The stride is that of a block, not of the grid: blocks write the same elements."""
    for i in range(cuda.grid(1), x.size, cuda.blockDim.x):
        y[i] = 2 * x[i]  # fault


@faulty("race", grid=1, block=16, arguments=lambda rng: (uniform(rng, 65), zeros(65)))
@cuda.jit
def chunks_that_meet(x: Array, y: Array) -> None:
    """The end of a chunk is taken as part of it: two threads write there."""
    first = CHUNK * cuda.grid(1)
    for i in range(first, first + CHUNK + 1):
        y[i] = x[i]  # fault


@faulty("race", grid=1, block=(8, 8), arguments=lambda rng: (uniform(rng, (8, 8)),))
@cuda.jit
def transpose_in_place(x: Array) -> None:
    """Both threads of a pair exchange the two elements."""
    row = cuda.threadIdx.y
    column = cuda.threadIdx.x
    if row != column:
        value = x[column, row]  # fault
        x[row, column] = value  # fault


@faulty("race", grid=1, block=(8, 8), arguments=lambda rng: (integers(rng, 2, (8, 8)),))
@cuda.jit
def life_in_place(cells: Array) -> None:
    """Neighbours may already be of the next generation."""
    row = cuda.threadIdx.y
    column = cuda.threadIdx.x
    alive = 0
    for i in range(3):
        for j in range(3):
            alive += cells[(row + i + 7) % 8, (column + j + 7) % 8]  # fault
    cells[row, column] = 1 if alive == 3 else 0  # fault


@faulty("race", grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 50, 64), zeros(50, np.int32)))
@cuda.jit
def scatter_without_care(places: Array, y: Array) -> None:
    """Places that the data repeat are written by several threads: the last one wins, whichever that is."""
    t = cuda.threadIdx.x
    y[places[t]] = t  # fault
