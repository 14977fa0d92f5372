"""Right kernels that look as if they were not."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda, float32, int32

from tests.cuda_zoo.entry import Array, integers, right, uniform, zeros

THREADS = 64
WARP = 32
FULL_BLOCK = 1024
FULL_SHARED = 12288  # float32: 48 KiB


@right(
    grid=4,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 192), zeros(192, np.int32)),
    expected=lambda x, _: {1: x.reshape(3, -1)[:, ::-1].ravel()},
    exact=True,
)
@cuda.jit
def block_that_returns_as_a_whole(x: Array, y: Array) -> None:
    """A block beyond the end returns before the barrier, all of its threads."""
    s = cuda.shared.array(THREADS, np.int32)
    t = cuda.threadIdx.x
    if cuda.blockIdx.x * cuda.blockDim.x >= x.size:
        return
    s[t] = x[cuda.grid(1)]
    cuda.syncthreads()
    y[cuda.grid(1)] = s[THREADS - 1 - t]


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 128), zeros(128, np.int32)),
    expected=lambda x, _: {1: np.concatenate([x[:64][::-1], np.roll(x[64:], -1)])},
    exact=True,
)
@cuda.jit
def barriers_by_block(x: Array, y: Array) -> None:
    """Blocks branch apart, each with barriers of its own."""
    s = cuda.shared.array(THREADS, np.int32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    if cuda.blockIdx.x % 2 == 0:
        s[t] = x[i]
        cuda.syncthreads()
        y[i] = s[THREADS - 1 - t]
    else:
        s[t] = x[i]
        cuda.syncthreads()
        y[i] = s[(t + 1) % THREADS]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 64), zeros(3, np.int32)),
    expected=lambda x, _: {
        1: np.array([np.flatnonzero(x < 50).sum(), x[x < 50].sum(), np.count_nonzero(x < 50)]),
    },
    exact=True,
)
@cuda.jit
def list_in_any_order(x: Array, out: Array) -> None:
    """Places that an atomic counter hands out are written by one thread each."""
    places = cuda.shared.array(THREADS, np.int32)
    count = cuda.shared.array(1, np.int32)
    t = cuda.threadIdx.x
    if t == 0:
        count[0] = 0
    cuda.syncthreads()
    if x[t] < 50:
        place = cuda.atomic.add(count, 0, 1)
        places[place] = t
    cuda.syncthreads()
    if t < count[0]:
        cuda.atomic.add(out, 0, places[t])
        cuda.atomic.add(out, 1, x[places[t]])
    if t == 0:
        out[2] = count[0]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 64), integers(rng, 100, 64), zeros(64), zeros(64, np.int32)),
    expected=lambda x, n, *_: {2: x[::-1], 3: np.roll(n, 1)},
    exact=True,
    dynamic_shared=THREADS * 4,
)
@cuda.jit
def one_memory_for_two_types(x: Array, n: Array, y: Array, m: Array) -> None:
    """The same bytes hold floats first and, a barrier later, integers."""
    values = cuda.shared.array(0, float32)
    counts = cuda.shared.array(0, int32)
    t = cuda.threadIdx.x
    values[t] = x[t]
    cuda.syncthreads()
    y[t] = values[THREADS - 1 - t]
    cuda.syncthreads()
    counts[(t + 1) % THREADS] = n[t]
    cuda.syncthreads()
    m[t] = counts[t]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 200, 256, np.uint8), zeros(256, np.uint8)),
    expected=lambda x, _: {1: x + 1},
    exact=True,
)
@cuda.jit
def neighbouring_bytes(x: Array, y: Array) -> None:
    """Threads write bytes of the same word: bytes are locations of their own."""
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[i] = x[i] + 1


@right(
    grid=1,
    block=(8, 8),
    arguments=lambda rng: (np.asfortranarray(uniform(rng, (8, 8))), zeros((8, 8))),
    expected=lambda x, _: {1: 2 * x},
    exact=True,
)
@cuda.jit
def column_major(x: Array, y: Array) -> None:
    """An array in the order of columns is indexed all the same."""
    row, column = cuda.grid(2)
    y[row, column] = 2 * x[row, column]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 64), zeros(64)),
    expected=lambda x, _: {1: np.concatenate([x[:32], np.roll(x[32:], -1)])},
    exact=True,
)
@cuda.jit
def warp_that_has_left(x: Array, y: Array) -> None:
    """One warp returns; the other needs no barrier of the block, only one of its own."""
    s = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    if t < WARP:
        y[t] = x[t]
        return
    s[t] = x[t]
    cuda.syncwarp()
    y[t] = s[WARP + (t + 1) % WARP]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 64), zeros(64, np.int32)),
    expected=lambda x, _: {1: 3 * x + 4},
    exact=True,
)
@cuda.jit
def cell_of_the_own(x: Array, y: Array) -> None:
    """Each thread writes and reads its own cell only, which needs no barrier."""
    s = cuda.shared.array(THREADS, np.int32)
    t = cuda.threadIdx.x
    s[t] = x[t]
    s[t] += s[t]
    s[t] += x[t] + 4
    y[t] = s[t]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 64), zeros(64, np.int32), zeros(64, np.int32)),
    expected=lambda x, *_: {1: 2 * x, 2: 2 * x[::-1]},
    exact=True,
)
@cuda.jit
def global_memory_within_a_block(x: Array, y: Array, z: Array) -> None:
    """A barrier of the block orders global memory too, for the threads of the block."""
    t = cuda.threadIdx.x
    y[t] = 2 * x[t]
    cuda.syncthreads()
    z[t] = y[THREADS - 1 - t]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 64), zeros(64)),
    expected=lambda x, _: {1: x - x[0]},
    exact=True,
)
@cuda.jit
def barrier_that_counts_orders_memory(x: Array, y: Array) -> None:
    """A barrier that reduces is a barrier."""
    first = cuda.shared.array(1, np.float32)
    t = cuda.threadIdx.x
    if t == 0:
        first[0] = x[0]
    if cuda.syncthreads_or(1 if t == 0 else 0):
        y[t] = x[t] - first[0]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 65), zeros(64)),
    expected=lambda x, _: {1: np.concatenate([[x[0]], x[1:64] - x[:63]])},
    exact=True,
)
@cuda.jit
def guard_before_the_index(x: Array, y: Array) -> None:
    """An access that the left side of `and`, or of a conditional expression, has guarded."""
    i = cuda.grid(1)
    before = x[i - 1] if i > 0 else float32(0)
    if i == 0 or x[i - 1] == before:
        y[i] = x[i] - before


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, (64, 3)), zeros((64, 3))),
    expected=lambda x, _: {1: x[:, ::-1]},
    exact=True,
)
@cuda.jit
def rows_as_views(x: Array, y: Array) -> None:
    """Each thread works on a row as an array of its own."""
    t = cuda.threadIdx.x
    source = x[t]
    target = y[t, :]
    for k in range(3):
        target[k] = source[2 - k]


@right(
    grid=1,
    block=FULL_BLOCK,
    arguments=lambda rng: (integers(rng, 100, FULL_BLOCK), zeros(FULL_BLOCK, np.int32)),
    expected=lambda x, _: {1: np.roll(x, -1)},
    exact=True,
)
@cuda.jit
def all_that_a_block_may_have(x: Array, y: Array) -> None:
    """Have 1024 threads and 48 KiB of static shared memory, no more."""
    s = cuda.shared.array(FULL_SHARED, np.float32)
    t = cuda.threadIdx.x
    s[t + FULL_SHARED - FULL_BLOCK] = x[t]
    cuda.syncthreads()
    y[t] = s[(t + 1) % FULL_BLOCK + FULL_SHARED - FULL_BLOCK]
