"""Right kernels whose threads wait for each other: locks, tickets, flags."""

# mypy: allow-untyped-decorators

from __future__ import annotations

from typing import Any

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, integers, right, zeros

THREADS = 32
TWO_WARPS = 64
WARP = 32


@cuda.jit(device=True)
def _lock(locks: Any, index: Any) -> None:
    while cuda.atomic.cas(locks, index, 0, 1) != 0:
        pass
    cuda.threadfence()


@cuda.jit(device=True)
def _unlock(locks: Any, index: Any) -> None:
    cuda.threadfence()
    cuda.atomic.exch(locks, index, 0)


@right(
    grid=6,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 192), zeros(1, np.int32), zeros(2, np.int32)),
    expected=lambda x, *_: {1: zeros(1, np.int32), 2: np.array([x.sum(), 6])},
    exact=True,
)
@cuda.jit
def lock_of_blocks(x: Array, lock: Array, out: Array) -> None:
    """Let one thread of each block take the lock, and update two cells as one."""
    total = cuda.shared.array(1, np.int32)
    t = cuda.threadIdx.x
    if t == 0:
        total[0] = 0
    cuda.syncthreads()
    cuda.atomic.add(total, 0, x[cuda.grid(1)])
    cuda.syncthreads()
    if t == 0:
        _lock(lock, 0)
        out[0] += total[0]
        out[1] += 1
        _unlock(lock, 0)


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 64), zeros(1, np.int32), zeros(1, np.int32)),
    expected=lambda x, *_: {2: x.sum(keepdims=True)},
    exact=True,
)
@cuda.jit
def lock_of_all_threads(x: Array, lock: Array, out: Array) -> None:
    """Try again until done, so that the lane that holds the lock goes on in any case."""
    i = cuda.grid(1)
    done = False
    while not done:
        if cuda.atomic.cas(lock, 0, 0, 1) == 0:
            cuda.threadfence()
            out[0] += x[i]
            cuda.threadfence()
            cuda.atomic.exch(lock, 0, 0)
            done = True


@right(
    grid=5,
    block=1,
    arguments=lambda _: (zeros(2, np.int32), zeros(5, np.int32)),
    expected=lambda *_: {0: np.array([5, 5]), 1: np.arange(5)},
    exact=True,
)
@cuda.jit
def ticket_lock(lock: Array, order: Array) -> None:
    """Draw a number, wait until it is served, serve the next."""
    ticket = cuda.atomic.add(lock, 0, 1)
    while cuda.atomic.add(lock, 1, 0) != ticket:
        pass
    cuda.threadfence()
    order[ticket] = order[ticket - 1] + 1 if ticket > 0 else 0
    cuda.threadfence()
    cuda.atomic.add(lock, 1, 1)


def _transferred(accounts: Array) -> Array:
    accounts = accounts.copy()
    for b in range(6):
        accounts[b % 4] -= b + 1
        accounts[(b + 1 + b // 4) % 4] += b + 1
    return accounts


@right(
    grid=6,
    block=1,
    arguments=lambda _: (zeros(4, np.int32), np.full(4, 100, np.int64)),
    expected=lambda locks, accounts: {0: locks, 1: _transferred(accounts)},
    exact=True,
)
@cuda.jit
def transfers_under_two_locks(locks: Array, accounts: Array) -> None:
    """Take two locks in the order of their numbers."""
    b = cuda.blockIdx.x
    source = b % 4
    target = (b + 1 + b // 4) % 4
    lower = min(source, target)
    upper = max(source, target)
    _lock(locks, lower)
    _lock(locks, upper)
    accounts[source] -= b + 1
    accounts[target] += b + 1
    _unlock(locks, upper)
    _unlock(locks, lower)


@right(
    grid=1,
    block=TWO_WARPS,
    arguments=lambda rng: (integers(rng, 100, 32), zeros(32, np.int32)),
    expected=lambda x, _: {1: x[::-1] ** 2},
    exact=True,
)
@cuda.jit
def flag_between_warps(x: Array, y: Array) -> None:
    """Let one warp produce, the other wait for as many arrivals as it has lanes."""
    s = cuda.shared.array(WARP, np.int32)
    arrived = cuda.shared.array(1, np.int32)
    t = cuda.threadIdx.x
    if t == 0:
        arrived[0] = 0
    cuda.syncthreads()
    if t < WARP:
        s[t] = x[t] * x[t]
        cuda.threadfence_block()
        cuda.atomic.add(arrived, 0, 1)
    else:
        while cuda.atomic.add(arrived, 0, 0) < WARP:
            pass
        cuda.threadfence_block()
        y[t - WARP] = s[TWO_WARPS - 1 - t]


@right(
    grid=4,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 32), zeros(32, np.int32), zeros(2, np.int32), zeros((3, 32), np.int32)),
    expected=lambda x, *_: {3: np.array([3 * x + k + 1 for k in range(3)])},
    exact=True,
)
@cuda.jit
def flag_between_blocks(x: Array, produced: Array, control: Array, y: Array) -> None:
    """Let the block that comes first produce, so that nobody waits for one that has not begun."""
    ticket = cuda.shared.array(1, np.int32)
    t = cuda.threadIdx.x
    if t == 0:
        ticket[0] = cuda.atomic.add(control, 0, 1)
    cuda.syncthreads()
    if ticket[0] == 0:
        produced[t] = 3 * x[t]
        cuda.threadfence()
        cuda.syncthreads()
        if t == 0:
            cuda.threadfence()
            cuda.atomic.exch(control, 1, 1)
    else:
        if t == 0:
            while cuda.atomic.add(control, 1, 0) == 0:
                pass
            cuda.threadfence()
        cuda.syncthreads()
        y[ticket[0] - 1, t] = produced[t] + ticket[0]


@right(
    grid=4,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 128), zeros(128, np.int32), zeros(5, np.int32), zeros(4, np.int32)),
    expected=lambda x, *_: {1: x.cumsum()},
    exact=True,
)
@cuda.jit
def chained_scan(x: Array, y: Array, state: Array, carried: Array) -> None:
    """Scan over blocks: each waits for the sum of those that came before it."""
    s = cuda.shared.array(THREADS, np.int32)
    shared = cuda.shared.array(2, np.int32)
    t = cuda.threadIdx.x
    if t == 0:
        shared[0] = cuda.atomic.add(state, 4, 1)
    cuda.syncthreads()
    part = shared[0]
    s[t] = x[part * THREADS + t]
    cuda.syncthreads()
    offset = 1
    while offset < THREADS:
        before = s[t - offset] if t >= offset else 0
        cuda.syncthreads()
        s[t] += before
        cuda.syncthreads()
        offset *= 2
    if t == 0:
        shared[1] = 0
        if part > 0:
            while cuda.atomic.add(state, part - 1, 0) == 0:
                pass
            cuda.threadfence()
            shared[1] = carried[part - 1]
        carried[part] = shared[1] + s[THREADS - 1]
        cuda.threadfence()
        cuda.atomic.exch(state, part, 1)
    cuda.syncthreads()
    y[part * THREADS + t] = shared[1] + s[t]


@right(
    grid=1,
    block=TWO_WARPS,
    arguments=lambda rng: (integers(rng, 100, 10), zeros(10, np.int32)),
    expected=lambda x, _: {1: 2 * x + 1},
    exact=True,
)
@cuda.jit
def ring_of_two_cells(x: Array, y: Array) -> None:
    """Let a thread of one warp produce and one of another consume, at most two cells behind."""
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
            ring[k % 2] = 2 * x[k]
            cuda.threadfence_block()
            cuda.atomic.add(control, 0, 1)
    elif t == WARP:
        for k in range(y.size):
            while cuda.atomic.add(control, 0, 0) <= k:
                pass
            cuda.threadfence_block()
            y[k] = ring[k % 2] + 1
            cuda.threadfence_block()
            cuda.atomic.add(control, 1, 1)


@right(
    grid=5,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 160), zeros(5, np.int32), zeros(1, np.int32), zeros(1, np.int32)),
    expected=lambda x, *_: {2: zeros(1, np.int32), 3: x.sum(keepdims=True)},
    exact=True,
)
@cuda.jit
def counter_that_the_last_block_resets(x: Array, sums: Array, arrived: Array, out: Array) -> None:
    """The last block to arrive adds what all have published, and writes the counter plainly: nobody comes after it."""
    t = cuda.threadIdx.x
    cuda.atomic.add(sums, cuda.blockIdx.x, x[cuda.grid(1)])
    cuda.syncthreads()
    if t == 0:
        cuda.threadfence()
        if cuda.atomic.add(arrived, 0, 1) == cuda.gridDim.x - 1:
            cuda.threadfence()
            total = 0
            for block in range(cuda.gridDim.x):
                total += sums[block]
            out[0] = total
            arrived[0] = 0
