"""Right cooperative kernels: barriers of the whole grid."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, integers, right, uniform, zeros

THREADS = 32


def _jacobi(x: Array, steps: int) -> Array:
    x = x.copy()
    for _ in range(steps):
        x[1:-1, 1:-1] = (x[1:-1, :-2] + x[1:-1, 2:] + x[:-2, 1:-1] + x[2:, 1:-1]) / 4
    return x


@right(
    grid=(2, 2),
    block=(8, 8),
    arguments=lambda rng: (uniform(rng, (16, 15), np.float64), zeros((16, 15), np.float64), 4),
    expected=lambda x, _, steps: {0: _jacobi(x, steps)},
)
@cuda.jit
def jacobi(x: Array, y: Array, steps: int) -> None:
    """Relax from one array into the other and copy back, a barrier of the grid after each."""
    grid = cuda.cg.this_grid()
    column, row = cuda.grid(2)
    inner = 0 < row < x.shape[0] - 1 and 0 < column < x.shape[1] - 1
    for _ in range(steps):
        if inner:
            y[row, column] = (x[row, column - 1] + x[row, column + 1] + x[row - 1, column] + x[row + 1, column]) / 4
        grid.sync()
        if inner:
            x[row, column] = y[row, column]
        grid.sync()


def _heat(u: Array, steps: int, k: float) -> Array:
    u = u.copy()
    for _ in range(steps):
        u[1:-1] = u[1:-1] + k * (u[2:] - 2 * u[1:-1] + u[:-2])
    return u


@right(
    grid=3,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 90, np.float64), zeros(90, np.float64), 6, 0.25),
    expected=lambda u, _, steps, k: {0: _heat(u, steps, k)},
)
@cuda.jit
def heat_equation(first: Array, second: Array, steps: int, k: float) -> None:
    """Step back and forth between two arrays; an even number of steps ends in the first."""
    grid = cuda.cg.this_grid()
    i = cuda.grid(1)
    for step in range(steps):
        source = first if step % 2 == 0 else second
        target = second if step % 2 == 0 else first
        if i < source.size:
            if i == 0 or i == source.size - 1:
                target[i] = source[i]
            else:
                target[i] = source[i] + k * (source[i + 1] - 2 * source[i] + source[i - 1])
        grid.sync()


def _conducted(u: Array, steps: int, k: float) -> Array:
    for _ in range(steps):
        padded = np.pad(u, 1)
        u = u + k * (padded[2:] - 2 * u + padded[:-2])
    return u


@right(
    grid=3,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 75, np.float64), zeros(75, np.float64), 6, 0.25),
    expected=lambda u, _, steps, k: {0: _conducted(u, steps, k)},
)
@cuda.jit
def heat_equation_with_early_return(first: Array, second: Array, steps: int, k: float) -> None:
    """As Numba's documentation has it: threads without a point return, every block's first one stays."""
    i = cuda.grid(1)
    if i >= first.size:
        return
    grid = cuda.cg.this_grid()
    for step in range(steps):
        source = first if step % 2 == 0 else second
        target = second if step % 2 == 0 else first
        here = source[i]
        if i == 0:
            target[i] = here + k * (source[i + 1] - 2 * here)
        elif i == source.size - 1:
            target[i] = here + k * (source[i - 1] - 2 * here)
        else:
            target[i] = here + k * (source[i - 1] - 2 * here + source[i + 1])
        grid.sync()


def _sessions(users: Array, times: Array, timeout: int) -> Array:
    begins = np.ones(users.size, bool)
    begins[1:] = (users[1:] != users[:-1]) | (times[1:] - times[:-1] > timeout)
    return np.maximum.accumulate(np.where(begins, np.arange(users.size), 0))


@right(
    grid=3,
    block=THREADS,
    arguments=lambda rng: (
        np.sort(integers(rng, 6, 80)),
        np.cumsum(integers(rng, 5, 80)),
        3,
        zeros(80, np.int64),
    ),
    expected=lambda users, times, timeout, _: {3: _sessions(users, times, timeout)},
    exact=True,
)
@cuda.jit
def sessions(users: Array, times: Array, timeout: int, found: Array) -> None:
    """Number each event by the first of its session: mark where sessions begin, wait for the grid, look from there on."""
    i = cuda.grid(1)
    if i >= users.size:
        return
    begins = i == 0 or users[i] != users[i - 1] or times[i] - times[i - 1] > timeout
    found[i] = i if begins else -1
    cuda.cg.this_grid().sync()
    following = i + 1
    if begins:
        while following < users.size and found[following] == -1:
            found[following] = i
            following += 1


def _rows(m: Array) -> Array:
    m = m.copy()
    for row in range(1, m.shape[0]):
        m[row] = m[row - 1, ::-1] + 1
    return m


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, (5, 64)),),
    expected=lambda m: {0: _rows(m)},
    exact=True,
)
@cuda.jit
def row_after_row(m: Array) -> None:
    """Compute each row of the one before, of which another block has written what is needed."""
    column = cuda.grid(1)
    grid = cuda.cg.this_grid()
    for row in range(1, m.shape[0]):
        m[row, column] = m[row - 1, m.shape[1] - 1 - column] + 1
        grid.sync()


@right(
    grid=3,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 96, np.float64), zeros(3, np.float64)),
    expected=lambda x, _: {0: x / x.sum()},
)
@cuda.jit
def normalisation_of_all(x: Array, sums: Array) -> None:
    """Add within blocks, wait for the grid, add the sums of all blocks and divide."""
    s = cuda.shared.array(THREADS, np.float64)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    s[t] = x[i]
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride:
            s[t] += s[t + stride]
        cuda.syncthreads()
        stride //= 2
    if t == 0:
        sums[cuda.blockIdx.x] = s[0]
    cuda.cg.this_grid().sync()
    total = 0.0
    for block in range(cuda.gridDim.x):
        total += sums[block]
    x[i] /= total


@right(
    grid=2,
    block=16,
    arguments=lambda rng: (integers(rng, 1000, 64),),
    expected=lambda x: {0: np.sort(x)},
    exact=True,
)
@cuda.jit
def odd_even_sort_of_a_grid(x: Array) -> None:
    """Exchange neighbours across blocks, even and odd pairs in turn."""
    grid = cuda.cg.this_grid()
    t = cuda.grid(1)
    for phase in range(x.size):
        k = 2 * t + phase % 2
        if k + 1 < x.size and x[k] > x[k + 1]:
            x[k], x[k + 1] = x[k + 1], x[k]
        grid.sync()
