"""Batch normalization on CUDA: a block sums up a channel, in shared memory; then one thread computes one element.

A thread of a block adds every value that is a multiple of the block's size away from its first; the sums of the threads are
then added in pairs.
"""

import math
from typing import Any

from numba import cuda
from numpy.typing import NDArray

from kernels.compile.jit import cuda_kernel, launch, launch_blocks
from kernels.simt.block_sum import THREADS, sum_of_block

Array = NDArray[Any]


@cuda_kernel
def _statistics(x: Array, mean: Array, var: Array) -> None:
    shared = cuda.shared.array(THREADS, x.dtype)
    samples, channels, size = x.shape
    count, nan = mean.dtype.type(samples * size), mean.dtype.type(math.nan)
    for c in range(cuda.blockIdx.x, channels, cuda.gridDim.x):
        total = mean.dtype.type(0)
        for k in range(cuda.threadIdx.x, samples * size, cuda.blockDim.x):
            total += x[k // size, c, k % size]
        total = sum_of_block(total, shared)
        center = total / count if samples > 0 else nan
        total = mean.dtype.type(0)
        for k in range(cuda.threadIdx.x, samples * size, cuda.blockDim.x):
            distance = x[k // size, c, k % size] - center
            total += distance * distance
        total = sum_of_block(total, shared)
        if cuda.threadIdx.x == 0:
            mean[c] = center
            var[c] = total / count if samples > 0 else nan


@cuda_kernel
def _normalize(x: Array, w: Array, b: Array, mean: Array, var: Array, epsilon: float, y: Array) -> None:
    _, channels, size = x.shape
    one, small = y.dtype.type(1), y.dtype.type(epsilon)
    for index in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        n, c, k = index // (channels * size), index // size % channels, index % size
        y[n, c, k] = (x[n, c, k] - mean[c]) * (w[c] * (one / math.sqrt(var[c] + small))) + b[c]


@cuda_kernel
def _backward_parameters(dy: Array, x: Array, mean: Array, var: Array, epsilon: float, dw: Array, db: Array) -> None:
    shared = cuda.shared.array(THREADS, x.dtype)
    samples, channels, size = x.shape
    one, small = dw.dtype.type(1), dw.dtype.type(epsilon)
    for c in range(cuda.blockIdx.x, channels, cuda.gridDim.x):
        inverse = one / math.sqrt(var[c] + small)
        total, along = dw.dtype.type(0), dw.dtype.type(0)
        for k in range(cuda.threadIdx.x, samples * size, cuda.blockDim.x):
            n, at = k // size, k % size
            total += dy[n, c, at]
            along += dy[n, c, at] * ((x[n, c, at] - mean[c]) * inverse)
        total = sum_of_block(total, shared)
        along = sum_of_block(along, shared)
        if cuda.threadIdx.x == 0:
            db[c] = total
            dw[c] = along


@cuda_kernel
def _backward_data(
    dy: Array, x: Array, w: Array, mean: Array, var: Array, epsilon: float, dw: Array, db: Array, dx: Array
) -> None:
    samples, channels, size = x.shape
    one, small, count = dx.dtype.type(1), dx.dtype.type(epsilon), dx.dtype.type(samples * size)
    for index in range(cuda.grid(1), x.size, cuda.gridsize(1)):
        n, c, k = index // (channels * size), index // size % channels, index % size
        inverse = one / math.sqrt(var[c] + small)
        along = (x[n, c, k] - mean[c]) * inverse * (dw[c] / count)
        dx[n, c, k] = w[c] * inverse * (dy[n, c, k] - db[c] / count - along)


def _planes(x: Array) -> Array:
    """Return a view (N, C, H*W)."""
    samples, channels, height, width = x.shape
    return x.reshape((samples, channels, height * width))


def batch_norm_inference_cuda(x: Array, w: Array, b: Array, mean: Array, var: Array, epsilon: float, y: Array) -> None:
    """Compute y with one thread per element."""
    launch(_normalize, x.size, _planes(x), w, b, mean, var, epsilon, _planes(y))


def batch_norm_cuda(x: Array, w: Array, b: Array, epsilon: float, y: Array, mean: Array, var: Array) -> None:
    """Compute mean and var with one block per channel, then y with one thread per element."""
    launch_blocks(_statistics, mean.size, THREADS, _planes(x), mean, var)
    batch_norm_inference_cuda(x, w, b, mean, var, epsilon, y)


def batch_norm_backward_cuda(
    dy: Array, x: Array, w: Array, mean: Array, var: Array, epsilon: float, dx: Array, dw: Array, db: Array
) -> None:
    """Compute dw and db with one block per channel, then dx with one thread per element."""
    source, gradient = _planes(x), _planes(dy)
    launch_blocks(_backward_parameters, dw.size, THREADS, gradient, source, mean, var, epsilon, dw, db)
    launch(_backward_data, x.size, gradient, source, w, mean, var, epsilon, dw, db, _planes(dx))
