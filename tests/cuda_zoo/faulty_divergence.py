"""Barriers that not all threads of a block reach, or not the same one."""

# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, faulty, integers, uniform, zeros

THREADS = 64
HALF = 32
KIND = "divergent-barrier"


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def barrier_in_a_branch(x: Array, y: Array) -> None:
    """Half of the threads wait for a barrier that the others do not pass: undefined, may hang."""
    s = cuda.shared.array(HALF, np.float32)
    t = cuda.threadIdx.x
    if t < HALF:
        s[t] = x[t]
        cuda.syncthreads()  # fault
        y[t] = s[HALF - 1 - t]
    else:
        y[t] = x[t]


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def barrier_of_odd_lanes(x: Array, y: Array) -> None:
    """The lanes of each warp part before the barrier: undefined, may hang."""
    t = cuda.threadIdx.x
    y[t] = x[t]
    if t % 2 == 1:
        cuda.syncthreads()  # fault


@faulty(KIND, grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 100), zeros(100)))
@cuda.jit
def return_before_a_barrier(x: Array, y: Array) -> None:
    """Threads of the tail have returned when the others wait: undefined, though it goes well on many GPUs."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    if i >= x.size:
        return  # fault
    s[t] = x[i]
    cuda.syncthreads()  # fault
    y[i] = s[t ^ 1]


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def warp_that_returns(x: Array, y: Array) -> None:
    """A whole warp returns before the barrier of the block."""
    s = cuda.shared.array(HALF, np.float32)
    t = cuda.threadIdx.x
    if t // HALF == 1:
        return  # fault
    s[t] = x[t]
    cuda.syncthreads()  # fault
    y[t] = s[HALF - 1 - t]


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def barriers_in_both_branches(x: Array, y: Array) -> None:
    """Both branches have a barrier, which is not the same one: undefined in CUDA C, which wants one for all."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    if t % 2 == 0:
        s[t] = x[t]
        cuda.syncthreads()  # fault
    else:
        s[t] = -x[t]
        cuda.syncthreads()  # fault
    y[t] = s[THREADS - 1 - t]


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 5, 64), zeros(64, np.int32)))
@cuda.jit
def as_many_barriers_as_the_data_say(rounds: Array, y: Array) -> None:
    """Each thread passes another number of barriers: the others wait for those that have left the loop."""
    t = cuda.threadIdx.x
    for _ in range(rounds[t]):
        y[t] += 1
        cuda.syncthreads()  # fault


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def break_before_a_barrier(x: Array, y: Array) -> None:
    """Threads that have converged leave the loop, and its barrier, one by one."""
    t = cuda.threadIdx.x
    value = x[t]
    for _ in range(20):
        if value > 1:
            break  # fault
        value = value * np.float32(1.5) + np.float32(0.01)
        cuda.syncthreads()  # fault
    y[t] = value


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, (3, 64)), zeros(64)))
@cuda.jit
def continue_before_a_barrier(x: Array, y: Array) -> None:
    """Threads with nothing to add skip the barrier of the round."""
    t = cuda.threadIdx.x
    for row in range(x.shape[0]):
        if x[row, t] < 0.5:
            continue  # fault
        y[t] += x[row, t]
        cuda.syncthreads()  # fault


@faulty(KIND, grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 100), zeros(100)))
@cuda.jit
def barrier_behind_the_guard(x: Array, y: Array) -> None:
    """The guard for the tail encloses the barrier too."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    if i < x.size:
        s[t] = x[i]
        cuda.syncthreads()  # fault
        y[i] = s[t ^ 1]


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(1)))
@cuda.jit
def barrier_of_those_that_add(x: Array, out: Array) -> None:
    """In the tree only the threads that add wait for each other."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride:
            s[t] += s[t + stride]
            cuda.syncthreads()  # fault
        stride //= 2
    if t == 0:
        out[0] = s[0]


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 150), zeros(150)))
@cuda.jit
def barriers_in_a_strided_loop(x: Array, y: Array) -> None:
    """The threads of the tail make one round less than the others, who wait for them."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    for i in range(t, x.size, THREADS):
        s[t] = x[i]
        cuda.syncthreads()  # fault
        y[i] = s[t ^ 1]
        cuda.syncthreads()  # fault


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 2, 64), zeros(64, np.int32)))
@cuda.jit
def count_of_a_branch(x: Array, y: Array) -> None:
    """The barrier that counts is passed by one warp only: the count is not defined."""
    t = cuda.threadIdx.x
    if t < HALF:
        y[t] = cuda.syncthreads_count(x[t])  # fault


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 2, 64), zeros(64, np.int32)))
@cuda.jit
def barrier_behind_an_and(x: Array, y: Array) -> None:
    """The right side of the `and`, with its barrier, is not evaluated by threads whose left side is false."""
    t = cuda.threadIdx.x
    if x[t] == 1 and cuda.syncthreads_or(t):  # fault
        y[t] = 1


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 2, 64), zeros(64, np.int32)))
@cuda.jit
def barriers_of_two_kinds(x: Array, y: Array) -> None:
    """One warp waits at a plain barrier, the other at one that counts."""
    t = cuda.threadIdx.x
    if t < HALF:
        cuda.syncthreads()  # fault
        y[t] = x[t]
    else:
        y[t] = cuda.syncthreads_count(x[t])  # fault


@cuda.jit(device=True)
def _filled(s: Any, t: Any, value: Any) -> None:
    s[t] = value
    cuda.syncthreads()  # fault


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def barrier_of_a_device_function(x: Array, y: Array) -> None:
    """A device function, called in a branch, has a barrier in it."""
    s = cuda.shared.array(HALF, np.float32)
    t = cuda.threadIdx.x
    if t < HALF:
        _filled(s, t, x[t])  # fault
        y[t] = s[HALF - 1 - t]


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 32), zeros(32)))
@cuda.jit
def producers_and_consumers(x: Array, y: Array) -> None:
    """Producers and consumers pass different barriers, and the producers one more."""
    s = cuda.shared.array(HALF, np.float32)
    t = cuda.threadIdx.x
    if t < HALF:
        s[t] = x[t]
        cuda.syncthreads()  # fault
        cuda.syncthreads()  # fault
    else:
        cuda.syncthreads()  # fault
        y[t - HALF] = s[THREADS - 1 - t]


@faulty(KIND, grid=1, block=(8, 8), arguments=lambda rng: (uniform(rng, (8, 8)), zeros((8, 8))))
@cuda.jit
def border_that_returns(x: Array, y: Array) -> None:
    """Threads of the border return before the barrier, though their cells are needed by nobody."""
    tile = cuda.shared.array((8, 8), np.float32)
    row = cuda.threadIdx.y
    column = cuda.threadIdx.x
    if row == 0 or column == 0 or row == 7 or column == 7:
        y[row, column] = x[row, column]
        return  # fault
    tile[row, column] = x[row, column]
    cuda.syncthreads()  # fault
    y[row, column] = tile[column, row]
