"""Right kernels of networks: a block per row, or a thread per output."""

# mypy: allow-untyped-decorators

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda

from tests.cuda_zoo.entry import Array, right, uniform, zeros

THREADS = 32
CLASSES = 45
POOL = 2


@cuda.jit(device=True)
def _sum(s: Any, value: Any) -> Any:
    """Add the values of all threads; the buffer may be used again at once."""
    t = cuda.threadIdx.x
    s[t] = value
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride:
            s[t] += s[t + stride]
        cuda.syncthreads()
        stride //= 2
    total = s[0]
    cuda.syncthreads()
    return total


@cuda.jit(device=True)
def _largest(s: Any, value: Any) -> Any:
    t = cuda.threadIdx.x
    s[t] = value
    cuda.syncthreads()
    stride = THREADS // 2
    while stride > 0:
        if t < stride:
            s[t] = max(s[t], s[t + stride])
        cuda.syncthreads()
        stride //= 2
    largest = s[0]
    cuda.syncthreads()
    return largest


def _softmax(x: Array) -> Array:
    exponentials: Array = np.exp(x - x.max(axis=1, keepdims=True))
    exponentials /= exponentials.sum(axis=1, keepdims=True)
    return exponentials


@right(
    grid=3,
    block=THREADS,
    arguments=lambda rng: (8 * uniform(rng, (3, CLASSES)), zeros((3, CLASSES))),
    expected=lambda x, _: {1: _softmax(x.astype(float))},
)
@cuda.jit
def softmax_of_rows(x: Array, y: Array) -> None:
    """Find the largest, add the exponentials, divide: a block for each row."""
    s = cuda.shared.array(THREADS, np.float64)
    row = cuda.blockIdx.x
    t = cuda.threadIdx.x
    largest = -math.inf
    for column in range(t, CLASSES, THREADS):
        largest = max(largest, x[row, column])
    largest = _largest(s, largest)
    total = 0.0
    for column in range(t, CLASSES, THREADS):
        y[row, column] = math.exp(np.float64(x[row, column]) - largest)
        total += math.exp(np.float64(x[row, column]) - largest)
    total = _sum(s, total)
    for column in range(t, CLASSES, THREADS):
        y[row, column] /= total


def _normalised(x: Array, gain: Array, bias: Array) -> Array:
    centred = x - x.mean(axis=1, keepdims=True)
    normalised: Array = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * gain + bias
    return normalised


@right(
    grid=4,
    block=THREADS,
    arguments=lambda rng: (
        uniform(rng, (4, CLASSES), np.float64),
        uniform(rng, CLASSES, np.float64),
        3 + uniform(rng, CLASSES, np.float64),
        zeros((4, CLASSES), np.float64),
    ),
    expected=lambda x, gain, bias, _: {3: _normalised(x, gain, bias)},
)
@cuda.jit
def layer_norm(x: Array, gain: Array, bias: Array, y: Array) -> None:
    """Reduce twice by a device function with barriers in it."""
    s = cuda.shared.array(THREADS, np.float64)
    row = cuda.blockIdx.x
    t = cuda.threadIdx.x
    part = 0.0
    for column in range(t, CLASSES, THREADS):
        part += x[row, column]
    mean = _sum(s, part) / CLASSES
    part = 0.0
    for column in range(t, CLASSES, THREADS):
        part += (x[row, column] - mean) ** 2
    scale = 1.0 / math.sqrt(_sum(s, part) / CLASSES + 1e-5)
    for column in range(t, CLASSES, THREADS):
        y[row, column] = (x[row, column] - mean) * scale * gain[column] + bias[column]


@right(
    grid=2,
    block=THREADS,
    arguments=lambda rng: (uniform(rng, (5, CLASSES)), zeros(5)),
    expected=lambda x, _: {1: np.log(np.exp(x.astype(float)).sum(axis=1))},
)
@cuda.jit
def log_sums_of_rows(x: Array, out: Array) -> None:
    """Stride over rows with barriers in the loop, all threads of a block as often."""
    s = cuda.shared.array(THREADS, np.float64)
    t = cuda.threadIdx.x
    for row in range(cuda.blockIdx.x, x.shape[0], cuda.gridDim.x):
        part = 0.0
        for column in range(t, x.shape[1], THREADS):
            part += math.exp(np.float64(x[row, column]))
        total = _sum(s, part)
        if t == 0:
            out[row] = math.log(total)


@right(
    grid=(1, 1, 3),
    block=(8, 8),
    arguments=lambda rng: (uniform(rng, (3, 12, 14)), zeros((3, 6, 7))),
    expected=lambda x, _: {1: x.reshape(3, 6, 2, 7, 2).max(axis=(2, 4))},
    exact=True,
)
@cuda.jit
def max_pooling(x: Array, y: Array) -> None:
    """Take the largest of each two by two."""
    channel = cuda.blockIdx.z
    row = cuda.threadIdx.y
    column = cuda.threadIdx.x
    if row < y.shape[1] and column < y.shape[2]:
        largest = x[channel, POOL * row, POOL * column]
        for i in range(POOL):
            for j in range(POOL):
                largest = max(largest, x[channel, POOL * row + i, POOL * column + j])
        y[channel, row, column] = largest


@right(
    grid=2,
    block=(THREADS, 2),
    arguments=lambda rng: (uniform(rng, (4, CLASSES)), uniform(rng, CLASSES), zeros(4)),
    expected=lambda a, x, _: {2: a @ x},
)
@cuda.jit
def rows_by_vector(a: Array, x: Array, y: Array) -> None:
    """Keep the vector in shared memory and let a row of threads multiply a row of the matrix."""
    vector = cuda.shared.array(CLASSES, np.float32)
    parts = cuda.shared.array((2, THREADS), np.float32)
    t = cuda.threadIdx.x
    r = cuda.threadIdx.y
    for column in range(t + r * THREADS, CLASSES, 2 * THREADS):
        vector[column] = x[column]
    cuda.syncthreads()
    row = 2 * cuda.blockIdx.x + r
    part = np.float32(0)
    for column in range(t, CLASSES, THREADS):
        part += a[row, column] * vector[column]
    parts[r, t] = part
    cuda.syncthreads()
    if t == 0:
        total = 0.0
        for k in range(THREADS):
            total += parts[r, k]
        y[row] = total
