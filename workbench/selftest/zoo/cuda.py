"""Faulty kernels for CUDA, of several operations, to be run in the simulator."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from workbench.selftest.zoo._planting import Array, Faults, Kernel, plain

try:
    from numba import cuda
except ImportError:  # numba-cuda is an extra
    cuda = None

INSTALLED = cuda is not None
FAULTS = Faults(device="cuda")


@cache
def _compiled(kernel: Kernel) -> Any:
    return cuda.jit(kernel)


def _launch(kernel: Kernel, blocks: int, threads: int, *arguments: Any) -> None:
    if blocks > 0:
        _compiled(kernel)[blocks, threads](*arguments)


def _relu_unguarded_kernel(x: Array, y: Array) -> None:
    i = cuda.grid(1)
    y[i] = 0 if x[i] <= 0 else x[i]


@FAULTS.plant("relu", "missing guard", "threads beyond the last element read and write too", plain)
def _relu_unguarded(x: Array, y: Array) -> None:
    _launch(_relu_unguarded_kernel, -(-x.size // 32), 32, x.reshape(x.size), y.reshape(y.size))


def _relu_backward_one_grid_kernel(dy: Array, x: Array, dx: Array) -> None:
    i = cuda.grid(1)
    if i < x.size:
        dx[i] = 0 if x[i] <= 0 else dy[i]


@FAULTS.plant("relu_backward", "only the first grid", "the grid does not stride over large arrays", plain)
def _relu_backward_one_grid(dy: Array, x: Array, dx: Array) -> None:
    arrays = (array.reshape(x.size) for array in (dy, x, dx))
    _launch(_relu_backward_one_grid_kernel, min(-(-x.size // 8), 2), 8, *arrays)


def _softmax_unsynchronised_kernel(x: Array, y: Array) -> None:
    sums = cuda.shared.array(8, np.float64)
    n, lane = cuda.blockIdx.x, cuda.threadIdx.x
    largest = x[n, 0]
    for k in range(1, x.shape[1]):
        if x[n, k] > largest:
            largest = x[n, k]
    sums[lane] = 0
    for k in range(lane, x.shape[1], 8):
        sums[lane] += math.exp(x[n, k] - largest)
    total = 0.0
    for other in range(8):
        total += sums[other]
    for k in range(lane, x.shape[1], 8):
        y[n, k] = math.exp(x[n, k] - largest) / total


@FAULTS.plant("softmax", "missing syncthreads", "sums of other threads are read before they are there", plain)
def _softmax_unsynchronised(x: Array, y: Array) -> None:
    _launch(_softmax_unsynchronised_kernel, x.shape[0], 8, x, y)


def _dense_tiles_kernel(x: Array, w: Array, b: Array, y: Array) -> None:
    tile = cuda.shared.array(4, np.float64)
    n, lane = cuda.blockIdx.x, cuda.threadIdx.x
    for first in range(0, x.shape[1], 4):
        if first + lane < x.shape[1]:
            tile[lane] = x[n, first + lane]
        cuda.syncthreads()
        for m in range(lane, w.shape[0], 4):
            total = b[m] if first == 0 else y[n, m]
            for k in range(first, min(first + 4, x.shape[1])):
                total += tile[k - first] * w[m, k]
            y[n, m] = total


@FAULTS.plant("dense", "missing syncthreads", "a tile is overwritten while others still read it", plain)
def _dense_tiles(x: Array, w: Array, b: Array, y: Array) -> None:
    _launch(_dense_tiles_kernel, x.shape[0], 4, x, w, b, y)


def _softmax_backward_small_buffer_kernel(dy: Array, y: Array, dx: Array) -> None:
    products = cuda.shared.array(16, np.float64)
    n, lane = cuda.blockIdx.x, cuda.threadIdx.x
    for k in range(lane, y.shape[1], 8):
        products[k] = dy[n, k] * y[n, k]
    cuda.syncthreads()
    total = 0.0
    for k in range(y.shape[1]):
        total += products[k]
    for k in range(lane, y.shape[1], 8):
        dx[n, k] = y[n, k] * (dy[n, k] - total)


@FAULTS.plant("softmax_backward", "shared memory too small", "sixteen products, whatever the row holds", plain)
def _softmax_backward_small_buffer(dy: Array, y: Array, dx: Array) -> None:
    _launch(_softmax_backward_small_buffer_kernel, y.shape[0], 8, dy, y, dx)


def _cross_entropy_last_block_kernel(logits: Array, labels: Array, loss: Array) -> None:
    n = cuda.blockIdx.x
    largest = logits[n, 0]
    for k in range(1, logits.shape[1]):
        if logits[n, k] > largest:
            largest = logits[n, k]
    total = 0.0
    for k in range(logits.shape[1]):
        total += math.exp(logits[n, k] - largest)
    loss[()] = (math.log(total) + (largest - logits[n, labels[n]])) / logits.shape[0]


@FAULTS.plant("cross_entropy", "race: last writer wins", "every block writes its own share of the mean", plain)
def _cross_entropy_last_block(logits: Array, labels: Array, loss: Array) -> None:
    loss[()] = math.nan
    _launch(_cross_entropy_last_block_kernel, logits.shape[0], 1, logits, labels, loss)
