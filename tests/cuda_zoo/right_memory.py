"""Memory that is written before it is read, read but not used, and aligned views: twins of what is faulty elsewhere."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda, float32, uint8

from tests.cuda_zoo.entry import Array, right, uniform, zeros

THREADS = 64
HALOED = THREADS + 1
DEPTH = 4
BYTES = 512
HEADER = 8


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 64), zeros(64)),
    expected=lambda x, _: {1: np.append(x[1:] - x[:-1], 0)},
)
@cuda.jit
def neighbour_that_is_not_used(x: Array, y: Array) -> None:
    """Each thread reads its right neighbour; the last one, which has none, discards what it read."""
    tile = cuda.shared.array(HALOED, np.float32)
    t = cuda.threadIdx.x
    tile[t] = x[t]
    cuda.syncthreads()
    following = tile[t + 1]
    if t == THREADS - 1:
        following = tile[t]
    y[t] = following - tile[t]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, (64, 3)), zeros(64)),
    expected=lambda x, _: {1: x.sum(axis=1)},
)
@cuda.jit
def local_sums(x: Array, y: Array) -> None:
    """A local array is cleared before the sums are added to it; a place that is not needed is copied but not used."""
    sums = cuda.local.array(DEPTH, float32)
    t = cuda.threadIdx.x
    for k in range(x.shape[1]):
        sums[k] = 0
    for k in range(x.shape[1]):
        sums[k] += x[t, k]
    spare = sums[DEPTH - 1]
    total = sums[0]
    for k in range(1, x.shape[1]):
        total += sums[k]
    if x.shape[1] == DEPTH:
        total += spare
    y[t] = total


@cuda.jit
def add_to(x: Array, total: Array) -> None:
    """Add an array to another one."""
    i = cuda.grid(1)
    if i < x.size:
        total[i] += x[i]


@cuda.jit
def clear(x: Array) -> None:
    """Set an array to zero."""
    i = cuda.grid(1)
    if i < x.size:
        x[i] = 0


@right(arguments=lambda rng: (uniform(rng, 100), zeros(100), zeros(100)), expected=lambda x, *_: {1: x, 2: 2 * x})
def sums_in_cleared_memory(x: Array, y: Array, z: Array) -> None:
    """A kernel clears one array for sums, a copy from the host the other."""
    data, total = cuda.to_device(x), cuda.device_array(x.size, np.float32)
    clear[2, 64](total)
    add_to[2, 64](data, total)
    total.copy_to_host(y)
    other = cuda.device_array_like(total)
    other.copy_to_device(total)
    add_to[2, 64](data, other)
    other.copy_to_host(z)


@cuda.jit
def mean_of_three(x: Array, y: Array) -> None:
    """Average each element with its neighbours."""
    i = cuda.grid(1)
    if i < y.size:
        y[i] = (x[i] + x[i + 1] + x[i + 2]) / 3


@right(
    arguments=lambda rng: (uniform(rng, 62), zeros(62)),
    expected=lambda x, _: {1: np.convolve(np.pad(x, 1), np.full(3, 1 / 3), "valid")},
)
def padding_that_is_cleared(x: Array, y: Array) -> None:
    """The padded copy has the data in its middle and zeros at its ends."""
    padded, result = cuda.device_array(x.size + 2, np.float32), cuda.device_array(y.size, np.float32)
    padded[0], padded[-1] = 0, 0
    padded[1:-1].copy_to_device(x)
    mean_of_three[1, 64](padded, result)
    result.copy_to_host(y)


@right(
    grid=1,
    block=32,
    arguments=lambda rng: (uniform(rng, 32, np.float64), zeros(32, np.float64)),
    expected=lambda x, _: {1: x.reshape(-1, 2)[:, ::-1].ravel()},
    exact=True,
)
@cuda.jit
def doubles_behind_a_long_header(x: Array, y: Array) -> None:
    """The doubles begin behind a header of eight bytes."""
    raw = cuda.shared.array(BYTES, uint8)
    t = cuda.threadIdx.x
    doubles = raw[HEADER : HEADER + 256].view(np.float64)
    doubles[t] = x[t]
    cuda.syncthreads()
    y[t] = doubles[t ^ 1]
