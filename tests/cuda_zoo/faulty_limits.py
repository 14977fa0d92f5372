"""Launches that a compute capability does not allow."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda, float32

from tests.cuda_zoo.entry import Array, faulty, uniform, zeros

THREADS = 64
KIB = 1024
TOO_MANY = 12289  # float32: four bytes more than 48 KiB
TILE = 80
HALF = 7000
STATIC = 8192  # float32: 32 KiB
KIND = "limit"


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)), capability=(9, 0))
@cuda.jit
def static_memory_too_large(x: Array, y: Array) -> None:  # fault
    """One element more than 48 KiB: the assembler refuses it on every device."""
    s = cuda.shared.array(TOO_MANY, np.float32)  # fault
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    y[t] = s[THREADS - 1 - t]


@faulty(KIND, grid=1, block=(8, 8), arguments=lambda rng: (uniform(rng, (8, 8)), zeros((8, 8))), capability=(8, 0))
@cuda.jit
def tile_of_doubles(x: Array, y: Array) -> None:  # fault
    """A tile that would fit with floats does not with doubles: 50 KiB."""
    tile = cuda.shared.array((TILE, TILE), np.float64)  # fault
    tx = cuda.threadIdx.x
    ty = cuda.threadIdx.y
    tile[ty, tx] = x[ty, tx]
    cuda.syncthreads()
    y[ty, tx] = tile[tx, ty]


@faulty(KIND, grid=1, block=THREADS, arguments=lambda rng: (uniform(rng, 64), zeros(64)), capability=(9, 0))
@cuda.jit
def two_arrays_too_large(x: Array, y: Array) -> None:  # fault
    """Each of the arrays would fit, both together do not: 55 KiB."""
    left = cuda.shared.array(HALF, np.float32)  # fault
    right_one = cuda.shared.array(HALF, np.float32)  # fault
    t = cuda.threadIdx.x
    left[t] = x[t]
    right_one[t] = -x[t]
    cuda.syncthreads()
    y[t] = left[THREADS - 1 - t] + right_one[t ^ 1]


@faulty(KIND, grid=1, block=1056, arguments=lambda rng: (uniform(rng, 1056), zeros(1056)), capability=(9, 0))
@cuda.jit
def too_many_threads(x: Array, y: Array) -> None:  # fault
    """A block has 1024 threads at most: the launch fails."""
    i = cuda.grid(1)
    if i < x.size:
        y[i] = 2 * x[i]


@faulty(
    KIND, grid=1, block=(33, 32), arguments=lambda rng: (uniform(rng, (32, 33)), zeros((32, 33))), capability=(8, 0)
)
@cuda.jit
def too_many_threads_in_two_dimensions(x: Array, y: Array) -> None:  # fault
    """One column more than 32 by 32: the launch fails."""
    column, row = cuda.grid(2)
    y[row, column] = 2 * x[row, column]


@faulty(
    KIND,
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 64), zeros(64)),
    dynamic_shared=65 * KIB,
    capability=(7, 5),
)
@cuda.jit
def dynamic_memory_for_turing(x: Array, y: Array) -> None:  # fault
    """65 KiB, where Turing has 64: the launch fails."""
    s = cuda.shared.array(0, float32)  # fault
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    y[t] = s[THREADS - 1 - t]


@faulty(
    KIND,
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 64), zeros(64)),
    dynamic_shared=164 * KIB,
    capability=(8, 0),
)
@cuda.jit
def dynamic_memory_for_ampere(x: Array, y: Array) -> None:  # fault
    """164 KiB, of which one is the system's: the launch fails."""
    s = cuda.shared.array(0, float32)  # fault
    t = cuda.threadIdx.x
    s[t + 40 * KIB] = x[t]
    cuda.syncthreads()
    y[t] = s[40 * KIB + THREADS - 1 - t]


@faulty(
    KIND,
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 64), zeros(64)),
    dynamic_shared=227 * KIB + 4,
    capability=(9, 0),
)
@cuda.jit
def dynamic_memory_for_hopper(x: Array, y: Array) -> None:  # fault
    """Four bytes more than the 227 KiB that a block may have: the launch fails."""
    s = cuda.shared.array(0, float32)  # fault
    t = cuda.threadIdx.x
    s[t] = x[t]
    cuda.syncthreads()
    y[t] = s[THREADS - 1 - t]


@faulty(
    KIND,
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 64), zeros(64)),
    dynamic_shared=40 * KIB,
    capability=(7, 5),
)
@cuda.jit
def static_and_dynamic_together(x: Array, y: Array) -> None:  # fault
    """32 KiB static and 40 KiB dynamic are more than the 64 of Turing: the launch fails."""
    fixed = cuda.shared.array(STATIC, np.float32)  # fault
    s = cuda.shared.array(0, float32)  # fault
    t = cuda.threadIdx.x
    fixed[t] = x[t]
    s[t] = -x[t]
    cuda.syncthreads()
    y[t] = fixed[THREADS - 1 - t] + s[t ^ 1]
