"""Right kernels that scan or sort in shared memory."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, integers, right, zeros

THREADS = 64
TWICE = 2 * THREADS


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 128), zeros(128, np.int32)),
    expected=lambda x, _: {1: x.reshape(2, -1).cumsum(axis=1).ravel()},
    exact=True,
)
@cuda.jit
def hillis_steele_of_two_buffers(x: Array, y: Array) -> None:
    """Scan from one row into the other."""
    s = cuda.shared.array((2, THREADS), np.int32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    s[0, t] = x[i]
    cuda.syncthreads()
    source = 0
    offset = 1
    while offset < THREADS:
        if t >= offset:
            s[1 - source, t] = s[source, t] + s[source, t - offset]
        else:
            s[1 - source, t] = s[source, t]
        cuda.syncthreads()
        source = 1 - source
        offset *= 2
    y[i] = s[source, t]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 1000, 64), zeros(64, np.int32)),
    expected=lambda x, _: {1: np.maximum.accumulate(x)},
    exact=True,
)
@cuda.jit
def largest_so_far(x: Array, y: Array) -> None:
    """Scan in one buffer: read, wait, write, wait."""
    s = cuda.shared.array(THREADS, np.int32)
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    offset = 1
    while offset < THREADS:
        value = s[t]
        if t >= offset:
            value = max(value, s[t - offset])
        cuda.syncthreads()
        s[t] = value
        cuda.syncthreads()
        offset <<= 1
    y[t] = s[t]


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 256), zeros(256, np.int32)),
    expected=lambda x, _: {1: (x.reshape(2, -1).cumsum(axis=1) - x.reshape(2, -1)).ravel()},
    exact=True,
)
@cuda.jit
def blelloch(x: Array, y: Array) -> None:
    """Scan exclusively two elements a thread: up a tree and down again."""
    s = cuda.shared.array(TWICE, np.int32)
    t = cuda.threadIdx.x
    first = TWICE * cuda.blockIdx.x
    s[2 * t] = x[first + 2 * t]
    s[2 * t + 1] = x[first + 2 * t + 1]
    offset = 1
    nodes = THREADS
    while nodes > 0:
        cuda.syncthreads()
        if t < nodes:
            left = offset * (2 * t + 1) - 1
            s[left + offset] += s[left]
        offset *= 2
        nodes //= 2
    if t == 0:
        s[TWICE - 1] = 0
    nodes = 1
    while nodes < TWICE:
        offset //= 2
        cuda.syncthreads()
        if t < nodes:
            left = offset * (2 * t + 1) - 1
            value = s[left]
            s[left] = s[left + offset]
            s[left + offset] += value
        nodes *= 2
    cuda.syncthreads()
    y[first + 2 * t] = s[2 * t]
    y[first + 2 * t + 1] = s[2 * t + 1]


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 1000, 128),),
    expected=lambda x: {0: np.sort(x.reshape(2, -1), axis=1).ravel()},
    exact=True,
)
@cuda.jit
def bitonic_sort(x: Array) -> None:
    """Sort by a network in shared memory: the lower thread of each pair exchanges."""
    s = cuda.shared.array(THREADS, np.int32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    s[t] = x[i]
    cuda.syncthreads()
    size = 2
    while size <= THREADS:
        stride = size // 2
        while stride > 0:
            other = t ^ stride
            if other > t and (s[t] > s[other]) == ((t & size) == 0):
                s[t], s[other] = s[other], s[t]
            cuda.syncthreads()
            stride //= 2
        size *= 2
    x[i] = s[t]


@right(
    grid=1,
    block=20,
    arguments=lambda rng: (integers(rng, 100, 40),),
    expected=lambda x: {0: np.sort(x)},
    exact=True,
)
@cuda.jit
def odd_even_sort(x: Array) -> None:
    """Exchange neighbours in global memory, even and odd pairs in turn."""
    t = cuda.threadIdx.x
    for phase in range(x.size):
        k = 2 * t + phase % 2
        if k + 1 < x.size and x[k] > x[k + 1]:
            x[k], x[k + 1] = x[k + 1], x[k]
        cuda.syncthreads()


@right(
    grid=2,
    block=32,
    arguments=lambda rng: (integers(rng, 30, 50), zeros(50, np.int32)),
    expected=lambda x, _: {1: np.sort(x)},
    exact=True,
)
@cuda.jit
def rank_sort(x: Array, y: Array) -> None:
    """Count what comes before each element: each writes a place of its own."""
    i = cuda.grid(1)
    if i < x.size:
        rank = 0
        for k in range(x.size):
            if x[k] < x[i] or (x[k] == x[i] and k < i):
                rank += 1
        y[rank] = x[i]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 2, 64), zeros(64, np.int32), zeros(1, np.int32)),
    expected=lambda x, *_: {
        1: np.concatenate([np.flatnonzero(x), np.zeros(64 - np.count_nonzero(x), int)]),
        2: np.array([np.count_nonzero(x)]),
    },
    exact=True,
)
@cuda.jit
def compaction_by_scan(keep: Array, kept: Array, count: Array) -> None:
    """Scan flags for the places of what is kept."""
    s = cuda.shared.array(THREADS, np.int32)
    t = cuda.threadIdx.x
    s[t] = keep[t]
    cuda.syncthreads()
    offset = 1
    while offset < THREADS:
        before = s[t - offset] if t >= offset else 0
        cuda.syncthreads()
        s[t] += before
        cuda.syncthreads()
        offset *= 2
    if keep[t]:
        kept[s[t] - 1] = t
    if t == THREADS - 1:
        count[0] = s[t]
