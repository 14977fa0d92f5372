"""Right kernels that reduce what the threads of a block hold, in shared memory."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda, float64

from tests.cuda_zoo.entry import Array, integers, right, uniform, zeros

THREADS = 64
TWICE = 2 * THREADS


@right(
    grid=4,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 230), zeros(4)),
    expected=lambda x, _: {1: np.add.reduceat(x, [0, 64, 128, 192])},
)
@cuda.jit
def tree_sums(x: Array, sums: Array) -> None:
    """Halve the number of summands between barriers."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    s[t] = x[i] if i < x.size else 0.0
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride:
            s[t] += s[t + stride]
        cuda.syncthreads()
        stride //= 2
    if t == 0:
        sums[cuda.blockIdx.x] = s[0]


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 128), zeros(2, np.int32)),
    expected=lambda x, _: {1: x.reshape(2, -1).sum(axis=1)},
    exact=True,
)
@cuda.jit
def interleaved_sums(x: Array, sums: Array) -> None:
    """Add neighbours, then neighbours of neighbours."""
    s = cuda.shared.array(THREADS, np.int32)
    t = cuda.threadIdx.x
    s[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    stride = 1
    while stride < THREADS:
        if t % (2 * stride) == 0:
            s[t] += s[t + stride]
        stride *= 2
        cuda.syncthreads()
    if t == 0:
        sums[cuda.blockIdx.x] = s[0]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 1000), zeros(2)),
    expected=lambda x, _: {1: np.array([x.min(), x.max()])},
    exact=True,
)
@cuda.jit
def extremes_of_a_stride(x: Array, out: Array) -> None:
    """Reduce a long array by one block, two results in one array of two rows."""
    s = cuda.shared.array((2, THREADS), np.float32)
    t = cuda.threadIdx.x
    low = x[t]
    high = x[t]
    for i in range(t + THREADS, x.size, THREADS):
        low = min(low, x[i])
        high = max(high, x[i])
    s[0, t] = low
    s[1, t] = high
    cuda.syncthreads()
    stride = THREADS >> 1
    while stride:
        if t < stride:
            s[0, t] = min(s[0, t], s[0, t + stride])
        elif t < 2 * stride:
            s[1, t - stride] = max(s[1, t - stride], s[1, t])
        cuda.syncthreads()
        stride >>= 1
    if t < 2:
        out[t] = s[t, 0]


@right(
    grid=3,
    block=THREADS,
    arguments=lambda rng: (rng.permutation(192).astype(np.float32), zeros(3, np.int32)),
    expected=lambda x, _: {1: x.reshape(3, -1).argmax(axis=1)},
    exact=True,
)
@cuda.jit
def largest_with_place(x: Array, places: Array) -> None:
    """Reduce pairs of a value and its place."""
    values = cuda.shared.array(THREADS, np.float32)
    indices = cuda.shared.array(THREADS, np.int32)
    t = cuda.threadIdx.x
    values[t] = x[cuda.grid(1)]
    indices[t] = t
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride and values[t + stride] > values[t]:
            values[t] = values[t + stride]
            indices[t] = indices[t + stride]
        cuda.syncthreads()
        stride //= 2
    if t == 0:
        places[cuda.blockIdx.x] = indices[0]


@right(
    grid=3,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 180), uniform(rng, 180), zeros(1, np.float64)),
    expected=lambda x, y, _: {2: np.array([np.dot(x.astype(float), y.astype(float))])},
)
@cuda.jit
def dot_product(x: Array, y: Array, out: Array) -> None:
    """Accumulate in double precision and add the sums of the blocks atomically."""
    s = cuda.shared.array(THREADS, float64)
    t = cuda.threadIdx.x
    total = 0.0
    for i in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        total += np.float64(x[i]) * np.float64(y[i])
    s[t] = total
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride:
            s[t] += s[t + stride]
        cuda.syncthreads()
        stride //= 2
    if t == 0:
        cuda.atomic.add(out, 0, s[0])


@right(
    grid=4,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 50, 250), zeros(1, np.int32)),
    expected=lambda x, _: {1: x.sum(keepdims=True)},
    exact=True,
)
@cuda.jit
def atomic_sum_by_blocks(x: Array, out: Array) -> None:
    """Add to a cell of shared memory that one thread has cleared, then to one of global memory."""
    total = cuda.shared.array(1, np.int32)
    i = cuda.grid(1)
    if cuda.threadIdx.x == 0:
        total[0] = 0
    cuda.syncthreads()
    if i < x.size:
        cuda.atomic.add(total, 0, x[i])
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        cuda.atomic.add(out, 0, total[0])


@right(
    grid=5,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 300), zeros(5), zeros(1, np.uint32), zeros(1)),
    expected=lambda x, *_: {2: zeros(1, np.uint32), 3: x.sum(keepdims=True)},
)
@cuda.jit
def last_block_sum(x: Array, partial: Array, finished: Array, out: Array) -> None:
    """Let the block that finishes last add the sums of all: fence, count, fence."""
    s = cuda.shared.array(THREADS, np.float32)
    last = cuda.shared.array(1, np.int32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    s[t] = x[i] if i < x.size else 0.0
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride:
            s[t] += s[t + stride]
        cuda.syncthreads()
        stride //= 2
    if t == 0:
        partial[cuda.blockIdx.x] = s[0]
        cuda.threadfence()
        before = cuda.atomic.inc(finished, 0, np.uint32(cuda.gridDim.x - 1))
        last[0] = 1 if before == cuda.gridDim.x - 1 else 0
        cuda.threadfence()
    cuda.syncthreads()
    if last[0] == 1 and t == 0:
        total = 0.0
        for block in range(cuda.gridDim.x):
            total += partial[block]
        out[0] = total


@right(
    grid=3,
    block=THREADS,
    arguments=lambda rng: (
        integers(rng, 9, (3, 64)),
        zeros(64, np.int32),
        zeros((3, 64), np.int32),
        zeros(1, np.int32),
    ),
    expected=lambda x, *_: {1: x.sum(axis=0)},
    exact=True,
)
@cuda.jit
def last_block_columns(x: Array, out: Array, doubled: Array, finished: Array) -> None:
    """Let all threads of the last block read what all threads of the others wrote."""
    last = cuda.shared.array(1, np.int32)
    t = cuda.threadIdx.x
    b = cuda.blockIdx.x
    doubled[b, t] = 2 * x[b, t]
    cuda.syncthreads()
    if t == 0:
        cuda.threadfence()
        last[0] = cuda.atomic.add(finished, 0, 1)
        cuda.threadfence()
    cuda.syncthreads()
    if last[0] == cuda.gridDim.x - 1:
        total = 0
        for block in range(cuda.gridDim.x):
            total += doubled[block, t]
        out[t] = total // 2


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 3, 128), zeros((2, 3), np.int32)),
    expected=lambda x, _: {1: np.array([[np.count_nonzero(r), r.all(), r.any()] for r in x.reshape(2, -1)])},
    exact=True,
)
@cuda.jit
def barriers_that_count(x: Array, out: Array) -> None:
    """Reduce predicates by the barrier itself."""
    positive = 1 if x[cuda.grid(1)] > 0 else 0
    count = cuda.syncthreads_count(positive)
    every = cuda.syncthreads_and(positive)
    some = cuda.syncthreads_or(positive)
    if cuda.threadIdx.x == 0:
        out[cuda.blockIdx.x, 0] = count
        out[cuda.blockIdx.x, 1] = 1 if every else 0
        out[cuda.blockIdx.x, 2] = 1 if some else 0


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 256), zeros((2, 2))),
    expected=lambda x, _: {1: np.array([[row.sum(), row.max()] for row in x.reshape(2, -1)])},
)
@cuda.jit
def two_reductions_of_one_buffer(x: Array, out: Array) -> None:
    """Use a buffer twice, with a barrier between the last read and the next write."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    first = TWICE * cuda.blockIdx.x + t
    s[t] = x[first] + x[first + THREADS]
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride:
            s[t] += s[t + stride]
        cuda.syncthreads()
        stride //= 2
    total = s[0]
    cuda.syncthreads()
    s[t] = max(x[first], x[first + THREADS])
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride:
            s[t] = max(s[t], s[t + stride])
        cuda.syncthreads()
        stride //= 2
    if t == 0:
        out[cuda.blockIdx.x, 0] = total
        out[cuda.blockIdx.x, 1] = s[0]
