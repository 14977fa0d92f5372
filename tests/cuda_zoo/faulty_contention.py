"""What goes wrong only where another thread comes between two atomic operations of a thread."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, faulty, zeros

WARP = 32
KIND = "race"


@faulty(KIND, grid=6, block=1, arguments=lambda _: (zeros(1, np.int32), zeros(1), zeros(6)))
@cuda.jit
def double_checked_initialisation(state: Array, table: Array, y: Array) -> None:
    """The first block makes the table; others that see it begun do not wait until it is done."""
    if cuda.atomic.cas(state, 0, 0, 1) == 0:
        table[0] = 7.0  # fault
        cuda.threadfence()
        cuda.atomic.exch(state, 0, 2)
    y[cuda.blockIdx.x] = table[0]  # fault


@faulty(KIND, grid=1, block=WARP, arguments=lambda _: (zeros(1, np.int32), zeros(1, np.int32)))
@cuda.jit
def lock_that_is_given_up(lock: Array, count: Array) -> None:
    """After three attempts the thread goes on without the lock."""
    attempts = 0
    while cuda.atomic.cas(lock, 0, 0, 1) != 0 and attempts < 3:
        attempts += 1
    cuda.threadfence()
    count[0] += 1  # fault
    cuda.threadfence()
    cuda.atomic.exch(lock, 0, 0)


@faulty(KIND, grid=1, block=WARP, arguments=lambda _: (zeros(1, np.int32), zeros(1, np.int32)))
@cuda.jit
def flag_of_another_turn(turn: Array, count: Array) -> None:
    """The turn is taken where nobody seems to have it, by looking first and writing then."""
    while True:
        if cuda.atomic.add(turn, 0, 0) == 0:
            cuda.atomic.exch(turn, 0, 1)
            break
    cuda.threadfence()
    count[0] += 1  # fault
    cuda.threadfence()
    cuda.atomic.exch(turn, 0, 0)
