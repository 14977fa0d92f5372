"""Right kernels with tiles of one dimension, static and dynamic."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda, float32, float64, int32

from tests.cuda_zoo.entry import Array, integers, right, uniform, zeros

THREADS = 32
TWICE = 2 * THREADS
RADIUS = 3
HALOED = THREADS + 2 * RADIUS


def _window_sums(x: Array) -> Array:
    return np.convolve(np.pad(x, RADIUS), np.ones(2 * RADIUS + 1), "valid")


@right(
    grid=4,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 117), zeros(117)),
    expected=lambda x, _: {1: _window_sums(x)},
)
@cuda.jit
def stencil_with_halo(x: Array, y: Array) -> None:
    """Fill a tile and its halo of three on either side, zeros outside of the array."""
    tile = cuda.shared.array(HALOED, np.float32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    tile[t + RADIUS] = x[i] if i < x.size else 0.0
    if t < RADIUS:
        tile[t] = x[i - RADIUS] if i >= RADIUS else 0.0
        tile[t + RADIUS + THREADS] = x[i + THREADS] if i + THREADS < x.size else 0.0
    cuda.syncthreads()
    if i < y.size:
        total = np.float32(0)
        for k in range(2 * RADIUS + 1):
            total += tile[t + k]
        y[i] = total


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, THREADS), 5),
    expected=lambda x, steps: {0: _smoothed(x, steps)},
)
@cuda.jit
def smoothing_ping_pong(x: Array, steps: int) -> None:
    """Smooth back and forth between two rows, one barrier a step."""
    s = cuda.shared.array((2, THREADS), np.float32)
    t = cuda.threadIdx.x
    s[0, t] = x[t]
    cuda.syncthreads()
    for step in range(steps):
        now = step % 2
        left = s[now, max(t - 1, 0)]
        right_one = s[now, min(t + 1, THREADS - 1)]
        s[1 - now, t] = (left + s[now, t] + right_one) / 3
        cuda.syncthreads()
    x[t] = s[steps % 2, t]


def _smoothed(x: Array, steps: int) -> Array:
    for _ in range(steps):
        padded = np.pad(x, 1, mode="edge")
        x = (padded[:-2] + x + padded[2:]) / 3
    return x


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 64), zeros(64, np.int32)),
    expected=lambda x, _: {1: x.reshape(2, -1)[:, ::-1].ravel()},
    exact=True,
    dynamic_shared=THREADS * 4,
)
@cuda.jit
def reversed_in_dynamic_memory(x: Array, y: Array) -> None:
    """Reverse in shared memory whose size the launch gives."""
    s = cuda.shared.array(0, int32)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    s[t] = x[i]
    cuda.syncthreads()
    y[i] = s[cuda.blockDim.x - 1 - t]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 32, np.float64), integers(rng, 100, 32), zeros(32, np.float64)),
    expected=lambda x, n, _: {2: np.roll(x, -1) * np.roll(n, 1)},
    dynamic_shared=THREADS * (8 + 4),
)
@cuda.jit
def two_types_in_dynamic_memory(x: Array, n: Array, y: Array) -> None:
    """Carve two arrays of different types that do not overlap."""
    values = cuda.shared.array(0, float64)[:THREADS]
    counts = cuda.shared.array(0, int32)[2 * THREADS : 3 * THREADS]
    t = cuda.threadIdx.x
    values[t] = x[t]
    counts[t] = n[t]
    cuda.syncthreads()
    y[t] = values[(t + 1) % THREADS] * counts[(t + THREADS - 1) % THREADS]


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (integers(rng, 100, 32), zeros(32, np.int32)),
    expected=lambda x, _: {1: np.roll(x, 1) + np.roll(x, -1)},
    exact=True,
)
@cuda.jit
def views_of_one_array(x: Array, y: Array) -> None:
    """Use two halves of an array as arrays of their own."""
    s = cuda.shared.array(TWICE, np.int32)
    ups = s[:THREADS]
    downs = s[THREADS:]
    t = cuda.threadIdx.x
    ups[(t + 1) % THREADS] = x[t]
    downs[(t + THREADS - 1) % THREADS] = x[t]
    cuda.syncthreads()
    y[t] = ups[t] + downs[t]


@cuda.jit(device=True)
def _attraction(x: Any, y: Any, other_x: Any, other_y: Any, mass: Any) -> Any:
    dx = other_x - x
    dy = other_y - y
    squared = dx * dx + dy * dy + 0.01
    strength = mass / (squared * math.sqrt(squared))
    return dx * strength, dy * strength


def _forces(position: Array, mass: Array) -> Array:
    d = position[None].astype(float) - position[:, None]
    squared = (d**2).sum(axis=2) + 0.01
    forces: Array = np.einsum("ijk,ij->ik", d, mass / squared**1.5)
    return forces


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, (60, 2), np.float64), uniform(rng, 60, np.float64), zeros((60, 2), np.float64)),
    expected=lambda position, mass, _: {2: _forces(position, mass)},
)
@cuda.jit
def bodies_by_tiles(position: Array, mass: Array, force: Array) -> None:
    """Let each thread meet all bodies, a tile of them at a time."""
    tile = cuda.shared.array((THREADS, 3), np.float64)
    t = cuda.threadIdx.x
    i = cuda.grid(1)
    n = mass.size
    x = position[i, 0] if i < n else 0.0
    y = position[i, 1] if i < n else 0.0
    total_x = 0.0
    total_y = 0.0
    for first in range(0, n, THREADS):
        other = first + t
        if other < n:
            tile[t, 0] = position[other, 0]
            tile[t, 1] = position[other, 1]
            tile[t, 2] = mass[other]
        cuda.syncthreads()
        for k in range(min(THREADS, n - first)):
            fx, fy = _attraction(x, y, tile[k, 0], tile[k, 1], tile[k, 2])
            total_x += fx
            total_y += fy
        cuda.syncthreads()
    if i < n:
        force[i, 0] = total_x
        force[i, 1] = total_y


@cuda.jit(device=True)
def _exchanged(s: Any, value: Any) -> Any:
    """Return each thread the value of its neighbour, by way of shared memory."""
    t = cuda.threadIdx.x
    s[t] = value
    cuda.syncthreads()
    other = s[t ^ 1]
    cuda.syncthreads()
    return other


@right(
    grid=1,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, 32), zeros(32)),
    expected=lambda x, _: {1: x - 2 * x.reshape(-1, 2)[:, ::-1].ravel()},
)
@cuda.jit
def neighbours_by_device_function(x: Array, y: Array) -> None:
    """Call a device function with barriers twice."""
    s = cuda.shared.array(THREADS, float32)
    t = cuda.threadIdx.x
    other = _exchanged(s, x[t])
    y[t] = _exchanged(s, other) - 2 * other
