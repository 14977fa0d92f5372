"""Accesses outside of arrays: global, shared, local, constant, and of views."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda, float32

from tests.cuda_zoo.entry import Array, faulty, integers, uniform, zeros

THREADS = 32
TILE = 8
BINS = 8
RADIUS = 3
SHORT_HALO = THREADS + RADIUS
TAPS = 5
FEW = 48
WEIGHTS = np.array([0.0625, 0.25, 0.375, 0.25, 0.0625], np.float32)


@faulty("out-of-bounds", grid=2, block=64, arguments=lambda rng: (uniform(rng, 100), uniform(rng, 100), zeros(100)))
@cuda.jit
def vector_add_without_guard(x: Array, y: Array, z: Array) -> None:
    """No guard for the tail: the last threads read and write beyond the arrays."""
    i = cuda.grid(1)
    z[i] = x[i] + y[i]  # fault


@faulty("out-of-bounds", grid=2, block=64, arguments=lambda rng: (uniform(rng, 100), zeros(100)))
@cuda.jit
def guard_that_lets_one_pass(x: Array, y: Array) -> None:
    """The guard includes the size itself: one thread reads and writes one element beyond."""
    i = cuda.grid(1)
    if i <= x.size:
        y[i] = 2 * x[i]  # fault


@faulty("out-of-bounds", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 32), zeros(32)))
@cuda.jit
def stencil_beyond_the_end(x: Array, y: Array) -> None:
    """The last element is taken as an inner one: its right neighbour lies beyond the array."""
    i = cuda.grid(1)
    if i > 0:
        y[i] = (x[i - 1] + x[i] + x[i + 1]) / 3  # fault


@faulty("out-of-bounds", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 32), zeros(32)))
@cuda.jit
def difference_to_the_left(x: Array, y: Array) -> None:
    """The first thread reads at -1: Numba wraps it to the last element, CUDA C reads before the array."""
    i = cuda.grid(1)
    y[i] = x[i] - x[i - 1]  # fault


@faulty("out-of-bounds", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 32), zeros(32)))
@cuda.jit
def neighbour_beyond_the_tile(x: Array, y: Array) -> None:
    """The last thread reads the cell behind the shared tile: what lies there is open."""
    tile = cuda.shared.array(THREADS, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncthreads()
    y[t] = tile[t + 1] - x[t]  # fault


@faulty("out-of-bounds", grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 70), zeros(64)))
@cuda.jit
def tile_without_right_halo(x: Array, y: Array) -> None:
    """The tile has room for one halo but is used with two: writes go into what lies behind it."""
    tile = cuda.shared.array(SHORT_HALO, np.float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    tile[t] = x[i]
    if t < 2 * RADIUS:
        tile[t + THREADS] = x[i + THREADS]  # fault
    cuda.syncthreads()
    total = np.float32(0)
    for k in range(2 * RADIUS + 1):
        total += tile[t + k]  # fault
    y[i] = total


@faulty("out-of-bounds", grid=1, block=(16, 8), arguments=lambda rng: (uniform(rng, (8, 16)), zeros((8, 16))))
@cuda.jit
def column_for_row(x: Array, y: Array) -> None:
    """Row and column are swapped: on a matrix that is not square rows beyond the last are read."""
    column, row = cuda.grid(2)
    y[row, column] = x[column, row]  # fault


@faulty("out-of-bounds", grid=1, block=(TILE, TILE), arguments=lambda rng: (uniform(rng, (8, 8)), zeros((8, 8))))
@cuda.jit
def beyond_the_row(x: Array, y: Array) -> None:
    """The neighbour of the last column is the first of the next row, and beyond the array at the end."""
    column, row = cuda.grid(2)
    y[row, column] = x[row, column + 1]  # fault


@faulty("out-of-bounds", grid=1, block=(8, 8, 8), arguments=lambda rng: (uniform(rng, (8, 6, 4)), zeros((8, 6, 4))))
@cuda.jit
def guard_of_the_wrong_axis(x: Array, y: Array) -> None:
    """All indices are compared with the size of the first axis."""
    i, j, k = cuda.grid(3)
    if i < x.shape[0] and j < x.shape[0] and k < x.shape[0]:
        y[i, j, k] = x[i, j, k]  # fault


@faulty("out-of-bounds", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 40), zeros(32)))
@cuda.jit
def beyond_local_memory(x: Array, y: Array) -> None:
    """The loop fills one element more than the local array has: another variable may be overwritten."""
    window = cuda.local.array(TAPS, np.float32)
    t = cuda.threadIdx.x
    for k in range(TAPS + 1):
        window[k] = x[t + k]  # fault
    y[t] = window[0] + window[TAPS - 1]


@faulty("out-of-bounds", grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 40), zeros(32)))
@cuda.jit
def beyond_constant_memory(x: Array, y: Array) -> None:
    """The loop reads one weight more than there are."""
    weights = cuda.const.array_like(WEIGHTS)
    t = cuda.threadIdx.x
    total = np.float32(0)
    for k in range(TAPS + 1):
        total += weights[k] * x[t + k]  # fault
    y[t] = total


@faulty(
    "out-of-bounds",
    grid=1,
    block=64,
    arguments=lambda rng: (np.append(integers(rng, BINS, 63), BINS).astype(np.int32), zeros(BINS, np.int32)),
)
@cuda.jit
def key_without_bin(keys: Array, counts: Array) -> None:
    """The largest key has no bin: the counter behind the array is incremented."""
    cuda.atomic.add(counts, keys[cuda.grid(1)], 1)  # fault


@faulty(
    "out-of-bounds",
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 20), np.append(integers(rng, 20, 31), 20), zeros(32)),
)
@cuda.jit
def gather_beyond(x: Array, places: Array, y: Array) -> None:
    """A place that the data give lies beyond the array."""
    t = cuda.threadIdx.x
    y[t] = x[places[t]]  # fault


@faulty("out-of-bounds", grid=2, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def reversed_off_by_one(x: Array, y: Array) -> None:
    """The mirror image of the first element lies beyond the array."""
    i = cuda.grid(1)
    y[x.size - i] = x[i]  # fault


@faulty("out-of-bounds", grid=1, block=64, arguments=lambda rng: (uniform(rng, 64), zeros(64, np.int32)))
@cuda.jit
def looked_at_before_the_guard(x: Array, rises: Array) -> None:
    """The guard stands behind the access that it is for."""
    i = cuda.grid(1)
    if x[i + 1] > x[i] and i + 1 < x.size:  # fault
        rises[i] = 1


@faulty(
    "out-of-bounds",
    grid=1,
    block=64,
    arguments=lambda rng: (uniform(rng, 64), zeros(64)),
    dynamic_shared=32 * 4,
)
@cuda.jit
def too_little_dynamic_memory(x: Array, y: Array) -> None:
    """The launch gives memory for half of the threads: the others write beyond it, which a GPU reports as an error."""
    s = cuda.shared.array(0, float32)
    t = cuda.threadIdx.x
    s[t] = x[t]  # fault
    cuda.syncthreads()
    y[t] = s[63 - t]  # fault


@faulty("out-of-bounds", grid=1, block=64, arguments=lambda rng: (uniform(rng, 64), zeros(1)))
@cuda.jit
def tree_that_starts_too_wide(x: Array, out: Array) -> None:
    """The first stride is the number of threads, not half of it: all read behind the buffer."""
    s = cuda.shared.array(64, np.float32)
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    stride = 64
    while stride > 0:
        if t < stride:
            value = s[t + stride]  # fault
        cuda.syncthreads()
        if t < stride:
            s[t] += value
        cuda.syncthreads()
        stride //= 2
    if t == 0:
        out[0] = s[0]


@faulty("out-of-bounds", grid=1, block=FEW, arguments=lambda rng: (integers(rng, 1000, 48),))
@cuda.jit
def network_of_a_larger_size(x: Array) -> None:
    """A network for a power of two sorts 48 elements: partners beyond the buffer are read and written."""
    s = cuda.shared.array(FEW, np.int32)
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    stride = 32
    while stride > 0:
        other = t ^ stride
        if other > t and s[t] > s[other]:  # fault
            s[t], s[other] = s[other], s[t]  # fault
        cuda.syncthreads()
        stride //= 2
    x[t] = s[t]


@faulty("out-of-bounds", grid=1, block=64, arguments=lambda rng: (uniform(rng, 64), zeros(4), zeros(1, np.int32)))
@cuda.jit
def more_kept_than_there_is_room(x: Array, kept: Array, count: Array) -> None:
    """More elements are kept than the output holds: they go into what lies behind it."""
    t = cuda.threadIdx.x
    if x[t] > 0.25:
        place = cuda.atomic.add(count, 0, 1)
        kept[place] = x[t]  # fault


@faulty("out-of-bounds", grid=1, block=64, arguments=lambda rng: (uniform(rng, 64), zeros(64)))
@cuda.jit
def beyond_a_view(x: Array, y: Array) -> None:
    """A view of half of the buffer is used as if it were all of it."""
    s = cuda.shared.array(64, np.float32)
    lower = s[:32]
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    y[t] = lower[63 - t]  # fault
