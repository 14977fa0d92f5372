"""Right kernels whose threads work alone."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, integers, right, uniform, zeros

TAPS = 5
WEIGHTS = np.array([0.0625, 0.25, 0.375, 0.25, 0.0625], np.float32)
BODY = np.dtype([("x", np.float32), ("y", np.float32), ("mass", np.float32)])


@right(
    grid=4,
    block=64,
    arguments=lambda rng: (uniform(rng, 250), uniform(rng, 250), zeros(250)),
    expected=lambda x, y, _: {2: x + y},
    exact=True,
)
@cuda.jit
def vector_add(x: Array, y: Array, z: Array) -> None:
    """Add, with a guard for the tail."""
    i = cuda.grid(1)
    if i < z.size:
        z[i] = x[i] + y[i]


@right(
    grid=2,
    block=32,
    arguments=lambda rng: (2.5, uniform(rng, 301), uniform(rng, 301)),
    expected=lambda a, x, y: {2: a * x + y},
)
@cuda.jit
def saxpy_grid_stride(a: float, x: Array, y: Array) -> None:
    """Stride over an array that is longer than the grid."""
    for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
        y[i] = a * x[i] + y[i]


@right(
    grid=3,
    block=32,
    arguments=lambda rng: (uniform(rng, 75), zeros(75)),
    expected=lambda x, _: {1: x[::-1]},
    exact=True,
)
@cuda.jit
def reversed_in_global(x: Array, y: Array) -> None:
    """Leave early where there is nothing to do and no barrier follows."""
    i = cuda.grid(1)
    if i >= x.size:
        return
    y[x.size - 1 - i] = x[i]


@right(
    grid=(2, 2, 2),
    block=(4, 4, 4),
    arguments=lambda rng: (uniform(rng, (5, 6, 7)), zeros((5, 6, 7))),
    expected=lambda x, _: {1: x + 2 * np.indices(x.shape).sum(axis=0)},
)
@cuda.jit
def volume_ramp(x: Array, y: Array) -> None:
    """Index three dimensions by a grid of three dimensions."""
    i, j, k = cuda.grid(3)
    if i < x.shape[0] and j < x.shape[1] and k < x.shape[2]:
        y[i, j, k] = x[i, j, k] + 2.0 * (i + j + k)


@right(
    grid=(2, 3),
    block=(8, 8),
    arguments=lambda rng: (uniform(rng, (13, 20)), zeros((20, 13))),
    expected=lambda x, _: {1: x.T},
    exact=True,
)
@cuda.jit
def naive_transpose(x: Array, y: Array) -> None:
    """Swap the indices in global memory."""
    row, column = cuda.grid(2)
    if row < x.shape[0] and column < x.shape[1]:
        y[column, row] = x[row, column]


@right(
    grid=1,
    block=64,
    arguments=lambda rng: (uniform(rng, 64), zeros(64)),
    expected=lambda x, _: {1: np.exp(-x.astype(float)) * np.sqrt(1 + x) + np.sin(x) ** 2 - np.tanh(x) / (1 + x)},
)
@cuda.jit
def mathematics(x: Array, y: Array) -> None:
    """Call functions of single precision."""
    i = cuda.grid(1)
    v = x[i]
    y[i] = math.exp(-v) * math.sqrt(1 + v) + math.sin(v) ** 2 - math.tanh(v) / (1 + v)


@cuda.jit(device=True)
def _clamped(value: Any, low: Any, high: Any) -> Any:
    return min(max(value, low), high)


@cuda.jit(device=True)
def _squashed(value: Any, low: Any, high: Any) -> Any:
    clamped = _clamped(value, low, high)
    return (clamped - low) / (high - low)


@right(
    grid=2,
    block=64,
    arguments=lambda rng: (uniform(rng, 100), 0.25, 0.75, zeros(100)),
    expected=lambda x, low, high, _: {3: (np.clip(x, low, high) - low) / (high - low)},
)
@cuda.jit
def clamp_by_device_functions(x: Array, low: float, high: float, y: Array) -> None:
    """Call a device function that calls another one."""
    i = cuda.grid(1)
    if i < x.size:
        y[i] = _squashed(x[i], low, high)


@right(
    grid=1,
    block=32,
    arguments=lambda rng: (uniform(rng, 128), zeros(128)),
    expected=lambda x, _: {1: (x.reshape(-1, 4)[:, ::-1] * np.arange(1, 5, dtype=np.float32)).ravel()},
    exact=True,
)
@cuda.jit
def vectors_of_four(x: Array, y: Array) -> None:
    """Use a vector type and its fields."""
    i = 4 * cuda.grid(1)
    v = cuda.float32x4(x[i], x[i + 1], x[i + 2], x[i + 3])
    y[i] = v.w
    y[i + 1] = np.float32(2) * v.z
    y[i + 2] = np.float32(3) * v.y
    y[i + 3] = np.float32(4) * v.x


@right(
    grid=1,
    block=48,
    arguments=lambda rng: (
        uniform(rng, 48) + 1j * uniform(rng, 48),
        uniform(rng, 48) - 1j * uniform(rng, 48),
        zeros(48, np.complex64),
    ),
    expected=lambda x, y, _: {2: x * y + 1},
)
@cuda.jit
def complex_products(x: Array, y: Array, z: Array) -> None:
    """Multiply complex numbers."""
    i = cuda.grid(1)
    if i < z.size:
        z[i] = x[i] * y[i] + 1


def _bodies(rng: np.random.Generator) -> Array:
    bodies = np.zeros(40, BODY)
    for field in ("x", "y", "mass"):
        bodies[field] = uniform(rng, 40)
    return bodies


@right(
    grid=1,
    block=64,
    arguments=lambda rng: (_bodies(rng), zeros(40)),
    expected=lambda bodies, _: {1: bodies["mass"] * (bodies["x"] ** 2 + bodies["y"] ** 2)},
)
@cuda.jit
def moments_of_records(bodies: Array, moments: Array) -> None:
    """Read the fields of records."""
    i = cuda.grid(1)
    if i < bodies.size:
        body = bodies[i]
        moments[i] = body["mass"] * (body["x"] * body["x"] + body["y"] * body["y"])


def _median_of_five(x: Array) -> Array:
    windows = np.lib.stride_tricks.sliding_window_view(x, TAPS)
    return np.concatenate([x[:2], np.median(windows, axis=1), x[-2:]]).astype(x.dtype)


@right(
    grid=2,
    block=32,
    arguments=lambda rng: (uniform(rng, 60), zeros(60)),
    expected=lambda x, _: {1: _median_of_five(x)},
    exact=True,
)
@cuda.jit
def median_in_local_memory(x: Array, y: Array) -> None:
    """Sort five neighbours in an array of the thread's own."""
    window = cuda.local.array(TAPS, np.float32)
    i = cuda.grid(1)
    if i < 2 or i >= x.size - 2:
        if i < x.size:
            y[i] = x[i]
        return
    for k in range(TAPS):
        value = x[i + k - 2]
        place = k
        while place > 0 and window[place - 1] > value:
            window[place] = window[place - 1]
            place -= 1
        window[place] = value
    y[i] = window[2]


@right(
    grid=2,
    block=32,
    arguments=lambda rng: (uniform(rng, 54), zeros(50)),
    expected=lambda x, _: {1: np.convolve(x, WEIGHTS, "valid")},
)
@cuda.jit
def filter_of_constants(x: Array, y: Array) -> None:
    """Read weights from constant memory."""
    weights = cuda.const.array_like(WEIGHTS)
    i = cuda.grid(1)
    if i < y.size:
        total = np.float32(0)
        for k in range(TAPS):
            total += weights[k] * x[i + k]
        y[i] = total


@right(
    grid=1,
    block=64,
    arguments=lambda rng: (1 + integers(rng, 1 << 30, 64), zeros(64, np.int32), zeros(64, np.uint32)),
    expected=lambda x, *_: {
        1: np.array([100 * v.bit_count() + (32 - v.bit_length()) + 10000 * (v & -v).bit_length() for v in x.tolist()]),
        2: np.array([int(f"{v:032b}"[::-1], 2) for v in x.tolist()]),
    },
    exact=True,
)
@cuda.jit
def bits(x: Array, counts: Array, mirrored: Array) -> None:
    """Count and mirror bits."""
    i = cuda.grid(1)
    counts[i] = 100 * cuda.popc(x[i]) + cuda.clz(x[i]) + 10000 * cuda.ffs(x[i])
    mirrored[i] = cuda.brev(x[i])


@right(
    grid=1,
    block=64,
    arguments=lambda rng: (uniform(rng, 64), uniform(rng, 64), zeros(64)),
    expected=lambda x, y, _: {2: np.where(x < y, x * y + 1, np.cbrt(x))},
)
@cuda.jit
def selection(x: Array, y: Array, z: Array) -> None:
    """Use the intrinsic functions for selection, multiply-add and cube root."""
    i = cuda.grid(1)
    z[i] = cuda.selp(x[i] < y[i], cuda.fma(x[i], y[i], np.float32(1)), cuda.cbrt(x[i]))
