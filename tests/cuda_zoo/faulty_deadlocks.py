"""Threads that wait for each other for ever."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, faulty, integers, uniform, zeros

THREADS = 64
WARP = 32
KIND = "deadlock"


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 100, 64), zeros(64, np.int32)))
@cuda.jit
def flag_behind_a_barrier(x: Array, y: Array) -> None:
    """One warp waits for a flag that the other raises behind a barrier of both."""
    flag = cuda.shared.array(1, np.int32)
    t = cuda.threadIdx.x
    if t == 0:
        flag[0] = 0
    cuda.syncthreads()
    if t >= WARP:
        while cuda.atomic.add(flag, 0, 0) == 0:  # fault
            pass  # fault
    cuda.syncthreads()  # fault
    if t == 0:
        cuda.atomic.exch(flag, 0, 1)
    y[t] = x[t]


@faulty(KIND, grid=3, block=WARP, arguments=lambda rng: (uniform(rng, 96), zeros(64), zeros(64)))
@cuda.jit
def grid_barrier_that_a_block_skips(x: Array, y: Array, z: Array) -> None:
    """The last block has nothing to do and returns: the others wait for it at the barrier of the grid."""
    i = cuda.grid(1)
    if cuda.blockIdx.x == cuda.gridDim.x - 1:
        return  # fault
    y[i] = x[i]
    cuda.cg.this_grid().sync()  # fault
    z[i] = y[y.size - 1 - i]


@faulty(KIND, grid=2, block=WARP, arguments=lambda rng: (uniform(rng, 64), zeros(64), zeros(64)))
@cuda.jit
def grid_barrier_without_the_first_thread(x: Array, y: Array, z: Array) -> None:
    """The thread that waits for the other blocks in the name of its own has returned."""
    i = cuda.grid(1)
    if i == 0:
        return  # fault
    y[i] = x[i]
    cuda.cg.this_grid().sync()  # fault
    z[i] = y[y.size - 1 - i]


@faulty(KIND, grid=3, block=WARP, arguments=lambda rng: (uniform(rng, 96), zeros(96)))
@cuda.jit
def grid_barriers_by_block(x: Array, y: Array) -> None:
    """Each block passes another number of barriers of the grid."""
    grid = cuda.cg.this_grid()
    i = cuda.grid(1)
    for _ in range(1 + cuda.blockIdx.x):
        y[i] += x[i]
        grid.sync()  # fault


@faulty(KIND, grid=1, block=1, arguments=lambda _: (zeros(1, np.int32), zeros(1, np.int32)))
@cuda.jit
def lock_taken_twice(lock: Array, out: Array) -> None:
    """A thread waits for a lock that it holds itself."""
    while cuda.atomic.cas(lock, 0, 0, 1) != 0:
        pass
    cuda.threadfence()
    while cuda.atomic.cas(lock, 0, 0, 1) != 0:  # fault
        pass  # fault
    cuda.threadfence()
    out[0] += 1
    cuda.threadfence()
    cuda.atomic.exch(lock, 0, 0)


@faulty(KIND, grid=1, block=2 * WARP, arguments=lambda _: (zeros(2, np.int32), zeros(2, np.int32)))
@cuda.jit
def locks_in_opposite_order(locks: Array, out: Array) -> None:
    """Two threads hold a lock each and wait for the other's; the barrier makes sure of it."""
    warp = cuda.threadIdx.x // WARP
    first = cuda.threadIdx.x % WARP == 0
    if first:
        while cuda.atomic.cas(locks, warp, 0, 1) != 0:
            pass
    cuda.syncthreads()
    if first:
        while cuda.atomic.cas(locks, 1 - warp, 0, 1) != 0:  # fault
            pass  # fault
        cuda.threadfence()
        out[warp] = 1
        cuda.threadfence()
        cuda.atomic.exch(locks, 1 - warp, 0)
        cuda.atomic.exch(locks, warp, 0)


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (integers(rng, 100, 64), zeros(1, np.int32)))
@cuda.jit
def waiting_for_one_too_many(x: Array, out: Array) -> None:
    """The first thread waits until all have arrived, but does not arrive itself."""
    arrived = cuda.shared.array(1, np.int32)
    s = cuda.shared.array(THREADS, np.int32)
    t = cuda.threadIdx.x
    if t == 0:
        arrived[0] = 0
    cuda.syncthreads()
    s[t] = x[t]
    cuda.threadfence_block()
    if t > 0:
        cuda.atomic.add(arrived, 0, 1)
    else:
        while cuda.atomic.add(arrived, 0, 0) < THREADS:  # fault
            pass  # fault
        cuda.threadfence_block()
        out[0] = s[THREADS - 1]


@faulty(KIND, grid=4, block=1, arguments=lambda rng: (integers(rng, 100, 4), zeros(1, np.int32), zeros(1, np.int32)))
@cuda.jit
def lock_not_given_back(x: Array, lock: Array, out: Array) -> None:
    """The lock is given back only under a condition that never holds: who comes next waits."""
    while cuda.atomic.cas(lock, 0, 0, 1) != 0:  # fault
        pass  # fault
    cuda.threadfence()
    out[0] += x[cuda.blockIdx.x]
    if out[0] < 0:
        cuda.threadfence()
        cuda.atomic.exch(lock, 0, 0)


@faulty(KIND, grid=4, block=1, arguments=lambda _: (zeros(2, np.int32), zeros(4, np.int32)))
@cuda.jit
def ticket_never_served(lock: Array, order: Array) -> None:
    """One thread leaves without serving the next ticket: all later ones wait."""
    ticket = cuda.atomic.add(lock, 0, 1)
    while cuda.atomic.add(lock, 1, 0) != ticket:  # fault
        pass  # fault
    order[ticket] = 1
    if ticket != 1:
        cuda.atomic.add(lock, 1, 1)


@faulty(KIND, grid=1, block=2 * WARP, arguments=lambda _: (zeros(2, np.int32),))
@cuda.jit
def warps_that_wait_for_each_other(out: Array) -> None:
    """Each warp waits for the flag of the other before it raises its own."""
    flags = cuda.shared.array(2, np.int32)
    t = cuda.threadIdx.x
    warp = t // WARP
    if t < 2:
        flags[t] = 0
    cuda.syncthreads()
    if t % WARP == 0:
        while cuda.atomic.add(flags, 1 - warp, 0) == 0:  # fault
            pass  # fault
        cuda.atomic.exch(flags, warp, 1)
        out[warp] = 1


@faulty(KIND, grid=3, block=1, arguments=lambda rng: (integers(rng, 9, 3), zeros(4, np.int32), zeros(4, np.int32)))
@cuda.jit
def chain_without_an_end(x: Array, flags: Array, sums: Array) -> None:
    """Each block waits for its successor, and the last for one that does not exist."""
    b = cuda.blockIdx.x
    while cuda.atomic.add(flags, b + 1, 0) == 0:  # fault
        pass  # fault
    cuda.threadfence()
    sums[b] = sums[b + 1] + x[b]
    cuda.threadfence()
    cuda.atomic.exch(flags, b, 1)


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(1, np.int32), zeros(64)))
@cuda.jit
def lock_around_a_barrier(x: Array, lock: Array, y: Array) -> None:
    """The thread that holds the lock waits at a barrier for those that wait for the lock."""
    t = cuda.threadIdx.x
    while cuda.atomic.cas(lock, 0, 0, 1) != 0:  # fault
        pass  # fault
    cuda.threadfence()
    y[t] = x[t]
    cuda.syncthreads()  # fault
    cuda.threadfence()
    cuda.atomic.exch(lock, 0, 0)
