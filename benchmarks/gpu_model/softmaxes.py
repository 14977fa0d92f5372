"""Softmax of rows with its maximum and its sum in one pass: by one thread, by a block, by a block's warps."""

import math

from numba import cuda, float32, uint32, uint64

LEAST = float32(-3.4028235e38)


@cuda.jit
def thread_a_row(x, y):
    """A thread goes through a row."""
    i = uint64(cuda.grid(1))
    if i >= x.shape[0]:
        return
    most, total = x[i, 0], float32(1)
    j = uint64(1)
    while j < x.shape[1]:
        larger = max(most, x[i, j])
        total = total * math.exp(most - larger) + math.exp(x[i, j] - larger)
        most = larger
        j += uint64(1)
    j = uint64(0)
    while j < x.shape[1]:
        y[i, j] = math.exp(x[i, j] - most) / total
        j += uint64(1)


@cuda.jit
def block_a_row(x, y):
    """A block goes through a row; its threads' sums meet in shared memory."""
    found = cuda.shared.array(0, float32)
    i, thread, size = uint64(cuda.blockIdx.x), uint32(cuda.threadIdx.x), uint32(cuda.blockDim.x)
    most, total = x[i, thread], float32(1)
    j = uint64(thread + size)
    while j < x.shape[1]:
        larger = max(most, x[i, j])
        total = total * math.exp(most - larger) + math.exp(x[i, j] - larger)
        most = larger
        j += uint64(size)
    found[thread], found[thread + size] = most, total
    cuda.syncthreads()
    length = size
    while length > 1:
        half = uint32((length + 1) // 2)
        other = uint32(length - thread - 1)
        if thread < half and other > thread:
            larger = max(found[thread], found[other])
            total = found[thread + size] * math.exp(found[thread] - larger)
            found[thread + size] = total + found[other + size] * math.exp(found[other] - larger)
            found[thread] = larger
        cuda.syncthreads()
        length = half
    most, total = found[0], found[size]
    j = uint64(thread)
    while j < x.shape[1]:
        y[i, j] = math.exp(x[i, j] - most) / total
        j += uint64(size)


@cuda.jit(device=True)
def _over_the_warp(most, total):
    """Return the maximum and the sum over the lanes of a warp, in its first lane."""
    offset = 16
    while offset > 0:
        other_most = cuda.shfl_down_sync(0xFFFFFFFF, most, offset)
        other_total = cuda.shfl_down_sync(0xFFFFFFFF, total, offset)
        larger = max(most, other_most)
        total = total * math.exp(most - larger) + other_total * math.exp(other_most - larger)
        most = larger
        offset //= 2
    return most, total


@cuda.jit
def warps_a_row(x, y):
    """A block goes through a row; its threads' sums meet in their warp first."""
    found = cuda.shared.array(0, float32)
    i, thread, size = uint64(cuda.blockIdx.x), uint32(cuda.threadIdx.x), uint32(cuda.blockDim.x)
    most, total = x[i, thread], float32(1)
    j = uint64(thread + size)
    while j < x.shape[1]:
        larger = max(most, x[i, j])
        total = total * math.exp(most - larger) + math.exp(x[i, j] - larger)
        most = larger
        j += uint64(size)
    most, total = _over_the_warp(most, total)
    if thread % 32 == 0:
        found[2 * (thread // 32)], found[2 * (thread // 32) + 1] = most, total
    cuda.syncthreads()
    most, total = LEAST, float32(0)
    if thread % 32 < size // 32:
        most, total = found[2 * (thread % 32)], found[2 * (thread % 32) + 1]
    most, total = _over_the_warp(most, total)
    most, total = cuda.shfl_sync(0xFFFFFFFF, most, 0), cuda.shfl_sync(0xFFFFFFFF, total, 0)
    j = uint64(thread)
    while j < x.shape[1]:
        y[i, j] = math.exp(x[i, j] - most) / total
        j += uint64(size)
